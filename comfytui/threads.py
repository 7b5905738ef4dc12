"""Daemon threads for calls that may block, such as files on slow, full or locked disks."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from queue import SimpleQueue
from types import TracebackType
from typing import ParamSpec, TypeVar

_T = TypeVar("_T")


class DaemonWorker:
    """Runs calls one after another in a thread of its own, which starts with the first of them.

    The process does not wait for it at its end: a disk that hangs must not hold a terminal.

    Args:
        name: Name of the thread.
        pause: Seconds that it waits, once it has something to do, for whoever gives it that to be done with the rest:
            two threads that run at once in one interpreter stop each other all the time.
    """

    def __init__(self, name: str, pause: float = 0.0) -> None:
        self._name = name
        self._pause = pause
        self._is_closing = threading.Event()
        self._calls: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread: threading.Thread | None = None

    def submit(self, call: Callable[[], _T]) -> Future[_T]:
        """Run this after all that was submitted before, unless the future is cancelled first.

        Errors of the call are set on the future; the thread goes on.
        """
        future: Future[_T] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                with _HandedOn(future):
                    future.set_result(call())

        self._calls.put(run)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        return future

    def close(self, patience: float = 0.5) -> None:
        """Finish submitted calls within a number of seconds; later ones never run."""
        self._is_closing.set()
        self._calls.put(None)
        if self._thread is not None:
            self._thread.join(patience)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            self._is_closing.wait(self._pause)
            call()


class _HandedOn:
    """Context that passes an exception to a future; an uncaught one would be printed over the screen."""

    def __init__(self, future: Future[_T]) -> None:
        self._fail = future.set_exception

    def __enter__(self) -> None:
        return

    def __exit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> bool:
        if error is not None:
            self._fail(error)
        return True


_P = ParamSpec("_P")


class LooseThreads(ThreadPoolExecutor):
    """Runs each call in a thread of its own, for which neither an event loop nor the process waits when it ends.

    A name server that does not answer holds a thread of asyncio's for as long as it likes.
    """

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Run this call now."""
        future: Future[_T] = Future()

        def run() -> None:
            if future.set_running_or_notify_cancel():
                with _HandedOn(future):
                    future.set_result(fn(*args, **kwargs))

        threading.Thread(target=run, daemon=True).start()
        return future

    def shutdown(self, *_wait: object, **_ways: object) -> None:
        """Take no more calls and wait for none, whatever the arguments."""
        super().shutdown(wait=False)
