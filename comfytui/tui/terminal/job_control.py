"""Job control: stopping this process if a shell can resume it; and the terminal's size."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BACKGROUND_SIGNALS = (signal.SIGTTIN, signal.SIGTTOU)
"""Signals that stop a process which uses its terminal from the background."""

_FIRST_COMM = Path("/proc/1/comm")

# This shell stops itself; the system ignores that in an orphaned process group.
_STOP_ITSELF = ("/bin/sh", "-c", "kill -s TSTP $$")


def is_in_foreground(terminal: int) -> bool:
    """Return True if this process may use the terminal, also if it is not its controlling terminal."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True


def is_resumable() -> bool:
    """Return True if a shell can resume this process after it has stopped.

    Nothing resumes a session leader, a process group without a parent in its session, or process 1; nor does init.
    """
    if os.getpid() == 1 or (os.getppid() == 1 and not _is_shell(_FIRST_COMM)):
        return False
    try:
        return _can_stop()
    except OSError:
        return os.getpgid(os.getppid()) != os.getpgrp() and os.getsid(os.getppid()) == os.getsid(0)


def stop(number: signal.Signals, *, group: bool = False) -> None:
    """Stop by a signal until the process is continued; return at once if the system does not stop it.

    Args:
        number: SIGTSTP, SIGTTIN or SIGTTOU.
        group: True to stop the whole process group, as the terminal's own key does.
    """
    with stops_by_default():
        os.kill(0 if group else os.getpid(), number)


@contextmanager
def stops_by_default() -> Iterator[None]:
    """Restore the default action of stop signals while the terminal is not acquired."""
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTSTP, *BACKGROUND_SIGNALS)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def background_allowed() -> Iterator[None]:
    """Allow this thread, and threads it starts, to use the terminal from the background."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, BACKGROUND_SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_shell(comm: Path) -> bool:
    """Return True if a process has the name of a shell, or an unreadable name."""
    try:
        return comm.read_text().strip().endswith(("sh", "busybox"))
    except OSError:
        return True


def _can_stop() -> bool:
    """Return True if the system stops a member of our process group, tried with a child process.

    Raises:
        OSError: There is no shell to run.
    """
    program = _STOP_ITSELF[0]
    child = os.posix_spawn(program, _STOP_ITSELF, {}, setsigdef=[signal.SIGTSTP], setsigmask=[])
    _, status = os.waitpid(child, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


DEFAULT_SIZE = (80, 24)
"""Columns and lines of a terminal that reports none, such as a serial console."""

MAX_SIZE = (1000, 500)
"""Maximum columns and lines that are drawn; a reported size can be any 16-bit number."""


def terminal_size(descriptor: int) -> tuple[int, int] | None:
    """Return columns and lines of the terminal behind a file descriptor, or None if it reports none."""
    try:
        columns, lines = os.get_terminal_size(descriptor)
    except OSError:
        return None
    return usable_size(columns, lines)


def usable_size(columns: int, lines: int) -> tuple[int, int] | None:
    """Return a reported size, limited to `MAX_SIZE`, or None if it is invalid."""
    if columns <= 0 or lines <= 0:
        return None
    return min(columns, MAX_SIZE[0]), min(lines, MAX_SIZE[1])
