"""Job control: stopping this process so that a shell can go on with it, and not where none can."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BACKGROUND = (signal.SIGTTIN, signal.SIGTTOU)
"""Signals that stop a process which uses its terminal from the background."""

_FIRST_COMM = Path("/proc/1/comm")

# It stops itself, where the system lets a member of our process group stop: orphaned groups are not.
_STOP_ITSELF = ("/bin/sh", "-c", "kill -s TSTP $$")


def is_in_foreground(terminal: int) -> bool:
    """Return True if this process may use the terminal, which is so for one that does not control it."""
    try:
        return os.tcgetpgrp(terminal) == os.getpgrp()
    except OSError:
        return True


def is_resumable() -> bool:
    """Return True if a shell can continue this process once it has stopped.

    None can continue the leader of a session, a process group without a parent in its session, or process 1, and an
    init process does not.
    """
    if os.getpid() == 1 or (os.getppid() == 1 and not _is_shell(_FIRST_COMM)):
        return False
    try:
        return _can_stop()
    except OSError:
        return os.getpgid(os.getppid()) != os.getpgrp() and os.getsid(os.getppid()) == os.getsid(0)


def stop(number: signal.Signals, *, group: bool = False) -> None:
    """Stop by a signal until something continues the process; return at once if the system does not stop it.

    Args:
        number: SIGTSTP, SIGTTIN or SIGTTOU.
        group: Whether all of the process group is stopped, as by the key of the terminal.
    """
    with stops_by_default():
        os.kill(0 if group else os.getpid(), number)


@contextmanager
def stops_by_default() -> Iterator[None]:
    """Let signals that stop a process do so at once, as long as the terminal is not ours to give back."""
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGTSTP, *BACKGROUND)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def background_allowed() -> Iterator[None]:
    """Let this thread, and those it starts, use the terminal from the background too."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, BACKGROUND)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _is_shell(comm: Path) -> bool:
    """Return True if the name of a process is one of a shell, or is not known."""
    try:
        return comm.read_text().strip().endswith(("sh", "busybox"))
    except OSError:
        return True


def _can_stop() -> bool:
    """Return True if the system stops a member of our process group; a child that lives no longer tries it.

    Raises:
        OSError: There is no shell to try it with.
    """
    program = _STOP_ITSELF[0]
    child = os.posix_spawn(program, _STOP_ITSELF, {}, setsigdef=[signal.SIGTSTP], setsigmask=[])
    _, status = os.waitpid(child, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        return False
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return True


USUAL_SIZE = (80, 24)
"""Columns and lines of a terminal that reports none: a serial console, a container without a window."""

MAX_SIZE = (1000, 500)
"""Columns and lines beyond which nothing is drawn: a size can be any number of 16 bits."""


def size_of(descriptor: int) -> tuple[int, int] | None:
    """Return columns and lines of the terminal behind a file descriptor, or None if it reports none."""
    try:
        columns, lines = os.get_terminal_size(descriptor)
    except OSError:
        return None
    return usable_size(columns, lines)


def usable_size(columns: int, lines: int) -> tuple[int, int] | None:
    """Return a reported size, at most `MAX_SIZE` of it, or None if it is no size."""
    if columns <= 0 or lines <= 0:
        return None
    return min(columns, MAX_SIZE[0]), min(lines, MAX_SIZE[1])
