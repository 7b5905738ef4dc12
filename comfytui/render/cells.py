"""Lines of text spans, each span with a role that themes turn into colors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from rich.cells import cell_len, chop_cells, set_cell_size

ELLIPSIS = "…"

# Combining marks can make a text of few cells arbitrarily long, so only this many characters a cell are measured.
_CHARS_A_CELL = 8


class Role(StrEnum):
    """Meaning of a span of text; themes map each role to a style."""

    PLAIN = "plain"
    MUTED = "muted"
    STRONG = "strong"
    ACCENT = "accent"
    GOOD = "good"
    WORKING = "working"
    WAITING = "waiting"
    NEUTRAL = "neutral"
    BAD = "bad"
    UNKNOWN = "unknown"
    ALERT = "alert"
    CHANGED = "changed"
    TINT_RED = "tint-red"
    TINT_ORANGE = "tint-orange"
    TINT_YELLOW = "tint-yellow"
    TINT_GREEN = "tint-green"
    TINT_CYAN = "tint-cyan"
    TINT_BLUE = "tint-blue"
    TINT_PURPLE = "tint-purple"


class Span(NamedTuple):
    """Text in one role."""

    text: str
    role: Role = Role.PLAIN


Line: TypeAlias = tuple[Span, ...]
"""Spans of one line of a screen, or of one cell of a table."""

EMPTY: Line = ()


def line(*pieces: Span | str) -> Line:
    """Build a line of spans; a bare string becomes plain text."""
    return tuple(Span(piece) if isinstance(piece, str) else piece for piece in pieces)


def cell_width(pieces: Line) -> int:
    """Return the width of a line in terminal cells."""
    if len(pieces) == 1:
        return cell_len(pieces[0][0])
    return sum([cell_len(text) for text, _ in pieces])


def truncate(pieces: Line, width: int) -> Line:
    """Return the line cut to at most `width` cells, with an ellipsis if anything was cut off."""
    longest = _CHARS_A_CELL * max(0, width)
    if not any(len(text) > longest for text, _ in pieces) and cell_width(pieces) <= width:
        return pieces
    measured = [(text[:longest], role) for text, role in pieces]
    kept: list[Span] = []
    room = width - 1
    for text, role in measured:
        taken = min(room, cell_len(text))
        kept.append(Span(text if taken == cell_len(text) else set_cell_size(text, taken).rstrip(), role))
        room -= taken
        if room <= 0:
            break
    return (*kept, Span(ELLIPSIS, kept[-1].role if kept else Role.PLAIN)) if width > 0 else EMPTY


def pad(pieces: Line, width: int, *, right: bool = False) -> Line:
    """Return the line in exactly `width` cells: cut, or padded with spaces at its end (at its start with `right`)."""
    pieces = truncate(pieces, width)
    fill = Span(" " * (width - cell_width(pieces)))
    if not fill.text:
        return pieces
    return (fill, *pieces) if right else (*pieces, fill)


def join(parts: Iterable[Line], gap: Span) -> Line:
    """Join lines with a gap between them; empty lines are left out."""
    joined: list[Span] = []
    for part in parts:
        if part and joined:
            joined.append(gap)
        joined.extend(part)
    return tuple(joined)


def wrap(text: str, width: int) -> list[str]:
    """Wrap a text to pieces of at most `width` cells, preferably at spaces.

    A piece breaks at a space in its second half, else wherever it is full.
    """
    pieces = list(_wrapped(text, max(2, width)))
    return pieces or [""]


def _wrapped(text: str, width: int) -> Iterator[str]:
    start = 0
    while start < len(text):
        ahead = text[start : start + _CHARS_A_CELL * width]
        head = next(iter(chop_cells(ahead, width)), ahead)
        following = text[start + len(head) : start + len(head) + 1]
        if following and following != " ":
            space = head.rfind(" ", len(head) // 2)
            head = head[:space] if space > 0 else head
        yield head
        start += len(head)
        while text.startswith(" ", start):
            start += 1
