"""Deadlines of commands, which pause while the rate limiter makes a request wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, NamedTuple

from comfytui.ratelimit.window import Priority

if TYPE_CHECKING:
    from datetime import datetime

    from comfytui.cli.progress import Progress
    from comfytui.clock import Clock
    from comfytui.ratelimit.window import Permit, RateLimiter, Usage


_PROGRESS_DELAY_S = 1.0


class _Deadline(NamedTuple):
    timeout: asyncio.Timeout
    seconds: float


_deadlines: ContextVar[tuple[_Deadline, ...]] = ContextVar("deadlines", default=())


class CooldownError(Exception):
    """The rate limit is exhausted, and the command must not wait.

    Attributes:
        seconds: Rest of the cooldown, as far as known.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Rate limited: retry in {math.ceil(seconds)} s (--no-wait).")
        self.seconds = seconds


@asynccontextmanager
async def pausable_timeout(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Raise TimeoutError if a block takes longer, not counting waits at an `InteractiveRateLimiter`.

    Nested timeouts count on their own; `extend_deadlines` restarts all of them.
    """
    async with asyncio.timeout(seconds) as deadline:
        outer = _deadlines.set((*_deadlines.get(), _Deadline(deadline, seconds)))
        try:
            yield deadline
        finally:
            _deadlines.reset(outer)


def extend_deadlines() -> None:
    """Restart all deadlines of the caller after a response."""
    now = asyncio.get_running_loop().time()
    for deadline, seconds in _deadlines.get():
        deadline.reschedule(now + seconds)


@asynccontextmanager
async def progress_after(progress: Progress, clock: Clock, message: str) -> AsyncIterator[None]:
    """Show a message once a block takes longer than a second, not counting waits for the rate limiter."""

    async def narrate() -> None:
        await clock.sleep(_PROGRESS_DELAY_S)
        while any(deadline.when() is None for deadline, _ in _deadlines.get()):
            await clock.sleep(_PROGRESS_DELAY_S)
        progress.update(message)

    narrator = asyncio.create_task(narrate())
    try:
        yield
    finally:
        narrator.cancel()


class InteractiveRateLimiter:
    """Rate limiter that reports its waits and can refuse to wait.

    Args:
        make: Builds the rate limiter, given the clock that it waits by.
        clock: Clock of the waits.
        progress: Progress display.
        no_wait: Raise CooldownError during a cooldown instead of waiting.
    """

    def __init__(
        self, make: Callable[[Clock], RateLimiter], clock: Clock, progress: Progress, *, no_wait: bool = False
    ) -> None:
        self._rate_limiter = make(_NotifyingClock(clock, self._before_waiting))
        self._clock = clock
        self._progress = progress
        self._no_wait = no_wait

    @property
    def usage(self) -> Usage:
        """Last known use of the limit; no I/O."""
        return self._rate_limiter.usage

    def delay(self, priority: Priority) -> float:
        """Return the seconds until a request may be sent, as far as known; no I/O."""
        return self._rate_limiter.delay(priority)

    async def acquire(self, priority: Priority) -> Permit:
        """Return once one request may be sent, which is recorded as sent by then.

        Raises:
            CooldownError: The request would have to wait for a cooldown, and must not.
        """
        with _suspended_deadlines():
            return _SuspendingPermit(await self._rate_limiter.acquire(priority))

    def block_for(self, seconds: float) -> None:
        """Block all processes for these seconds; the longer of two cooldowns counts."""
        self._rate_limiter.block_for(seconds)

    def _before_waiting(self, seconds: float) -> None:
        cooling = self._rate_limiter.usage.cooldown_left(self._clock.monotonic())
        if cooling <= 0:
            if not _deadlines.get():
                # No deadline waits for this request: it is one of many in the background.
                return
            wait = max(seconds, self._rate_limiter.delay(Priority.POLL))
            self._progress.update(f"waiting {math.ceil(wait)} s for the request budget", wait)
        elif self._no_wait:
            raise CooldownError(cooling)
        else:
            self._progress.update(f"rate limited: retry in {math.ceil(cooling)} s", math.inf)


class _SuspendingPermit:
    """Permit whose renewal pauses the deadlines."""

    def __init__(self, permit: Permit) -> None:
        self._permit = permit
        self.mark_sent = permit.mark_sent
        self.release = permit.release

    async def confirm(self) -> None:
        """Wait until the request may be sent now.

        Raises:
            CooldownError: The request would have to wait for a cooldown, and must not.
        """
        with _suspended_deadlines():
            await self._permit.confirm()


class _NotifyingClock:
    """Clock that calls back before each sleep."""

    def __init__(self, clock: Clock, before: Callable[[float], None]) -> None:
        self._clock = clock
        self._before = before

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        self._before(seconds)
        await self._clock.sleep(seconds)


@contextmanager
def _suspended_deadlines() -> Iterator[None]:
    """Pause the deadlines of the caller within a block."""
    loop = asyncio.get_running_loop()
    running = [(deadline, when - loop.time()) for deadline, _ in _deadlines.get() if (when := deadline.when())]
    for deadline, _ in running:
        deadline.reschedule(None)
    try:
        yield
    finally:
        for deadline, left in running:
            deadline.reschedule(loop.time() + left)
