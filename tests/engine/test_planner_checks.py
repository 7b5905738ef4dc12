"""When stats are asked: of the runner under the cursor, and of others in rotation."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.outlook import Standing
from comfytui.engine.planner import Ask, Plan, plan
from comfytui.engine.protocol import Attention, HistoryKey, PageKey, Resource, RunnerKey, StatsKey
from comfytui.engine.reducer import Seen, depart
from comfytui.engine.rotating import Round
from comfytui.engine.snapshot import Checkup, Snapshot
from comfytui.ratelimit.window import Spending, Use
from tests.support.builders import make_page, make_runner
from tests.support.clock import START

NOW = 100.0
PAGE, RUNNER, HISTORY, STATS = PageKey(), RunnerKey("r1"), HistoryKey("r1"), StatsKey("r1")
LIVE = Attention(runner_id="r1")
PAUSED = Attention(runner_id="r1", paused=True)
IN_VIEW = Attention(runner_id="r1", visible=("r1", "r2", "r3"))
DOWN = Problem(ProblemKind.TIMED_OUT, "slow", None, START, 3, next_try=0.0, tried_on=0.0)
FINE = Checkup(reachable=True)
ROTATED = Use.ROTATION


def known(attention: Attention, interval: float = 5.0, *, histories: float = NOW, **checked_on: float) -> Snapshot:
    """All but stats was answered just now, histories in view at their moment; these runners were checked at theirs."""
    return Snapshot(
        attention=attention,
        interval=interval,
        pages={PAGE: Feed(make_page(make_runner("r1")), START, NOW)},
        runners={"r1": Feed(make_runner("r1"), START, NOW)},
        histories={
            **{runner_id: Feed((), START, histories) for runner_id in attention.visible},
            "r1": Feed((), START, NOW),
        },
        stats={runner_id: Feed(FINE, START, on) for runner_id, on in checked_on.items()},
    )


def failed(attention: Attention, tried_on: float, next_try: float) -> Snapshot:
    problem = DOWN._replace(tried_on=tried_on, next_try=next_try)
    return known(attention)._replace(stats={"r1": Feed(FINE, START, 1.0, problem)})


def rotated(snapshot: Snapshot, in_flight: Mapping[Resource, Use] | None = None) -> Plan:
    """What the rotation asks next, the runner under the cursor apart."""
    return plan(snapshot, Standing(NOW, in_flight={STATS: Use.POLL, **(in_flight or {})}))


class TestUnderTheCursor:
    @pytest.mark.parametrize("attention", [LIVE, PAUSED])
    def test_it_is_asked_once_the_history_was_tried(self, attention: Attention) -> None:
        snapshot = known(attention)
        assert plan(snapshot, Standing(NOW)).ask == Ask(STATS, Use.POLL)
        untried = snapshot._replace(histories={})
        asked: Mapping[Resource, Use] = {HISTORY: Use.WISH}
        assert plan(untried, Standing(NOW, in_flight=asked)).ask is None
        in_vain = snapshot._replace(histories={"r1": Feed(problem=DOWN._replace(next_try=NOW + 9))})
        assert plan(in_vain, Standing(NOW)).ask == Ask(STATS, Use.POLL)

    @pytest.mark.parametrize(
        ("snapshot", "wished", "due_at"),
        [
            pytest.param(known(LIVE, r1=90.0), None, 110.0, id="by time"),
            pytest.param(known(LIVE, 60.0, r1=90.0), None, 155.0, id="no faster than polls"),
            pytest.param(known(LIVE, r1=90.0), NOW, 105.0, id="wished"),
            pytest.param(known(LIVE, 60.0, r1=30.0), NOW, 100.0, id="wished long after"),
            pytest.param(failed(LIVE, 90.0, 95.0), None, 105.0, id="failed"),
            pytest.param(failed(LIVE, 90.0, 120.0), None, 120.0, id="failed again and again"),
            pytest.param(failed(LIVE, 90.0, 120.0), NOW, 105.0, id="failed again and again, wished"),
            pytest.param(known(PAUSED, r1=1.0), None, None, id="paused"),
            pytest.param(known(PAUSED, r1=90.0), NOW, 105.0, id="paused, wished"),
            pytest.param(known(PAUSED, r1=1.0), NOW, 100.0, id="paused, wished long after"),
        ],
    )
    def test_never_oftener_than_that(self, snapshot: Snapshot, wished: float | None, due_at: float | None) -> None:
        others: Mapping[Resource, Use] = {PAGE: Use.POLL, HISTORY: Use.POLL, RUNNER: Use.POLL}
        wishes: Mapping[Resource, float] = {} if wished is None else {STATS: wished}
        step = plan(snapshot, Standing(NOW, in_flight=others, wished=wishes))
        assert step == (Plan(Ask(STATS, Use.POLL)) if due_at == NOW else Plan(None, due_at))

    def test_after_a_sleep_a_long_interval_is_not_waited_for(self) -> None:
        snapshot = known(LIVE, 600.0, r1=90.0)
        assert plan(snapshot, Standing(NOW, since=95.0)) == Plan(None, 110.0)
        assert plan(failed(LIVE, 80.0, 120.0), Standing(NOW, since=95.0)).ask == Ask(STATS, Use.POLL)

    def test_by_time_it_goes_along_with_a_poll(self) -> None:
        due = known(LIVE, r1=84.0)
        assert plan(due, Standing(NOW)) == Plan(None, 104.0)
        assert plan(due, Standing(NOW, beat_on=NOW)).ask == Ask(STATS, Use.POLL)
        assert plan(known(LIVE, r1=86.0), Standing(NOW, beat_on=NOW)).ask is None

    @pytest.mark.parametrize("checked", [{}, {"r1": 1.0}])
    def test_not_before_the_cursor_has_come_to_rest_on_it(self, checked: dict[str, float]) -> None:
        snapshot = known(LIVE, **checked)
        assert plan(snapshot, Standing(NOW, pointed_on=99.5)).ask is None
        assert plan(snapshot, Standing(NOW, pointed_on=99.0)).ask == Ask(STATS, Use.POLL)

    def test_what_a_person_waits_for_goes_first_and_other_polls_too(self) -> None:
        snapshot = known(LIVE, r1=1.0)._replace(histories={"r1": Feed((), START, 90.0)})
        assert plan(snapshot, Standing(NOW)).ask == Ask(HISTORY, Use.POLL)
        assert plan(known(LIVE), Standing(NOW, wished={RUNNER: NOW})).ask == Ask(RUNNER, Use.WISH)

    def test_a_quarter_of_the_share_stays_for_key_presses(self) -> None:
        spent = Spending(tuple(NOW - 9 + n / 10 for n in range(15)))
        assert plan(known(LIVE)._replace(spending=spent), Standing(NOW)) == Plan(None, 101.0)

    def test_one_that_is_gone_is_not_asked(self) -> None:
        gone = depart(known(LIVE)._replace(pages={}), "r1", Seen(NOW, NOW, START))
        assert plan(gone, Standing(NOW, in_flight={PAGE: Use.POLL})) == Plan(None)


class TestInRotation:
    def test_where_no_history_is_due_from_the_top_then_the_oldest(self) -> None:
        snapshot = known(IN_VIEW)
        assert rotated(snapshot).ask == Ask(StatsKey("r2"), ROTATED)
        assert rotated(known(IN_VIEW, r2=90.0)).ask == Ask(StatsKey("r3"), ROTATED)
        assert rotated(known(IN_VIEW, r2=30.0, r3=20.0)).ask == Ask(StatsKey("r3"), ROTATED)

    def test_each_fourth_time_it_goes_before_histories_that_are_due(self) -> None:
        assert rotated(known(IN_VIEW, histories=5.0)).ask == Ask(StatsKey("r2"), ROTATED)
        assert rotated(known(IN_VIEW, histories=5.0, r3=95.5)).ask == Ask(HistoryKey("r2"), ROTATED)
        assert rotated(known(IN_VIEW, histories=5.0, r3=95.0)).ask == Ask(StatsKey("r2"), ROTATED)
        assert rotated(known(IN_VIEW, histories=5.0, r2=20.0, r3=30.0)).ask == Ask(StatsKey("r2"), ROTATED)
        assert rotated(known(IN_VIEW, r3=98.0)) == Plan(None, 103.0)

    def test_histories_never_asked_go_before_any(self) -> None:
        snapshot = known(IN_VIEW)._replace(histories={"r1": Feed((), START, NOW), "r2": Feed((), START, NOW)})
        assert rotated(snapshot).ask == Ask(HistoryKey("r3"), ROTATED)
        assert rotated(snapshot, {HistoryKey("r3"): ROTATED}).ask == Ask(StatsKey("r2"), ROTATED)

    def test_once_in_a_minute_however_it_ended(self) -> None:
        assert rotated(known(IN_VIEW, 30.0, histories=80.0, r2=41.0, r3=60.0)).ask is None
        assert rotated(known(IN_VIEW, 30.0, histories=80.0, r2=40.0, r3=60.0)).ask == Ask(StatsKey("r2"), ROTATED)
        for tried_on, ask in ((41.0, None), (40.0, Ask(StatsKey("r2"), ROTATED))):
            problem = DOWN._replace(tried_on=tried_on, next_try=tried_on + 5)
            in_vain: Feed[Checkup] = Feed(problem=problem)
            snapshot = known(IN_VIEW, r3=60.0)
            assert rotated(snapshot._replace(stats={**snapshot.stats, "r2": in_vain})).ask == ask

    def test_one_under_way_holds_up_no_history_and_no_other_check_goes_with_it(self) -> None:
        asked: Mapping[Resource, Use] = {StatsKey("r2"): ROTATED}
        assert rotated(known(IN_VIEW), asked) == Plan(None, 105.0)
        assert rotated(known(IN_VIEW, histories=95.0), asked).ask == Ask(HistoryKey("r2"), ROTATED)

    def test_where_the_api_knows_of_no_stats_only_the_runner_under_the_cursor_is_checked(self) -> None:
        unheard_of: Feed[Checkup] = Feed(problem=DOWN._replace(kind=ProblemKind.NOT_FOUND))
        snapshot = known(IN_VIEW)._replace(stats={"r1": unheard_of})
        assert rotated(snapshot).ask is None
        assert plan(snapshot._replace(attention=LIVE), Standing(NOW)).ask == Ask(STATS, Use.POLL)
        assert rotated(snapshot._replace(stats={"r1": Feed(problem=DOWN)})).ask == Ask(StatsKey("r2"), ROTATED)

    def test_the_check_of_the_runner_under_the_cursor_is_none_of_it(self) -> None:
        assert rotated(known(IN_VIEW), {STATS: Use.POLL}).ask == Ask(StatsKey("r2"), ROTATED)

    def test_in_the_rhythm_of_the_rotation(self) -> None:
        snapshot = known(IN_VIEW._replace(runner_id=None))
        assert plan(snapshot, Standing(NOW, round=Round(99.0, 4))).ask is None
        assert plan(snapshot._replace(attention=IN_VIEW._replace(paused=True)), Standing(NOW)).ask == Ask(
            STATS, Use.POLL
        )

    def test_what_is_asked_for_takes_turns_with_histories(self) -> None:
        asked_for = IN_VIEW._replace(unchecked=("r3", "far", "r1"))
        snapshot = known(asked_for, histories=95.0)
        assert rotated(snapshot).ask == Ask(StatsKey("r3"), ROTATED)
        assert rotated(snapshot, {StatsKey("r3"): ROTATED}).ask == Ask(HistoryKey("r2"), ROTATED)
        assert rotated(known(asked_for, histories=95.0, r3=NOW)).ask == Ask(StatsKey("far"), ROTATED)
        assert rotated(known(asked_for, histories=95.0, r3=40.0, far=NOW)).ask == Ask(HistoryKey("r2"), ROTATED)
        assert rotated(known(asked_for, histories=95.0, r3=39.0, far=NOW)).ask == Ask(StatsKey("r3"), ROTATED)

    def test_histories_never_asked_go_before_what_is_asked_for(self) -> None:
        snapshot = known(IN_VIEW._replace(unchecked=("r2",)))._replace(histories={"r1": Feed((), START, NOW)})
        assert rotated(snapshot).ask == Ask(HistoryKey("r2"), ROTATED)

    def test_one_that_has_departed_a_moment_ago_is_left_alone(self) -> None:
        listed = {PAGE: Feed(make_page(make_runner("r1"), make_runner("r2")), START, NOW)}
        attention = IN_VIEW._replace(visible=("r1", "r2"), unchecked=("r2",))
        gone = depart(known(attention), "r2", Seen(90.0, 90.0, START))._replace(pages=listed)
        assert rotated(gone).ask is None
