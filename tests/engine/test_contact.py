"""A gateway asks the runner itself: its newest contact counts for history and stats alike."""

from __future__ import annotations

import pytest

from comfytui.api.errors import ServerError, SilentRunnerError
from comfytui.api.statuses import RunnerState
from comfytui.engine.feed import ProblemKind
from comfytui.engine.fetch import reduce_failure, reduce_response
from comfytui.engine.protocol import HistoryKey, StatsKey
from comfytui.engine.reducer import MAX_STATS, apply_history, apply_stats
from comfytui.engine.snapshot import HealthCheck, Snapshot
from tests.support.builders import make_stats, make_workflow
from tests.support.clock import START
from tests.support.engine_harness import seen

HISTORY, STATS = HistoryKey("r1"), StatsKey("r1")
JOBS, MACHINE = (make_workflow("w1"),), make_stats()


def silent(state: RunnerState, reason: str = "connection refused") -> SilentRunnerError:
    return SilentRunnerError("GET", "/v1/runner/r1/history", f"gpu: {reason}", 503, state, reason)


def with_history(snapshot: Snapshot, at: float) -> Snapshot:
    return reduce_response(snapshot, HISTORY, lambda known, when: apply_history(known, "r1", JOBS, when), seen(at))


def with_stats(snapshot: Snapshot, at: float) -> Snapshot:
    return reduce_response(snapshot, STATS, lambda known, when: apply_stats(known, "r1", MACHINE, when), seen(at))


GOOD = with_history(with_stats(Snapshot(), 1.0), 2.0)


@pytest.mark.parametrize("resource", [HISTORY, STATS])
def test_silence_of_one_part_is_told_of_both_and_old_values_stay(resource: HistoryKey | StatsKey) -> None:
    snapshot = reduce_failure(GOOD, resource, silent(RunnerState.UNREACHABLE), seen(5.0), 1.0)
    history, health = snapshot.history("r1"), snapshot.health("r1")
    assert history.problem is not None
    assert (history.value, history.problem.kind) == (JOBS, ProblemKind.RUNNER_SILENT)
    assert history.problem.message == "gpu: connection refused"
    assert health.value == HealthCheck(
        reachable=False, stats=MACHINE, error="connection refused", since=START, state=RunnerState.UNREACHABLE
    )
    assert health.problem is None


def test_slow_runner_is_reachable_with_the_words_for_it() -> None:
    words = "slow, last answered 12 s ago"
    snapshot = reduce_failure(GOOD, HISTORY, silent(RunnerState.SLOW, words), seen(5.0), 1.0)
    assert snapshot.health("r1").value == HealthCheck(
        reachable=True, stats=MACHINE, error=words, state=RunnerState.SLOW
    )
    assert snapshot.history("r1").value == JOBS


def test_runner_that_answered_nothing_for_half_a_minute_is_away_and_before_that_is_not() -> None:
    waiting = reduce_failure(Snapshot(), STATS, silent(RunnerState.WAITING, "slow, no answer for 8 s"), seen(8.0), 1.0)
    hanging = reduce_failure(waiting, STATS, silent(RunnerState.HANGING, "does not answer"), seen(31.0), 1.0)
    told = [snapshot.health("r1").value for snapshot in (waiting, hanging)]
    assert [health and health.reachable for health in told] == [True, False]


def test_silence_newer_than_another_has_the_newer_words_in_both() -> None:
    first = reduce_failure(GOOD, HISTORY, silent(RunnerState.SLOW, "slow, last answered 6 s ago"), seen(5.0), 1.0)
    snapshot = reduce_failure(first, STATS, silent(RunnerState.SLOW, "slow, last answered 9 s ago"), seen(8.0), 1.0)
    problem, health = snapshot.history("r1").problem, snapshot.health("r1").value
    assert problem is not None
    assert health is not None
    assert problem.message == f"gpu: {health.error}" == "gpu: slow, last answered 9 s ago"


def test_history_that_was_never_asked_for_gets_no_problem_from_the_stats() -> None:
    snapshot = reduce_failure(Snapshot(), STATS, silent(RunnerState.UNREACHABLE), seen(5.0), 1.0)
    assert "r1" not in snapshot.histories


def test_history_answered_clears_the_silence_and_has_the_stats_asked_for_at_once() -> None:
    away = reduce_failure(GOOD, HISTORY, silent(RunnerState.UNREACHABLE), seen(5.0), 1.0)
    snapshot = with_history(away, 9.0)
    health = snapshot.health("r1")
    assert health.value == HealthCheck(reachable=True, stats=MACHINE)
    assert health.fetched_monotonic is not None
    assert health.fetched_monotonic + snapshot.health_interval_s <= 9.0


def test_stats_answered_clear_the_silence_of_the_history_which_is_due_then() -> None:
    away = reduce_failure(GOOD, HISTORY, silent(RunnerState.UNREACHABLE), seen(5.0), 1.0)
    snapshot = with_stats(away, 9.0)
    history = snapshot.history("r1")
    assert (history.value, history.problem, history.fetched_monotonic) == (JOBS, None, 2.0)
    assert snapshot.health("r1").value == HealthCheck(reachable=True, latency=0.0, stats=MACHINE)


@pytest.mark.parametrize("state", [RunnerState.PARTIAL, RunnerState.LATE])
def test_history_missing_alone_leaves_the_runner_reachable(state: RunnerState) -> None:
    snapshot = reduce_failure(GOOD, HISTORY, silent(state, "it answered 502 to /queue"), seen(5.0), 1.0)
    problem = snapshot.history("r1").problem
    assert problem is not None
    assert problem.kind is ProblemKind.RUNNER_PARTIAL
    assert snapshot.health("r1") == GOOD.health("r1")
    assert with_stats(snapshot, 9.0).history("r1").problem == problem._replace(streak=0)


def test_stats_missing_alone_leave_the_runner_reachable_and_its_history_good() -> None:
    snapshot = reduce_failure(
        GOOD, STATS, silent(RunnerState.PARTIAL, "it answered 502 to /system_stats"), seen(5.0), 1.0
    )
    health = snapshot.health("r1").value
    assert health is not None
    assert (health.reachable, health.error) == (True, "it answered 502 to /system_stats")
    assert snapshot.history("r1") == GOOD.history("r1")
    # A history that is answered does not make it tell them.
    assert with_history(snapshot, 9.0).health("r1").value == health


def test_history_of_the_api_says_nothing_of_whether_the_runner_answers() -> None:
    error = ServerError("GET", "/v1/runner/r1/stats", "could not connect to the runner", 500)
    away = reduce_failure(GOOD, STATS, error, seen(5.0), 1.0)
    assert away.history("r1") == GOOD.history("r1")
    assert with_history(away, 9.0).health("r1") == away.health("r1")


def test_checks_of_silent_runners_are_bounded() -> None:
    snapshot = Snapshot()
    for number in range(MAX_STATS + 5):
        snapshot = reduce_failure(snapshot, StatsKey(f"r{number}"), silent(RunnerState.UNREACHABLE), seen(5.0), 1.0)
    assert len(snapshot.stats) == MAX_STATS
