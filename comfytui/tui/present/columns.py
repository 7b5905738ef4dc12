"""Columns of a table: which of them a person chose, in which order, and which of those fit a width."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Self

from comfytui.tui.present.cells import EMPTY, Line, Role, Span

if TYPE_CHECKING:
    from comfytui.engine.sorting import Sort

__all__ = ["GAP", "KEPT", "Choosing", "Column", "Row", "arranged", "fit", "title_of"]

GAP = Span("  ")
"""What stands between two columns."""

KEPT = "name"
"""The key of the column that cannot be left out: without it a row cannot be told from another."""


class Column(NamedTuple):
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


class Row(NamedTuple):
    """An item of a table.

    Attributes:
        id: Whose row it is.
        cells: What it shows, by column key.
        whole: One line over the whole width in their place.
        facts: What it tells of, part by part, None where not known: it has changed where one of them has. Cells tell
            of the passing of time too, which is no change.
        instead: Cells to show while a column is not shown, by that column's key and then by their own.
    """

    id: str
    cells: Mapping[str, Line]
    whole: Line = EMPTY
    facts: tuple[object, ...] = ()
    instead: Mapping[str, Mapping[str, Line]] = MappingProxyType({})

    def cells_of(self, columns: Sequence[Column]) -> list[Line]:
        """Return the cells of these columns, the only ones that are shown."""
        if not self.instead:
            return [self.cells.get(column.key, EMPTY) for column in columns]
        shown, cells = {column.key for column in columns}, dict(self.cells)
        for hidden in self.instead.keys() - shown:
            cells |= self.instead[hidden]
        return [cells.get(column.key, EMPTY) for column in columns]


class Choosing(NamedTuple):
    """What a person makes of a table's columns.

    Attributes:
        order: The keys of all columns, in their order.
        shown: The keys of those to be shown.
        usual: Whether nothing was chosen: the columns are then as they are, as many as fit.
    """

    order: tuple[str, ...]
    shown: frozenset[str]
    usual: bool = False

    @classmethod
    def begin(cls, keys: Sequence[str], chosen: Sequence[str]) -> Self:
        """Begin with a choice made before: its columns first, unknown ones ignored, then the others."""
        known = [key for key in dict.fromkeys(chosen) if key in keys]
        if not known:
            return cls(tuple(keys), frozenset(keys), usual=True)
        shown = [key for key in keys if key == KEPT and key not in known] + known
        return cls((*shown, *(key for key in keys if key not in shown)), frozenset(shown))

    @property
    def chosen(self) -> tuple[str, ...]:
        """The keys to show, in order; none for the usual ones."""
        return () if self.usual else tuple(key for key in self.order if key in self.shown)

    def toggled(self, key: str) -> Self:
        """With this column shown, or not any more."""
        return self if key == KEPT else self._replace(shown=self.shown ^ {key}, usual=False)

    def moved(self, key: str, by: int) -> Self:
        """With this column so many places further down, as far as there are any."""
        here = self.order.index(key)
        there = max(0, min(here + by, len(self.order) - 1))
        others = [each for each in self.order if each != key]
        order = (*others[:there], key, *others[there:])
        return self if order == self.order else self._replace(order=order, usual=False)


def arranged(columns: Sequence[Column], chosen: Sequence[str]) -> tuple[Column, ...]:
    """The chosen columns in the order chosen, the first of them staying longest as the table gets narrow.

    Columns without a title stand first as ever, and the one that cannot be left out is there, and stays longest,
    wherever it stands. Unknown keys are ignored; where nothing is left of a choice, or none was made, the columns
    are as they are.
    """
    titled = {column.key: column for column in columns if column.title}
    chosen = Choosing.begin(tuple(titled), chosen).chosen
    if not chosen:
        return tuple(columns)
    lowest = min(column.priority for column in columns)
    places = {key: lowest if key == KEPT else lowest + place for place, key in enumerate(chosen, 1)}
    untitled = [column for column in columns if not column.title]
    return (*untitled, *(titled[key]._replace(priority=places[key]) for key in chosen))


def title_of(column: Column, sort: Sort | None) -> Line:
    """What stands above a column: its title, and which way it is sorted if the table is sorted by it."""
    if sort is None or column.key != sort.key:
        return (Span(column.title, Role.MUTED),)
    return (Span(column.title[: column.width - 1], Role.MUTED), Span("▼" if sort.descending else "▲", Role.ACCENT))


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
        chosen.append(column._replace(width=needed))
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
    return column._replace(width=column.width + share)
