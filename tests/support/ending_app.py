"""A little app in every kind of trouble, run as a program of its own: `python -m tests.support.ending_app [ARGUMENT]`.

With `early` a signal comes before the first frame, with `keys` it shows the keys it gets instead of acting on them,
and with `mouseless` it is told to leave the mouse alone.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import App
from textual.widgets import Static

from comfytui.cli.progress import print_error
from comfytui.crash_report import install_excepthook
from comfytui.tui.terminal.driver import TerminalControl, TerminalDriver
from comfytui.tui.terminal.shutdown import ShutdownGuard, driver_class

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual import events
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.driver import Driver

SECRET = "cfc_" + "sekret"
HELLO = "all is well"
BUSY = b"<busy>"
TITLE = "runners / grün"

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
    "i": "spoil_input",
    "n": "name_itself",
    "m": "switch_mouse",
    "z": "suspend_process",
}


class GuardedApp(App[None]):
    """An app with a shutdown guard, as the dashboard has it."""

    def __init__(self) -> None:
        super().__init__()
        self.shutdown = ShutdownGuard(self)

    @property
    def driver(self) -> Driver | None:
        return self._driver

    @property
    def is_ending(self) -> bool:
        return self.shutdown.is_ending

    def get_driver_class(self) -> type[Driver]:
        return driver_class(super().get_driver_class())

    def on_load(self) -> None:
        self.shutdown.start()

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        super().exit(result, return_code, message)
        self.shutdown.end(return_code)

    def panic(self, *renderables: RenderableType) -> None:
        if self.shutdown.record_panic(renderables, self._exception):
            self._close_messages_no_wait()
        else:
            super().panic(*renderables)

    def _fatal_error(self) -> None:
        if self.shutdown.record_crash(self._exception):
            self._close_messages_no_wait()
        else:
            super()._fatal_error()

    def action_suspend_process(self) -> None:
        if isinstance(self._driver, TerminalDriver):
            self._driver.suspend()

    @on(TerminalDriver.SuspendRefused)
    def _on_cannot_suspend(self) -> None:
        self.notify("Cannot suspend: no shell here could resume it. q quits.", severity="warning", markup=False)


class TroubledApp(GuardedApp):
    """Each key is another trouble, and a secret is at hand in all of them."""

    BINDINGS: ClassVar[list[BindingType]] = [(key, action, action) for key, action in _TROUBLES.items()]

    def __init__(self, *, early: bool = False) -> None:
        super().__init__()
        self._early = early
        self._terminal = TerminalControl(self)
        self._tasks: list[asyncio.Task[object]] = []

    def compose(self) -> ComposeResult:
        yield Static(HELLO)

    def on_load(self) -> None:
        if self._early:
            os.kill(os.getpid(), signal.SIGTERM)
            while (watchdog := self.shutdown.watchdog) is not None and watchdog.status is None:
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

    def action_spoil_input(self) -> None:
        vars(self._driver)["cursor_origin"] = ()
        os.write(2, BUSY)

    def action_name_itself(self) -> None:
        self._terminal.set_title(f"{TITLE}\x1b\x07")
        self._terminal.set_title(TITLE)

    def action_switch_mouse(self) -> None:
        self._terminal.set_mouse(on=not self._terminal.has_mouse)


class KeysApp(GuardedApp):
    """Shows the keys it gets."""

    def __init__(self) -> None:
        super().__init__()
        self._keys: list[str] = []

    def compose(self) -> ComposeResult:
        yield Static("keys:")

    def on_key(self, event: events.Key) -> None:
        self._keys.append(event.key)
        self.query_one(Static).update(f"keys: {' '.join(self._keys)}.")


def _fail() -> None:
    secret = SECRET
    raise RuntimeError(secret) from KeyError({"Authorization": secret})


async def _fail_later() -> None:
    await asyncio.sleep(0)
    _fail()


def main() -> int:
    """Run it as `comfytui` runs the dashboard."""
    install_excepthook(print_error)
    app = KeysApp() if "keys" in sys.argv else TroubledApp(early="early" in sys.argv)
    return app.shutdown.run(print_error, mouse="mouseless" not in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
