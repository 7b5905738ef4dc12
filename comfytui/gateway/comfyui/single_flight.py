"""One task at a time for all who want the same thing, and waiting for one no longer than is bearable."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from comfytui.clock import Clock


_T = TypeVar("_T")


async def wait_at_most(task: asyncio.Task[Any], clock: Clock, seconds: float) -> None:
    """Return once the task is done, or so many seconds have passed; it goes on then, and is not looked at."""
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()


class SingleFlight(Generic[_T]):
    """A question that is asked once for all who want its answer meanwhile.

    Args:
        ask: Asks it. What it raises reaches whoever awaits the task, so it had better return what may go wrong.
    """

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, _T]]) -> None:
        self._ask = ask
        self._task: asyncio.Task[_T] | None = None

    @property
    def is_running(self) -> bool:
        """Whether it is being asked now."""
        return self._task is not None and not self._task.done()

    def start_or_join(self) -> asyncio.Task[_T]:
        """The task that asks now, a new one if there is none. It belongs to all: whoever waits must not cancel it."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask())
        return self._task

    async def wait_idle(self) -> None:
        """Return once it is not being asked."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def aclose(self) -> None:
        """Break off what is under way."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
