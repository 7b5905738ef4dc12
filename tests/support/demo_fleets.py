"""Demo fleets of many seeds, and the invariants of each."""

from __future__ import annotations

import itertools
import json
from datetime import datetime
from typing import TYPE_CHECKING

from hypothesis import strategies as st

from comfytui.api.statuses import WorkflowStatus
from comfytui.gateway.demo.fleet import DemoFleet
from comfytui.gateway.serializers import serialize_history, serialize_page
from tests.support.clock import START, FakeClock

if TYPE_CHECKING:
    from comfytui.api.models import Runner, Workflow

__all__ = [
    "DEVELOPMENT",
    "PENDING",
    "PRODUCTION",
    "START",
    "assert_could_be",
    "assert_one_at_a_time",
    "everyone",
    "fleet_at",
    "moment",
    "seconds",
    "seeds",
    "statuses_shown",
    "world",
]

PRODUCTION = "550e8400-e29b-41d4-a716-446655440000"
DEVELOPMENT = "660e8400-e29b-41d4-a716-446655440001"

UNSTARTED = {WorkflowStatus.ACCEPTED, WorkflowStatus.UPLOADED, WorkflowStatus.QUEUED}
PENDING = UNSTARTED | {WorkflowStatus.RUNNING}

seconds = st.integers(-2 * 365 * 86_400, 15 * 365 * 86_400)
"""Distances from START: from before there were runners to years from now."""
seeds = st.integers(-5, 10**9)


def fleet_at(moment: datetime, runners: int = 120, seed: int = 0) -> DemoFleet:
    return DemoFleet(FakeClock(moment), runners, seed)


async def everyone(fleet: DemoFleet) -> list[Runner]:
    """All runners, page by page."""
    runners: list[Runner] = []
    page = 1
    while shown := (await fleet.list_runners(page, 100, None)).runners:
        runners.extend(shown)
        page += 1
    return runners


async def world(fleet: DemoFleet) -> str:
    """Everything the API says of the fleet, as one text."""
    runners = await everyone(fleet)
    histories = [serialize_history(await fleet.get_history(runner.id)) for runner in runners]
    return json.dumps([serialize_page(await fleet.list_runners(1, 100, None)), histories])


async def statuses_shown(fleet: DemoFleet, runner_ids: list[str]) -> set[WorkflowStatus | None]:
    """The statuses in these runners' histories, looked for until all that are documented were found."""
    shown: set[WorkflowStatus | None] = set()
    for runner_id in runner_ids:
        if shown == set(WorkflowStatus):
            break
        shown |= {workflow.status for workflow in await fleet.get_history(runner_id)}
    return shown


def moment(value: object) -> datetime:
    assert isinstance(value, datetime)
    return value


def assert_could_be(workflow: Workflow, now: datetime) -> None:
    """Every rule that holds for one workflow."""
    created, updated = moment(workflow.created_at), moment(workflow.updated_at)
    assert created <= updated <= now
    assert created.microsecond == updated.microsecond == 0
    assert workflow.status is not None
    assert workflow.status.is_known
    if workflow.status in PENDING or workflow.status is WorkflowStatus.INVALID:
        assert workflow.completed_at is None
    if workflow.status in UNSTARTED or workflow.status is WorkflowStatus.INVALID:
        assert workflow.started_at is None
    if workflow.status in {WorkflowStatus.RUNNING, WorkflowStatus.COMPLETED}:
        assert workflow.started_at is not None
    if workflow.started_at is not None:
        assert created < moment(workflow.started_at) <= updated
    if workflow.completed_at is not None:
        assert workflow.started_at is not None
        assert moment(workflow.started_at) < moment(workflow.completed_at) == updated
    assert workflow.name
    assert workflow.tags


def assert_one_at_a_time(history: tuple[Workflow, ...], now: datetime) -> None:
    """What ran on one runner did not overlap, and ran in the order in which it came."""
    ran = [
        (moment(workflow.started_at), moment(workflow.completed_at or now))
        for workflow in reversed(history)
        if workflow.started_at is not None
    ]
    for (_, end), (start, _) in itertools.pairwise(ran):
        assert end <= start
