"""The help as lines: keys and what they do, shapes and what they mean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.tui.present.cells import EMPTY, Line, Role, Span, pad, width_of, wrap
from comfytui.tui.present.glyphs import ABSENT, runner_glyph, workflow_glyph

__all__ = ["SHAPES", "help_lines"]

SHAPES: Sequence[tuple[Span, str]] = (
    *(
        (runner_glyph(status), meaning)
        for status, meaning in (
            (RunnerStatus.ACTIVE, "runner active: it is given work"),
            (RunnerStatus.DISABLED, "runner disabled: it is given none"),
        )
    ),
    *((workflow_glyph(status), f"workflow {status}") for status in WorkflowStatus),
    (workflow_glyph(None), "a status nobody documented, its word shown as sent"),
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
    widest = max(width_of((head,)) for found in tables.values() for head, _ in found)
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
