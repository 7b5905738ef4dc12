from __future__ import annotations

from collections.abc import Mapping

import pytest

from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.outlook import Standing
from comfytui.engine.planner import Ask, Plan, attended, is_beat, plan
from comfytui.engine.protocol import Attention, HistoryKey, PageKey, Resource
from comfytui.engine.reducer import Seen, depart
from comfytui.engine.snapshot import Snapshot
from comfytui.ratelimit.window import Spending, Use
from tests.engine.planning import (
    ALONE,
    ALONE_PAUSED,
    DOWN,
    EVERYTHING,
    FRESH,
    HISTORY,
    IN_VIEW,
    LIVE,
    NOTHING,
    NOW,
    PAGE,
    PAUSED,
    RUNNER,
    STATS,
    failed,
    known,
)
from tests.support.builders import make_page, make_runner
from tests.support.clock import START


def all_of(snapshot: Snapshot, standing: Standing) -> tuple[list[Ask], float | None]:
    """What is asked one after another while nothing is answered, and when to look again."""
    asked: list[Ask] = []
    in_flight = dict(standing.in_flight)
    while (step := plan(snapshot, standing._replace(in_flight=in_flight))).ask is not None:
        asked.append(step.ask)
        in_flight[step.ask.resource] = step.ask.use
    return asked, step.wake_at


def wished(*resources: Resource, at: float = NOW) -> Mapping[Resource, float]:
    return dict.fromkeys(resources, at)


@pytest.mark.parametrize(
    ("snapshot", "in_flight", "forced", "due", "wake_at"),
    [
        pytest.param(Snapshot(attention=LIVE), NOTHING, NOTHING, EVERYTHING, None, id="never asked"),
        pytest.param(Snapshot(attention=PAUSED), NOTHING, NOTHING, EVERYTHING, None, id="never asked, paused"),
        pytest.param(Snapshot(attention=ALONE), NOTHING, NOTHING, (PAGE,), None, id="no runner"),
        pytest.param(Snapshot(attention=LIVE), (PAGE,), NOTHING, (HISTORY, RUNNER), None, id="one in flight"),
        pytest.param(Snapshot(attention=LIVE), EVERYTHING, NOTHING, (), None, id="all in flight"),
        pytest.param(known(LIVE, 99, 98, 97), NOTHING, NOTHING, (), 102.0, id="fresh: wakes for the oldest"),
        pytest.param(known(LIVE, 99, 98, 97), (HISTORY,), NOTHING, (), 103.0, id="does not wake for the one in flight"),
        pytest.param(known(LIVE, 95, 98, 99), NOTHING, NOTHING, (PAGE,), 103.0, id="due on the dot"),
        pytest.param(known(LIVE, 96, 95, 1), NOTHING, NOTHING, (HISTORY, RUNNER), 101.0, id="two due, one later"),
        pytest.param(known(LIVE, 95, 2, 3), NOTHING, NOTHING, EVERYTHING, 120.0, id="order is not that of age"),
        pytest.param(known(LIVE, 1, 2, 3), EVERYTHING, NOTHING, (), 120.0, id="due but in flight"),
        pytest.param(known(PAUSED, 1, 2, 3), NOTHING, NOTHING, (), None, id="paused: old is not due"),
        pytest.param(known(LIVE, 99, 98, 99), NOTHING, EVERYTHING, EVERYTHING, 120.0, id="forced"),
        pytest.param(known(PAUSED, 99, 98, 99), NOTHING, EVERYTHING, EVERYTHING, None, id="forced, paused"),
        pytest.param(known(LIVE, 99, 98, 99), (RUNNER,), EVERYTHING, (PAGE, HISTORY), 120.0, id="forced, in flight"),
        pytest.param(known(ALONE, 99, 98, 99), NOTHING, EVERYTHING, (PAGE,), None, id="forced, not attended"),
        pytest.param(known(LIVE, 99, 98, 97), NOTHING, (PAGE,), (PAGE,), 102.0, id="one forced, the rest by time"),
        pytest.param(known(LIVE, 95, 98, 97), NOTHING, (RUNNER,), (RUNNER, PAGE), 102.0, id="wishes before polls"),
        pytest.param(failed(ALONE, 103.0), NOTHING, NOTHING, (), 103.0, id="failed, not yet"),
        pytest.param(failed(ALONE, 100.0), NOTHING, NOTHING, (PAGE,), None, id="failed, due on the dot"),
        pytest.param(failed(ALONE, 103.0), NOTHING, (PAGE,), (PAGE,), None, id="failed, forced"),
        pytest.param(failed(ALONE_PAUSED, 1.0), NOTHING, NOTHING, (), None, id="failed, paused"),
        pytest.param(failed(ALONE_PAUSED, 103.0), NOTHING, (PAGE,), (PAGE,), None, id="failed, paused, forced"),
    ],
)
def test_plan(
    snapshot: Snapshot,
    in_flight: tuple[Resource, ...],
    forced: tuple[Resource, ...],
    due: tuple[Resource, ...],
    wake_at: float | None,
) -> None:
    standing = Standing(NOW, in_flight=dict.fromkeys(in_flight, Use.POLL), wished=wished(*forced))
    asked, later = all_of(snapshot, standing)
    assert tuple(ask.resource for ask in asked) == due
    assert later == wake_at


@pytest.mark.parametrize(
    ("snapshot", "forced", "use"),
    [
        pytest.param(Snapshot(attention=LIVE), NOTHING, Use.WISH, id="never asked"),
        pytest.param(failed(ALONE, NOW), NOTHING, Use.WISH, id="never answered"),
        pytest.param(known(LIVE, 95, 99, 99), NOTHING, Use.POLL, id="by time"),
        pytest.param(known(LIVE, 99, 99, 99), (PAGE,), Use.WISH, id="forced"),
        pytest.param(known(LIVE, 95, 99, 99), (PAGE,), Use.WISH, id="by time and forced"),
        pytest.param(known(LIVE, 92.5, 99, 99), NOTHING, Use.WISH, id="by time, half an interval ago"),
        pytest.param(known(LIVE, 99, 90, 99), NOTHING, Use.POLL, id="by time long ago, but not the page"),
    ],
)
def test_what_it_is_for(snapshot: Snapshot, forced: tuple[Resource, ...], use: Use) -> None:
    ask = plan(snapshot, Standing(NOW, wished=wished(*forced))).ask
    assert ask is not None
    assert ask.use is use


class TestAlong:
    """A processor that is woken once for several requests works for less."""

    def test_polls_that_are_due_within_half_an_interval_go_along_with_others(self) -> None:
        snapshot = known(LIVE, NOW, 97.6, 97.4)
        assert all_of(snapshot, Standing(NOW, beat_on=NOW)) == ([Ask(HISTORY, Use.POLL)], 102.6)
        assert all_of(snapshot, Standing(NOW, beat_on=99.9)) == ([], 102.4)

    def test_wishes_put_off_and_pages_of_a_whole_list_keep_to_their_moment(self) -> None:
        asked, _ = all_of(known(LIVE, NOW, NOW, NOW), Standing(NOW, beat_on=NOW, wished=wished(PAGE, at=NOW + 1)))
        assert asked == []
        whole = PageKey(1, 100)
        snapshot = known(LIVE._replace(whole=True), NOW, NOW, NOW)
        snapshot = snapshot._replace(pages={whole: Feed(make_page(make_runner("r1")), START, 96.0)})
        assert all_of(snapshot, Standing(NOW, beat_on=NOW))[0] == []

    @pytest.mark.parametrize(
        ("ask", "whole", "expected"),
        [
            (Ask(PAGE, Use.POLL), False, True),
            (Ask(HISTORY, Use.POLL), True, True),
            (Ask(HistoryKey("r2"), Use.ROTATION), True, True),
            (Ask(PAGE, Use.WISH), False, False),
            (Ask(STATS, Use.POLL), False, False),
            (Ask(PAGE, Use.POLL), True, False),
        ],
    )
    def test_what_others_go_along_with(self, ask: Ask, whole: bool, expected: bool) -> None:
        assert is_beat(Snapshot(attention=LIVE._replace(whole=whole)), ask) is expected


def test_a_wish_for_later_waits_for_its_moment_unless_time_comes_first() -> None:
    standing = Standing(NOW, wished=wished(PAGE, at=102.0))
    assert plan(known(ALONE, 99, 99, 99), standing) == Plan(None, 102.0)
    assert plan(known(ALONE, 96, 99, 99), standing) == Plan(None, 101.0)
    assert plan(known(ALONE, 95, 99, 99), standing) == Plan(Ask(PAGE, Use.POLL))


def test_a_problem_beside_a_value_decides_when_it_is_due() -> None:
    problem = Problem(ProblemKind.TIMED_OUT, "slow", None, START, 2, 104.0)
    snapshot = Snapshot(attention=ALONE, interval=5.0, pages={PAGE: Feed(make_page(), START, 1.0, problem)})
    assert plan(snapshot, Standing(NOW)) == Plan(None, 104.0)


def test_pages_apart_in_any_part_of_their_key_are_different_things() -> None:
    snapshot = known(Attention(page=PageKey(per_page=50)), 99, 99, 99)
    assert plan(snapshot, Standing(NOW, in_flight={PAGE: Use.POLL})).ask == Ask(PageKey(per_page=50), Use.WISH)


def test_what_is_attended_is_in_the_order_it_is_wanted() -> None:
    assert attended(Snapshot(attention=LIVE)) == (*EVERYTHING, STATS)
    assert attended(Snapshot(attention=ALONE)) == (PAGE,)


def test_without_a_token_nothing_is_asked_whatever_is_wished() -> None:
    snapshot = Snapshot(attention=IN_VIEW)._replace(needs_token=DOWN)
    assert plan(snapshot, Standing(NOW, wished=wished(*EVERYTHING))) == Plan(None)


@pytest.mark.parametrize("attention", [LIVE, PAUSED])
def test_what_was_tried_before_a_given_moment_is_due_unless_paused(attention: Attention) -> None:
    asked, _ = all_of(known(attention, 99, 97, 98), Standing(NOW, since=98.5))
    assert [ask.resource for ask in asked] == ([] if attention.paused else [HISTORY, RUNNER])


def test_what_failed_before_a_given_moment_is_due_too() -> None:
    snapshot = failed(ALONE, 120.0)
    assert plan(snapshot, Standing(NOW, since=94.9)) == Plan(None, 120.0)
    assert plan(snapshot, Standing(NOW, since=95.1)).ask == Ask(PAGE, Use.WISH)


class TestWithoutRoom:
    """What the allowance has no room for is not asked, and neither is what is worth less."""

    def test_everything_waits_as_long_as_it_has_to(self) -> None:
        waits = {Use.WISH: 3.0, Use.POLL: 4.0, Use.ROTATION: 5.0}
        assert plan(Snapshot(attention=LIVE), Standing(NOW, waits)) == Plan(None, 103.0)
        assert plan(known(LIVE, 99, 95, 95), Standing(NOW, waits)) == Plan(None, 104.0)
        assert plan(FRESH, Standing(NOW, waits)) == Plan(None, 105.0)

    def test_what_is_due_later_than_that_is_waited_for(self) -> None:
        waits = dict.fromkeys(Use, 1.0)
        assert plan(known(LIVE, 97, 98, 99), Standing(NOW, waits)) == Plan(None, 102.0)

    def test_a_wish_goes_where_a_poll_has_to_wait(self) -> None:
        standing = Standing(NOW, {Use.POLL: 4.0}, wished=wished(RUNNER))
        assert plan(known(LIVE, 95, 95, 95), standing).ask == Ask(RUNNER, Use.WISH)

    def test_the_page_is_as_good_as_wished_for_after_half_an_interval(self) -> None:
        waits = {Use.POLL: 8.0}
        assert plan(known(LIVE, 95, 99, 99), Standing(NOW, waits)) == Plan(None, 102.5)
        assert plan(known(LIVE, 92.5, 99, 99), Standing(NOW, waits)).ask == Ask(PAGE, Use.WISH)

    def test_runners_leave_the_last_of_the_share_to_pages(self) -> None:
        spent = Snapshot(attention=LIVE)._replace(spending=Spending(tuple(NOW - 8 + n / 10 for n in range(18))))
        asked, wake_at = all_of(spent, Standing(NOW))
        assert asked == [Ask(PAGE, Use.WISH)]
        assert wake_at == 102.0

    def test_the_rotation_does_not_go_before_what_waits(self) -> None:
        for snapshot, use in ((Snapshot(attention=IN_VIEW), Use.WISH), (known(IN_VIEW, 95, 99, 99), Use.POLL)):
            step = plan(snapshot, Standing(NOW, {use: 1.0}))
            assert step == Plan(None, 101.0)


class TestDeparted:
    """Runners that answered 404."""

    def gone(self, runner_id: str, on: float) -> Snapshot:
        snapshot = FRESH._replace(pages={PAGE: Feed(make_page(make_runner("r1"), make_runner("r2")), START, NOW)})
        return depart(snapshot, runner_id, Seen(on, on, START))

    def test_one_that_is_still_attended_is_not_asked_again_and_again(self) -> None:
        assert plan(self.gone("r1", 99.0)._replace(attention=LIVE), Standing(NOW)) == Plan(None, 105.0)

    def test_one_that_a_page_brought_back_is_asked_again(self) -> None:
        snapshot = self.gone("r1", 99.0)._replace(pages=FRESH.pages)
        assert plan(snapshot, Standing(NOW)).ask == Ask(HISTORY, Use.WISH)

    def test_the_rotation_leaves_it_alone_for_a_while_though_it_is_back(self) -> None:
        listed = Feed(make_page(make_runner("r1"), make_runner("r2")), START, NOW)
        attention = IN_VIEW._replace(visible=("r1", "r2"))
        for on, ask in ((90.0, None), (60.0, Ask(HistoryKey("r2"), Use.ROTATION))):
            snapshot = self.gone("r2", on)._replace(attention=attention, pages={PAGE: listed})
            assert plan(snapshot, Standing(NOW)).ask == ask

    def test_the_rotation_leaves_it_alone_for_good_while_nothing_lists_it(self) -> None:
        snapshot = self.gone("r2", 10.0)._replace(attention=IN_VIEW._replace(visible=("r1", "r2")))
        assert plan(snapshot, Standing(NOW)).ask is None
