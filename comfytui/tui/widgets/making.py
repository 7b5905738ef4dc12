"""Rows made anew only where they would be other ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, NamedTuple, Protocol, TypeAlias, TypeVar

from comfytui.tui.present.units import Period

if TYPE_CHECKING:
    from datetime import datetime

    from comfytui.tui.present.columns import Row

__all__ = ["Making"]


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


ItemT = TypeVar("ItemT", bound=_Identified)

_Make: TypeAlias = "Callable[[ItemT], tuple[Row, Period]]"


class _Made(NamedTuple):
    """What a row tells of, for how long times in it read so, and the row."""

    told: object
    period: Period
    row: Row


class Making(Generic[ItemT]):
    """Makes rows of items and keeps those made last, for often it is one that changes.

    Attributes:
        period: For how long times in the rows made last read so.
    """

    def __init__(self) -> None:
        self.period: Period | None = None
        self._made: dict[str, _Made] = {}

    def rows(self, items: Iterable[ItemT], told: Iterable[object], at: datetime, make: _Make[ItemT]) -> list[Row]:
        """The rows of these items; the very same ones where nothing of them is news.

        Args:
            items: In order.
            told: All that the row of each of them tells of, beside the time.
            at: The time, by the wall clock.
            make: The row, and for how long times in it read so.
        """
        before, made = self._made, dict[str, _Made]()
        is_over = self.period is None or not self.period.covers(at)
        for item, tells in zip(items, told, strict=True):
            known = before.get(item.id)
            if known is None or known[0] != tells or (is_over and not known[1].covers(at)):
                row, period = make(item)
                known = _Made(tells, period, row)
            made[item.id] = known
        self._made = made
        self.period = _common([period for _, period, _ in made.values()])
        return [row for *_, row in made.values()]


def _common(periods: list[Period]) -> Period | None:
    """When all of the periods are."""
    if not periods:
        return None
    return Period(max([since for since, _ in periods]), min([until for _, until in periods]))
