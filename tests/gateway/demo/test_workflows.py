"""How workflows come and go on simulated runners: at every time a world that could be."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings

from comfytui.api.statuses import WorkflowStatus
from comfytui.gateway.demo.fleet import DemoFleet
from tests.support.clock import START, FakeClock
from tests.support.demo_fleets import (
    DEVELOPMENT,
    PENDING,
    PRODUCTION,
    assert_could_be,
    assert_one_at_a_time,
    everyone,
    fleet_at,
    moment,
    seconds,
    seeds,
    statuses_shown,
)

if TYPE_CHECKING:
    from comfytui.api.models import Workflow


async def test_histories_are_of_several_kinds() -> None:
    fleet = fleet_at(START)
    active = [runner for runner in await everyone(fleet) if runner.status == "active"]
    histories = [await fleet.get_history(runner.id) for runner in active]
    newest = [START - moment(history[0].created_at) for history in histories if history]
    failed = [sum(workflow.status == "failed" for workflow in history) for history in histories]
    assert 1 <= sum(not history for history in histories) <= 10
    assert sum(age < timedelta(minutes=15) for age in newest) > 40
    assert sum(age > timedelta(hours=3) for age in newest) > 5
    assert sum(count >= 3 for count in failed) >= 4
    assert sum(count == 0 for count in failed) > 20


async def test_a_slow_runner_takes_longer() -> None:
    fleet = fleet_at(START)
    assert await mean_run(fleet, DEVELOPMENT) > 4 * await mean_run(fleet, PRODUCTION)


async def mean_run(fleet: DemoFleet, runner_id: str) -> float:
    runs = [
        (moment(workflow.completed_at) - moment(workflow.started_at)).total_seconds()
        for workflow in await fleet.get_history(runner_id)
        if workflow.status == "completed"
    ]
    return sum(runs) / len(runs)


@given(seconds, seeds)
@settings(max_examples=12, deadline=None)
async def test_at_every_instant_the_world_could_be(offset: int, seed: int) -> None:
    now = START + timedelta(seconds=offset, microseconds=999_999)
    fleet = fleet_at(now, seed=seed)
    ids: list[str] = []
    for runner in await everyone(fleet):
        history = await fleet.get_history(runner.id)
        created = [moment(workflow.created_at) for workflow in history]
        assert created == sorted(created, reverse=True)
        assert len(history) <= 10
        assert all(each >= moment(runner.created_at) for each in created)
        for workflow in history:
            assert_could_be(workflow, now)
        assert_one_at_a_time(history, now)
        ids += [workflow.id for workflow in history]
    assert len(set(ids)) == len(ids)


async def test_ids_are_of_version_4() -> None:
    fleet = fleet_at(START, runners=20)
    runners = await everyone(fleet)
    workflows = [workflow for runner in runners for workflow in await fleet.get_history(runner.id)]
    for each in [*runners[2:], *workflows]:
        assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", each.id)


async def test_a_disabled_runner_has_only_a_past() -> None:
    fleet = fleet_at(START)
    disabled = [runner for runner in await everyone(fleet) if runner.status == "disabled"]
    histories = [await fleet.get_history(runner.id) for runner in disabled]
    for runner, history in zip(disabled, histories, strict=True):
        assert all(moment(workflow.updated_at) <= moment(runner.updated_at) for workflow in history)
        assert all(workflow.status not in PENDING for workflow in history)
    later = fleet_at(START + timedelta(days=400))
    assert [await later.get_history(runner.id) for runner in disabled] == histories
    assert sum(len(history) == 10 for history in histories) > 5


@pytest.mark.parametrize("seed", [0, 1, 2, 77])
async def test_every_status_shows_at_every_instant(seed: int) -> None:
    clock = FakeClock()
    fleet = DemoFleet(clock, seed=seed)
    active = [runner.id for runner in await everyone(fleet) if runner.status == "active"]
    for _ in range(45):
        clock.jump(14.5)
        assert await statuses_shown(fleet, active) == set(WorkflowStatus)


@given(seconds.filter(lambda offset: offset > 0), seeds)
@settings(max_examples=12, deadline=None)
async def test_every_status_shows_in_any_world(offset: int, seed: int) -> None:
    fleet = fleet_at(START + timedelta(seconds=offset), seed=seed)
    active = [runner.id for runner in await everyone(fleet) if runner.status == "active"]
    assert await statuses_shown(fleet, active) == set(WorkflowStatus)


@pytest.mark.parametrize("seed", [0, 3])
async def test_production_is_always_busy(seed: int) -> None:
    clock = FakeClock()
    fleet = DemoFleet(clock, runners=1, seed=seed)
    running = 0
    for _ in range(1000):
        clock.jump(17)
        history = await fleet.get_history(PRODUCTION)
        assert len(history) == 10
        assert clock.now() - moment(history[-1].created_at) < timedelta(minutes=25)
        assert {"Text to Image Generation", "Image Upscaling", "ControlNet Test"} <= {each.name for each in history}
        running += sum(workflow.status == "running" for workflow in history)
        for workflow in history:
            if workflow.status == "completed":
                took = moment(workflow.completed_at) - moment(workflow.started_at)
                assert timedelta(seconds=20) <= took <= timedelta(seconds=90)
    assert 750 < running < 1000


async def test_something_on_the_first_page_changes_within_a_minute() -> None:
    clock = FakeClock()
    fleet = DemoFleet(clock)
    shown = (await fleet.list_runners(1, 10, None)).runners
    before: list[tuple[Workflow, ...]] = []
    for _ in range(200):
        clock.jump(60)
        after = [await fleet.get_history(runner.id) for runner in shown]
        assert after != before
        before = after


async def test_a_workflow_only_goes_forward() -> None:
    clock = FakeClock()
    fleet = DemoFleet(clock, runners=1)
    order = list(WorkflowStatus)
    seen: dict[str, Workflow] = {}
    for _ in range(1200):
        clock.jump(1)
        for workflow in await fleet.get_history(PRODUCTION):
            before = seen.get(workflow.id, workflow)
            assert before.status is not None
            assert workflow.status is not None
            assert before.status in PENDING or workflow == before
            assert order.index(before.status) <= order.index(workflow.status)
            assert before.started_at in {None, workflow.started_at}
            assert workflow.created_at == before.created_at
            seen[workflow.id] = workflow


@pytest.mark.parametrize("now", [datetime.min.replace(tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, tzinfo=UTC)])
async def test_before_there_were_runners_nothing_ran(now: datetime) -> None:
    fleet = fleet_at(now, runners=30)
    for runner in await everyone(fleet):
        assert await fleet.get_history(runner.id) == ()


async def test_at_the_end_of_time_the_world_could_be() -> None:
    now = datetime.max.replace(tzinfo=UTC)
    fleet = fleet_at(now, runners=30)
    for runner in await everyone(fleet):
        for workflow in await fleet.get_history(runner.id):
            assert_could_be(workflow, now)
    assert len(await fleet.get_history(PRODUCTION)) == 10
