"""Token of a session and its renewal after a refusal: a newer token, or one more attempt."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from comfytui.api.body import clean_message, redact_token
from comfytui.api.errors import UnauthorizedError

if TYPE_CHECKING:
    from pydantic import SecretStr

    from comfytui.clock import Clock


RENEW_EVERY = 10.0
"""Seconds between two renewals from the token's source."""

FindToken: TypeAlias = Callable[[], Awaitable["SecretStr | None"]]
"""Function that reads the source of a token; returns None if there is none."""

_MAX_REMEMBERED = 8
_MAX_PATHS = 512

_T = TypeVar("_T")


class Renewal:
    """Renewal of a token from its source, at most every `RENEW_EVERY` seconds.

    Attributes:
        newest: The newest token that came of it; None as long as none did.

    Args:
        find: Reads the source.
        clock: Measures the time between.
    """

    def __init__(self, find: FindToken, clock: Clock) -> None:
        self.newest: SecretStr | None = None
        self._find = find
        self._clock = clock
        self._lock = asyncio.Lock()
        self._asked_monotonic = -math.inf
        self._refused: list[SecretStr] = []

    @property
    def is_due(self) -> bool:
        """True if the source may be read at once."""
        return self._wait <= 0 and not self._lock.locked()

    def replace(self, token: SecretStr) -> None:
        """Reset: the user gave this token and the API accepted it."""
        self.newest = None
        self._refused = [refused for refused in self._refused if refused != token]

    async def newer_than(self, token: SecretStr | None) -> SecretStr | None:
        """Return another token than this refused one, or None if its source has none that was not refused.

        Waits until the source may be read again.
        """
        async with self._lock:
            if token is not None and token not in self._refused:
                self._refused = [*self._refused, token][-_MAX_REMEMBERED:]
            await self._clock.sleep(max(0.0, self._wait))
            self._asked_monotonic = self._clock.monotonic()
            found = await self._find()
            if found is None or found in self._refused:
                return None
            self.newest = found
            return found

    @property
    def _wait(self) -> float:
        return self._asked_monotonic + RENEW_EVERY - self._clock.monotonic()


class Credentials:
    """Token of a session, replaced by a newer one of its source when refused.

    Attributes:
        token: The token to send.
        known: All tokens that were sent recently and have to be masked.

    Args:
        token: The token at first.
        clock: Dates refusals.
        renewal: The way to a newer token; None if its source never changes.
    """

    def __init__(self, token: SecretStr, clock: Clock, renewal: Renewal | None = None) -> None:
        self.token = token
        self.known: tuple[SecretStr, ...] = (token,)
        self._clock = clock
        self._renewal = renewal
        self._lock = asyncio.Lock()
        self._was_accepted = False
        self._confirmed_at = self._rejected_at = -math.inf
        # Of this token, though others were answered: the reason is another than the token.
        self._refused_paths: set[str] = set()

    def mask(self, text: str) -> str:
        """Return the text with every token that was sent lately masked."""
        for token in self.known:
            text = redact_token(text, token)
        return text

    def as_message(self, text: str) -> str:
        """Return a server's words as `comfytui.api.body.as_message` does, without any of the tokens."""
        return clean_message(self.mask(text), self.token)

    def accept(self, token: SecretStr, path: str) -> None:
        """Note that a request for this path was answered in the name of this token."""
        if token == self.token:
            self._was_accepted = True
            self._refused_paths -= {path, _kind(path)}

    async def after_refusal(
        self, refusal: UnauthorizedError, token: SecretStr, send: Callable[[], Awaitable[_T | UnauthorizedError]]
    ) -> _T | UnauthorizedError:
        """Return the answer to another try of a refused request, or the refusal if no other try makes sense.

        The source is read for a newer token. Without one a token that was accepted before is tried once more, for a
        single refusal between good answers may be an error of the API. Of several refused requests one decides for all.

        Args:
            refusal: The answer so far.
            token: The token that was refused.
            send: Sends the request again with the token of that moment.
        """
        refused_at = self._clock.monotonic()
        async with self._lock:
            if token == self.token:
                if self._rejected_at >= refused_at or self._refused_paths & {refusal.path, _kind(refusal.path)}:
                    return refusal
                if self._confirmed_at < refused_at:
                    return await self._decide(refusal, send)
        return await send()

    async def _decide(
        self, refusal: UnauthorizedError, send: Callable[[], Awaitable[_T | UnauthorizedError]]
    ) -> _T | UnauthorizedError:
        """Retry, and keep the outcome for other requests that were refused meanwhile."""
        outcome: _T | UnauthorizedError = refusal
        was_asked = self._renewal is not None and self._renewal.is_due
        if await self._is_renewed(ask=was_asked) or self._was_accepted:
            outcome = await send()
        if isinstance(outcome, UnauthorizedError) and await self._is_renewed(ask=not was_asked):
            outcome = await send()
        if isinstance(outcome, UnauthorizedError):
            self._rejected_at = self._clock.monotonic()
            if len(self._refused_paths) >= _MAX_PATHS:
                self._refused_paths.clear()
            self._refused_paths |= {refusal.path, _kind(refusal.path)}
        else:
            self._confirmed_at = self._clock.monotonic()
        return outcome

    async def _is_renewed(self, *, ask: bool) -> bool:
        """Renew the token if `ask` is set. Return True if a newer one is in use from now on."""
        newer = await self._renewal.newer_than(self.token) if self._renewal is not None and ask else None
        if newer is None:
            return False
        self.token, self.known = newer, (*self.known, newer)[-_MAX_REMEMBERED:]
        self._was_accepted = False
        self._refused_paths.clear()
        return True


def _kind(path: str) -> str:
    """Return the last part of a path, which is the same for the histories, or the stats, of all runners."""
    return path.rpartition("/")[2]
