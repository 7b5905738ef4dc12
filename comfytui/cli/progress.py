"""Narration: the only writer to standard error."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Self

from comfytui.tui.terminal.job_control import DEFAULT_SIZE, terminal_size

if TYPE_CHECKING:
    from types import TracebackType

    from comfytui.clock import Clock


_LONG = 1.0
_EVERY = 5.0


def print_error(message: str) -> None:
    """Tell the person something, on standard error."""
    _write(f"comfytui: {message}\n")


class Progress:
    """What goes on, told once it takes longer than a second: on a terminal in one line, elsewhere in a few.

    Leaving it takes that one line away.

    Args:
        clock: Says what takes long.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._began = clock.monotonic()
        self._told_on: float | None = None
        self._shown = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.clear()

    def update(self, message: str, ahead: float = 0.0) -> None:
        """Tell what goes on now, and that it will for so many seconds at least."""
        now = self._clock.monotonic()
        if now + ahead - self._began < _LONG:
            return
        if _has_terminal():
            self._show(message)
        elif self._told_on is None or now - self._told_on >= _EVERY:
            self._told_on = now
            print_error(message)

    def print(self, message: str) -> None:
        """Tell something that is to stay."""
        self.clear()
        print_error(message)

    def clear(self) -> None:
        """Take that one line away, so that something else can be written."""
        if self._shown:
            self._shown = False
            _write("\r\x1b[K")

    def _show(self, message: str) -> None:
        # A terminal on a serial line, or one of a container, may not know its size.
        columns, _ = terminal_size(sys.stderr.fileno()) or DEFAULT_SIZE
        width = max(1, columns - 1)
        self._shown = True
        _write(f"\r{f'comfytui: {message}'[:width]}\x1b[K")


def _has_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def _write(text: str) -> None:
    """Nothing where standard error is closed, for print would take the other; nor where it takes nothing.

    What a command brings, and what it ends with, does not depend on whether anybody hears how it went.
    """
    if sys.stderr is not None:
        with suppress(OSError):
            print(text, end="", file=sys.stderr, flush=True)
