"""A label and what stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from comfytui.tui.present.cells import EMPTY, Line, Role, Span, pad, width_of, wrap
from comfytui.tui.present.glyphs import ABSENT

__all__ = ["Field", "field", "lay_out"]

_GAP = 2
_LONGEST_LABEL = 24


class Field(NamedTuple):
    """One thing known of an item: its label, and its value as one line however long."""

    label: str
    value: Line


def field(label: str, text: str | None, role: Role = Role.PLAIN) -> Field:
    """A field of plain text; a dash where there is none."""
    return Field(label, (Span(text, role) if text else Span(ABSENT, Role.MUTED),))


def lay_out(fields: Sequence[Field], width: int) -> list[Line]:
    """The fields as lines of at most `width` cells: labels in one column, long values wrapped beside them."""
    longest = max((width_of((Span(label),)) for label, _ in fields), default=0)
    label_width = min(longest, _LONGEST_LABEL, max(1, width // 3)) + _GAP
    lines: list[Line] = []
    for label, value in fields:
        head = pad((Span(label, Role.MUTED),), label_width - _GAP)
        for piece in _folded(value, width - label_width):
            lines.append((*head, Span(" " * _GAP), *piece))
            head = (Span(" " * (label_width - _GAP)),)
    return lines


def _folded(value: Line, width: int) -> list[Line]:
    """The value in lines of at most `width` cells; each span is wrapped on its own where they do not fit in one."""
    if width_of(value) <= width:
        return [value]
    pieces: list[Line] = [(Span(piece, role),) for text, role in value for piece in wrap(text.strip(), width) if piece]
    return pieces or [EMPTY]
