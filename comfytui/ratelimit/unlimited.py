"""Rate limiter of a server in this process, to which the limit of the hosted API does not apply."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.ratelimit.window import MAX_COOLDOWN_S, Usage

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.ratelimit.window import Permit, Priority


class UnlimitedRateLimiter:
    """Rate limiter that counts no requests; it still waits after a 429.

    Args:
        clock: Clock of the cooldown.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._blocked_until = 0.0

    @property
    def usage(self) -> Usage:
        """Usage without a count."""
        until = self._blocked_until
        return Usage(blocked_until=until if until > self._clock.monotonic() else None, is_limited=False)

    def delay(self, _use: Priority) -> float:
        """Return the seconds that are left of a cooldown."""
        return max(0.0, self._blocked_until - self._clock.monotonic())

    async def acquire(self, priority: Priority) -> Permit:
        """Return a permit at once, or after a cooldown."""
        while (delay := self.delay(priority)) > 0:
            await self._clock.sleep(delay)
        return _FreePermit()

    def block_for(self, seconds: float) -> None:
        """Block all requests for these seconds, at most MAX_COOLDOWN_S; the longer of two cooldowns counts."""
        until = self._clock.monotonic() + min(seconds, MAX_COOLDOWN_S)
        self._blocked_until = max(self._blocked_until, until)


class _FreePermit:
    """Permit that is never recorded."""

    async def confirm(self) -> None:
        """Return at once."""

    def mark_sent(self) -> None:
        """Do nothing: requests are not counted."""

    def release(self) -> None:
        """Do nothing: requests are not counted."""
