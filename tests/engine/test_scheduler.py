"""Poll cycles in tables: what is requested from which snapshot and state, and when the next decision is due."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.protocol import HistoryKey, PageKey, Resource, RunnerKey, StatsKey, Viewport
from comfytui.engine.reducer import RequestTiming, remove_runner
from comfytui.engine.scheduler import Cycle, Request, SchedulerState, next_cycle, viewport_resources
from comfytui.engine.snapshot import HealthCheck, Snapshot
from comfytui.ratelimit.window import WINDOW_MARGIN_S, WINDOW_S, Priority, Usage
from tests.support.builders import make_page, make_runner
from tests.support.clock import START
from tests.support.scheduling import (
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
    with_histories,
)

ROWS = tuple(f"r{number}" for number in range(1, 26))
WITHIN = NOW - 1
OVER = NOW - 5


def state(cycle: float = WITHIN, **others: Any) -> SchedulerState:
    """A state at NOW whose last poll cycle began at that moment."""
    return SchedulerState(NOW, cycle_monotonic=cycle, **others)


def refreshed(*resources: Resource, at: float = NOW) -> Mapping[Resource, float]:
    return dict.fromkeys(resources, at)


def flying(*resources: Resource, priority: Priority = Priority.POLL) -> Mapping[Resource, Priority]:
    return dict.fromkeys(resources, priority)


def resources(cycle: Cycle) -> tuple[Resource, ...]:
    return tuple(request.resource for request in cycle.requests)


def spent(snapshot: Snapshot, *moments: float) -> Snapshot:
    return snapshot._replace(usage=Usage(moments))


@pytest.mark.parametrize(
    ("snapshot", "cycle", "in_flight", "refreshes", "due", "next_at"),
    [
        pytest.param(Snapshot(viewport=LIVE), OVER, NOTHING, NOTHING, EVERYTHING, 105.0, id="never fetched"),
        pytest.param(Snapshot(viewport=PAUSED), OVER, NOTHING, NOTHING, EVERYTHING, None, id="never fetched, paused"),
        pytest.param(Snapshot(viewport=ALONE), OVER, NOTHING, NOTHING, (PAGE,), 105.0, id="no runner"),
        pytest.param(Snapshot(viewport=LIVE), WITHIN, (PAGE,), NOTHING, (HISTORY, RUNNER), 104.0, id="one in flight"),
        pytest.param(known(LIVE, 99, 98, 97), WITHIN, NOTHING, NOTHING, (), 104.0, id="within a cycle"),
        pytest.param(known(LIVE, 95, 95, 95), OVER, NOTHING, NOTHING, EVERYTHING, 105.0, id="a cycle is due"),
        pytest.param(known(LIVE, 97, 95, 97.5), OVER, NOTHING, NOTHING, (PAGE, HISTORY, RUNNER), 105.0, id="together"),
        pytest.param(known(LIVE, 95, 95, 98), OVER, NOTHING, NOTHING, (PAGE, RUNNER), 105.0, id="one fetched lately"),
        pytest.param(known(LIVE, 95, 95, 95), OVER, (PAGE,), NOTHING, (HISTORY, RUNNER), 105.0, id="in flight"),
        pytest.param(known(LIVE, 1, 2, 3), WITHIN, NOTHING, NOTHING, EVERYTHING, 104.0, id="owed from this cycle"),
        pytest.param(known(PAUSED, 1, 2, 3), OVER, NOTHING, NOTHING, (), None, id="paused: old is not due"),
        pytest.param(known(LIVE, 99, 98, 99), WITHIN, NOTHING, EVERYTHING, EVERYTHING, 104.0, id="refreshed"),
        pytest.param(known(PAUSED, 99, 98, 99), WITHIN, NOTHING, EVERYTHING, EVERYTHING, None, id="refreshed, paused"),
        pytest.param(known(LIVE, 99, 98, 99), WITHIN, NOTHING, (RUNNER,), (RUNNER,), 104.0, id="one refreshed"),
        pytest.param(known(LIVE, 95, 98, 98), OVER, NOTHING, (RUNNER,), (RUNNER, PAGE), 105.0, id="users before polls"),
        pytest.param(failed(ALONE, 103.0), OVER, NOTHING, NOTHING, (), 103.0, id="failed: its own retry"),
        pytest.param(failed(ALONE, 100.0), WITHIN, NOTHING, NOTHING, (PAGE,), 104.0, id="failed, retry due"),
        pytest.param(failed(ALONE, 103.0), WITHIN, NOTHING, (PAGE,), (PAGE,), 104.0, id="failed, refreshed"),
        pytest.param(failed(ALONE_PAUSED, 1.0), OVER, NOTHING, NOTHING, (), None, id="failed, paused"),
    ],
)
def test_next_cycle_requests_and_next_moment(
    snapshot: Snapshot,
    cycle: float,
    in_flight: tuple[Resource, ...],
    refreshes: tuple[Resource, ...],
    due: tuple[Resource, ...],
    next_at: float | None,
) -> None:
    decided = next_cycle(snapshot, state(cycle, in_flight=flying(*in_flight), refreshes=refreshed(*refreshes)))
    assert resources(decided) == due
    assert decided.next_monotonic == next_at


@pytest.mark.parametrize(
    ("snapshot", "cycle", "refreshes", "priority"),
    [
        pytest.param(Snapshot(viewport=LIVE), WITHIN, NOTHING, Priority.USER, id="never fetched"),
        pytest.param(failed(ALONE, NOW), WITHIN, NOTHING, Priority.USER, id="never answered"),
        pytest.param(known(LIVE, 95, 99, 99), OVER, NOTHING, Priority.POLL, id="by time"),
        pytest.param(known(LIVE, 99, 99, 99), WITHIN, (PAGE,), Priority.USER, id="refreshed"),
        pytest.param(known(LIVE, 90, 99, 99), 97.5, NOTHING, Priority.USER, id="half an interval overdue"),
        pytest.param(known(LIVE, 99, 90, 99), 96.0, NOTHING, Priority.POLL, id="overdue, but not the page"),
    ],
)
def test_priority_of_the_first_request(
    snapshot: Snapshot, cycle: float, refreshes: tuple[Resource, ...], priority: Priority
) -> None:
    first, *_ = next_cycle(snapshot, state(cycle, refreshes=refreshed(*refreshes))).requests
    assert first.priority is priority


def test_viewport_resources_are_in_order_of_urgency() -> None:
    assert viewport_resources(Snapshot(viewport=LIVE)) == (*EVERYTHING, STATS)
    assert viewport_resources(Snapshot(viewport=ALONE)) == (PAGE,)


def test_refused_token_stops_all_requests() -> None:
    snapshot = Snapshot(viewport=IN_VIEW)._replace(auth_problem=DOWN)
    assert next_cycle(snapshot, state(OVER, refreshes=refreshed(*EVERYTHING))) == Cycle()


def test_refresh_put_off_waits_for_its_moment() -> None:
    decided = next_cycle(known(ALONE, 99, 99, 99), state(refreshes=refreshed(PAGE, at=102.0)))
    assert decided == Cycle((), 102.0)


def test_problem_beside_a_value_decides_the_retry() -> None:
    problem = Problem(ProblemKind.TIMED_OUT, "slow", None, START, 2, 101.0)
    snapshot = Snapshot(viewport=ALONE, interval=5.0, pages={PAGE: Feed(make_page(), START, 1.0, problem)})
    assert next_cycle(snapshot, state(OVER)) == Cycle((), 101.0, is_poll=True)


def test_stale_resources_are_due_at_once_unless_paused() -> None:
    snapshot = known(LIVE, 99, 97, 98)
    assert resources(next_cycle(snapshot, state(stale_before=98.5))) == (HISTORY, RUNNER)
    paused = snapshot._replace(viewport=PAUSED)
    assert resources(next_cycle(paused, state(stale_before=98.5))) == ()


def test_key_of_another_page_size_is_another_page() -> None:
    snapshot = known(Viewport(page=PageKey(per_page=50)), 99, 99, 99)
    assert resources(next_cycle(snapshot, state(in_flight=flying(PAGE)))) == (PageKey(per_page=50),)


class TestBudget:
    """Room in the window, as far as it is known."""

    def test_delay_of_the_rate_limiter_holds_each_priority_back(self) -> None:
        delays = {Priority.USER: 3.0, Priority.POLL: 4.0, Priority.BACKGROUND: 5.0}
        assert next_cycle(Snapshot(viewport=ALONE), state(delays=delays)) == Cycle((), 103.0)
        assert resources(next_cycle(known(ALONE, 95, 95, 95), state(delays=delays, cycle=OVER))) == ()

    def test_user_request_goes_where_a_poll_has_to_wait(self) -> None:
        decided = next_cycle(
            known(LIVE, 95, 95, 95), state(OVER, delays={Priority.POLL: 4.0}, refreshes=refreshed(RUNNER))
        )
        assert resources(decided) == (RUNNER,)

    def test_runner_leaves_the_last_two_requests_to_pages(self) -> None:
        snapshot = spent(Snapshot(viewport=LIVE), *(NOW - 8 + n / 10 for n in range(18)))
        decided = next_cycle(snapshot, state())
        assert resources(decided) == (PAGE,)
        assert decided.next_monotonic == pytest.approx(102.1 + WINDOW_MARGIN_S)

    def test_polls_leave_four_requests_to_users(self) -> None:
        sent = [NOW - 8 + n / 10 for n in range(15)]
        assert resources(next_cycle(spent(known(LIVE, 95, 95, 95), *sent), state(OVER))) == (PAGE,)
        assert resources(next_cycle(spent(known(LIVE, 95, 95, 95), *sent, 99.0), state(OVER))) == ()

    def test_requests_that_wait_for_the_rate_limiter_count(self) -> None:
        snapshot = known(LIVE, 95, 95, 95)._replace(usage=Usage(waiting=15))
        assert resources(next_cycle(snapshot, state(OVER))) == (PAGE,)

    def test_cycle_waits_a_moment_for_room_for_all_of_it(self) -> None:
        sent = (*[NOW - WINDOW_S] * 6, *[NOW - 5] * 6)
        snapshot = spent(with_histories(known(IN_VIEW, 95, 95, 95), r2=90, r3=90, r4=90), *sent)
        decided = next_cycle(snapshot, state(OVER))
        assert decided == Cycle((), NOW + WINDOW_MARGIN_S)
        later = next_cycle(snapshot, SchedulerState(NOW + 2 * WINDOW_MARGIN_S, cycle_monotonic=OVER))
        assert {PAGE, HISTORY, RUNNER, HistoryKey("r2")} <= {*resources(later)}


class TestRows:
    """Rows in view that were never fetched."""

    def snapshot(self, *sent: float) -> Snapshot:
        return spent(known(LIVE._replace(visible_ids=ROWS), 99, 99, 99), *sent)

    def test_four_are_in_flight_at_once_from_the_top(self) -> None:
        decided = next_cycle(self.snapshot(), state())
        assert decided.requests == tuple(Request(HistoryKey(row), Priority.POLL) for row in ROWS[1:5])
        more = next_cycle(self.snapshot(), state(in_flight=flying(*resources(decided)[:3])))
        assert resources(more) == (HistoryKey("r5"),)

    def test_server_in_this_process_is_asked_for_all_at_once(self) -> None:
        snapshot = self.snapshot()._replace(usage=Usage(is_limited=False))
        assert len(next_cycle(snapshot, state()).requests) == 24

    def test_a_quarter_of_the_limit_is_left(self) -> None:
        sent = [NOW - 9 + n / 10 for n in range(15)]
        assert next_cycle(self.snapshot(*sent), state()).requests == ()
        assert len(next_cycle(self.snapshot(*sent[:-2]), state()).requests) == 2

    def test_polls_of_the_runner_wait_for_them_until_overdue(self) -> None:
        snapshot = known(LIVE._replace(visible_ids=ROWS), 95, 95, 95)
        assert {HISTORY, RUNNER}.isdisjoint(resources(next_cycle(snapshot, state(OVER))))
        overdue = known(LIVE._replace(visible_ids=ROWS), 95, 87, 87)
        assert {HISTORY, RUNNER} <= {*resources(next_cycle(overdue, state(OVER)))}

    def test_none_is_requested_while_paused(self) -> None:
        snapshot = self.snapshot()
        paused = snapshot._replace(viewport=snapshot.viewport._replace(paused=True))
        assert next_cycle(paused, state()).requests == ()


class TestRotation:
    """Background requests, which go with a cycle."""

    KNOWN = with_histories(known(IN_VIEW, NOW, NOW, NOW), r2=93.0, r3=91.0, r4=92.0)

    def test_longest_untried_histories_come_first(self) -> None:
        decided = next_cycle(self.KNOWN, state(OVER))
        assert decided.is_poll
        assert decided.requests == tuple(Request(HistoryKey(row), Priority.BACKGROUND) for row in ("r3", "r4", "r2"))

    @pytest.mark.parametrize(
        ("cycle", "rotated", "count"), [(WITHIN, 0.0, 0), (OVER, 95.0, 3), (OVER, 95.09, 3), (OVER, 95.2, 0)]
    )
    def test_batch_goes_with_a_cycle_a_period_after_the_last(self, cycle: float, rotated: float, count: int) -> None:
        assert len(next_cycle(self.KNOWN, state(cycle, rotated_monotonic=rotated)).requests) == count

    def test_long_interval_has_batches_between_cycles(self) -> None:
        snapshot = with_histories(known(IN_VIEW, NOW, NOW, NOW)._replace(interval=60.0), r2=1.0, r3=1.0, r4=1.0)
        began = state(NOW - 20, rotated_monotonic=NOW - 3)
        assert next_cycle(snapshot, began).next_monotonic == pytest.approx(NOW + 6.9)
        assert len(next_cycle(snapshot, state(NOW - 20, rotated_monotonic=NOW - 10)).requests) == 3

    def test_history_fetched_lately_is_left_out(self) -> None:
        snapshot = with_histories(self.KNOWN, r3=98.0)
        assert resources(next_cycle(snapshot, state(OVER))) == (HistoryKey("r4"), HistoryKey("r2"))

    def test_failed_history_waits_for_its_retry(self) -> None:
        problem = DOWN._replace(retry_monotonic=101.0)
        snapshot = self.KNOWN._replace(histories={**self.KNOWN.histories, "r3": Feed(problem=problem)})
        assert resources(next_cycle(snapshot, state(OVER))) == (HistoryKey("r4"), HistoryKey("r2"))

    def test_four_rows_are_in_flight_at_most(self) -> None:
        under_way = flying(*(HistoryKey(f"x{n}") for n in range(3)), priority=Priority.BACKGROUND)
        assert resources(next_cycle(self.KNOWN, state(OVER, in_flight=under_way))) == (HistoryKey("r3"),)

    def test_removed_runner_is_left_alone_for_a_while_though_a_page_has_it(self) -> None:
        listed = Feed(make_page(make_runner("r1"), make_runner("r2"), make_runner("r3")), START, NOW)
        for on, rows in ((90.0, ("r4", "r2")), (60.0, ("r3", "r4", "r2"))):
            gone = remove_runner(self.KNOWN, "r3", RequestTiming(on, on, START))
            gone = with_histories(gone._replace(pages={PAGE: listed}), r3=91.0)
            assert resources(next_cycle(gone, state(OVER))) == tuple(map(HistoryKey, rows))


class TestHealthChecks:
    """Stats, which make the API ask the runner itself."""

    def snapshot(self, viewport: Viewport = LIVE, interval: float = 5.0, **checked: float) -> Snapshot:
        snapshot = known(viewport, NOW, NOW, NOW)._replace(interval=interval)
        stats = {row: Feed(HealthCheck(reachable=True), START, on) for row, on in checked.items()}
        return with_histories(snapshot, **dict.fromkeys(viewport.visible_ids, NOW))._replace(stats=stats)

    @pytest.mark.parametrize("viewport", [LIVE, PAUSED])
    def test_first_check_follows_the_history(self, viewport: Viewport) -> None:
        snapshot = self.snapshot(viewport)
        assert resources(next_cycle(snapshot, state())) == (STATS,)
        untried = snapshot._replace(histories={})
        assert resources(next_cycle(untried, state(in_flight=flying(HISTORY)))) == ()

    @pytest.mark.parametrize(
        ("snapshot", "refresh", "due_at"),
        [
            pytest.param((LIVE, 5.0, 90.0), None, 110.0, id="by time, with patience for a cycle"),
            pytest.param((LIVE, 60.0, 90.0), None, 155.0, id="no faster than polls"),
            pytest.param((LIVE, 5.0, 90.0), NOW, 105.0, id="refreshed"),
            pytest.param((PAUSED, 5.0, 1.0), None, None, id="paused"),
            pytest.param((PAUSED, 5.0, 90.0), NOW, 105.0, id="paused, refreshed"),
        ],
    )
    def test_check_of_the_cursor_is_due(
        self, snapshot: tuple[Viewport, float, float], refresh: float | None, due_at: float | None
    ) -> None:
        viewport, interval, checked = snapshot
        refreshes: Mapping[Resource, float] = {} if refresh is None else {STATS: refresh}
        # The cycle is far away, so that the check alone decides.
        at = SchedulerState(NOW, refreshes=refreshes, cycle_monotonic=NOW + 1_000)
        assert next_cycle(self.snapshot(viewport, interval, r1=checked), at).next_monotonic == due_at

    def test_check_goes_along_with_a_cycle(self) -> None:
        assert STATS in resources(next_cycle(self.snapshot(r1=84.0), state(OVER)))
        assert STATS not in resources(next_cycle(self.snapshot(r1=86.0), state(OVER)))

    def test_check_waits_until_the_cursor_rests(self) -> None:
        assert next_cycle(self.snapshot(), state(cursor_monotonic=99.5)).next_monotonic == pytest.approx(100.2)

    def test_one_request_of_a_batch_checks_a_row(self) -> None:
        snapshot = with_histories(self.snapshot(IN_VIEW, r1=NOW), r2=91.0, r3=92.0, r4=93.0)
        decided = next_cycle(snapshot, state(OVER))
        assert resources(decided) == (StatsKey("r2"), HistoryKey("r2"), HistoryKey("r3"))
        checked = self.snapshot(IN_VIEW, r1=NOW, r2=99.0)
        assert StatsKey("r3") not in resources(next_cycle(checked, state(OVER)))
        under_way = flying(StatsKey("r2"), priority=Priority.BACKGROUND)
        assert StatsKey("r3") not in resources(next_cycle(snapshot, state(OVER, in_flight=under_way)))

    def test_row_is_checked_once_in_a_minute_however_it_ended(self) -> None:
        for tried, expected in ((41.0, ()), (40.0, (StatsKey("r2"),))):
            snapshot = self.snapshot(IN_VIEW, r1=NOW, r3=60.0, r4=60.0)
            problem = DOWN._replace(failed_monotonic=tried, retry_monotonic=tried + 5)
            for feed in (Feed(HealthCheck(reachable=True), START, tried), Feed(problem=problem)):
                tried_before = snapshot._replace(stats={**snapshot.stats, "r2": feed})
                assert resources(next_cycle(tried_before, state(OVER))) == expected

    def test_deployment_without_stats_is_not_asked_for_rows(self) -> None:
        missing: Feed[HealthCheck] = Feed(problem=DOWN._replace(kind=ProblemKind.NOT_FOUND, retry_monotonic=NOW + 9))
        snapshot = self.snapshot(IN_VIEW)._replace(stats={"r1": missing})
        assert next_cycle(snapshot, state(OVER)).requests == ()

    def test_rows_a_filter_asks_for_take_turns_with_histories(self) -> None:
        wanted = IN_VIEW._replace(health_check_ids=("far", "r1"))
        snapshot = with_histories(self.snapshot(wanted, r1=NOW, far=30.0), r2=91.0, r3=20.0, r4=93.0)
        assert resources(next_cycle(snapshot, state(OVER))) == (HistoryKey("r3"), StatsKey("far"), HistoryKey("r2"))


class TestChanges:
    """Changes that an event stream announced."""

    def test_change_of_what_is_polled_is_requested_at_once(self) -> None:
        changed: Mapping[Resource, float] = dict.fromkeys((PAGE, HISTORY), 98.0)
        assert resources(next_cycle(known(LIVE, 98, 98, 98), state(changed=changed))) == (PAGE, HISTORY)

    def test_changes_in_a_row_are_requested_a_second_apart(self) -> None:
        decided = next_cycle(known(LIVE, 99.5, 99.5, 99.5), state(changed={HISTORY: 99.5, PAGE: 99.5}))
        assert decided == Cycle((), 100.5)

    def test_changes_of_rows_come_in_batches(self) -> None:
        snapshot = with_histories(FRESH, r2=98, r3=98, r4=98)
        changed: Mapping[Resource, float] = {HistoryKey("r2"): 98.0, HistoryKey("r3"): 98.0}
        assert resources(next_cycle(snapshot, state(changed=changed))) == (HistoryKey("r2"), HistoryKey("r3"))
        assert next_cycle(snapshot, state(changed=changed, changes_monotonic=99.0)) == Cycle((), 100.5)

    def test_nothing_is_requested_while_paused(self) -> None:
        changed: Mapping[Resource, float] = {PAGE: 90.0}
        assert next_cycle(known(PAUSED, 90, 90, 90), state(changed=changed)) == Cycle()


class TestRemoved:
    """Runners that answered 404."""

    def gone(self) -> Snapshot:
        snapshot = FRESH._replace(pages={PAGE: Feed(make_page(make_runner("r1"), make_runner("r2")), START, NOW)})
        return remove_runner(snapshot, "r1", RequestTiming(99.0, 99.0, START))

    def test_runner_under_the_cursor_is_not_requested_again(self) -> None:
        assert next_cycle(self.gone()._replace(viewport=LIVE), state()) == Cycle((), 104.0)

    def test_runner_that_a_page_brought_back_is_requested_again(self) -> None:
        back = self.gone()._replace(pages=FRESH.pages)
        assert resources(next_cycle(back, state()))[:2] == (HISTORY, RunnerKey("r1"))
