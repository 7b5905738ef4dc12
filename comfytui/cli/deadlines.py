"""How long a command waits: for answers seconds, for the allowance as long as it takes unless told not to wait."""

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
    """The API wants to be left alone, and there was to be no waiting.

    Attributes:
        seconds: For how long, as far as known.
    """

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"The API wants to be left alone for {math.ceil(seconds)} s more, and there was to be no wait."
        )
        self.seconds = seconds


@asynccontextmanager
async def pausable_timeout(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Raise TimeoutError where this block takes longer; what its requests wait at a `Gate` does not count.

    One within another counts on its own; `renew` has all of them begin anew.
    """
    async with asyncio.timeout(seconds) as deadline:
        outer = _deadlines.set((*_deadlines.get(), _Deadline(deadline, seconds)))
        try:
            yield deadline
        finally:
            _deadlines.reset(outer)


def extend_deadlines() -> None:
    """Give whoever asks as much time again as it had at first: an answer came."""
    now = asyncio.get_running_loop().time()
    for deadline, seconds in _deadlines.get():
        deadline.reschedule(now + seconds)


@asynccontextmanager
async def progress_after(progress: Progress, clock: Clock, message: str) -> AsyncIterator[None]:
    """Tell what this block waits for once that takes longer than a second; at a `Gate` it waits for something else."""

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
    """An allowance that tells when it makes somebody wait, and may refuse to; `comfytui.ratelimit.window.Allowance`.

    Args:
        make: Makes the allowance, given the clock by which it waits.
        clock: The clock.
        progress: Is told.
        no_wait: Whether CoolingDownError is raised where the API wants to be left alone.
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
        """What was spent, as last known; asks nobody."""
        return self._rate_limiter.usage

    def delay(self, priority: Priority) -> float:
        """Seconds until a request for this use may be sent, as far as known; 0.0 is now; asks nobody."""
        return self._rate_limiter.delay(priority)

    async def acquire(self, priority: Priority) -> Permit:
        """Return once one request may be sent, which is recorded as sent by then.

        Raises:
            CoolingDownError: It would have to wait for the API, and is not to.
        """
        with _suspended_deadlines():
            return _SuspendingPermit(await self._rate_limiter.acquire(priority))

    def block_for(self, seconds: float) -> None:
        """Let nobody who shares send anything for so long; of two, the longer one wins."""
        self._rate_limiter.block_for(seconds)

    def _before_waiting(self, seconds: float) -> None:
        cooling = self._rate_limiter.usage.cooldown_left(self._clock.monotonic())
        if cooling <= 0:
            if not _deadlines.get():
                # Nobody waits for this one: it is one of many that come when they may.
                return
            wait = max(seconds, self._rate_limiter.delay(Priority.POLL))
            self._progress.update(f"waiting {math.ceil(wait)} s for the request budget", wait)
        elif self._no_wait:
            raise CooldownError(cooling)
        else:
            self._progress.update(f"the API wants to be left alone for {math.ceil(cooling)} s more", math.inf)


class _SuspendingPermit:
    """Permit whose renewal is no part of what a command may take."""

    def __init__(self, permit: Permit) -> None:
        self._permit = permit
        self.mark_sent = permit.mark_sent
        self.release = permit.release

    async def confirm(self) -> None:
        """Wait until the request may be sent now.

        Raises:
            CoolingDownError: It would have to wait for the API, and is not to.
        """
        with _suspended_deadlines():
            await self._permit.confirm()


class _NotifyingClock:
    """A clock that tells before somebody waits by it."""

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
    """The deadlines of whoever asks do not come nearer within this block."""
    loop = asyncio.get_running_loop()
    running = [(deadline, when - loop.time()) for deadline, _ in _deadlines.get() if (when := deadline.when())]
    for deadline, _ in running:
        deadline.reschedule(None)
    try:
        yield
    finally:
        for deadline, left in running:
            deadline.reschedule(loop.time() + left)
