"""Shutdown on a key, a signal, a lost terminal or a crash: prompt, with the terminal restored.

Textual exits in order if it can. It cannot while its writer waits for a terminal that no longer reads, nor while a
thread waits for a name server; so a `Watchdog` ends the process after a grace period. Textual also prints a crash with
all variables, so the `ShutdownGuard` records it without them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import termios
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from comfytui.crash_report import record_crash
from comfytui.tui.terminal.driver import RESTORE_TITLE, TerminalDriver
from comfytui.tui.terminal.job_control import is_in_foreground, stop

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import RenderableType
    from textual.app import App
    from textual.driver import Driver


CRASHED = 1
HUNG_UP = 128 + signal.SIGHUP

# Ctrl+C is a key once Textual has the terminal, and this signal until then: both mean the same.
_STATUSES = {int(signal.SIGINT): 0, int(signal.SIGTERM): 128 + signal.SIGTERM, int(signal.SIGHUP): HUNG_UP}

# Each of the others would end the process at once. Signals of a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL) are left out,
# because the instruction at fault would be retried for ever.
_OTHERS = (
    "SIGQUIT SIGABRT SIGALRM SIGUSR1 SIGUSR2 SIGVTALRM SIGPROF SIGXCPU SIGIO SIGPWR SIGSTKFLT SIGSYS SIGTRAP SIGEMT"
)

_TERMINALS = (0, 2)
"""File descriptors: Textual reads standard input and draws on standard error."""

_WRITER = "textual-output"
"""Name of Textual's writer thread: once it has ended, all output is written."""

_CHECK_S = 0.25
# Enough where the system reports a dead parent and a hung-up terminal by itself.
_IDLE_CHECK_S = 5.0
_GRACE_S = 0.8
_WRITE_ATTEMPTS = 20
_GRACE_TERMINAL_LOST_S = 0.5

# In Textual's order, because the Kitty keyboard mode belongs to the alternate screen. CAN ends an incomplete sequence.
_RESTORE = (
    b"\x18\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    b"\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l\x1b[0m"
) + RESTORE_TITLE.encode()


class Watchdog:
    """Thread that ends this process when it is due, whatever its main thread is stuck in.

    Attributes:
        status: Exit status of the process, or None while it is not ending; the first one given stays.
        exit_message: Message for the terminal if the process is killed before it can print it.
        is_signalled: True if a signal has asked the process to end; known earlier than `status`.

    Args:
        request_exit: Called from another thread, with the status, when a signal arrives or the terminal is lost.
        release: Called from another thread once the end has begun; ends what would outlive this process.
    """

    def __init__(self, request_exit: Callable[[int], None], release: Callable[[], None]) -> None:
        self.status: int | None = None
        self.exit_message = ""
        self.is_signalled = False
        self._statuses = dict(_STATUSES)
        self._request_exit = request_exit
        self._release = release
        self._parent = os.getppid()
        self._attributes = termios.tcgetattr(_TERMINALS[0])
        self._restoring = threading.Lock()
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    @property
    def is_terminal_lost(self) -> bool:
        """True if the terminal hung up or the parent process is gone."""
        return os.getppid() != self._parent or not all(map(os.isatty, _TERMINALS))

    def install(self) -> None:
        """Install the signal handlers and start watching; call from the main thread before Textual has the terminal."""
        # A Python handler runs only when the main thread gets to it, which may be never; the wakeup bytes come at once.
        self._statuses |= {number: 128 + number for number in _other_signals()}
        for number in self._statuses:
            signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="watchdog", daemon=True).start()

    def begin(self, status: int) -> None:
        """Begin to end with this status; after the grace period the process is killed."""
        if self.status is None:
            self.status = status
            os.write(self._waker, b"\0")

    def wait_restored(self) -> None:
        """Wait until a restoration of the terminal that has begun is over; it ends in the death of the process."""
        with self._restoring:
            pass

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.is_signalled = True

    def _watch(self) -> None:
        # Otherwise the system would stop a background process that restores its terminal.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        self._wait_for_end()
        self._release()
        threading.Event().wait(_GRACE_TERMINAL_LOST_S if self.is_terminal_lost else _GRACE_S)
        with self._restoring:
            self._restore_terminal()
            os._exit(CRASHED if self.status is None else self.status)

    def _wait_for_end(self) -> None:
        """Wait until the end has begun; request an orderly exit if a signal or the terminal is the reason."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        for terminal in _TERMINALS:
            poll.register(terminal, 0)
        parent = _open_pidfd(self._parent)
        if parent is not None:
            poll.register(parent, select.POLLIN)
        pause = _CHECK_S if parent is None else _IDLE_CHECK_S
        while self.status is None:
            ready = {number for number, _ in poll.poll(pause * 1000)}
            signals = os.read(self._woken, 64) if self._woken in ready else b""
            reasons = [self._statuses[number] for number in signals if number in self._statuses]
            reasons += [HUNG_UP] if self.is_terminal_lost else []
            if reasons:
                self.begin(reasons[0])
                self._request_exit(reasons[0])
            # Some systems cannot poll terminals and report an error at once, for ever.
            for terminal in ready.intersection(_TERMINALS):
                poll.unregister(terminal)
                pause = _CHECK_S

    def _restore_terminal(self) -> None:
        """Restore the terminal's modes unless Textual has, without blocking on a terminal that does not read."""
        message = f"comfytui: {self.exit_message}\n".encode(errors="replace") if self.exit_message else b""
        with contextlib.suppress(OSError, termios.error):
            writing = any(thread.name == _WRITER for thread in threading.enumerate())
            # While in the background, the line modes belong to the shell.
            is_ours = is_in_foreground(_TERMINALS[0])
            restored = not writing and not (is_ours and termios.tcgetattr(_TERMINALS[0]) != self._attributes)
            terminal = os.open(os.ttyname(_TERMINALS[1]), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            if not restored:
                _silence_other_threads()
                if is_ours:
                    termios.tcsetattr(terminal, termios.TCSANOW, self._attributes)
            _write_now(terminal, message if restored else _RESTORE + message)


def _other_signals() -> list[int]:
    """Return the fatal signals beside those of `_STATUSES` that are not ignored in this process."""
    numbers = [int(signal.Signals[name]) for name in _OTHERS.split() if name in signal.Signals.__members__]
    if hasattr(signal, "SIGRTMIN"):
        numbers += range(signal.SIGRTMIN, signal.SIGRTMAX + 1)
    return [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]


def _open_pidfd(process: int) -> int | None:
    """Return a file descriptor that becomes readable when a process ends, or None if the system has none."""
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        return None


def _silence_other_threads() -> None:
    """Stop other threads from writing to the terminal: on Linux a blocked writer keeps all others out."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), _TERMINALS[1])
    for thread in threading.enumerate():
        if thread.ident is not None and thread is not threading.current_thread():
            with contextlib.suppress(ProcessLookupError):
                signal.pthread_kill(thread.ident, signal.SIGTERM)


def _write_now(terminal: int, data: bytes) -> None:
    """Write to a terminal, discarding its unread output if it is full."""
    for _ in range(_WRITE_ATTEMPTS):
        with contextlib.suppress(BlockingIOError):
            if os.write(terminal, data) == len(data):
                return
        termios.tcflush(terminal, termios.TCOFLUSH)
        threading.Event().wait(0.01)


def driver_class(default: type[Driver]) -> type[Driver]:
    """Return this project's driver if it extends Textual's default driver, else the default."""
    return TerminalDriver if issubclass(TerminalDriver, default) else default


class ShutdownGuard:
    """Guaranteed end of an app: run it, watch the process, and record crashes without their values.

    The app calls `start` once its event loop runs, `end` when it exits, and `record_panic` or `record_crash` on errors.
    Outside of `run` all of these do nothing, and the app behaves as Textual's.

    Attributes:
        watchdog: The thread that ends the process, or None outside of `run`.

    Args:
        app: The app to run; asked to exit when a signal arrives or the terminal is lost.
    """

    def __init__(self, app: App[None]) -> None:
        self._app = app
        self.watchdog: Watchdog | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._has_exited = False

    @property
    def is_ending(self) -> bool:
        """True if a signal, a key or a lost terminal ends the app."""
        watchdog = self.watchdog
        return self._has_exited or (watchdog is not None and (watchdog.is_signalled or watchdog.status is not None))

    def run(
        self, notify: Callable[[str], None], release: Callable[[], None] = lambda: None, *, mouse: bool = True
    ) -> int:
        """Run the app on the terminal of this process and return its exit status: 0, 1 after a crash, 128 + a signal.

        Once the end has begun, the process has most of a second to exit in order; then it is killed. Without a
        terminal it is ended here, because nothing can be written any more.

        Args:
            notify: Prints a sentence once the terminal is restored.
            release: Ends what would outlive this process; called from another thread once the end has begun.
            mouse: True if the mouse is reported from the start.
        """
        _wait_for_foreground()
        self.watchdog = watchdog = Watchdog(self._request_exit, release)
        watchdog.install()
        try:
            self._app.run(mouse=mouse)
        finally:
            watchdog.begin(CRASHED)
            watchdog.wait_restored()
        status = CRASHED if watchdog.status is None else watchdog.status
        if watchdog.is_terminal_lost:
            os._exit(status)
        message, watchdog.exit_message = watchdog.exit_message, ""
        if message:
            notify(message)
        return status

    def start(self) -> None:
        """Act on signals that arrived before there was a loop, and record tasks that fail unseen."""
        if self.watchdog is None:
            return
        self._loop = asyncio.get_running_loop()
        self._loop.set_exception_handler(_record_silently)
        if self.watchdog.status is not None:
            self._app.exit(return_code=self.watchdog.status)

    def end(self, status: int) -> None:
        """End the process with this status, soon after the app."""
        self._has_exited = True
        if self.watchdog is not None:
            self.watchdog.begin(status)

    def record_panic(self, renderables: Sequence[RenderableType], error: BaseException | None) -> bool:
        """Record an error that Textual has drawn, without its values; return False if the app is not guarded."""
        return self._record(error, _traceback_lines(renderables) if error is None else ())

    def record_crash(self, error: BaseException | None) -> bool:
        """Record the error that ends the app, without its values; return False if the app is not guarded."""
        return self._record(error)

    def _record(self, error: BaseException | None, traceback: Sequence[str] = ()) -> bool:
        watchdog, app = self.watchdog, self._app
        if watchdog is None:
            return False
        if watchdog.is_terminal_lost:
            watchdog.begin(HUNG_UP)
        elif not watchdog.exit_message:
            watchdog.exit_message = record_crash(error, (app.size.width, app.size.height), traceback)
            watchdog.begin(CRASHED)
        return True

    def _request_exit(self, status: int) -> None:
        if self._loop is not None:
            # The loop may be closed already.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(partial(self._app.exit, return_code=status))


def _wait_for_foreground() -> None:
    """Stop until a shell brings this process to the foreground; until then the terminal has the shell's modes."""
    while not is_in_foreground(_TERMINALS[0]):
        stop(signal.SIGTTOU)
        # The system does not stop a process that no shell could continue.
        threading.Event().wait(0.05)


def _traceback_lines(renderables: Sequence[RenderableType]) -> list[str]:
    """Return error types and code locations of the tracebacks among these, for errors of Textual's input thread."""
    from rich.traceback import Traceback

    lines: list[str] = []
    for traceback in (renderable for renderable in renderables if isinstance(renderable, Traceback)):
        for stack in traceback.trace.stacks:
            lines += [
                "",
                stack.exc_type,
                *(f"  {frame.filename}:{frame.lineno}:{frame.name}" for frame in stack.frames),
            ]
    return lines


def _record_silently(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    if isinstance(error, BaseException):
        record_crash(error)
