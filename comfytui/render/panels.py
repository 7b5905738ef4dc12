"""The help as lines: keys and what they do, shapes and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from http import HTTPStatus
from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.request_log import LogNote
from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.render.cells import EMPTY, Line, Role, Span, cell_width, pad, wrap
from comfytui.render.icons import ABSENT, runner_icon, workflow_icon
from comfytui.render.table import GAP, Column, Row
from comfytui.render.times import format_hms

if TYPE_CHECKING:
    from comfytui.api.request_log import Entry
    from comfytui.render.times import TimeStyle


SHAPES: Sequence[tuple[Span, str]] = (
    *(
        (runner_icon(status), meaning)
        for status, meaning in (
            (RunnerStatus.ACTIVE, "runner active: it is given work"),
            (RunnerStatus.DISABLED, "runner disabled: it is given none"),
        )
    ),
    *((workflow_icon(status), f"workflow {status}") for status in WorkflowStatus),
    (workflow_icon(None), "a status nobody documented, its word shown as sent"),
    (Span("∆", Role.CHANGED), "a row that has just changed"),
    (Span("…", Role.MUTED), "not asked yet; or the rest did not fit"),
    (Span(ABSENT, Role.MUTED), "nothing was sent, or there is nothing"),
    (Span("▲▼", Role.ACCENT), "sorted upwards, downwards"),
)
"""What the signs on the screen mean."""

_INDENT = 2
_GAP = 2
_WIDEST = 26


def help_lines(sections: Mapping[str, Sequence[tuple[str, str]]], width: int) -> list[Line]:
    """All of the help in lines of at most `width` cells.

    Args:
        sections: Keys and what they do, by the title of where they do it.
        width: In cells; 10 or more for anything to be read.
    """
    tables = {title: [(Span(keys, Role.ACCENT), what) for keys, what in found] for title, found in sections.items()}
    tables["Shapes"] = [*SHAPES]
    widest = max(cell_width((head,)) for found in tables.values() for head, _ in found)
    column = max(1, min(widest, _WIDEST, width // 3))
    lines: list[Line] = []
    for title, found in tables.items():
        lines += [EMPTY, *((Span(piece, Role.STRONG),) for piece in wrap(title, width))]
        for head, what in found:
            lines.extend(_row(head, what, column, width))
    return lines[1:]


def _row(head: Span, what: str, column: int, width: int) -> Iterator[Line]:
    """What it is beside it, both in several lines where they are long."""
    heads = wrap(head.text, column)
    for left, right in zip_longest(heads, wrap(what, max(1, width - _INDENT - column - _GAP)), fillvalue=""):
        yield (Span(" " * _INDENT), *pad((Span(left, head.role),), column), Span(" " * _GAP), Span(right))


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
    return [_request_row(entry, style) for entry in reversed(entries)]


def _request_row(entry: Entry, style: TimeStyle) -> Row:
    row_id = str(id(entry))  # an entry has no name of its own, and lives as long as its row
    time = {"time": (Span(format_hms(entry.at, style), Role.MUTED),)}
    if isinstance(entry, LogNote):
        return Row(row_id, time, whole=(*time["time"], GAP, Span(entry.text, Role.WAITING)))
    good = entry.status is not None and entry.status < HTTPStatus.BAD_REQUEST
    cells: dict[str, Line] = {
        "path": (Span(f"{entry.method} {entry.target}"),),
        "status": (Span(str(entry.status or ABSENT), Role.GOOD if good else Role.BAD),),
        "ms": (Span(str(entry.ms)),),
        "bytes": (Span(str(entry.size)),),
        "words": (Span(entry.error, Role.BAD),),
    }
    return Row(row_id, {**time, **cells})


_FIELD_GAP = 2
_LONGEST_LABEL = 24


class Field(NamedTuple):
    """One thing known of an item: its label, and its value as one line however long."""

    label: str
    value: Line


def field(label: str, text: str | None, role: Role = Role.PLAIN) -> Field:
    """A field of plain text; a dash where there is none."""
    return Field(label, (Span(text, role) if text else Span(ABSENT, Role.MUTED),))


def layout_fields(fields: Sequence[Field], width: int) -> list[Line]:
    """The fields as lines of at most `width` cells: labels in one column, long values wrapped beside them."""
    longest = max((cell_width((Span(label),)) for label, _ in fields), default=0)
    label_width = min(longest, _LONGEST_LABEL, max(1, width // 3)) + _FIELD_GAP
    lines: list[Line] = []
    for label, value in fields:
        head = pad((Span(label, Role.MUTED),), label_width - _FIELD_GAP)
        for piece in _folded(value, width - label_width):
            lines.append((*head, Span(" " * _FIELD_GAP), *piece))
            head = (Span(" " * (label_width - _FIELD_GAP)),)
    return lines


def _folded(value: Line, width: int) -> list[Line]:
    """The value in lines of at most `width` cells; each span is wrapped on its own where they do not fit in one."""
    if cell_width(value) <= width:
        return [value]
    pieces: list[Line] = [(Span(piece, role),) for text, role in value for piece in wrap(text.strip(), width) if piece]
    return pieces or [EMPTY]
