"""How long a command waits: for answers seconds, for the allowance as long as it takes unless told not to wait."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from comfytui.api.allowance import Use

if TYPE_CHECKING:
    from datetime import datetime

    from comfytui.api.allowance import Allowance, Spending
    from comfytui.cli.diagnostics import Progress
    from comfytui.clock import Clock

__all__ = ["CoolingDownError", "Gate", "within"]

_deadline: ContextVar[asyncio.Timeout | None] = ContextVar("deadline", default=None)


class CoolingDownError(Exception):
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
async def within(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Raise TimeoutError where this block takes longer; what its requests wait at a `Gate` does not count."""
    async with asyncio.timeout(seconds) as deadline:
        outer = _deadline.set(deadline)
        try:
            yield deadline
        finally:
            _deadline.reset(outer)


class Gate:
    """An allowance that tells when it makes somebody wait, and may refuse to; `comfytui.api.allowance.Allowance`.

    Args:
        make: Makes the allowance, given the clock by which it waits.
        clock: The clock.
        progress: Is told.
        no_wait: Whether CoolingDownError is raised where the API wants to be left alone.
    """

    def __init__(
        self, make: Callable[[Clock], Allowance], clock: Clock, progress: Progress, *, no_wait: bool = False
    ) -> None:
        self._allowance = make(_Waiting(clock, self._before_waiting))
        self._clock = clock
        self._progress = progress
        self._no_wait = no_wait

    @property
    def spending(self) -> Spending:
        """What was spent, as last known; asks nobody."""
        return self._allowance.spending

    def wait_for(self, use: Use) -> float:
        """Seconds until a request for this use may be sent, as far as known; 0.0 is now; asks nobody."""
        return self._allowance.wait_for(use)

    async def take(self, use: Use) -> None:
        """Return once one request may be sent, which is recorded as sent by then.

        Raises:
            CoolingDownError: It would have to wait for the API, and is not to.
        """
        with _stopped():
            await self._allowance.take(use)

    def cool_down(self, seconds: float) -> None:
        """Let nobody who shares send anything for so long; of two, the longer one wins."""
        self._allowance.cool_down(seconds)

    def _before_waiting(self, seconds: float) -> None:
        cooling = self._allowance.spending.cooling(self._clock.monotonic())
        if cooling <= 0:
            if _deadline.get() is None:
                # Nobody waits for this one: it is one of many that come when they may.
                return
            wait = max(seconds, self._allowance.wait_for(Use.POLL))
            self._progress.tell(f"waiting {math.ceil(wait)} s for the request budget", wait)
        elif self._no_wait:
            raise CoolingDownError(cooling)
        else:
            self._progress.tell(f"the API wants to be left alone for {math.ceil(cooling)} s more", math.inf)


class _Waiting:
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
def _stopped() -> Iterator[None]:
    """The deadline of whoever asks, if there is one, does not come nearer within this block."""
    deadline, loop = _deadline.get(), asyncio.get_running_loop()
    when = None if deadline is None else deadline.when()
    if deadline is None or when is None:
        yield
        return
    left = when - loop.time()
    deadline.reschedule(None)
    try:
        yield
    finally:
        deadline.reschedule(loop.time() + left)
