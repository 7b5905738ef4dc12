"""Rows as lines: aligned on a terminal, with tabs between the cells elsewhere. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["ABSENT", "Table", "aligned", "plain"]

ABSENT = "–"
"""What stands in a table for nothing; between tabs nothing does."""

_GAP = "  "
_LEAST = 4
_SHORT = 10
_IDENTITY = ("name", "id")
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
    """The titles and a line for each row, in columns that fit the width; the last are left out where it is narrow."""
    from comfytui.tui.present.cells import line, pad, width_of

    rows = [tuple(cell or ABSENT for cell in row) for row in table.rows]
    if any(table.titles):
        rows.insert(0, tuple(title.upper() for title in table.titles))
    wanted = [max(width_of(line(row[place])) for row in rows) for place in range(len(table.titles))] if rows else []
    kept = [table.titles.index(title) for title in _IDENTITY if title in table.titles]
    widths = fitted(wanted, width, kept)
    for row in rows:
        cells = ("".join(span.text for span in pad(line(cell), size)) for cell, size in zip(row, widths, strict=False))
        yield _GAP.join(cells).rstrip()


def fitted(wanted: Sequence[int], width: int, kept: Sequence[int] = ()) -> list[int]:
    """How wide the columns are, with gaps between them, for a line of this width.

    The widest give way first, those that are kept after the others, short ones last and none below 4 cells; where
    even that is too wide, the last columns are left out. The first is always there.

    Args:
        wanted: How wide each would be.
        width: Cells of a line.
        kept: Places of columns by which a row is known; the last of them says nothing once it is cut.
    """
    widths = [min(each, max(1, width)) for each in wanted]
    while len(widths) > 1 and _room(width, widths) < sum(min(_LEAST, each) for each in widths):
        widths.pop()
    room = _room(width, widths)
    long = [place for place, each in enumerate(widths) if each > _SHORT]
    others = [place for place in long if place not in kept]
    names = [place for place in long if place in kept[:-1]]
    for places, least in ((others, _LEAST), (names, _SHORT), (long, _LEAST), (range(len(widths)), _LEAST)):
        _level(widths, places, room, least)
    return widths if sum(widths) <= room else [max(1, room)]


def _room(width: int, widths: Sequence[int]) -> int:
    return width - len(_GAP) * (len(widths) - 1)


def _level(widths: list[int], places: Sequence[int], room: int, least: int) -> None:
    """Take from the widest of these as long as all are too wide, and there is something to take."""
    while sum(widths) > room and places and max(widths[place] for place in places) > least:
        widths[max(places, key=lambda place: (widths[place], place))] -= 1
