from __future__ import annotations

import pytest

from comfytui.api.allowance import Use
from comfytui.api.errors import BadRequest, NotFound, StatusError, Unauthorized
from comfytui.api.statuses import RunnerStatus
from comfytui.engine.asking import answered, ask, failed
from comfytui.engine.feed import ProblemKind
from comfytui.engine.planner import Ask
from comfytui.engine.resources import HistoryKey, PageKey, Resource, RunnerKey
from comfytui.engine.snapshot import Snapshot
from tests.engine.rig import DOWN, seen
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.clock import FakeClock
from tests.support.source import ScriptedSource

KEY = PageKey(3, 50, RunnerStatus.ACTIVE)
GONE = NotFound("GET", "/v1/runner", "requested entity not found", 404)


@pytest.mark.parametrize("use", Use)
@pytest.mark.parametrize("resource", [KEY, RunnerKey("r1"), HistoryKey("r1")])
async def test_each_resource_is_asked_for_what_it_is_for(resource: Resource, use: Use) -> None:
    source = ScriptedSource(FakeClock())
    await ask(source, Ask(resource, use))
    assert (source.asked, source.uses) == ([resource], [use])


async def test_what_is_answered_is_folded_into_the_snapshot_of_that_moment() -> None:
    source, snapshot = ScriptedSource(FakeClock()), Snapshot()
    source.pages[KEY] = make_page(make_runner("r1"))
    source.histories["r1"] = (make_workflow("w1"),)
    for resource in (KEY, RunnerKey("r1"), HistoryKey("r1")):
        fold = await ask(source, Ask(resource, Use.POLL))
        snapshot = answered(snapshot, fold, seen(5.0, asked_on=4.5))
    assert snapshot.page_at(KEY).value == make_page(make_runner("r1"))
    assert snapshot.runner("r1").value == make_runner("r1")
    assert snapshot.history("r1").value == (make_workflow("w1"),)
    assert snapshot.response_time == 0.5


@pytest.mark.parametrize("resource", [RunnerKey("r1"), HistoryKey("r1")])
def test_a_runner_that_is_not_there_has_departed(resource: Resource) -> None:
    snapshot = failed(Snapshot(), resource, GONE, seen(5.0), 1.0)
    assert [departure.runner_id for departure in snapshot.departed] == ["r1"]
    assert (snapshot.runners, snapshot.histories) == ({}, {})


def test_a_list_that_is_not_there_is_a_problem() -> None:
    snapshot = failed(Snapshot(), KEY, GONE, seen(5.0), 1.0)
    problem = snapshot.page_at(KEY).problem
    assert problem is not None
    assert problem.kind is ProblemKind.NOT_FOUND
    assert snapshot.departed == ()


def test_a_refused_token_is_both_a_problem_and_the_end_of_asking() -> None:
    refused = Unauthorized("GET", "/v1/runner", "Invalid token", 401)
    snapshot = failed(Snapshot(), KEY, refused, seen(5.0), 1.0)
    assert snapshot.needs_token is not None
    assert snapshot.page_at(KEY).problem is not None


@pytest.mark.parametrize("error", [DOWN, BadRequest("GET", "/v1/runner", "invalid UUID format", 400)])
def test_any_other_failure_is_a_problem_and_no_more(error: StatusError) -> None:
    snapshot = failed(Snapshot(), RunnerKey("r1"), error, seen(5.0), 1.0)
    assert snapshot.runner("r1").problem is not None
    assert (snapshot.departed, snapshot.needs_token) == ((), None)
