"""News of a ComfyUI server on the screen long before the next poll, in-process and over `comfytui serve`."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from comfytui.config.credentials import TOKEN_VARIABLE
from tests.support.comfyui import ScriptedComfyUI, job
from tests.support.installed import PROGRAM, TOKEN, client_environ, dashboard
from tests.support.terminal import Terminal

INTERVAL = "60"
"""Seconds between polls: what is on the screen before PATIENCE ends did not wait for one."""


class Box:
    """A scripted server on a thread of its own: terminals are read by waiting for them."""

    def __init__(self) -> None:
        self.server = ScriptedComfyUI()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Box:
        self._thread.start()
        self._do(self.server.start())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self.server.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def put(self, name: str, state: str) -> None:
        """Let a job be in this state, and tell everybody who listens."""
        self.server.put(job(name, state, number=1, created=int(time.time() * 1000), prefix=name))
        self._do(self.server.changed())

    def is_heard(self) -> bool:
        return self.server.sockets > 0

    def _do(self, act: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(act, self._loop).result(15)


@contextlib.contextmanager
def in_process(box: Box) -> Iterator[Terminal]:
    with dashboard("--comfyui", box.server.url, "--interval", INTERVAL) as terminal:
        yield terminal


@contextlib.contextmanager
def over_serve(box: Box) -> Iterator[Terminal]:
    command = [PROGRAM, "serve", "--comfyui", box.server.url, "--port", "0"]
    with Terminal(command, {TOKEN_VARIABLE: TOKEN}) as server:
        server.wait_for("Serving on http://")
        url = next(word for word in server.screen.split() if word.startswith("http://"))
        with dashboard("--interval", INTERVAL, environ=client_environ(url)) as terminal:
            yield terminal
        server.press("ctrl+c")
        assert server.wait_exit() == 0


@pytest.mark.parametrize("opened", [in_process, over_serve])
def test_news_of_a_server_does_not_wait_for_a_poll(
    opened: Callable[[Box], contextlib.AbstractContextManager[Terminal]],
) -> None:
    with Box() as box, opened(box) as terminal:
        terminal.wait_for("● live", "Reachable  ✔", "No workflows on this runner yet")
        terminal.wait_until(box.is_heard, "that changes are heard of")
        terminal.press("L")
        terminal.wait_for("/v1/events")
        terminal.press("escape")
        terminal.wait_for("No workflows on this runner yet")
        for state, word in (("in_progress", "running"), ("completed", "completed")):
            box.put("news", state)
            terminal.wait_for("news", word)
        terminal.press("q")
        assert terminal.wait_exit() == 0
