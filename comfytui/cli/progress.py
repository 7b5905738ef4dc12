"""Progress and error messages: the only writer to standard error."""

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
    """Print a message for the user on standard error."""
    _write(f"comfytui: {message}\n")


class Progress:
    """Progress display after one second: one line on a terminal, a few lines elsewhere.

    Leaving the context clears the line.

    Args:
        clock: Clock of the delay.
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
        """Show a message about work that takes at least `ahead` seconds."""
        now = self._clock.monotonic()
        if now + ahead - self._began < _LONG:
            return
        if _has_terminal():
            self._show(message)
        elif self._told_on is None or now - self._told_on >= _EVERY:
            self._told_on = now
            print_error(message)

    def print(self, message: str) -> None:
        """Print a message that stays."""
        self.clear()
        print_error(message)

    def clear(self) -> None:
        """Clear the line, so that something else can be written."""
        if self._shown:
            self._shown = False
            _write("\r\x1b[K")

    def _show(self, message: str) -> None:
        # A serial line or a container's terminal may not know its size.
        columns, _ = terminal_size(sys.stderr.fileno()) or DEFAULT_SIZE
        width = max(1, columns - 1)
        self._shown = True
        _write(f"\r{f'comfytui: {message}'[:width]}\x1b[K")


def _has_terminal() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM", "") not in {"", "dumb"}


def _write(text: str) -> None:
    """Write to standard error; do nothing if it is closed or cannot be written.

    Result and status of a command do not depend on its progress messages.
    """
    if sys.stderr is not None:
        with suppress(OSError):
            print(text, end="", file=sys.stderr, flush=True)
