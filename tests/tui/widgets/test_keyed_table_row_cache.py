"""Rows made anew only where they would be other ones."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from comfytui.render.table import Row
from comfytui.render.times import Period
from comfytui.tui.widgets.keyed_table import RowCache
from tests.support.builders import make_runner

if TYPE_CHECKING:
    from comfytui.api.models import Runner

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
A, B = make_runner("a"), make_runner("b")


class Maker:
    """Makes rows that read so for a minute, those of `b` for half of that, and remembers whose."""

    def __init__(self) -> None:
        self.making = RowCache()
        self.made: list[str] = []

    def rows(self, *runners: Runner, after: float = 0.0) -> list[Row]:
        now = NOW + timedelta(seconds=after)

        def make(row_id: str) -> tuple[Row, Period]:
            self.made.append(row_id)
            return Row(row_id, {}), Period(now, now + timedelta(seconds=30 if row_id == "b" else 60))

        self.made.clear()
        return self.making.get_rows({runner.id: runner for runner in runners}, now, make)


def test_the_very_same_rows_come_while_nothing_of_them_is_news() -> None:
    maker = Maker()
    before = maker.rows(A, B)
    after = maker.rows(B, A, after=29.0)
    assert maker.made == []
    assert [id(row) for row in after] == [id(row) for row in reversed(before)]


def test_only_rows_with_new_inputs_are_rebuilt() -> None:
    maker = Maker()
    maker.rows(A, B)
    maker.rows(A, make_runner("b", name="other"))
    assert maker.made == ["b"]


def test_only_rows_with_outdated_times_are_rebuilt() -> None:
    maker = Maker()
    maker.rows(A, B)
    maker.rows(A, B, after=30.0)
    assert maker.made == ["b"]
    maker.rows(A, B, after=-1.0)
    assert maker.made == ["a", "b"], "a wall clock may go back"


def test_all_rows_read_so_for_as_long_as_each_of_them() -> None:
    maker = Maker()
    maker.rows()
    before = maker.making.period
    maker.rows(A)
    maker.rows(A, B, after=10.0)
    assert (before, maker.making.period) == (None, Period(NOW + timedelta(seconds=10), NOW + timedelta(seconds=40)))
