"""Help, request log and labeled fields as lines and rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.request_log import LogNote
from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.query.columns import Column
from comfytui.render.cells import EMPTY, Line, Role, Span, cell_width, pad, wrap
from comfytui.render.icons import ABSENT, runner_icon, workflow_icon
from comfytui.render.table import GAP, Row
from comfytui.render.times import format_hms

if TYPE_CHECKING:
    from comfytui.api.request_log import Entry
    from comfytui.render.times import TimeStyle


SHAPES: Sequence[tuple[Span, str]] = (
    *(
        (runner_icon(status), meaning)
        for status, meaning in (
            (RunnerStatus.ACTIVE, "runner active: gets jobs"),
            (RunnerStatus.DISABLED, "runner disabled: gets no jobs"),
        )
    ),
    *((workflow_icon(status), f"workflow {status}") for status in WorkflowStatus),
    (workflow_icon(None), "undocumented status, shown as sent"),
    (Span("∆", Role.CHANGED), "row that has just changed"),
    (Span("…", Role.MUTED), "not loaded yet; or text cut off"),
    (Span(ABSENT, Role.MUTED), "no value"),
    (Span("▲▼", Role.ACCENT), "sorted ascending, descending"),
)
"""Icons on the screen and their meanings."""

_INDENT = 2
_GAP = 2
_WIDEST = 26


def help_lines(sections: Mapping[str, Sequence[tuple[str, str]]], width: int) -> list[Line]:
    """Return the whole help in lines of at most `width` cells.

    Args:
        sections: Keys and descriptions, by title of the place in which they work.
        width: Cells; 10 or more to be readable.
    """
    tables = {title: [(Span(keys, Role.ACCENT), what) for keys, what in found] for title, found in sections.items()}
    tables["Shapes"] = [*SHAPES]
    widest = max(cell_width((head,)) for found in tables.values() for head, _ in found)
    column = max(1, min(widest, _WIDEST, width // 3))
    lines: list[Line] = []
    for title, found in tables.items():
        lines += [EMPTY, *((Span(piece, Role.STRONG),) for piece in wrap(title, width))]
        for head, what in found:
            lines.extend(_help_row(head, what, column, width))
    return lines[1:]


def _help_row(head: Span, what: str, column: int, width: int) -> Iterator[Line]:
    """Yield lines with the keys on the left and their description on the right, both wrapped."""
    heads = wrap(head.text, column)
    for left, right in zip_longest(heads, wrap(what, max(1, width - _INDENT - column - _GAP)), fillvalue=""):
        yield (Span(" " * _INDENT), *pad((Span(left, head.role),), column), Span(" " * _GAP), Span(right))


REQUEST_COLUMNS = (
    Column("time", "time", 8, priority=0),
    Column("path", "request", 50, weight=3, priority=0),
    Column("status", "status", 6, priority=1, right=True),
    Column("ms", "ms", 6, priority=2, right=True),
    Column("bytes", "bytes", 8, priority=3, right=True),
    Column("error", "what went wrong", 16, weight=1, priority=4),
)


def request_rows(entries: Sequence[Entry], style: TimeStyle) -> list[Row]:
    """Return the rows of the request log, newest first."""
    return [_request_row(entry, style) for entry in reversed(entries)]


def _request_row(entry: Entry, style: TimeStyle) -> Row:
    row_id = str(id(entry))  # entries have no ids; the row keeps its entry alive, so the address stays unique
    time = {"time": (Span(format_hms(entry.at, style), Role.MUTED),)}
    if isinstance(entry, LogNote):
        return Row(row_id, time, full_width=(*time["time"], GAP, Span(entry.text, Role.WAITING)))
    good = entry.status is not None and entry.status < HTTPStatus.BAD_REQUEST
    cells: dict[str, Line] = {
        "path": (Span(f"{entry.method} {entry.target}"),),
        "status": (Span(str(entry.status or ABSENT), Role.GOOD if good else Role.BAD),),
        "ms": (Span(str(entry.ms)),),
        "bytes": (Span(str(entry.size)),),
        "error": (Span(entry.error, Role.BAD),),
    }
    return Row(row_id, {**time, **cells})


_FIELD_GAP = 2
_LONGEST_LABEL = 24


class Field(NamedTuple):
    """Labeled value of an item; the value is one line of any length."""

    label: str
    value: Line


def field(label: str, text: str | None, role: Role = Role.PLAIN) -> Field:
    """Build a field of plain text; an empty text becomes a dash."""
    return Field(label, (Span(text, role) if text else Span(ABSENT, Role.MUTED),))


def layout_fields(fields: Sequence[Field], width: int) -> list[Line]:
    """Lay fields out in lines of at most `width` cells, with labels in one column and long values wrapped."""
    longest = max((cell_width((Span(label),)) for label, _ in fields), default=0)
    label_width = min(longest, _LONGEST_LABEL, max(1, width // 3)) + _FIELD_GAP
    lines: list[Line] = []
    for label, value in fields:
        head = pad((Span(label, Role.MUTED),), label_width - _FIELD_GAP)
        for piece in _wrap_value(value, width - label_width):
            lines.append((*head, Span(" " * _FIELD_GAP), *piece))
            head = (Span(" " * (label_width - _FIELD_GAP)),)
    return lines


def _wrap_value(value: Line, width: int) -> list[Line]:
    """Wrap a value to lines of at most `width` cells; if it takes several, each span starts a line."""
    if cell_width(value) <= width:
        return [value]
    pieces: list[Line] = [(Span(piece, role),) for text, role in value for piece in wrap(text.strip(), width) if piece]
    return pieces or [EMPTY]
