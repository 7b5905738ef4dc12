"""Running call shared by all callers, and bounded waiting for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from comfytui.clock import Clock


_T = TypeVar("_T")


async def wait_at_most(task: asyncio.Task[Any], clock: Clock, seconds: float) -> None:
    """Wait until a task is done, at most a number of seconds; it goes on afterwards."""
    timer = asyncio.ensure_future(clock.sleep(seconds))
    try:
        await asyncio.wait({task, timer}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        timer.cancel()


class SingleFlight(Generic[_T]):
    """Call that runs once for all callers that want its result meanwhile.

    Args:
        ask: The call. Its errors reach all who await the task, so expected failures should be returned.
    """

    def __init__(self, ask: Callable[[], Coroutine[Any, Any, _T]]) -> None:
        self._ask = ask
        self._task: asyncio.Task[_T] | None = None

    @property
    def is_running(self) -> bool:
        """True while the call runs."""
        return self._task is not None and not self._task.done()

    def start_or_join(self) -> asyncio.Task[_T]:
        """Return the running task, a new one if there is none. Callers share it and must not cancel it."""
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask())
        return self._task

    async def wait_idle(self) -> None:
        """Wait until the call does not run."""
        if self._task is not None and not self._task.done():
            await asyncio.wait({self._task})

    async def aclose(self) -> None:
        """Cancel the running call."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
