"""Rows made anew only where they would be other ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.tui.present.units import Period

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from comfytui.tui.present.columns import Row

__all__ = ["Making"]


class Making:
    """Makes rows and keeps those made last, for often it is one that changes.

    Attributes:
        period: For how long times in the rows made last read so.
    """

    def __init__(self) -> None:
        self.period: Period | None = None
        self._made: dict[str, tuple[object, Period, Row]] = {}

    def rows(self, told: Mapping[str, object], at: datetime, make: Callable[[str], tuple[Row, Period]]) -> list[Row]:
        """The rows of these ids in their order; the very same ones where nothing of them is news.

        Args:
            told: All that the row of each of them tells of, beside the time.
            at: The time, by the wall clock.
            make: The row, and for how long times in it read so.
        """
        before = self._made
        made: dict[str, tuple[object, Period, Row]] = {}
        is_over = self.period is None or not self.period.covers(at)
        for row_id, tells in told.items():
            known = before.get(row_id)
            if known is None or known[0] != tells or (is_over and not known[1].covers(at)):
                row, period = make(row_id)
                known = (tells, period, row)
            made[row_id] = known
        self._made = made
        self.period = _common([period for _, period, _ in made.values()])
        return [row for *_, row in made.values()]


def _common(periods: list[Period]) -> Period | None:
    """When all of the periods are."""
    if not periods:
        return None
    return Period(max([since for since, _ in periods]), min([until for _, until in periods]))
