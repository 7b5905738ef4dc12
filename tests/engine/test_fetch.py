from __future__ import annotations

import pytest

from comfytui.api.errors import (
    BadRequestError,
    NotFoundError,
    RequestTimeoutError,
    ServerError,
    StatusError,
    UnauthorizedError,
)
from comfytui.api.statuses import RunnerStatus
from comfytui.engine.feed import ProblemKind
from comfytui.engine.fetch import fetch, reduce_failure, reduce_response
from comfytui.engine.protocol import HistoryKey, PageKey, Resource, RunnerKey, StatsKey
from comfytui.engine.scheduler import Request
from comfytui.engine.snapshot import HealthCheck, Snapshot
from comfytui.ratelimit.window import Priority
from tests.support.builders import make_page, make_runner, make_stats, make_workflow
from tests.support.clock import START, FakeClock
from tests.support.engine_harness import DOWN, seen
from tests.support.source import ScriptedSource

KEY = PageKey(3, 50, RunnerStatus.ACTIVE)
STATS = StatsKey("r1")
SILENT = ServerError("GET", "/v1/runner/r1/stats", "could not connect to the runner", 500)
GONE = NotFoundError("GET", "/v1/runner", "requested entity not found", 404)


@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("resource", [KEY, RunnerKey("r1"), HistoryKey("r1"), StatsKey("r1")])
async def test_each_resource_is_asked_for_what_it_is_for(resource: Resource, priority: Priority) -> None:
    source = ScriptedSource(FakeClock())
    await fetch(source, Request(resource, priority))
    assert (source.asked, source.priorities) == ([resource], [priority])


async def test_response_is_reduced_into_the_latest_snapshot() -> None:
    source, snapshot = ScriptedSource(FakeClock()), Snapshot()
    source.pages[KEY] = make_page(make_runner("r1"))
    source.histories["r1"] = (make_workflow("w1"),)
    for resource in (KEY, RunnerKey("r1"), HistoryKey("r1")):
        reducer = await fetch(source, Request(resource, Priority.POLL))
        snapshot = reduce_response(snapshot, resource, reducer, seen(5.0, asked_on=4.5))
    assert snapshot.page_feed(KEY).value == make_page(make_runner("r1"))
    assert snapshot.runner("r1").value == make_runner("r1")
    assert snapshot.history("r1").value == (make_workflow("w1"),)
    assert snapshot.response_time == 0.5


@pytest.mark.parametrize("resource", [RunnerKey("r1"), HistoryKey("r1")])
def test_a_runner_that_is_not_there_has_departed(resource: Resource) -> None:
    snapshot = reduce_failure(Snapshot(), resource, GONE, seen(5.0), 1.0)
    assert [removal.runner_id for removal in snapshot.removed] == ["r1"]
    assert (snapshot.runners, snapshot.histories) == ({}, {})


def test_a_list_that_is_not_there_is_a_problem() -> None:
    snapshot = reduce_failure(Snapshot(), KEY, GONE, seen(5.0), 1.0)
    problem = snapshot.page_feed(KEY).problem
    assert problem is not None
    assert problem.kind is ProblemKind.NOT_FOUND
    assert snapshot.removed == ()


def test_a_refused_token_is_both_a_problem_and_the_end_of_asking() -> None:
    refused = UnauthorizedError("GET", "/v1/runner", "Invalid token", 401)
    snapshot = reduce_failure(Snapshot(), KEY, refused, seen(5.0), 1.0)
    assert snapshot.auth_problem is not None
    assert snapshot.page_feed(KEY).problem is not None


@pytest.mark.parametrize("error", [DOWN, BadRequestError("GET", "/v1/runner", "invalid UUID format", 400)])
def test_any_other_failure_is_a_problem_and_no_more(error: StatusError) -> None:
    snapshot = reduce_failure(Snapshot(), RunnerKey("r1"), error, seen(5.0), 1.0)
    assert snapshot.runner("r1").problem is not None
    assert (snapshot.removed, snapshot.auth_problem) == ((), None)


class TestStats:
    """A runner's own answer, and the API's word that there is none."""

    async def test_stats_duration_does_not_slow_polling(self) -> None:
        source = ScriptedSource(FakeClock())
        reducer = await fetch(source, Request(STATS, Priority.POLL))
        snapshot = reduce_response(Snapshot(response_time=0.2), STATS, reducer, seen(15.0, asked_on=6.0))
        assert snapshot.health("r1").value == HealthCheck(reachable=True, latency=9.0, stats=make_stats())
        assert (snapshot.response_time, snapshot.interval_s) == (0.2, Snapshot().interval_s)

    async def test_an_answer_brings_back_what_failed(self) -> None:
        snapshot = Snapshot()
        for on in (4.0, 5.0, 6.0):
            snapshot = reduce_failure(snapshot, HistoryKey("r1"), DOWN, seen(on), 1.0)
        reducer = await fetch(ScriptedSource(FakeClock()), Request(STATS, Priority.POLL))
        problem = reduce_response(snapshot, STATS, reducer, seen(7.0)).history("r1").problem
        assert problem is not None
        assert problem.retry_monotonic == 6.0 + snapshot.interval_s

    @pytest.mark.parametrize("list_error", [None, RequestTimeoutError("GET", "/v1/runner", "no whole answer")])
    def test_500_says_that_the_runner_does_not_answer_and_nothing_else(
        self, list_error: RequestTimeoutError | None
    ) -> None:
        snapshot = reduce_failure(Snapshot(), PageKey(), list_error, seen(4.0), 1.0) if list_error else Snapshot()
        silent = reduce_failure(snapshot, STATS, SILENT, seen(5.0), 1.0)
        assert silent.health("r1").value == HealthCheck(
            reachable=False, error="could not connect to the runner", since=START
        )
        assert silent.health("r1").problem is None
        assert silent.pages is snapshot.pages

    def test_a_refusal_of_stats_alone_is_no_refusal_of_the_token(self) -> None:
        snapshot = reduce_failure(
            Snapshot(), STATS, UnauthorizedError("GET", "/v1/runner", "no stats for you", 401), seen(5.0), 1.0
        )
        assert snapshot.auth_problem is None
        assert snapshot.health("r1").problem is not None

    def test_404_is_a_problem_for_the_api_may_not_have_them(self) -> None:
        snapshot = reduce_failure(Snapshot(), STATS, GONE, seen(5.0), 1.0)
        problem = snapshot.health("r1").problem
        assert problem is not None
        assert problem.kind is ProblemKind.NOT_FOUND
        assert snapshot.removed == ()

    def test_500_says_nothing_of_the_runner_while_the_api_fails(self) -> None:
        snapshot = reduce_failure(Snapshot(), PageKey(), DOWN, seen(4.0), 1.0)
        feed = reduce_failure(snapshot, STATS, SILENT, seen(5.0), 1.0).health("r1")
        assert feed.value is None
        assert feed.problem is not None
        assert feed.problem.kind is ProblemKind.SERVER

    @pytest.mark.parametrize("error", [DOWN, RequestTimeoutError("GET", "/v1/runner/r1/stats", "no whole answer")])
    def test_any_other_failure_says_nothing_of_the_runner(self, error: ServerError | RequestTimeoutError) -> None:
        feed = reduce_failure(Snapshot(), STATS, error, seen(5.0), 1.0).health("r1")
        assert feed.value is None
        assert feed.problem is not None

    def test_500_of_other_resources_is_a_problem(self) -> None:
        assert reduce_failure(Snapshot(), HistoryKey("r1"), SILENT, seen(5.0), 1.0).history("r1").problem is not None
