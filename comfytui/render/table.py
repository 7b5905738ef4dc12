"""Table columns and rows: column selection and widths, frozen order and change marks. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Self

from comfytui.render.cells import EMPTY, Line, Role, Span

if TYPE_CHECKING:
    from comfytui.query.columns import Column
    from comfytui.query.sorting import Sort


GAP = Span("  ")
"""Space between two columns."""

REQUIRED_COLUMN = "name"
"""Key of the column that cannot be hidden, because it identifies the row."""


class Row(NamedTuple):
    """Row of a table.

    Attributes:
        id: Id of its item.
        cells: Cells by column key.
        full_width: Line across all columns, in place of the cells.
        facts: Values compared to detect a change, None if unknown. Cells also change with time alone, so they are not
            compared.
        fallback_cells: Cells to show while a column is hidden: by that column's key, then by their own.
    """

    id: str
    cells: Mapping[str, Line]
    full_width: Line = EMPTY
    facts: tuple[object, ...] = ()
    fallback_cells: Mapping[str, Mapping[str, Line]] = MappingProxyType({})

    def visible_cells(self, columns: Sequence[Column]) -> list[Line]:
        """Return the cells of the given columns, the only ones that are visible."""
        if not self.fallback_cells:
            return [self.cells.get(column.key, EMPTY) for column in columns]
        shown, cells = {column.key for column in columns}, dict(self.cells)
        for hidden in self.fallback_cells.keys() - shown:
            cells |= self.fallback_cells[hidden]
        return [cells.get(column.key, EMPTY) for column in columns]


class ColumnSelection(NamedTuple):
    """User's selection of columns, and their order.

    Attributes:
        order: Keys of all columns in order.
        shown: Keys of the visible columns.
        is_default: True if the user selected nothing: all columns that fit are then shown in the default order.
    """

    order: tuple[str, ...]
    shown: frozenset[str]
    is_default: bool = False

    @classmethod
    def from_chosen(cls, keys: Sequence[str], chosen: Sequence[str]) -> Self:
        """Return a selection with the chosen columns first, then the others; unknown keys are ignored."""
        known = [key for key in dict.fromkeys(chosen) if key in keys]
        if not known:
            return cls(tuple(keys), frozenset(keys), is_default=True)
        shown = [key for key in keys if key == REQUIRED_COLUMN and key not in known] + known
        return cls((*shown, *(key for key in keys if key not in shown)), frozenset(shown))

    @property
    def chosen(self) -> tuple[str, ...]:
        """Keys of the visible columns in order; empty for the default."""
        return () if self.is_default else tuple(key for key in self.order if key in self.shown)

    def toggle(self, key: str) -> Self:
        """Return the selection with this column shown if it was hidden, or hidden if it was shown."""
        return self if key == REQUIRED_COLUMN else self._replace(shown=self.shown ^ {key}, is_default=False)

    def move(self, key: str, by: int) -> Self:
        """Return the selection with this column moved down by a number of positions, up if negative."""
        target = max(0, min(self.order.index(key) + by, len(self.order) - 1))
        others = [other for other in self.order if other != key]
        order = (*others[:target], key, *others[target:])
        return self if order == self.order else self._replace(order=order, is_default=False)


def visible_columns(columns: Sequence[Column], chosen: Sequence[str]) -> tuple[Column, ...]:
    """Return the chosen columns in their order; the first ones are dropped last if the width is too small.

    Columns without a title always come first. The required column is always included and dropped last. Unknown keys are
    ignored. Without any known key the columns are returned unchanged.
    """
    titled = {column.key: column for column in columns if column.title}
    chosen = ColumnSelection.from_chosen(tuple(titled), chosen).chosen
    if not chosen:
        return tuple(columns)
    lowest = min(column.priority for column in columns)
    priorities = {key: lowest if key == REQUIRED_COLUMN else lowest + rank for rank, key in enumerate(chosen, 1)}
    untitled = [column for column in columns if not column.title]
    return (*untitled, *(titled[key]._replace(priority=priorities[key]) for key in chosen))


def column_title(column: Column, sort: Sort | None) -> Line:
    """Return a column's title, with an arrow if the table is sorted by it."""
    if sort is None or column.key != sort.key:
        return (Span(column.title, Role.MUTED),)
    return (Span(column.title[: column.width - 1], Role.MUTED), Span("▼" if sort.descending else "▲", Role.ACCENT))


def fit_columns(columns: Sequence[Column], width: int) -> tuple[Column, ...]:
    """Return the columns that fit the width, in their order, with the spare width shared by weight.

    Widths do not depend on the cells, so a changed cell never moves its neighbors. Columns of the lowest priority stay
    while at least one cell is left for them, narrower than their minimum if necessary.
    """
    lowest = min((column.priority for column in columns), default=0)
    chosen: list[Column] = []
    used = -len(GAP.text)
    for column in sorted(columns, key=lambda column: column.priority):
        room = width - used - len(GAP.text)
        needed = min(column.width, room) if column.priority == lowest else column.width
        if not 0 < needed <= room:
            break
        chosen.append(column._replace(width=needed))
        used += needed + len(GAP.text)
    indices = {column.key: index for index, column in enumerate(columns)}
    chosen.sort(key=lambda column: indices[column.key])
    spare = max(0, width - used)
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


ORDER_FREEZE_S = 3.0
"""Seconds after a key press during which rows keep their order."""


def freeze_order(shown: Sequence[Row], wanted: Sequence[Row]) -> tuple[Row, ...]:
    """Return the wanted rows in the order in which they are shown now.

    Removed rows stay as last known. New rows are only appended below all others, where they move nothing.
    """
    by_id = {row.id: row for row in wanted}
    shown_ids = {row.id for row in shown}
    last = next((index for index in range(len(wanted), 0, -1) if wanted[index - 1].id in shown_ids), 0)
    return (*(by_id.get(row.id, row) for row in shown), *wanted[last:])


def count_moves(shown: Sequence[Row], wanted: Sequence[Row]) -> int:
    """Return the number of rows that are added, removed or moved between two orders."""
    indices = {row.id: index for index, row in enumerate(shown)}
    kept = [indices[row.id] for row in wanted if row.id in indices]
    return (len(shown) - len(kept)) + (len(wanted) - len(kept)) + (len(kept) - _longest_increasing(kept))


def frozen_text(count: int) -> Line:
    """Return the number of pending moves as `2 moves held`, or an empty line."""
    return (Span(f"{count} {'move' if count == 1 else 'moves'} held", Role.WAITING),) if count else ()


def changed_ids(before: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """Return the ids of the rows in both sequences whose facts differ.

    A value that becomes known or unknown is no change.
    """
    if same_order(before, rows):
        pairs = [*zip(before, rows, strict=True)]
    else:
        known = {row.id: row for row in before}
        pairs = [(known[row.id], row) for row in rows if row.id in known]
    return [row.id for was, row in pairs if was is not row and _differ(was.facts, row.facts)]


def same_order(shown: Sequence[Row], wanted: Sequence[Row]) -> bool:
    """Return True if both sequences have the same row ids in the same order."""
    return [row.id for row in shown] == [row.id for row in wanted]


def follow_index(before: Sequence[Row], index: int, indices: Mapping[str, int]) -> int:
    """Return the new index of the item at an old one; if it is gone, of the next one left, else of one before it."""
    neighbours = chain(before[index:], reversed(before[:index]))
    return next((indices[row.id] for row in neighbours if row.id in indices), 0)


class ChangeMarks:
    """Ids of rows marked as changed, each for a limited time."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def __contains__(self, row_id: str) -> bool:
        return row_id in self._until

    def add(self, row_ids: Iterable[str], until: float) -> None:
        """Mark rows until a monotonic time."""
        self._until.update(dict.fromkeys(row_ids, until))

    def expire(self, now: float) -> list[str]:
        """Remove the marks whose time is over, and return their row ids."""
        expired = [row_id for row_id, until in self._until.items() if until <= now]
        for row_id in expired:
            del self._until[row_id]
        return expired

    def lasts(self, now: float) -> float:
        """Seconds until the first of them goes, no end where there is none."""
        return min(self._until.values(), default=math.inf) - now


def _differ(before: tuple[object, ...], after: tuple[object, ...]) -> bool:
    return any(old is not None and new is not None and old != new for old, new in zip(before, after, strict=False))


def _longest_increasing(numbers: Sequence[int]) -> int:
    """Return the length of the longest increasing subsequence: the rows that need not move."""
    ends: list[int] = []
    for number in numbers:
        index = bisect_left(ends, number)
        ends[index : index + 1] = [number]
    return len(ends)
