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

    def rows(
        self, items: Iterable[ItemT], at: datetime, tell: Callable[[ItemT], object], make: _Make[ItemT]
    ) -> list[Row]:
        """The rows of these items; the very same ones where nothing of them is news.

        Args:
            items: In order.
            at: The time, by the wall clock.
            tell: All that the row of an item tells of, beside the time.
            make: The row, and for how long times in it read so.
        """
        made: dict[str, _Made] = {}
        for item in items:
            told, before = tell(item), self._made.get(item.id)
            if before is None or before.told != told or not before.period.covers(at):
                row, period = make(item)
                before = _Made(told, period, row)
            made[item.id] = before
        self._made = made
        self.period = self._common()
        return [each.row for each in made.values()]

    def _common(self) -> Period | None:
        """When all of the periods are."""
        periods = [each.period for each in self._made.values()]
        if not periods:
            return None
        return Period(max(since for since, _ in periods), min(until for _, until in periods))
