"""How the dashboard ends: on a key, a signal, a terminal that is gone, or a crash; soon, and leaving nothing behind.

Textual ends in order when it is asked to, and where it can. It cannot where its writer waits for a terminal that reads
no more, nor while a thread asks a name server that does not answer; so a `Lifeline` ends the process in its place after
a while. And Textual prints a crash with all variables, so an `EndingApp` records it without.
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

from textual import on
from textual.app import App

from comfytui.crash_report import record_crash
from comfytui.tui.terminal.driver import RESTORE_TITLE, TerminalDriver
from comfytui.tui.terminal.job_control import is_in_foreground, stop

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import RenderableType
    from textual.driver import Driver


CRASHED = 1
HUNG_UP = 128 + signal.SIGHUP

# Ctrl+C is a key once Textual has the terminal, and this signal until then: a person means the same.
_STATUSES = {int(signal.SIGINT): 0, int(signal.SIGTERM): 128 + signal.SIGTERM, int(signal.SIGHUP): HUNG_UP}

# Each of the others would end the process at once. Not those of a fault (SIGSEGV, SIGBUS, SIGFPE, SIGILL): what is at
# fault would be tried again for ever.
_OTHERS = (
    "SIGQUIT SIGABRT SIGALRM SIGUSR1 SIGUSR2 SIGVTALRM SIGPROF SIGXCPU SIGIO SIGPWR SIGSTKFLT SIGSYS SIGTRAP SIGEMT"
)

_TERMINALS = (0, 2)
"""Textual reads standard input and draws on standard error."""

_WRITER = "textual-output"
"""The name of Textual's thread that writes to the terminal: once it has ended, all was written."""

_LOOK_EVERY = 0.25
# Where the system tells of all ends by itself.
_LOOK_SELDOM = 5.0
_GRACE = 0.8
_TRIES = 20
_GRACE_WITHOUT_TERMINAL = 0.5

# In the order of Textual's own: the Kitty keys belong to the alternate screen. CAN ends what was cut off before it.
_RESTORE = (
    b"\x18\x1b[?2026l\x1b[?2004l\x1b[?7h\x1b[?2048l\x1b[?1000l\x1b[?1002l\x1b[?1003l\x1b[?1015l\x1b[?1006l\x1b[?1016l"
    b"\x1b[<u\x1b[?1049l\x1b[?25h\x1b[?1004l\x1b[0m"
) + RESTORE_TITLE.encode()


class Lifeline:
    """Sees to it that this process ends when it should, whatever its main thread is stuck in.

    Attributes:
        status: What the process ends with, once that is known; the first one given stays.
        last_words: What to say on the terminal if nobody else comes to it.
        is_called: Whether a signal has told the process to end; so known before `status`, as soon as Python runs.

    Args:
        leave: Asked to end in order, with the status, when a signal comes or the terminal goes; from another thread.
        let_go: Called once the end has begun, from another thread: what would outlive this process is to end.
    """

    def __init__(self, leave: Callable[[int], None], let_go: Callable[[], None]) -> None:
        self.status: int | None = None
        self.last_words = ""
        self.is_called = False
        self._statuses = dict(_STATUSES)
        self._leave = leave
        self._let_go = let_go
        self._parent = os.getppid()
        self._attributes = termios.tcgetattr(_TERMINALS[0])
        self._giving_back = threading.Lock()
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._waker, False)

    @property
    def is_terminal_lost(self) -> bool:
        """Whether the terminal hung up, or whoever started this process in it is gone."""
        return os.getppid() != self._parent or not all(map(os.isatty, _TERMINALS))

    def hold(self) -> None:
        """Take over the signals and begin to watch; from the main thread, before Textual has the terminal."""
        # A handler in Python runs once the main thread comes to it, which may be never; the bytes come at once.
        self._statuses |= {number: 128 + number for number in _other_signals()}
        for number in self._statuses:
            signal.signal(number, self._on_signal)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        threading.Thread(target=self._watch, name="lifeline", daemon=True).start()

    def end(self, status: int) -> None:
        """Begin to end with this status: in a while there is no process, in order or not."""
        if self.status is None:
            self.status = status
            os.write(self._waker, b"\0")

    def let_finish(self) -> None:
        """Return unless this process is being ended already: the terminal is its own again only once that is done."""
        with self._giving_back:
            pass

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        self.is_called = True

    def _watch(self) -> None:
        # Else the system would stop a background process that gives its terminal back.
        signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGTTOU])
        self._wait_for_the_end()
        self._let_go()
        threading.Event().wait(_GRACE_WITHOUT_TERMINAL if self.is_terminal_lost else _GRACE)
        with self._giving_back:
            self._give_terminal_back()
            os._exit(CRASHED if self.status is None else self.status)

    def _wait_for_the_end(self) -> None:
        """Return once it has begun, having asked to leave in order."""
        poll = select.poll()
        poll.register(self._woken, select.POLLIN)
        for terminal in _TERMINALS:
            poll.register(terminal, 0)
        parent = _watched(self._parent)
        if parent is not None:
            poll.register(parent, select.POLLIN)
        pause = _LOOK_EVERY if parent is None else _LOOK_SELDOM
        while self.status is None:
            ready = {number for number, _ in poll.poll(pause * 1000)}
            signals = os.read(self._woken, 64) if self._woken in ready else b""
            reasons = [self._statuses[number] for number in signals if number in self._statuses]
            reasons += [HUNG_UP] if self.is_terminal_lost else []
            if reasons:
                self.end(reasons[0])
                self._leave(reasons[0])
            # Some systems cannot poll terminals and report that at once, for ever.
            for terminal in ready.intersection(_TERMINALS):
                poll.unregister(terminal)
                pause = _LOOK_EVERY

    def _give_terminal_back(self) -> None:
        """Restore the terminal's modes unless Textual has, without waiting for a terminal that does not read."""
        words = f"comfytui: {self.last_words}\n".encode(errors="replace") if self.last_words else b""
        with contextlib.suppress(OSError, termios.error):
            writing = any(thread.name == _WRITER for thread in threading.enumerate())
            # In the background the line modes are those of the shell.
            is_ours = is_in_foreground(_TERMINALS[0])
            restored = not writing and not (is_ours and termios.tcgetattr(_TERMINALS[0]) != self._attributes)
            terminal = os.open(os.ttyname(_TERMINALS[1]), os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            if not restored:
                _silence_others()
                if is_ours:
                    termios.tcsetattr(terminal, termios.TCSANOW, self._attributes)
            _force(terminal, words if restored else _RESTORE + words)


def _other_signals() -> list[int]:
    """Return the signals beside those of `_STATUSES` that end a process, and that nobody had this one ignore."""
    numbers = [int(signal.Signals[name]) for name in _OTHERS.split() if name in signal.Signals.__members__]
    if hasattr(signal, "SIGRTMIN"):
        numbers += range(signal.SIGRTMIN, signal.SIGRTMAX + 1)
    return [number for number in numbers if signal.getsignal(number) is signal.SIG_DFL]


def _watched(process: int) -> int | None:
    """A file that can be read once a process has ended; None where the system has no such thing."""
    try:
        return os.pidfd_open(process)
    except (AttributeError, OSError):
        return None


def _silence_others() -> None:
    """Have no other thread write to the terminal, nor wait for it: Linux lets nobody write while one does."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), _TERMINALS[1])
    for thread in threading.enumerate():
        if thread.ident is not None and thread is not threading.current_thread():
            with contextlib.suppress(ProcessLookupError):
                signal.pthread_kill(thread.ident, signal.SIGTERM)


def _force(terminal: int, data: bytes) -> None:
    """Write to a terminal, throwing away what waits there unread if need be."""
    for _ in range(_TRIES):
        with contextlib.suppress(BlockingIOError):
            if os.write(terminal, data) == len(data):
                return
        termios.tcflush(terminal, termios.TCOFLUSH)
        threading.Event().wait(0.01)


class EndingApp(App[None]):
    """An app that ends as it should when it is run with `run_to_end`; run in any other way it is as Textual's."""

    _lifeline: Lifeline | None = None
    _running_loop: asyncio.AbstractEventLoop | None = None

    @property
    def driver(self) -> Driver | None:
        """Textual's driver while the app runs."""
        return self._driver

    def get_driver_class(self) -> type[Driver]:
        """The driver of this project in the place of Textual's usual one."""
        usual = super().get_driver_class()
        return TerminalDriver if issubclass(TerminalDriver, usual) else usual

    def run_to_end(
        self, say: Callable[[str], None], let_go: Callable[[], None] = lambda: None, *, mouse: bool = True
    ) -> int:
        """Run on this process's terminal and return the status to exit with: 0, 1 after a crash, 128 + a signal.

        Once it has begun to end, the process has most of a second to exit in order; it is ended then. Without a
        terminal it is ended here, for nothing can be written any more.

        Args:
            say: Tells the person a sentence, once the terminal is as it was.
            let_go: Ends what would outlive this process; called from another thread once the end has begun.
            mouse: Whether the mouse is reported at the start.
        """
        _wait_for_foreground()
        self._lifeline = lifeline = Lifeline(self._leave, let_go)
        lifeline.hold()
        try:
            self.run(mouse=mouse)
        finally:
            lifeline.end(CRASHED)
            lifeline.let_finish()
        status = CRASHED if lifeline.status is None else lifeline.status
        if lifeline.is_terminal_lost:
            os._exit(status)
        words, lifeline.last_words = lifeline.last_words, ""
        if words:
            say(words)
        return status

    @property
    def is_ending(self) -> bool:
        """True if a signal, a key or a lost terminal ends the app."""
        lifeline = self._lifeline
        return self._exit or (lifeline is not None and (lifeline.is_called or lifeline.status is not None))

    def action_suspend_process(self) -> None:
        """Give the terminal back and stop, where a shell can resume it."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.suspend()

    @on(TerminalDriver.CannotSuspend)
    def _tell_of_no_suspension(self) -> None:
        self.notify("Cannot suspend: no shell here could resume it. q quits.", severity="warning", markup=False)

    def on_load(self) -> None:
        """Meet signals that came before there was a loop, and have tasks that fail unseen recorded."""
        if self._lifeline is None:
            return
        self._running_loop = asyncio.get_running_loop()
        self._running_loop.set_exception_handler(_record_silently)
        if self._lifeline.status is not None:
            self.exit(return_code=self._lifeline.status)

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """End the app, and soon after the process, with this status."""
        super().exit(result, return_code, message)
        if self._lifeline is not None:
            self._lifeline.end(return_code)

    def panic(self, *renderables: RenderableType) -> None:
        """End after an error that Textual has drawn, of which the places are kept and the values dropped."""
        if self._lifeline is None:
            super().panic(*renderables)
        else:
            self._crash(self._lifeline, _places(renderables) if self._exception is None else ())

    def _fatal_error(self) -> None:
        """End after an error, recording it instead of drawing all its variables."""
        if self._lifeline is None:
            super()._fatal_error()
        else:
            self._crash(self._lifeline)

    def _crash(self, lifeline: Lifeline, seen: Sequence[str] = ()) -> None:
        if lifeline.is_terminal_lost:
            lifeline.end(HUNG_UP)
        elif not lifeline.last_words:
            lifeline.last_words = record_crash(self._exception, (self.size.width, self.size.height), seen)
            lifeline.end(CRASHED)
        self._close_messages_no_wait()

    def _leave(self, status: int) -> None:
        if self._running_loop is not None:
            # It may be closed already.
            with contextlib.suppress(RuntimeError):
                self._running_loop.call_soon_threadsafe(partial(self.exit, return_code=status))


def _wait_for_foreground() -> None:
    """Stop until a shell brings this process to the foreground: until then the terminal has the shell's modes."""
    while not is_in_foreground(_TERMINALS[0]):
        stop(signal.SIGTTOU)
        # The system does not stop what no shell could continue.
        threading.Event().wait(0.05)


def _places(renderables: Sequence[RenderableType]) -> list[str]:
    """Types and places of the tracebacks among these: all that is left of what ended Textual's input thread."""
    from rich.traceback import Traceback

    lines: list[str] = []
    for traceback in (each for each in renderables if isinstance(each, Traceback)):
        for stack in traceback.trace.stacks:
            lines += ["", stack.exc_type, *(f"  {each.filename}:{each.lineno}:{each.name}" for each in stack.frames)]
    return lines


def _record_silently(_loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
    error = context.get("exception")
    if isinstance(error, BaseException):
        record_crash(error)
