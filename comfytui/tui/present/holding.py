"""Rows that hold still after a key press, and rows that have changed. Pure."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from comfytui.tui.present.cells import Line, Role, Span

if TYPE_CHECKING:
    from comfytui.tui.present.columns import Row

__all__ = ["HOLD", "Marks", "are_in_place", "changed", "held", "held_words", "moves", "place_after"]

HOLD = 3.0
"""Seconds after a key press for which rows keep their places."""


def held(shown: Sequence[Row], wanted: Sequence[Row]) -> tuple[Row, ...]:
    """The wanted rows in the places they have now.

    Rows that are gone stay, as last known; new ones appear only behind all others, where they push nothing away.
    """
    by_id = {row.id: row for row in wanted}
    places = {row.id for row in shown}
    behind = next((place for place in range(len(wanted), 0, -1) if wanted[place - 1].id in places), 0)
    return (*(by_id.get(row.id, row) for row in shown), *wanted[behind:])


def moves(shown: Sequence[Row], wanted: Sequence[Row]) -> int:
    """How many rows come, go or change places from the one order to the other."""
    places = {row.id: place for place, row in enumerate(shown)}
    kept = [places[row.id] for row in wanted if row.id in places]
    return (len(shown) - len(kept)) + (len(wanted) - len(kept)) + (len(kept) - _longest_rise(kept))


def held_words(count: int) -> Line:
    """`2 moves held`, where there are any."""
    return (Span(f"{count} {'move' if count == 1 else 'moves'} held", Role.WAITING),) if count else ()


def changed(before: Sequence[Row], rows: Sequence[Row]) -> list[str]:
    """The ids of the rows that were there before and tell of something else now.

    What was not known before, or is not known any more, is no change.
    """
    if are_in_place(before, rows):
        pairs = [*zip(before, rows, strict=True)]
    else:
        known = {row.id: row for row in before}
        pairs = [(known[row.id], row) for row in rows if row.id in known]
    return [row.id for was, row in pairs if was is not row and _differ(was.facts, row.facts)]


def are_in_place(shown: Sequence[Row], wanted: Sequence[Row]) -> bool:
    """Whether the wanted rows are those shown in their order, whatever they tell."""
    return [row.id for row in shown] == [row.id for row in wanted]


def place_after(before: Sequence[Row], place: int, places: Mapping[str, int]) -> int:
    """Where what was in a place is now: the item, else the next one after it that is left, else one before it."""
    neighbours = chain(before[place:], reversed(before[:place]))
    return next((places[row.id] for row in neighbours if row.id in places), 0)


class Marks:
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
