"""Permits: a request counts from the moment it is written to the wire, not from when it was granted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from comfytui.ratelimit.window import PERMIT_FRESH_S, SEND_TOLERANCE_S, Grant

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.ratelimit.window import Priority, Usage


class Issuer(Protocol):
    """Keeper of the records that permits stand for."""

    @property
    def usage(self) -> Usage:
        """Requests that were sent and the cooldown in force, as last known."""
        ...

    async def renew(self, number: int, priority: Priority) -> Grant:
        """Wait until a granted request may be sent after all and record it as sent then."""
        ...

    def move(self, number: int, priority: Priority, at: float) -> None:
        """Count a granted request as sent at a later moment."""
        ...

    def withdraw(self, number: int, priority: Priority) -> None:
        """Stop counting a granted request: it was not sent."""
        ...


class IssuedPermit:
    """Permit of a rate limiter; see `comfytui.ratelimit.window.Permit`.

    Between grant and wire lie the lookup of a name, a handshake, a wait for a free connection: seconds on a busy
    machine. A record that is older than its request lets too many others into the window that the server sees.

    Args:
        issuer: Keeper of the record.
        clock: Clock of the record's time.
        priority: Priority of the request.
        grant: Record of the request.
    """

    def __init__(self, issuer: Issuer, clock: Clock, priority: Priority, grant: Grant) -> None:
        self._issuer = issuer
        self._clock = clock
        self._priority = priority
        self._grant: Grant | None = grant

    async def confirm(self) -> None:
        """Wait until the request may be sent now: at once if the permit is fresh, else it is renewed."""
        now, grant = self._clock.monotonic(), self._grant
        if grant is None or (now - grant.at <= PERMIT_FRESH_S and not self._issuer.usage.cooldown_left(now)):
            return
        self._grant = await self._issuer.renew(grant.number, self._priority)

    def mark_sent(self) -> None:
        """Record that the request is on the wire since now."""
        now, grant = self._clock.monotonic(), self._grant
        if grant is not None and now - grant.at > SEND_TOLERANCE_S:
            self._grant = grant._replace(at=now)
            self._issuer.move(grant.number, self._priority, now)

    def release(self) -> None:
        """Give the permit back: nothing was sent."""
        if self._grant is not None:
            self._issuer.withdraw(self._grant.number, self._priority)
            self._grant = None
