from __future__ import annotations

from comfytui.api.errors import RateLimitedError, ServerError, UnauthorizedError
from comfytui.api.histories import CutHistory
from comfytui.api.statuses import RunnerStatus
from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.protocol import HistoryKey, PageKey, RunnerKey, StatsKey, Viewport
from comfytui.engine.reducer import (
    MAX_HISTORIES,
    MAX_PAGES,
    MAX_RUNNERS,
    MAX_STATS,
    apply_failure,
    apply_history,
    apply_page,
    apply_runner,
    apply_stats,
    apply_unauthorized,
    apply_unreachable,
    remove_runner,
    set_interval,
    set_viewport,
)
from comfytui.engine.snapshot import MAX_SCAN_PAGES, HealthCheck, Snapshot
from comfytui.ratelimit.window import Usage
from tests.support.builders import make_page, make_runner, make_stats, make_workflow
from tests.support.clock import START
from tests.support.engine_harness import seen

PAGE = PageKey()
DOWN = ServerError("GET", "/v1/runner/r1", "down", 503)


def test_an_answer_becomes_a_feed() -> None:
    page, runner, history = make_page(make_runner()), make_runner(), (make_workflow(),)
    snapshot = apply_page(Snapshot(), PAGE, page, seen(7.0))
    snapshot = apply_runner(snapshot, "r1", runner, seen(8.0))
    snapshot = apply_history(snapshot, "r1", history, seen(9.0))
    assert snapshot.pages == {PAGE: Feed(page, START, 7.0)}
    assert snapshot.runners == {"r1": Feed(runner, START, 8.0)}
    assert snapshot.histories == {"r1": Feed(history, START, 9.0)}


def test_a_changed_page_shares_the_runners_that_did_not_change() -> None:
    old = make_page(make_runner("r1"), make_runner("r2"), make_runner("r3"), total=3)
    new = make_page(make_runner("r4"), make_runner("r3"), make_runner("r1", tags=["gpu"]), total=4)
    snapshot = apply_page(apply_page(Snapshot(), PAGE, old, seen(1.0)), PAGE, new, seen(2.0))
    folded = snapshot.pages[PAGE].value
    assert folded == new
    assert folded is not None
    assert [runner is known for runner, known in zip(folded.runners, new.runners, strict=True)] == [True, False, True]
    assert folded.runners[1] is old.runners[2]


def test_a_page_that_differs_only_in_its_total_is_new_but_its_runners_are_not() -> None:
    old, new = make_page(make_runner(), total=1), make_page(make_runner(), total=2)
    folded = apply_page(apply_page(Snapshot(), PAGE, old, seen(1.0)), PAGE, new, seen(2.0)).pages[PAGE].value
    assert folded == new
    assert folded is not None
    assert folded.runners is old.runners


def test_a_secret_header_that_changed_is_a_change() -> None:
    old = make_runner(headers={"X-Key": "one"})
    new = make_runner(headers={"X-Key": "two"})
    snapshot = apply_runner(apply_runner(Snapshot(), "r1", old, seen(1.0)), "r1", new, seen(2.0))
    assert snapshot.runners["r1"].value is new


def test_a_changed_history_shares_the_workflows_that_did_not_change() -> None:
    old = (make_workflow("w2"), make_workflow("w1"))
    new = (make_workflow("w3"), make_workflow("w2", status="running"), make_workflow("w1"))
    snapshot = apply_history(apply_history(Snapshot(), "r1", old, seen(1.0)), "r1", new, seen(2.0))
    folded = snapshot.histories["r1"].value
    assert folded == new
    assert folded is not None
    assert folded[1] is new[1]
    assert folded[2] is old[1]


def test_a_history_in_another_order_is_another_history() -> None:
    old = (make_workflow("w1"), make_workflow("w2"))
    snapshot = apply_history(apply_history(Snapshot(), "r1", old, seen(1.0)), "r1", old[::-1], seen(2.0))
    assert snapshot.histories["r1"].value == old[::-1]


def test_a_deployment_that_ignores_the_status_is_filtered_here() -> None:
    key = PageKey(status=RunnerStatus.DISABLED)
    page = make_page(make_runner("r1"), make_runner("r2", status="disabled"), make_runner("r3", status=None), total=9)
    folded = apply_page(Snapshot(), key, page, seen(1.0)).pages[key].value
    assert folded == make_page(page.runners[1], total=9)


def test_filtered_page_without_changes_is_reused() -> None:
    key = PageKey(status=RunnerStatus.DISABLED)
    disabled = make_runner("r2", status="disabled")
    snapshot = apply_page(Snapshot(), key, make_page(make_runner("r1"), disabled), seen(1.0))
    again = apply_page(snapshot, key, make_page(make_runner("r1", tags=["x"]), disabled), seen(2.0))
    assert again.pages[key].value is snapshot.pages[key].value


def test_a_failure_keeps_what_is_known_and_a_success_clears_it() -> None:
    known = apply_runner(Snapshot(), "r1", make_runner(), seen(1.0))
    failed = apply_failure(known, RunnerKey("r1"), DOWN, seen(10.0), 1.0)
    assert failed.runners["r1"].value is known.runners["r1"].value
    assert failed.runners["r1"].fetched_monotonic == 1.0
    assert failed.runners["r1"].problem is not None
    assert apply_runner(failed, "r1", make_runner(), seen(11.0)).runners["r1"].problem is None


def test_a_failure_is_put_beside_its_own_resource() -> None:
    snapshot = apply_failure(Snapshot(), HistoryKey("r1"), DOWN, seen(10.0), 1.0)
    assert snapshot.histories["r1"].problem is not None
    assert (snapshot.pages, snapshot.runners) == ({}, {})
    assert apply_failure(Snapshot(), PAGE, DOWN, seen(10.0), 1.0).page.problem is not None


def page_problem(snapshot: Snapshot) -> Problem:
    assert snapshot.page.problem is not None
    return snapshot.page.problem


def test_failures_in_a_row_are_further_and_further_apart() -> None:
    snapshot, waits = Snapshot(interval=5.0), []
    for _ in range(5):
        snapshot = apply_failure(snapshot, PAGE, DOWN, seen(100.0), 1.1)
        waits.append(round(page_problem(snapshot).retry_monotonic - 100.0, 3))
    assert waits == [5.0, 11.0, 22.0, 30.0, 30.0]
    assert (page_problem(snapshot).failures, page_problem(snapshot).failed_monotonic) == (5, 100.0)


def test_no_next_try_is_inside_a_cool_down() -> None:
    for until, next_try in ((103.0, 105.0), (112.0, 112.0)):
        cooling = Snapshot(interval=5.0, usage=Usage(blocked_until=until))
        assert page_problem(apply_failure(cooling, PAGE, DOWN, seen(100.0), 1.0)).retry_monotonic == next_try


def test_rate_limited_request_is_retried_after_the_cooldown() -> None:
    limited = RateLimitedError("GET", "/v1/runner", "slow down", 429, 10.0)
    cooling = Snapshot(interval=60.0, usage=Usage(blocked_until=110.0))
    problem = page_problem(apply_failure(cooling, PAGE, limited, seen(100.0), 1.0))
    assert (problem.kind, problem.retry_monotonic) == (ProblemKind.RATE_LIMITED, 110.0)


def test_a_refused_token_is_kept_with_the_apis_words_and_the_first_moment() -> None:
    no = UnauthorizedError("GET", "/v1/runner", "Token has expired", 401)
    snapshot = apply_unauthorized(apply_unauthorized(Snapshot(), no, seen(1.0)), no, seen(2.0))
    assert snapshot.auth_problem is not None
    assert (snapshot.auth_problem.message, snapshot.auth_problem.failures) == ("Token has expired", 2)


def test_a_page_asked_for_before_a_departure_does_not_bring_the_runner_back() -> None:
    both = make_page(make_runner("r1"), make_runner("r2"), total=30)
    snapshot = remove_runner(apply_page(Snapshot(), PAGE, both, seen(1.0)), "r1", seen(3.0))
    late = apply_page(snapshot, PAGE, both, seen(4.0, asked_on=2.0))
    assert late.pages[PAGE].value == make_page(make_runner("r2"), total=29)
    later = apply_page(snapshot, PAGE, both, seen(5.0, asked_on=4.0))
    assert later.pages[PAGE].value == both


def test_nothing_given_is_mutated_and_what_is_untouched_is_shared() -> None:
    before = apply_runner(apply_page(Snapshot(), PAGE, make_page(), seen(1.0)), "r1", make_runner(), seen(1.0))
    runners, feed = before.runners, before.page
    after = apply_page(before, PageKey(page=2), make_page(), seen(2.0))
    assert set(before.pages) == {PAGE}
    assert after.runners is runners
    assert after.pages[PAGE] is feed


def test_a_shorter_interval_brings_forward_what_failed_and_a_longer_one_puts_nothing_off() -> None:
    snapshot = apply_failure(Snapshot(), PAGE, DOWN, seen(100.0), 1.0)
    shorter = set_interval(snapshot, 2.0, 50.0)
    assert shorter.interval == 2.0
    assert shorter.page.problem is not None
    assert shorter.page.problem.retry_monotonic == 52.0
    longer = set_interval(snapshot, 60.0, 50.0)
    assert longer.pages is snapshot.pages


def test_least_recently_viewed_feed_is_dropped() -> None:
    snapshot = Snapshot(viewport=Viewport(page=PageKey(1), runner_id="r1"))
    for number in range(1, MAX_RUNNERS + 1):
        key = PageKey(number)
        snapshot = apply_page(snapshot, key, make_page(), seen(1.0)) if number <= MAX_PAGES else snapshot
        snapshot = apply_runner(snapshot, f"r{number}", make_runner(), seen(1.0))
        snapshot = apply_history(snapshot, f"r{number}", (), seen(1.0))
    snapshot = set_viewport(set_viewport(snapshot, Viewport(PageKey(2), "r2")), Viewport(PageKey(1), "r1"))
    snapshot = apply_page(snapshot, PageKey(1000), make_page(), seen(2.0))
    snapshot = apply_runner(snapshot, "new", make_runner(), seen(2.0))
    snapshot = apply_failure(snapshot, HistoryKey("new"), DOWN, seen(2.0), 1.0)
    assert len(snapshot.pages) == MAX_PAGES
    assert (len(snapshot.runners), len(snapshot.histories)) == (MAX_RUNNERS, MAX_HISTORIES)
    assert PageKey(3) not in snapshot.pages
    assert {"r3"}.isdisjoint([*snapshot.runners, *snapshot.histories])
    assert {PageKey(1), PageKey(2), PageKey(4), PageKey(1000)} <= set(snapshot.pages)
    assert {"r1", "r2", "r4", "new"} <= set(snapshot.runners) & set(snapshot.histories)


def test_pages_of_a_whole_list_in_view_are_never_dropped_for_others() -> None:
    whole = Viewport(all_pages=True)
    snapshot = Snapshot(viewport=whole)
    for number in range(1, MAX_SCAN_PAGES + 1):
        snapshot = apply_page(snapshot, PageKey(number, 100), make_page(), seen(1.0))
    snapshot = set_viewport(snapshot, Viewport())
    for number in range(1, 50):
        snapshot = apply_page(snapshot, PageKey(number), make_page(), seen(1.0))
    snapshot = set_viewport(snapshot, whole)
    for number in range(50, 300):
        snapshot = apply_page(snapshot, PageKey(number), make_page(), seen(1.0))
    assert len(snapshot.pages) == MAX_PAGES
    assert {PageKey(number, 100) for number in range(1, MAX_SCAN_PAGES + 1)} <= set(snapshot.pages)


def test_viewed_feed_is_never_dropped() -> None:
    snapshot = apply_page(Snapshot(), PAGE, make_page(), seen(1.0))
    for number in range(2, 3 * MAX_PAGES):
        snapshot = apply_page(snapshot, PageKey(number), make_page(), seen(1.0))
    assert PAGE in snapshot.pages
    assert len(snapshot.pages) == MAX_PAGES


class TestStats:
    def test_an_answer_says_that_it_is_reachable_and_how_fast(self) -> None:
        snapshot = apply_stats(Snapshot(), "r1", make_stats(), seen(7.0, asked_on=6.5))
        assert snapshot.stats == {"r1": Feed(HealthCheck(reachable=True, latency=0.5, stats=make_stats()), START, 7.0)}

    def test_an_unchanged_answer_is_confirmed_with_the_same_value(self) -> None:
        before = apply_stats(Snapshot(), "r1", make_stats(), seen(7.0, asked_on=6.5))
        after = apply_stats(before, "r1", make_stats(), seen(22.0, asked_on=21.3))
        assert after.health("r1").value is before.health("r1").value
        assert after.health("r1").fetched_monotonic == 22.0

    def test_silence_is_an_answer_and_keeps_what_was_said(self) -> None:
        snapshot = apply_stats(Snapshot(), "r1", make_stats(), seen(7.0))
        snapshot = apply_failure(snapshot, StatsKey("r1"), DOWN, seen(22.0), 1.0)
        snapshot = apply_unreachable(snapshot, "r1", "no route to host", seen(37.0))
        health = HealthCheck(reachable=False, stats=make_stats(), error="no route to host", since=START)
        assert snapshot.health("r1") == Feed(health, START, 37.0)

    def test_a_check_that_failed_is_a_problem_beside_what_was_found(self) -> None:
        known = apply_stats(Snapshot(), "r1", make_stats(), seen(7.0)).health("r1")
        snapshot = apply_failure(Snapshot(stats={"r1": known}), StatsKey("r1"), DOWN, seen(22.0), 1.0)
        feed = snapshot.health("r1")
        assert (feed.value, feed.fetched_monotonic) == (known.value, 7.0)
        assert feed.problem is not None
        assert feed.problem.status == 503

    def test_too_many_lose_the_one_looked_at_longest_ago(self) -> None:
        snapshot = apply_stats(Snapshot(), "first", make_stats(), seen(1.0))
        snapshot = apply_stats(snapshot, "second", make_stats(), seen(1.0))
        snapshot = set_viewport(snapshot, Viewport(runner_id="first"))
        for number in range(MAX_STATS - 1):
            snapshot = apply_stats(snapshot, f"r{number}", make_stats(), seen(2.0))
        assert len(snapshot.stats) == MAX_STATS
        assert "first" in snapshot.stats
        assert "second" not in snapshot.stats


def test_cut_history_stays_the_same_object_until_it_is_no_longer_cut() -> None:
    cut = CutHistory([make_workflow("w1")])
    first = apply_history(Snapshot(), "r1", cut, seen(1.0))
    again = apply_history(first, "r1", CutHistory([make_workflow("w1")]), seen(2.0))
    assert again.histories["r1"].value is first.histories["r1"].value
    whole = apply_history(again, "r1", (make_workflow("w1"),), seen(3.0)).histories["r1"].value
    assert type(whole) is tuple
    assert whole == cut
