"""The terminal itself: its title, its mouse, and what it sends. The one place that writes to it beside the screen."""

from __future__ import annotations

import errno
import os
import selectors
import signal
import termios
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from textual import events
from textual.drivers.linux_driver import LinuxDriver
from textual.messages import InBandWindowResize

from comfytui.tui.terminal.input_queue import QueuedEvent
from comfytui.tui.terminal.input_reader import InputReader
from comfytui.tui.terminal.job_control import (
    BACKGROUND,
    USUAL_SIZE,
    background_allowed,
    is_in_foreground,
    is_resumable,
    size_of,
    stop,
    stops_by_default,
    usable_size,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from textual.app import App
    from textual.driver import Driver
    from textual.message import Message


MAX_TITLE = 200
"""Characters."""

# Titles are kept on a stack of the terminal's (xterm, XTWINOPS 22 and 23); what knows none ignores both.
SAVE_TITLE = "\x1b[22;0t"
RESTORE_TITLE = "\x1b[23;0t"

_SCREEN = 2
"""Textual draws on standard error."""

# The terminal tells each of its sizes in what it sends, where it knows how (mode 2048).
_SIZES_ON, _SIZES_OFF = "\x1b[?2048h", "\x1b[?2048l"

_LOOK_EVERY = 0.1
_LOOK_SOON = 0.02
# Seconds without anything sent after which whatever was begun has ended: nothing is looked for until more is sent.
_BEGUN = 1.0


@runtime_checkable
class Ends(Protocol):
    """An app that knows when this process has been told to end."""

    @property
    def is_ending(self) -> bool:
        """True if a signal, a key or a lost terminal ends the app."""
        ...


class HasDriver(Protocol):
    """An app that says what it is driven by."""

    @property
    def driver(self) -> Driver | None:
        """Textual's driver while the app runs."""
        ...


@runtime_checkable
class _QueuesInput(Protocol):
    """App that takes many events of the terminal at once."""

    def queue_input(self, entries: Sequence[QueuedEvent]) -> None:
        """Queue events of the terminal."""
        ...


class TerminalControl:
    """What an app may do with the terminal it runs in; where it runs without one, nothing happens.

    Args:
        app: The app.
    """

    def __init__(self, app: HasDriver) -> None:
        self._app = app

    @property
    def has_mouse(self) -> bool:
        """Whether the mouse is reported."""
        return (driver := self._driver) is not None and driver.has_mouse

    def set_title(self, text: str) -> None:
        """Have the terminal's title say this from now on; what it said before is put back at the end."""
        if (driver := self._driver) is not None:
            driver.set_title(sanitize_title(text))

    def set_mouse(self, *, on: bool) -> None:
        """Have the mouse reported, or leave it to the terminal, so that its own selecting works."""
        if (driver := self._driver) is not None:
            driver.set_mouse(on=on)

    @property
    def _driver(self) -> TerminalDriver | None:
        driver = self._app.driver
        return driver if isinstance(driver, TerminalDriver) else None


class TerminalDriver(LinuxDriver):
    """Textual's driver with a title, a mouse to switch, and keys that nothing is torn off.

    The title is put back whenever the terminal is given back: at the end as well as while the process is suspended.
    Taking the terminal twice, and giving it back twice, are as good as once; what is written meanwhile is dropped.
    """

    _title = ""
    _woken = _waker = -1
    _batch: list[QueuedEvent] | None = None
    _times = 1
    _is_ours = False
    _has_asked = False
    _keeps_unread = False
    _tells_sizes = False
    _told_size: tuple[int, int] | None = None
    _continued = 0
    _continued_seen = 0

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        self._may_stop = signal.getsignal(signal.SIGTSTP) != signal.SIG_IGN
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._modes_at_start = _LineModes(self.fileno)
        self._size = self._get_terminal_size()

    @property
    def has_mouse(self) -> bool:
        """Whether the mouse is reported."""
        return self._mouse

    def set_title(self, title: str) -> None:
        """Show a title, unless it is the one shown."""
        if title != self._title:
            self._title = title
            if self._is_writing:
                self._write_title()

    def set_mouse(self, *, on: bool) -> None:
        """Switch the reports of the mouse on or off."""
        if on == self._mouse:
            return
        if on:
            self._mouse = True
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()
            self._mouse = False

    def start_application_mode(self) -> None:
        """Take the terminal over, and keep its title; from the background only once the shell has brought us back."""
        if self._is_ours or not self._wait_for_foreground():
            return
        self._close_pipe()
        self._woken, self._waker = os.pipe()
        start: Callable[[], None] = super().start_application_mode
        with background_allowed():
            self._modes_at_start.restore()
            start()
        self._is_ours = self._has_asked = True
        for number in BACKGROUND:
            signal.signal(number, self._sigtstp_application)
        self.write(SAVE_TITLE)
        self._write_title()

    def stop_application_mode(self) -> None:
        """Give the terminal back with the title it had; in the background its line modes are the shell's already."""
        if not self._is_ours:
            return
        with background_allowed():
            if not is_in_foreground(self.fileno):
                self.attrs_before = None
            self.write(RESTORE_TITLE)
            super().stop_application_mode()
        self._is_ours = False

    class CannotSuspend(events.Event):
        """Sent to the app in place of suspending: nothing could resume this process."""

    def suspend(self, number: signal.Signals = signal.SIGTSTP, *, group: bool = True) -> None:
        """Give the terminal back, stop, and take it again once continued; not where no shell could continue us.

        Args:
            number: The signal to stop by.
            group: Whether all of the process group stops, as by the key of a terminal.
        """
        if not self._is_ours or self._is_ending():
            return
        if not self._may_stop or not is_resumable():
            self.send_message(self.CannotSuspend())
            return
        self._must_signal_resume = True
        self.suspend_application_mode()
        stop(number, group=group)
        self.resume_application_mode()

    def write(self, data: str) -> None:
        """Write to the terminal while it is ours."""
        if self._is_writing:
            super().write(data)

    def process_message(self, message: Message) -> None:
        """Hand on what the terminal sent; sizes among it as `_get_terminal_size` decides, and only new ones."""
        if isinstance(message, InBandWindowResize):
            if message.supported and not self._tells_sizes:
                self._tells_sizes = True
                self.write(_SIZES_ON)
            return
        if isinstance(message, events.Resize):
            self._told_size = usable_size(*message.size)
            before = self._size
            size = self._get_terminal_size()
            if size == before:
                return
            message = events.Resize.from_dimensions(size, None)
        super().process_message(message)

    def _sigtstp_application(self, number: int = signal.SIGTSTP, _frame: FrameType | None = None) -> None:
        # A signal can come while the terminal is taken or given back, so it waits for the loop. That may be closed.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(partial(self.suspend, signal.Signals(number), group=False))

    def _sigcont_application(self, *_: object) -> None:
        self._continued += 1
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._resume_after, self._continued)

    def _resume_after(self, continued: int) -> None:
        """Take the terminal anew after SIGSTOP, which gave no time to give it back; a shell may have used it since."""
        if not self._is_ours or continued <= self._continued_seen or self._is_ending():
            return
        self._must_signal_resume = self._keeps_unread = True
        self.suspend_application_mode()
        self._keeps_unread = False
        self.resume_application_mode()

    def _wait_for_foreground(self) -> bool:
        """Wait until this process is in the foreground; return False if it is to end instead.

        It does not stop again for that: a shell that thinks it runs would not continue it to have it end.
        """
        with stops_by_default():
            while not self._is_ending():
                self._continued_seen = self._continued
                if is_in_foreground(self.fileno):
                    return True
                sleep(_LOOK_EVERY)
        return False

    def _is_ending(self) -> bool:
        app: object = self._app
        return isinstance(app, Ends) and app.is_ending

    def disable_input(self) -> None:
        """Read no more of what the terminal sends; drop what is unread, which the shell would take for commands."""
        if not self._is_ours or self.exit_event.is_set():
            return
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        self._disable_mouse_support()
        self.exit_event.set()
        if self._waker >= 0:
            os.write(self._waker, b"\0")
        if self._key_thread is not None:
            self._key_thread.join()
        self.exit_event.clear()
        if not self._keeps_unread:
            with suppress(termios.error):
                termios.tcflush(self.fileno, termios.TCIFLUSH)

    def close(self) -> None:
        """Let go of what the driver holds."""
        super().close()
        self._writer_thread = None
        self._close_pipe()

    def _close_pipe(self) -> None:
        # A new one for each time that the terminal is taken over: nobody may have read what wakes.
        for end in (self._woken, self._waker):
            if end >= 0:
                os.close(end)
        self._woken = self._waker = -1

    def run_input_thread(self) -> None:
        """Read what the terminal sends, and hand the app the events in it, until told to stop.

        A byte that is no UTF-8 is a character that no key has, not an error. While nothing is sent it sleeps: Textual's
        own looks ten times a second, for nothing.
        """
        reader = InputReader(debug=self._debug)
        sent_on = monotonic()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                pause = _LOOK_SOON if reader.is_waiting else _LOOK_EVERY
                at_rest = monotonic() - sent_on > _BEGUN
                ready = {key.fd for key, _ in selector.select(None if at_rest else pause)}
                if self._woken in ready:
                    return
                try:
                    sent = os.read(self.fileno, 4096) if ready else b""
                except OSError as error:
                    if error.errno != errno.EIO or is_in_foreground(self.fileno):
                        raise
                    # Another process group has the terminal now.
                    self._sigtstp_application(signal.SIGTTIN)
                    return
                sent_on = monotonic() if ready else sent_on
                self._hand_over([*(reader.feed(sent, monotonic()) if sent else ()), *reader.tick(monotonic())])

    def _hand_over(self, entries: Sequence[QueuedEvent]) -> None:
        """Give the app what came, all at once: a message of its own is a task of its own."""
        if not entries or not isinstance(self._app, _QueuesInput):
            for event, _ in entries:
                self.process_message(event)
            return
        batch: list[QueuedEvent] = []
        self._batch = batch
        for event, self._times in entries:
            self.process_message(event)
        self._batch = None
        # The loop may be closed already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._app.queue_input, batch)

    def send_message(self, message: Message) -> None:
        """Send the app a message, or have it wait for others that came with it."""
        if self._batch is None:
            super().send_message(message)
        else:
            self._batch.append(QueuedEvent(message, self._times))

    @property
    def _is_writing(self) -> bool:
        """Whether the terminal is ours: not before the start, after the end, or in the background."""
        return self._writer_thread is not None and self._writer_thread.is_alive()

    def _write_title(self) -> None:
        # The consoles draw what they do not know.
        if self._title and not os.environ.get("TERM", "").startswith(("linux", "vt", "cons", "dumb")):
            self.write(f"\x1b]2;{self._title}\x07")

    def _request_terminal_sync_mode_support(self) -> None:
        # Asked again, a slow terminal would answer the shell, of one who quits just after coming back.
        if not self._has_asked:
            super()._request_terminal_sync_mode_support()

    def _query_in_band_window_resize(self) -> None:
        if not self._has_asked:
            super()._query_in_band_window_resize()
        elif self._tells_sizes:
            self.write(_SIZES_ON)

    def _disable_in_band_window_resize(self) -> None:
        if self._tells_sizes:
            self.write(_SIZES_OFF)

    def _get_terminal_size(self) -> tuple[int, int]:
        """Return the size to draw: the system's, else the one the terminal told, else the usual one."""
        # The app begins with the size kept here. Textual would ask the environment and standard output as well.
        self._size = size_of(_SCREEN) or size_of(self.fileno) or self._told_size or USUAL_SIZE
        return self._size


class _LineModes:
    """Line modes of a terminal, as they are when this is made."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._modes = termios.tcgetattr(descriptor) if os.isatty(descriptor) else None

    def restore(self) -> None:
        """Set them again, unless the terminal is gone."""
        if self._modes is not None:
            with suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._modes)


def sanitize_title(text: str) -> str:
    """The text without what could end a title or be a sequence of its own, at most `MAX_TITLE` characters of it."""
    return "".join(char for char in text if char.isprintable())[:MAX_TITLE]
