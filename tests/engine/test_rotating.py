"""The histories of the other runners in view."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from comfytui.engine.feed import Feed
from comfytui.engine.outlook import Standing
from comfytui.engine.planner import Ask, Plan, plan
from comfytui.engine.protocol import HistoryKey, Resource
from comfytui.engine.rotating import Round
from comfytui.ratelimit.window import Spending, Use
from tests.engine.planning import (
    DOWN,
    FRESH,
    HISTORY,
    IN_VIEW,
    LIVE,
    NOW,
    PAGE,
    RUNNER,
    STATS,
    known,
    with_histories,
)

if TYPE_CHECKING:
    from comfytui.api.models import Workflow


class TestHistories:
    def test_the_never_asked_come_first_from_the_top_then_the_oldest(self) -> None:
        snapshot = with_histories(FRESH, r2=93.0, r4=92.0)
        order = []
        while (ask := plan(snapshot, Standing(NOW)).ask) is not None:
            assert isinstance(ask.resource, HistoryKey)
            assert ask.use is Use.ROTATION
            order.append(ask.resource.runner_id)
            snapshot = with_histories(snapshot, **{order[-1]: NOW})
        assert order == ["r3", "r4", "r2"]

    def test_one_that_takes_long_delays_no_other_and_yet_they_are_few(self) -> None:
        under_way: dict[Resource, Use] = {HistoryKey(f"x{n}"): Use.ROTATION for n in range(4)}
        assert plan(FRESH, Standing(NOW, in_flight=under_way)).ask is None
        del under_way[HistoryKey("x1")]
        assert plan(FRESH, Standing(NOW, in_flight=under_way)).ask == Ask(HistoryKey("r2"), Use.ROTATION)

    def test_another_request_does_not_hold_it_up(self) -> None:
        standing = Standing(NOW, in_flight={PAGE: Use.POLL, HistoryKey("r2"): Use.WISH})
        assert plan(FRESH, standing).ask == Ask(HistoryKey("r3"), Use.ROTATION)

    def test_in_bursts_that_go_along_with_polls_once_all_is_known(self) -> None:
        known_to_all = with_histories(FRESH, r2=90, r3=90, r4=90)
        begun = Standing(NOW, round=Round(NOW, 2))
        assert plan(known_to_all, begun).ask == Ask(HistoryKey("r2"), Use.ROTATION)
        assert plan(known_to_all, begun._replace(round=Round(NOW, 3))) == Plan(None, 105.0)
        over = begun._replace(round=Round(95.0, 4))
        assert plan(known_to_all, over) == Plan(None, 105.0)
        assert plan(known_to_all, over._replace(beat_on=NOW)).ask == Ask(HistoryKey("r2"), Use.ROTATION)
        assert plan(known_to_all, over._replace(round=Round(90.0, 4))).ask == Ask(HistoryKey("r2"), Use.ROTATION)

    def test_what_was_never_asked_waits_for_no_poll_and_is_one_more_a_burst(self) -> None:
        assert plan(FRESH, Standing(NOW, round=Round(NOW, 3))).ask == Ask(HistoryKey("r2"), Use.ROTATION)
        assert plan(FRESH, Standing(NOW, round=Round(99.0, 4))) == Plan(None, 104.0)
        assert plan(FRESH, Standing(NOW, round=Round(95.0, 4))).ask == Ask(HistoryKey("r2"), Use.ROTATION)

    @pytest.mark.parametrize(("share", "most"), [(20, 8), (10, 3)])
    def test_half_of_the_share_at_most_and_of_a_small_one_what_polls_leave(self, share: int, most: int) -> None:
        snapshot, now = FRESH._replace(spending=Spending(share=share)), NOW
        asked: list[float] = []
        standing = Standing(NOW, in_flight={PAGE: Use.POLL, HISTORY: Use.POLL, RUNNER: Use.POLL, STATS: Use.POLL})
        while now < NOW + 60:
            step = plan(snapshot, standing._replace(now=now))
            if step.ask is not None:
                asked.append(now)
                standing = standing._replace(round=standing.round.after_one(snapshot, now))
            now = step.wake_at or now
        assert max(sum(0 <= at - first < 10 for at in asked) for first in asked) == most

    def test_none_when_paused(self) -> None:
        assert plan(FRESH._replace(attention=IN_VIEW._replace(paused=True)), Standing(NOW)) == Plan(None)

    def test_slowly_where_nobody_looks(self) -> None:
        snapshot = FRESH._replace(attention=IN_VIEW._replace(focused=False))
        assert plan(snapshot, Standing(NOW, round=Round(99.0, 4))) == Plan(None, 119.0)

    def test_what_is_young_enough_is_left_alone(self) -> None:
        assert plan(with_histories(FRESH, r2=99, r3=98, r4=97), Standing(NOW)) == Plan(None, 102.0)

    def test_what_failed_waits_for_its_next_try_and_holds_up_no_other(self) -> None:
        failed_one: Feed[tuple[Workflow, ...]] = Feed(problem=DOWN._replace(next_try=101.0))
        snapshot = with_histories(FRESH, r3=95.0, r4=NOW)
        snapshot = snapshot._replace(histories={**snapshot.histories, "r2": failed_one})
        assert plan(snapshot, Standing(NOW)).ask == Ask(HistoryKey("r3"), Use.ROTATION)
        assert plan(with_histories(snapshot, r3=NOW), Standing(NOW)) == Plan(None, 101.0)

    def test_a_quarter_of_the_share_stays_for_key_presses(self) -> None:
        spent = Spending(tuple(NOW - 9 + n / 10 for n in range(15)))
        assert plan(FRESH._replace(spending=spent), Standing(NOW)) == Plan(None, 101.0)
        fewer = spent._replace(sent=spent.sent[1:])
        assert plan(FRESH._replace(spending=fewer), Standing(NOW)).ask is not None

    def test_nothing_in_view_nothing_to_rotate(self) -> None:
        assert plan(known(LIVE, NOW, NOW, NOW), Standing(NOW)) == Plan(None, 105.0)


class TestRound:
    def test_it_counts_until_it_is_time_for_the_next(self) -> None:
        first = Round(1.0, 4).after_one(FRESH, NOW)
        assert first == Round(NOW, 1)
        assert first.after_one(FRESH, 104.8) == Round(NOW, 2)
        assert first.after_one(FRESH, 104.95) == Round(104.95, 1)

    def test_that_of_the_start_leaves_room_for_keys(self) -> None:
        assert Round().after_one(FRESH, NOW) == Round(NOW, 3)

    def test_it_is_open_until_it_has_enough(self) -> None:
        assert Round(NOW, 3).opens_at(4, 5.0) < NOW
        assert Round(NOW, 4).opens_at(4, 5.0) == 105.0
