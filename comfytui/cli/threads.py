"""Threads that hold nobody up at the end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, ParamSpec, TypeVar

__all__ = ["LooseThreads"]

_P = ParamSpec("_P")
_T = TypeVar("_T")


class LooseThreads(ThreadPoolExecutor):
    """Runs each call in a thread of its own, for which neither an event loop nor the process waits when it ends.

    A name server that does not answer holds a thread of asyncio's for as long as it likes.
    """

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run this call now."""
        future: Future[_T] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                with _Failing(future):
                    future.set_result(fn(*args, **kwargs))

        threading.Thread(target=run, daemon=True).start()
        return future

    def shutdown(self, *_wait: object, **_ways: object) -> None:
        """Take no more calls, and wait for none, whatever is asked for."""
        super().shutdown(wait=False)


class _Failing(Generic[_T]):
    """Hands over to a future what is raised."""

    def __init__(self, future: Future[_T]) -> None:
        self._future = future

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> bool:
        if error is not None:
            self._future.set_exception(error)
        return True
