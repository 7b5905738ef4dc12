"""Listener that keeps the source's event stream open; without one, polling goes on as ever."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from typing import TYPE_CHECKING

from comfytui.api.errors import (
    BadRequestError,
    ComfyControlError,
    ForbiddenError,
    InvalidResponseError,
    NotFoundError,
    ServerError,
    UnexpectedStatusError,
)
from comfytui.engine.intervals import MAX_BACKOFF_S

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.engine.announced import RevisionTracker
    from comfytui.engine.protocol import RunnerSource


SETTLE_S = 1.0
"""Seconds after the first response before a stream is opened, so that the screen is filled first."""

STEADY_S = 30.0
"""Seconds that a stream has to last for the next one to be opened without a longer wait."""

REFUSED_RETRY_S = 600.0
"""Seconds until a server is asked again that has no such stream."""

_REFUSALS = (BadRequestError, ForbiddenError, NotFoundError, UnexpectedStatusError, InvalidResponseError)
_NOT_IMPLEMENTED = 501
_MAX_DOUBLINGS = 6


class RevisionListener:
    """Listener to an event stream that reopens it when it ends.

    Args:
        clock: Clock of the waits.
        announced: Tracker that records the revisions.
        wake: Called after an event with news, and when a stream ends.
        jitter: Returns the factor of the next wait.
    """

    def __init__(
        self, clock: Clock, announced: RevisionTracker, wake: Callable[[], None], jitter: Callable[[], float]
    ) -> None:
        self._clock = clock
        self._announced = announced
        self._wake = wake
        self._jitter = jitter

    async def run(self, source: RunnerSource) -> None:
        """Listen until cancelled."""
        failures = 0
        await self._clock.sleep(SETTLE_S)
        while True:
            opened_monotonic = self._clock.monotonic()
            error = await self._listen(source)
            is_steady = self._clock.monotonic() - opened_monotonic >= STEADY_S
            failures = 0 if is_steady else min(failures + 1, _MAX_DOUBLINGS)
            seconds = REFUSED_RETRY_S if _is_refusal(error) else min(2.0**failures, MAX_BACKOFF_S)
            await self._clock.sleep(seconds * self._jitter())

    async def _listen(self, source: RunnerSource) -> ComfyControlError | None:
        try:
            async with aclosing(source.watch_revisions()) as events:
                async for revisions in events:
                    if self._announced.record_revisions(revisions, self._clock.monotonic()):
                        self._wake()
        except ComfyControlError as error:
            return error
        finally:
            self._announced.disconnect()
            self._wake()
        return None


def _is_refusal(error: ComfyControlError | None) -> bool:
    """Return True if the server does not offer a stream at all."""
    if isinstance(error, ServerError):
        return error.status == _NOT_IMPLEMENTED
    return isinstance(error, _REFUSALS)
