"""A little app in every kind of trouble, run as a program of its own: `python -m tests.support.ending_app [early]`."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, ClassVar

from textual.widgets import Static

from comfytui.cli.diagnostics import say
from comfytui.tui.crashes import install_excepthook
from comfytui.tui.endings import EndingApp

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

SECRET = "cfc_" + "sekret"
HELLO = "all is well"
BUSY = b"<busy>"

_TROUBLES = {
    "q": "quit",
    "h": "crash_in_handler",
    "w": "crash_in_worker",
    "t": "crash_in_timer",
    "g": "crash_in_group",
    "u": "crash_unseen",
    "s": "start_stuck_thread",
    "l": "block_for_ever",
    "f": "flood",
}


class TroubledApp(EndingApp):
    """Each key is another trouble, and a secret is at hand in all of them."""

    BINDINGS: ClassVar[list[BindingType]] = [(key, action, action) for key, action in _TROUBLES.items()]

    def __init__(self, *, early: bool) -> None:
        super().__init__()
        self._early = early
        self._tasks: list[asyncio.Task[object]] = []

    def compose(self) -> ComposeResult:
        yield Static(HELLO)

    def on_load(self) -> None:
        if self._early:
            os.kill(os.getpid(), signal.SIGTERM)
            while self._lifeline is not None and self._lifeline.status is None:
                threading.Event().wait(0.001)

    def action_crash_in_handler(self) -> None:
        _fail()

    def action_crash_in_worker(self) -> None:
        self.run_worker(_fail_later())

    def action_crash_in_timer(self) -> None:
        self.set_timer(0.01, _fail)

    async def action_crash_in_group(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(_fail_later())

    def action_crash_unseen(self) -> None:
        task = asyncio.create_task(_fail_later())
        task.add_done_callback(lambda _: self.query_one(Static).update("something failed"))
        del task

    def action_start_stuck_thread(self) -> None:
        self._tasks.append(asyncio.create_task(asyncio.to_thread(threading.Event().wait)))

    def action_block_for_ever(self) -> None:
        os.write(2, BUSY)
        threading.Event().wait()

    def action_flood(self) -> None:
        os.write(2, BUSY)
        for _ in range(100):
            assert self._driver is not None
            self._driver.write("~" * 10_000)


def _fail() -> None:
    secret = SECRET
    raise RuntimeError(secret) from KeyError({"Authorization": secret})


async def _fail_later() -> None:
    await asyncio.sleep(0)
    _fail()


def main() -> int:
    """Run it as `comfytui` runs the dashboard."""
    install_excepthook(say)
    return TroubledApp(early="early" in sys.argv).run_to_end(say)


if __name__ == "__main__":
    sys.exit(main())
