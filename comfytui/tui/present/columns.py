"""Columns of a table, and which of them fit a width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from comfytui.tui.present.cells import EMPTY, Line, Span

__all__ = ["GAP", "Column", "Row", "fit"]

GAP = Span("  ")
"""What stands between two columns."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table.

    Attributes:
        key: The name of its cells in a row.
        title: What stands above it.
        width: The least cells it is of use in.
        weight: Its share of the cells left over; 0 keeps it at `width`.
        priority: The lower, the longer it stays as a table gets narrow.
        right: Whether its cells stand at its right edge.
    """

    key: str
    title: str
    width: int
    weight: int = 0
    priority: int = 0
    right: bool = False


@dataclass(frozen=True, slots=True)
class Row:
    """An item of a table: its id, and its cells by column key, or one line over the whole width in their place."""

    id: str
    cells: Mapping[str, Line]
    whole: Line = EMPTY


def fit(columns: Sequence[Column], width: int) -> tuple[Column, ...]:
    """The columns that fit, in their order, sharing the width by weight.

    The widths depend on nothing that is in the cells, so a changed cell never moves its neighbours. Columns of the
    lowest priority stay for as long as a cell is left for them, narrower than they ask for if need be.
    """
    lowest = min((column.priority for column in columns), default=0)
    chosen: list[Column] = []
    taken = -len(GAP.text)
    for column in sorted(columns, key=lambda column: column.priority):
        room = width - taken - len(GAP.text)
        needed = min(column.width, room) if column.priority == lowest else column.width
        if not 0 < needed <= room:
            break
        chosen.append(replace(column, width=needed))
        taken += needed + len(GAP.text)
    places = {column.key: place for place, column in enumerate(columns)}
    chosen.sort(key=lambda column: places[column.key])
    spare = max(0, width - taken)
    weights = sum(column.weight for column in chosen)
    return tuple(_widened(column, spare, weights, chosen) for column in chosen)


def _widened(column: Column, spare: int, weights: int, chosen: Sequence[Column]) -> Column:
    if not column.weight:
        return column
    share = spare * column.weight // weights
    heaviest = max(chosen, key=lambda other: other.weight)
    if column is heaviest:
        share += spare - sum(spare * other.weight // weights for other in chosen)
    return replace(column, width=column.width + share)
