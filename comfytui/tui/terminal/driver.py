"""Terminal driver: title, mouse, input, suspension and size. Only it and the screen write to the terminal."""

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
    BACKGROUND_SIGNALS,
    DEFAULT_SIZE,
    background_allowed,
    is_in_foreground,
    is_resumable,
    stop,
    stops_by_default,
    terminal_size,
    usable_size,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from textual.app import App
    from textual.driver import Driver
    from textual.message import Message


MAX_TITLE = 200
"""Maximum length of a title in characters."""

# The terminal saves titles on a stack (xterm, XTWINOPS 22 and 23); terminals without one ignore both sequences.
SAVE_TITLE = "\x1b[22;0t"
RESTORE_TITLE = "\x1b[23;0t"

_SCREEN_FD = 2
"""Standard error, to which Textual draws."""

# In mode 2048 the terminal reports each new size in its input.
_SIZES_ON, _SIZES_OFF = "\x1b[?2048h", "\x1b[?2048l"

_POLL_S = 0.1
_FAST_POLL_S = 0.02
# After this many seconds without input no sequence is pending, so the reader blocks until more arrives.
_IDLE_AFTER_S = 1.0


@runtime_checkable
class EndingAware(Protocol):
    """App that can tell that the process is about to end."""

    @property
    def is_ending(self) -> bool:
        """True if a signal, a key or a lost terminal ends the app."""
        ...


class HasDriver(Protocol):
    """App with access to its driver."""

    @property
    def driver(self) -> Driver | None:
        """Textual's driver while the app runs."""
        ...


@runtime_checkable
class _QueuesInput(Protocol):
    """App that accepts many terminal events at once."""

    def queue_input(self, entries: Sequence[QueuedEvent]) -> None:
        """Queue events of the terminal."""
        ...


class TerminalControl:
    """Title and mouse of an app's terminal; without a terminal nothing happens.

    Args:
        app: The app.
    """

    def __init__(self, app: HasDriver) -> None:
        self._app = app

    @property
    def has_mouse(self) -> bool:
        """True if mouse reports are on."""
        return (driver := self._driver) is not None and driver.has_mouse

    def set_title(self, text: str) -> None:
        """Set the terminal's title; the previous one is restored at the end."""
        if (driver := self._driver) is not None:
            driver.set_title(sanitize_title(text))

    def set_mouse(self, *, on: bool) -> None:
        """Switch mouse reports on, or off so that the terminal's own text selection works."""
        if (driver := self._driver) is not None:
            driver.set_mouse(on=on)

    @property
    def _driver(self) -> TerminalDriver | None:
        driver = self._app.driver
        return driver if isinstance(driver, TerminalDriver) else None


class TerminalDriver(LinuxDriver):
    """Textual's driver with a title, switchable mouse reports, job control and complete key sequences.

    The title is restored whenever the terminal is released, at the end and during a suspension. Acquiring and releasing
    the terminal are idempotent; output in between is dropped.
    """

    _title = ""
    _wake_read_fd = _wake_write_fd = -1
    _batch: list[QueuedEvent] | None = None
    _repeats = 1
    _has_terminal = False
    _has_queried = False
    _keep_unread_input = False
    _reports_size = False
    _reported_size: tuple[int, int] | None = None
    _continue_count = 0
    _handled_continues = 0

    def __init__(
        self, app: App[object], *, debug: bool = False, mouse: bool = True, size: tuple[int, int] | None = None
    ) -> None:
        self._can_be_stopped = signal.getsignal(signal.SIGTSTP) != signal.SIG_IGN
        super().__init__(app, debug=debug, mouse=mouse, size=size)
        self._initial_modes = _LineModes(self.fileno)
        self._size = self._get_terminal_size()

    @property
    def has_mouse(self) -> bool:
        """True if mouse reports are on."""
        return self._mouse

    def set_title(self, title: str) -> None:
        """Set the title if it differs from the current one."""
        if title != self._title:
            self._title = title
            if self._is_open:
                self._write_title()

    def set_mouse(self, *, on: bool) -> None:
        """Switch mouse reports on or off."""
        if on == self._mouse:
            return
        if on:
            self._mouse = True
            self._enable_mouse_support()
        else:
            self._disable_mouse_support()
            self._mouse = False

    def start_application_mode(self) -> None:
        """Acquire the terminal and save its title; a background process waits until it is in the foreground."""
        if self._has_terminal or not self._wait_for_foreground():
            return
        self._close_pipe()
        self._wake_read_fd, self._wake_write_fd = os.pipe()
        start: Callable[[], None] = super().start_application_mode
        with background_allowed():
            self._initial_modes.restore()
            start()
        self._has_terminal = self._has_queried = True
        for number in BACKGROUND_SIGNALS:
            signal.signal(number, self._sigtstp_application)
        self.write(SAVE_TITLE)
        self._write_title()

    def stop_application_mode(self) -> None:
        """Release the terminal and restore its title; in the background, line modes are left to the shell."""
        if not self._has_terminal:
            return
        with background_allowed():
            if not is_in_foreground(self.fileno):
                self.attrs_before = None
            self.write(RESTORE_TITLE)
            super().stop_application_mode()
        self._has_terminal = False

    class SuspendRefused(events.Event):
        """Sent to the app instead of suspending, because nothing could resume this process."""

    def suspend(self, number: signal.Signals = signal.SIGTSTP, *, group: bool = True) -> None:
        """Release the terminal, stop, and acquire it again once continued; refused if no shell could continue us.

        Args:
            number: Signal to stop by.
            group: True to stop the whole process group, as the terminal's own key does.
        """
        if not self._has_terminal or self._is_ending():
            return
        if not self._can_be_stopped or not is_resumable():
            self.send_message(self.SuspendRefused())
            return
        self._must_signal_resume = True
        self.suspend_application_mode()
        stop(number, group=group)
        self.resume_application_mode()

    def write(self, data: str) -> None:
        """Write to the terminal while it is acquired."""
        if self._is_open:
            super().write(data)

    def process_message(self, message: Message) -> None:
        """Forward an event of the terminal; a resize only if `_get_terminal_size` gives a new size."""
        if isinstance(message, InBandWindowResize):
            if message.supported and not self._reports_size:
                self._reports_size = True
                self.write(_SIZES_ON)
            return
        if isinstance(message, events.Resize):
            self._reported_size = usable_size(*message.size)
            before = self._size
            size = self._get_terminal_size()
            if size == before:
                return
            message = events.Resize.from_dimensions(size, None)
        super().process_message(message)

    def _sigtstp_application(self, number: int = signal.SIGTSTP, _frame: FrameType | None = None) -> None:
        # A signal can arrive while the terminal is being acquired, so the loop handles it; the loop may be closed.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(partial(self.suspend, signal.Signals(number), group=False))

    def _sigcont_application(self, *_: object) -> None:
        self._continue_count += 1
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._resume_after, self._continue_count)

    def _resume_after(self, continued: int) -> None:
        """Acquire the terminal anew after SIGSTOP, since a shell may have used it meanwhile.

        SIGSTOP cannot be caught, so the terminal was not released before.
        """
        if not self._has_terminal or continued <= self._handled_continues or self._is_ending():
            return
        self._must_signal_resume = self._keep_unread_input = True
        self.suspend_application_mode()
        self._keep_unread_input = False
        self.resume_application_mode()

    def _wait_for_foreground(self) -> bool:
        """Wait until this process is in the foreground; return False if it has to end instead.

        It does not stop itself again: a shell that believes it is running would not continue it.
        """
        with stops_by_default():
            while not self._is_ending():
                self._handled_continues = self._continue_count
                if is_in_foreground(self.fileno):
                    return True
                sleep(_POLL_S)
        return False

    def _is_ending(self) -> bool:
        app: object = self._app
        return isinstance(app, EndingAware) and app.is_ending

    def disable_input(self) -> None:
        """Stop reading input, and drop what is unread so that the shell does not run it."""
        if not self._has_terminal or self.exit_event.is_set():
            return
        signal.signal(signal.SIGWINCH, signal.SIG_DFL)
        self._disable_mouse_support()
        self.exit_event.set()
        if self._wake_write_fd >= 0:
            os.write(self._wake_write_fd, b"\0")
        if self._key_thread is not None:
            self._key_thread.join()
        self.exit_event.clear()
        if not self._keep_unread_input:
            with suppress(termios.error):
                termios.tcflush(self.fileno, termios.TCIFLUSH)

    def close(self) -> None:
        """Release the resources of the driver."""
        super().close()
        self._writer_thread = None
        self._close_pipe()

    def _close_pipe(self) -> None:
        # The old pipe may hold an unread byte, so each acquisition opens a new one.
        for end in (self._wake_read_fd, self._wake_write_fd):
            if end >= 0:
                os.close(end)
        self._wake_read_fd = self._wake_write_fd = -1

    def run_input_thread(self) -> None:
        """Read input and pass its events to the app until told to stop.

        Bytes that are not UTF-8 become replacement characters, which no key has. Without input the thread sleeps, while
        Textual's own polls ten times a second.
        """
        reader = InputReader(debug=self._debug)
        input_monotonic = monotonic()
        with selectors.SelectSelector() as selector:
            selector.register(self.fileno, selectors.EVENT_READ)
            selector.register(self._wake_read_fd, selectors.EVENT_READ)
            while not self.exit_event.is_set():
                pause = _FAST_POLL_S if reader.is_waiting else _POLL_S
                is_idle = monotonic() - input_monotonic > _IDLE_AFTER_S
                ready = {key.fd for key, _ in selector.select(None if is_idle else pause)}
                if self._wake_read_fd in ready:
                    return
                try:
                    sent = os.read(self.fileno, 4096) if ready else b""
                except OSError as error:
                    if error.errno != errno.EIO or is_in_foreground(self.fileno):
                        raise
                    # EIO outside of the foreground: another process group has the terminal now.
                    self._sigtstp_application(signal.SIGTTIN)
                    return
                input_monotonic = monotonic() if ready else input_monotonic
                self._deliver([*(reader.feed(sent, monotonic()) if sent else ()), *reader.tick(monotonic())])

    def _deliver(self, entries: Sequence[QueuedEvent]) -> None:
        """Pass events to the app all at once, because each message of its own costs a task."""
        if not entries or not isinstance(self._app, _QueuesInput):
            for event, _ in entries:
                self.process_message(event)
            return
        batch: list[QueuedEvent] = []
        self._batch = batch
        for event, self._repeats in entries:
            self.process_message(event)
        self._batch = None
        # The loop may be closed already.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._app.queue_input, batch)

    def send_message(self, message: Message) -> None:
        """Send the app a message, or add it to the batch being collected."""
        if self._batch is None:
            super().send_message(message)
        else:
            self._batch.append(QueuedEvent(message, self._repeats))

    @property
    def _is_open(self) -> bool:
        """True while the terminal is acquired: not before the start, after the end, or in the background."""
        return self._writer_thread is not None and self._writer_thread.is_alive()

    def _write_title(self) -> None:
        # Consoles draw unknown sequences.
        if self._title and not os.environ.get("TERM", "").startswith(("linux", "vt", "cons", "dumb")):
            self.write(f"\x1b]2;{self._title}\x07")

    def _request_terminal_sync_mode_support(self) -> None:
        # Queried again after a suspension, a slow terminal might send its response to the shell after a quick exit.
        if not self._has_queried:
            super()._request_terminal_sync_mode_support()

    def _query_in_band_window_resize(self) -> None:
        if not self._has_queried:
            super()._query_in_band_window_resize()
        elif self._reports_size:
            self.write(_SIZES_ON)

    def _disable_in_band_window_resize(self) -> None:
        if self._reports_size:
            self.write(_SIZES_OFF)

    def _get_terminal_size(self) -> tuple[int, int]:
        """Return the size to draw: the system's, else the one the terminal reported, else a default."""
        # The app starts with this size. Textual would also read the environment and standard output.
        self._size = terminal_size(_SCREEN_FD) or terminal_size(self.fileno) or self._reported_size or DEFAULT_SIZE
        return self._size


class _LineModes:
    """Line modes of a terminal at the time of creation."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._modes = termios.tcgetattr(descriptor) if os.isatty(descriptor) else None

    def restore(self) -> None:
        """Restore the modes, unless the terminal is gone."""
        if self._modes is not None:
            with suppress(termios.error):
                termios.tcsetattr(self._descriptor, termios.TCSANOW, self._modes)


def sanitize_title(text: str) -> str:
    """Return a text without unprintable characters, which could end the title, cut to `MAX_TITLE` characters."""
    return "".join(char for char in text if char.isprintable())[:MAX_TITLE]
