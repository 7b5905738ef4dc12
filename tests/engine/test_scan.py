from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.protocol import HistoryKey, PageKey, Resource, RunnerKey, StatsKey, Viewport
from comfytui.engine.scan import MAX_PAGES_IN_FLIGHT, ScanState, next_scan_page
from comfytui.engine.scheduler import Request, SchedulerState, next_cycle
from comfytui.engine.snapshot import Snapshot
from comfytui.ratelimit.window import Priority, Usage
from tests.support.builders import make_page, make_runner
from tests.support.clock import START

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage

NOW = 1000.0
WHOLE = Viewport(all_pages=True)
PAUSED = WHOLE._replace(paused=True)
WITH_RUNNER = WHOLE._replace(runner_id="r1")
LATELY = ScanState(NOW, page_monotonic=NOW - 1)
DOWN = Problem(ProblemKind.SERVER, "down", 503, START, 1, retry_monotonic=NOW - 1, failed_monotonic=NOW - 6)


def page(number: int) -> PageKey:
    return PageKey(number, 100)


def known(*ages: float | None, viewport: Viewport = WHOLE) -> Snapshot:
    """A list of so many pages, each answered that many seconds ago or never."""
    answer = make_page(make_runner(), total=100 * len(ages))
    feeds: dict[PageKey, Feed[RunnerPage]] = {
        PageKey(): Feed(answer, START, NOW),
        **{page(number): Feed(answer, START, NOW - age) for number, age in enumerate(ages, 1) if age is not None},
    }
    return Snapshot(viewport=viewport, interval=5.0, pages=feeds)


def with_problem(snapshot: Snapshot, number: int, problem: Problem) -> Snapshot:
    feed = replace(snapshot.page_feed(page(number)), problem=problem)
    return snapshot._replace(pages={**snapshot.pages, page(number): feed})


def flying(*resources: Resource) -> Mapping[Resource, Priority]:
    return dict.fromkeys(resources, Priority.POLL)


def due(snapshot: Snapshot, state: ScanState = LATELY) -> tuple[int, float]:
    """Which page comes next, and in how many seconds it is due."""
    step = next_scan_page(snapshot, state)
    assert step is not None
    return step.key.page, step.due_at - state.now


@pytest.mark.parametrize(
    ("snapshot", "number", "seconds"),
    [
        pytest.param(Snapshot(viewport=WHOLE), 1, -math.inf, id="nothing known: the first tells the total"),
        pytest.param(known(1, None, None), 2, -math.inf, id="never asked: in order"),
        pytest.param(known(1, None, None, viewport=PAUSED), 2, -math.inf, id="never asked, paused"),
        pytest.param(known(900, None), 2, -math.inf, id="never asked before old"),
        pytest.param(known(5, 7, 6, 8), 4, -0.5, id="overdue"),
        pytest.param(known(1), 1, 4, id="a single page is polled as ever"),
        pytest.param(known(2, 3), 2, 1.5, id="of two one each half interval"),
        pytest.param(known(1, 2, 3, 4, 3, 2, 3, 2), 4, 0.25, id="of eight one each eighth of their pace"),
        pytest.param(known(1, 2, 3, 4, viewport=PAUSED), 1, math.inf, id="paused: old is not due"),
        pytest.param(with_problem(known(1, 2, None), 3, DOWN), 3, -1, id="failed: when its next try is"),
        pytest.param(
            with_problem(known(1, 2, None), 3, DOWN._replace(retry_monotonic=NOW + 4)),
            2,
            2 / 3,
            id="failed: others go on",
        ),
        pytest.param(with_problem(known(1, None, viewport=PAUSED), 2, DOWN), 1, math.inf, id="failed, paused"),
    ],
)
def test_next_scan_page_and_its_moment(snapshot: Snapshot, number: int, seconds: float) -> None:
    key, due_in = due(snapshot)
    assert (key, round(due_in, 6)) == (number, round(seconds, 6))


def test_refreshed_page_is_due_at_its_moment() -> None:
    wished: dict[Resource, float] = {page(2): NOW - 1, page(1): NOW + 2}
    state = ScanState(NOW, refreshes=wished, page_monotonic=NOW)
    assert due(known(1, 2, 3, viewport=PAUSED), state) == (2, -1)
    assert due(known(1, 2, 3), state) == (2, -1)
    state = replace(state, in_flight=flying(page(2)))
    assert due(known(1, 2, 3, viewport=PAUSED), state) == (1, 2)


def test_page_in_flight_is_skipped() -> None:
    state = ScanState(NOW, in_flight=flying(page(1), page(2)))
    assert due(known(None, None, 1), state)[0] == 3
    assert next_scan_page(Snapshot(viewport=WHOLE), state) is None


def test_page_from_before_a_change_of_the_list_is_due_soon() -> None:
    paces = known(*[10.0] * 40)
    assert due(paces)[1] > -8.0
    before = paces.pages[page(7)]
    changed = replace(before, value=make_page(make_runner(), total=3_999), fetched_monotonic=NOW - 1.0)
    snapshot = paces._replace(pages={**paces.pages, page(7): changed})
    assert due(snapshot) == (1, -7.5)
    paused = snapshot._replace(viewport=PAUSED)
    assert next_scan_page(paused, LATELY) == next_scan_page(paces._replace(viewport=PAUSED), LATELY)


class TestRhythm:
    """When the page that comes next may be asked, as far as the sweep alone is concerned."""

    def room(self, snapshot: Snapshot, state: ScanState) -> float:
        """In how many seconds that is."""
        step = next_scan_page(snapshot, state)
        assert step is not None
        return step.room_at - state.now

    def test_server_in_this_process_is_asked_without_a_rhythm(self) -> None:
        snapshot = known(1, None, None)._replace(usage=Usage(is_limited=False))
        assert self.room(snapshot, ScanState(NOW, page_monotonic=NOW)) == -math.inf

    def spent(self, sent: int) -> Snapshot:
        return known(1, None, None)._replace(usage=Usage(tuple(NOW - 9 + n / 100 for n in range(sent))))

    @pytest.mark.parametrize(("sent", "seconds"), [(0, -math.inf), (14, -math.inf), (15, 10 / 18), (20, 10 / 18)])
    def test_pages_come_at_once_until_three_quarters_are_spent_then_evenly(self, sent: int, seconds: float) -> None:
        assert self.room(self.spent(sent), ScanState(NOW, page_monotonic=NOW)) == pytest.approx(seconds)

    def test_four_pages_are_in_flight_at_most(self) -> None:
        snapshot = known(*[None] * 20)
        state = ScanState(NOW, in_flight=flying(*(page(number) for number in range(1, MAX_PAGES_IN_FLIGHT))))
        assert self.room(snapshot, state) == -math.inf
        others = flying(page(900), PageKey(), HistoryKey("r1"), RunnerKey("r1"), StatsKey("r1"))
        assert self.room(snapshot, replace(state, in_flight={*state.in_flight, *others})) == -math.inf
        more = {*state.in_flight, page(MAX_PAGES_IN_FLIGHT)}
        assert self.room(snapshot, replace(state, in_flight=more)) == math.inf

    def test_one_page_an_interval_while_everything_fails(self) -> None:
        snapshot = with_problem(known(1, None, None), 2, DOWN)
        assert self.room(snapshot, ScanState(NOW, page_monotonic=NOW - 2)) == 3
        wished: dict[Resource, float] = {page(3): NOW}
        assert self.room(snapshot, ScanState(NOW, page_monotonic=NOW - 2, refreshes=wished)) == -math.inf
        something_did = with_problem(snapshot, 2, DOWN._replace(streak=0))
        assert self.room(something_did, ScanState(NOW, page_monotonic=NOW - 2)) == -math.inf


class TestCycle:
    """Pages of a full scan among everything else that is requested."""

    def decided(self, snapshot: Snapshot, **others: Any) -> list[Request]:
        fresh = SchedulerState(NOW, cycle_monotonic=NOW - 1, page_monotonic=NOW - 1)
        return [*next_cycle(snapshot, replace(fresh, **others)).requests]

    def test_first_page_is_a_user_request_and_the_others_are_not(self) -> None:
        assert self.decided(Snapshot(viewport=WHOLE)) == [Request(page(1), Priority.USER)]
        assert self.decided(known(1, None)) == [Request(page(2), Priority.POLL)]

    def test_one_page_a_decision_then_at_once_the_next(self) -> None:
        state = SchedulerState(NOW, cycle_monotonic=NOW - 1, page_monotonic=NOW - 1)
        assert next_cycle(known(1, None, None), state).next_monotonic == NOW

    def test_runner_comes_before_the_pages(self) -> None:
        decided = self.decided(known(1, None, None, viewport=WITH_RUNNER))
        assert [request.resource for request in decided] == [HistoryKey("r1"), RunnerKey("r1"), page(2)]

    def test_page_held_up_by_key_presses_becomes_as_urgent_as_they(self) -> None:
        snapshot, delays = known(1, None), {Priority.POLL: 3.0}
        assert self.decided(snapshot, delays=delays, page_monotonic=NOW - 15) == [Request(page(2), Priority.USER)]
        assert self.decided(snapshot, delays=delays, page_monotonic=NOW - 14) == []

    def test_rows_and_rotation_wait_while_pages_were_never_requested(self) -> None:
        viewport = WHOLE._replace(visible_ids=("r1", "r2"))
        busy = flying(*map(page, range(1, 5)))
        assert self.decided(known(*[None] * 9, viewport=viewport), in_flight=busy, cycle_monotonic=NOW - 5) == []
        rows = self.decided(known(1, 2, viewport=viewport), page_monotonic=NOW)
        assert [request.resource for request in rows] == [HistoryKey("r1"), HistoryKey("r2")]
