from __future__ import annotations

import asyncio
import threading

import pytest

from comfytui.threads import LooseThreads


async def test_calls_are_answered_and_failures_too() -> None:
    threads = LooseThreads()
    loop = asyncio.get_running_loop()
    assert await loop.run_in_executor(threads, sum, (1, 2)) == 3
    with pytest.raises(OSError, match="no such host"):
        await loop.run_in_executor(threads, fail)


def test_a_loop_does_not_wait_at_its_end_for_what_hangs() -> None:
    released = threading.Event()

    async def leave() -> threading.Thread:
        loop = asyncio.get_running_loop()
        loop.set_default_executor(LooseThreads())
        started: asyncio.Future[threading.Thread] = loop.create_future()

        def hang() -> None:
            loop.call_soon_threadsafe(started.set_result, threading.current_thread())
            released.wait()

        hanging = loop.run_in_executor(None, hang)
        thread = await started
        hanging.cancel()
        return thread

    thread = asyncio.run(leave())
    assert thread.is_alive()
    assert thread.daemon
    released.set()
    thread.join()


def fail() -> None:
    raise OSError("no such host")
