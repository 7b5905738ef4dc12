from __future__ import annotations

from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.protocol import PageKey
from comfytui.engine.reducer import age_by, apply_success, clamp_retries, clear_problems, with_usage
from comfytui.engine.snapshot import HealthCheck, Snapshot
from comfytui.ratelimit.window import Usage
from tests.support.builders import make_page, make_runner
from tests.support.clock import START

DOWN = Problem(ProblemKind.SERVER, "down", 503, START, 7, retry_monotonic=130.0, failed_monotonic=100.0, streak=4)
SOUND = Feed(make_runner("r2"), START, 90.0)
KNOWN = Snapshot(
    interval=5.0,
    pages={PageKey(): Feed(make_page(), START, 80.0, DOWN)},
    runners={"r1": Feed(problem=DOWN), "r2": SOUND},
    histories={"r2": Feed((), START, 90.0)},
    stats={"r1": Feed(HealthCheck(reachable=True), START, 90.0, DOWN)},
)


def tries(snapshot: Snapshot) -> set[float]:
    feeds = [snapshot.page, snapshot.runner("r1"), snapshot.health("r1")]
    return {feed.problem.retry_monotonic for feed in feeds if feed.problem is not None}


def test_after_a_success_nothing_waits_longer_than_an_interval_after_its_last_try() -> None:
    snapshot = apply_success(KNOWN, 0.2)
    assert tries(snapshot) == {105.0}
    assert snapshot.page.problem == DOWN._replace(retry_monotonic=105.0, streak=0)
    assert snapshot.page.value is KNOWN.page.value


def test_a_next_try_that_is_sooner_stays() -> None:
    assert tries(apply_success(clamp_retries(KNOWN, 97.0), 0.2)) == {102.0}


def test_feeds_without_problem_are_shared() -> None:
    snapshot = apply_success(KNOWN, 0.2)
    assert snapshot.runners["r2"] is SOUND
    assert snapshot.histories is KNOWN.histories
    sound = clear_problems(KNOWN)
    assert apply_success(sound, 0.2).pages is sound.pages


def test_a_success_does_not_end_a_cool_down() -> None:
    cooling = with_usage(KNOWN, Usage(blocked_until=112.0))
    assert tries(apply_success(cooling, 0.2)) == {112.0}


def test_an_answers_time_counts_for_the_interval_in_force() -> None:
    snapshot = apply_success(KNOWN, 8.0)
    assert (snapshot.response_time, snapshot.interval_s) == (8.0, 16.0)
    assert tries(snapshot) == {116.0}


def test_an_answer_that_says_nothing_of_the_apis_speed_leaves_it_as_it_was() -> None:
    snapshot = apply_success(KNOWN._replace(response_time=0.3), None)
    assert (snapshot.response_time, tries(snapshot)) == (0.3, {105.0})


def test_in_a_cool_down_no_try_is_promised_before_its_end() -> None:
    assert tries(with_usage(KNOWN, Usage(blocked_until=140.0))) == {140.0}
    assert tries(with_usage(KNOWN, Usage(blocked_until=110.0))) == {130.0}
    assert with_usage(KNOWN, Usage((1.0,))).pages is KNOWN.pages


def test_another_interval_hurries_what_failed_and_puts_nothing_off() -> None:
    assert tries(clamp_retries(KNOWN, 110.0)) == {115.0}
    assert clamp_retries(KNOWN, 126.0).pages is KNOWN.pages
    assert tries(clamp_retries(with_usage(KNOWN, Usage(blocked_until=120.0)), 110.0)) == {120.0}


def test_with_a_new_connection_values_stay_and_problems_go() -> None:
    snapshot = clear_problems(KNOWN._replace(auth_problem=DOWN))
    assert snapshot.auth_problem is None
    assert snapshot.page == Feed(make_page(), START, 80.0)
    assert snapshot.runner("r1") == Feed()
    assert snapshot.health("r1") == Feed(HealthCheck(reachable=True), START, 90.0)


def test_age_by_makes_feeds_older() -> None:
    snapshot = age_by(KNOWN, 3600.0)
    assert snapshot.page.fetched_monotonic == 80.0 - 3600.0
    assert snapshot.health("r1").fetched_monotonic == 90.0 - 3600.0
    assert snapshot.page.fetched_at == START
    assert snapshot.runner("r1") == KNOWN.runner("r1")
