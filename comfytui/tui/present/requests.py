"""The request log as rows."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from comfytui.api.request_log import Note
from comfytui.tui.present.cells import Line, Role, Span
from comfytui.tui.present.columns import GAP, Column, Row
from comfytui.tui.present.glyphs import ABSENT
from comfytui.tui.present.units import to_the_second

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfytui.api.request_log import Entry
    from comfytui.tui.present.units import TimeStyle

__all__ = ["REQUEST_COLUMNS", "request_rows"]

REQUEST_COLUMNS = (
    Column("time", "time", 8, priority=0),
    Column("path", "request", 50, weight=3, priority=0),
    Column("status", "status", 6, priority=1, right=True),
    Column("ms", "ms", 6, priority=2, right=True),
    Column("bytes", "bytes", 8, priority=3, right=True),
    Column("words", "what went wrong", 16, weight=1, priority=4),
)


def request_rows(entries: Sequence[Entry], style: TimeStyle) -> list[Row]:
    """The entries, newest first."""
    return [_row(entry, style) for entry in reversed(entries)]


def _row(entry: Entry, style: TimeStyle) -> Row:
    row_id = str(id(entry))  # an entry has no name of its own, and lives as long as its row
    time = {"time": (Span(to_the_second(entry.at, style), Role.MUTED),)}
    if isinstance(entry, Note):
        return Row(row_id, time, whole=(*time["time"], GAP, Span(entry.text, Role.WAITING)))
    good = entry.status is not None and entry.status < HTTPStatus.BAD_REQUEST
    cells: dict[str, Line] = {
        "path": (Span(f"{entry.method} {entry.target}"),),
        "status": (Span(str(entry.status or ABSENT), Role.GOOD if good else Role.BAD),),
        "ms": (Span(str(entry.ms)),),
        "bytes": (Span(str(entry.size)),),
        "words": (Span(entry.words, Role.BAD),),
    }
    return Row(row_id, {**time, **cells})
