"""Size of a terminal: the one place that decides it."""

from __future__ import annotations

import os

__all__ = ["MAX_SIZE", "USUAL_SIZE", "size_of", "usable_size"]

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
