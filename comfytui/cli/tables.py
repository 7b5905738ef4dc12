"""Rows as lines: aligned on a terminal, with tabs between the cells elsewhere. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["ABSENT", "Table", "aligned", "plain"]

ABSENT = "–"
"""What stands in a table for nothing; between tabs nothing does."""

_GAP = "  "
_BREAKS = re.compile(r"[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, as many as there are titles; without titles it has no line above them."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def plain(table: Table) -> Iterator[str]:
    """A line for each row: whole cells with tabs between them and nothing above."""
    return ("\t".join(_BREAKS.sub(" ", cell) for cell in row) for row in table.rows)


def aligned(table: Table, width: int) -> Iterator[str]:
    """The titles and a line for each row, in columns, the widest of them cut so that all fit the width."""
    from comfytui.tui.present.cells import line, pad, width_of

    rows = [tuple(cell or ABSENT for cell in row) for row in table.rows]
    if any(table.titles):
        rows.insert(0, tuple(title.upper() for title in table.titles))
    wanted = [max(width_of(line(row[place])) for row in rows) for place in range(len(table.titles))] if rows else []
    widths = fitted(wanted, width - len(_GAP) * (len(wanted) - 1))
    for row in rows:
        cells = ("".join(span.text for span in pad(line(cell), size)) for cell, size in zip(row, widths, strict=True))
        yield _GAP.join(cells).rstrip()


def fitted(wanted: Sequence[int], room: int) -> list[int]:
    """The widths as wanted, the greatest of them made equal and as small as it takes to fit; never below 1."""
    widths = list(wanted)
    while sum(widths) > room and max(widths) > 1:
        greatest = max(widths)
        places = [place for place, each in enumerate(widths) if each == greatest]
        second = max((each for each in widths if each < greatest), default=1)
        share = -(-(sum(widths) - room) // len(places))
        for place in places:
            widths[place] = max(1, second, greatest - share)
    return widths
