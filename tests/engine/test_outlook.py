from __future__ import annotations

import math

import pytest

from comfytui.engine.outlook import Standing, look_out
from comfytui.engine.planner import Ask, Plan, plan
from comfytui.engine.protocol import HistoryKey
from comfytui.engine.rotating import Round
from comfytui.ratelimit.window import Spending, Use
from tests.engine.planning import FRESH, HISTORY, LIVE, NOW, PAGE, known, with_histories

ROUND_OVER = Round(95.0, 4)


class TestCompany:
    """What may wait for others goes along with them."""

    def test_what_is_due_goes_with_others_or_once_it_has_waited(self) -> None:
        alone, along = look_out(FRESH, Standing(NOW)), look_out(FRESH, Standing(NOW, beat_on=NOW))
        assert alone.in_company(99.0) == 104.0
        assert along.in_company(99.0) == -math.inf

    def test_what_is_due_later_waits_however_many_go_now(self) -> None:
        along = look_out(FRESH, Standing(NOW, beat_on=NOW))
        assert along.in_company(NOW + 0.05) == pytest.approx(105.05)

    def test_a_round_begins_a_little_early_where_polls_come_by(self) -> None:
        """Else each would be asked apart from these by the milliseconds that answers take."""
        known_to_all = with_histories(FRESH, r2=90, r3=90, r4=90)
        soon = Standing(NOW, beat_on=NOW, round=Round(95.05, 4))
        assert plan(known_to_all, soon).ask == Ask(HistoryKey("r2"), Use.ROTATION)
        assert plan(known_to_all, soon._replace(round=Round(95.2, 4))).ask is None

    def test_nobody_wakes_for_a_round_that_would_wait_for_others_then(self) -> None:
        known_to_all = with_histories(FRESH, r2=96, r3=96, r4=96)._replace(pages={})
        begun = Standing(NOW, beat_on=NOW, round=Round(NOW, 4), in_flight={PAGE: Use.POLL})
        assert plan(known_to_all, begun) == Plan(None, 105.0)
        assert plan(known_to_all._replace(attention=FRESH.attention._replace(runner_id=None)), begun).wake_at == 110.0


class TestPuttingOff:
    """Two bursts of nine fit into a window, and three of six, and each comes when there is room for all of it."""

    SPENT = Spending((*[90.0] * 7, *[95.0] * 7))
    DUE = known(LIVE, 95.0, 95.0, 95.0)

    def test_polls_wait_a_moment_for_room_for_all_that_goes_along(self) -> None:
        due = with_histories(FRESH, r1=95.0)._replace(spending=self.SPENT, pages=self.DUE.pages)
        step = plan(due, Standing(NOW, round=ROUND_OVER))
        assert step.ask is None
        assert step.wake_at == pytest.approx(100.05)
        assert plan(due, Standing(100.051, round=ROUND_OVER)).ask is not None

    def test_a_round_waits_for_it_as_well(self) -> None:
        begins = FRESH._replace(spending=self.SPENT)
        step = plan(begins, Standing(NOW, round=ROUND_OVER))
        assert step.ask is None
        assert step.wake_at == pytest.approx(100.05)
        assert plan(begins, Standing(100.051, round=ROUND_OVER)).ask == Ask(HistoryKey("r2"), Use.ROTATION)

    def test_none_that_goes_along_already_waits(self) -> None:
        along = with_histories(FRESH, r1=95.0)._replace(spending=self.SPENT)
        assert plan(along, Standing(NOW, beat_on=NOW, round=Round(NOW, 4))).ask == Ask(HISTORY, Use.POLL)

    def test_none_waits_for_long(self) -> None:
        """Where others spend as much, what is due is asked as soon as it may be."""
        due = self.DUE._replace(spending=Spending(tuple(91.0 + n / 10 for n in range(17))))
        assert plan(due, Standing(NOW)).ask == Ask(PAGE, Use.POLL)

    def test_none_waits_where_there_is_room(self) -> None:
        due = with_histories(FRESH, r1=95.0)._replace(spending=Spending((*[90.0] * 3, *[95.0] * 3)))
        assert plan(due, Standing(NOW, round=ROUND_OVER)).ask == Ask(HISTORY, Use.POLL)
