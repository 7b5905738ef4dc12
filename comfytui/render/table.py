"""Columns of a table: which of them a person chose, in which order, and which of those fit a width."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Self

from comfytui.render.cells import EMPTY, Line, Role, Span

if TYPE_CHECKING:
    from comfytui.query.sorting import Sort


GAP = Span("  ")
"""What stands between two columns."""

REQUIRED_COLUMN = "name"
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


class ColumnSelection(NamedTuple):
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
        shown = [key for key in keys if key == REQUIRED_COLUMN and key not in known] + known
        return cls((*shown, *(key for key in keys if key not in shown)), frozenset(shown))

    @property
    def chosen(self) -> tuple[str, ...]:
        """The keys to show, in order; none for the usual ones."""
        return () if self.usual else tuple(key for key in self.order if key in self.shown)

    def toggled(self, key: str) -> Self:
        """With this column shown, or not any more."""
        return self if key == REQUIRED_COLUMN else self._replace(shown=self.shown ^ {key}, usual=False)

    def moved(self, key: str, by: int) -> Self:
        """With this column so many places further down, as far as there are any."""
        here = self.order.index(key)
        there = max(0, min(here + by, len(self.order) - 1))
        others = [each for each in self.order if each != key]
        order = (*others[:there], key, *others[there:])
        return self if order == self.order else self._replace(order=order, usual=False)


def visible_columns(columns: Sequence[Column], chosen: Sequence[str]) -> tuple[Column, ...]:
    """The chosen columns in the order chosen, the first of them staying longest as the table gets narrow.

    Columns without a title stand first as ever, and the one that cannot be left out is there, and stays longest,
    wherever it stands. Unknown keys are ignored; where nothing is left of a choice, or none was made, the columns
    are as they are.
    """
    titled = {column.key: column for column in columns if column.title}
    chosen = ColumnSelection.begin(tuple(titled), chosen).chosen
    if not chosen:
        return tuple(columns)
    lowest = min(column.priority for column in columns)
    places = {key: lowest if key == REQUIRED_COLUMN else lowest + place for place, key in enumerate(chosen, 1)}
    untitled = [column for column in columns if not column.title]
    return (*untitled, *(titled[key]._replace(priority=places[key]) for key in chosen))


def column_title(column: Column, sort: Sort | None) -> Line:
    """What stands above a column: its title, and which way it is sorted if the table is sorted by it."""
    if sort is None or column.key != sort.key:
        return (Span(column.title, Role.MUTED),)
    return (Span(column.title[: column.width - 1], Role.MUTED), Span("▼" if sort.descending else "▲", Role.ACCENT))


def fit_columns(columns: Sequence[Column], width: int) -> tuple[Column, ...]:
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


HOLD = 3.0
"""Seconds after a key press for which rows keep their places."""


def freeze_order(shown: Sequence[Row], wanted: Sequence[Row]) -> tuple[Row, ...]:
    """The wanted rows in the places they have now.

    Rows that are gone stay, as last known; new ones appear only behind all others, where they push nothing away.
    """
    by_id = {row.id: row for row in wanted}
    places = {row.id for row in shown}
    behind = next((place for place in range(len(wanted), 0, -1) if wanted[place - 1].id in places), 0)
    return (*(by_id.get(row.id, row) for row in shown), *wanted[behind:])


def count_moves(shown: Sequence[Row], wanted: Sequence[Row]) -> int:
    """How many rows come, go or change places from the one order to the other."""
    places = {row.id: place for place, row in enumerate(shown)}
    kept = [places[row.id] for row in wanted if row.id in places]
    return (len(shown) - len(kept)) + (len(wanted) - len(kept)) + (len(kept) - _longest_rise(kept))


def frozen_text(count: int) -> Line:
    """`2 moves held`, where there are any."""
    return (Span(f"{count} {'move' if count == 1 else 'moves'} held", Role.WAITING),) if count else ()


def changed_ids(before: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """The ids of the rows that were there before and tell of something else now.

    What was not known before, or is not known any more, is no change.
    """
    if same_order(before, rows):
        pairs = [*zip(before, rows, strict=True)]
    else:
        known = {row.id: row for row in before}
        pairs = [(known[row.id], row) for row in rows if row.id in known]
    return [row.id for was, row in pairs if was is not row and _differ(was.facts, row.facts)]


def same_order(shown: Sequence[Row], wanted: Sequence[Row]) -> bool:
    """Whether the wanted rows are those shown in their order, whatever they tell."""
    return [row.id for row in shown] == [row.id for row in wanted]


def follow_index(before: Sequence[Row], place: int, places: Mapping[str, int]) -> int:
    """Where what was in a place is now: the item, else the next one after it that is left, else one before it."""
    neighbours = chain(before[place:], reversed(before[:place]))
    return next((places[row.id] for row in neighbours if row.id in places), 0)


class ChangeMarks:
    """Which rows are marked as changed, each for one tick."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __contains__(self, row_id: str) -> bool:
        return row_id in self._until

    def begin(self, row_ids: Iterable[str], until: float) -> None:
        """Mark these from now on."""
        self._until.update(dict.fromkeys(row_ids, until))

    def end(self, now: float) -> list[str]:
        """Take away those whose time is over; the ids of these."""
        over = [row_id for row_id, until in self._until.items() if until <= now]
        for row_id in over:
            del self._until[row_id]
        return over

    def lasts(self, now: float) -> float:
        """Seconds until the first of them goes, no end where there is none."""
        return min(self._until.values(), default=math.inf) - now


def _differ(before: tuple[object, ...], after: tuple[object, ...]) -> bool:
    return any(old is not None and new is not None and old != new for old, new in zip(before, after, strict=False))


def _longest_rise(numbers: Sequence[int]) -> int:
    """How many of the numbers can stay where they are while the others move between them."""
    ends: list[int] = []
    for number in numbers:
        place = bisect_left(ends, number)
        ends[place : place + 1] = [number]
    return len(ends)
