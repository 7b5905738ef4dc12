"""The simulated fleet: the same world for the same seed and time, and at every time a world that could be."""

from __future__ import annotations

import gc
import itertools
import json
import os
import re
import subprocess
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfytui.api.models import Runner, Workflow, WorkflowStatus
from comfytui.gateway.fleet import UnknownRunner
from comfytui.gateway.simulated import SimulatedFleet
from comfytui.gateway.wire import history_body, page_body
from tests.support.clock import START, FakeClock

if TYPE_CHECKING:
    from comfytui.api.statuses import RunnerStatus

PRODUCTION = "550e8400-e29b-41d4-a716-446655440000"
DEVELOPMENT = "660e8400-e29b-41d4-a716-446655440001"
UUID_4 = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"

UNSTARTED = {WorkflowStatus.ACCEPTED, WorkflowStatus.UPLOADED, WorkflowStatus.QUEUED}
PENDING = UNSTARTED | {WorkflowStatus.RUNNING}

seconds = st.integers(-2 * 365 * 86_400, 15 * 365 * 86_400)
seeds = st.integers(-5, 10**9)


def fleet_at(moment: datetime, runners: int = 120, seed: int = 0) -> SimulatedFleet:
    return SimulatedFleet(FakeClock(moment), runners, seed)


async def everyone(fleet: SimulatedFleet, status: RunnerStatus | None = None) -> list[Runner]:
    runners: list[Runner] = []
    page = 1
    while shown := (await fleet.list_runners(page, 100, status)).runners:
        runners.extend(shown)
        page += 1
    return runners


async def world(fleet: SimulatedFleet) -> str:
    """Everything the API says of the fleet, as one text."""
    runners = await everyone(fleet)
    histories = [history_body(await fleet.get_history(runner.id)) for runner in runners]
    return json.dumps([page_body(await fleet.list_runners(1, 100, None)), histories])


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


async def test_the_two_newest_are_the_documented_ones() -> None:
    fleet = fleet_at(START)
    production, development, *others = await everyone(fleet)
    assert (production.id, production.name) == (PRODUCTION, "Production GPU Runner")
    assert production.tags == ("production", "gpu-a100", "image-generation")
    assert {name: value.get_secret_value() for name, value in production.headers.items()} == {
        "Authorization": "Bearer secret_token",
        "X-Custom-Header": "value",
    }
    assert production.created_at == production.updated_at == datetime(2024, 1, 15, 10, 30, tzinfo=UTC)
    assert (development.id, development.name) == (DEVELOPMENT, "Development Runner")
    assert development.endpoint == "http://192.168.1.100:8188"
    assert (development.tags, development.headers) == (("development", "cpu"), {})
    assert development.created_at == development.updated_at == datetime(2024, 1, 14, 8, 20, tzinfo=UTC)
    assert all(moment(other.created_at) < moment(development.created_at) for other in others)


@pytest.mark.parametrize("seed", [0, 1, 20_261_121])
async def test_a_believable_fleet(seed: int) -> None:
    runners = await everyone(fleet_at(START, seed=seed))
    created = [moment(runner.created_at) for runner in runners]
    assert len(runners) == 120
    assert created == sorted(set(created), reverse=True)
    assert datetime(2021, 6, 1, tzinfo=UTC) < created[-1] < datetime(2023, 6, 1, tzinfo=UTC)
    assert all(moment(runner.created_at) <= moment(runner.updated_at) <= created[0] for runner in runners)
    assert len({runner.id for runner in runners}) == len({runner.name for runner in runners}) == 120
    assert {runner.user_id for runner in runners} == {"7c9e6679-7425-40de-944b-e07fc1f90ae7"}
    statuses = Counter(runner.status for runner in runners)
    assert 10 <= statuses["disabled"] <= 20
    assert statuses["active"] + statuses["disabled"] == 120
    assert 20 <= sum(bool(runner.headers) for runner in runners) <= 80


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


async def mean_run(fleet: SimulatedFleet, runner_id: str) -> float:
    runs = [
        (moment(workflow.completed_at) - moment(workflow.started_at)).total_seconds()
        for workflow in await fleet.get_history(runner_id)
        if workflow.status == "completed"
    ]
    return sum(runs) / len(runs)


@given(seconds, seeds)
@settings(max_examples=25, deadline=None)
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
        assert re.fullmatch(UUID_4, each.id)


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
    fleet = SimulatedFleet(clock, seed=seed)
    active = [runner.id for runner in await everyone(fleet) if runner.status == "active"]
    for _ in range(45):
        clock.jump(14.5)
        shown = {workflow.status for runner in active for workflow in await fleet.get_history(runner)}
        assert shown == set(WorkflowStatus)


@given(seconds.filter(lambda offset: offset > 0), seeds)
@settings(max_examples=25, deadline=None)
async def test_every_status_shows_in_any_world(offset: int, seed: int) -> None:
    fleet = fleet_at(START + timedelta(seconds=offset), seed=seed)
    shown = {workflow.status for runner in await everyone(fleet) for workflow in await fleet.get_history(runner.id)}
    assert shown == set(WorkflowStatus)


@pytest.mark.parametrize("seed", [0, 3])
async def test_production_is_always_busy(seed: int) -> None:
    clock = FakeClock()
    fleet = SimulatedFleet(clock, runners=1, seed=seed)
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
    fleet = SimulatedFleet(clock)
    shown = (await fleet.list_runners(1, 10, None)).runners
    before: list[tuple[Workflow, ...]] = []
    for _ in range(200):
        clock.jump(60)
        after = [await fleet.get_history(runner.id) for runner in shown]
        assert after != before
        before = after


async def test_the_set_of_runners_stays() -> None:
    clock = FakeClock()
    fleet = SimulatedFleet(clock)
    before = await everyone(fleet)
    clock.jump(10**8)
    assert await everyone(fleet) == before


async def test_a_workflow_only_goes_forward() -> None:
    clock = FakeClock()
    fleet = SimulatedFleet(clock, runners=1)
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


async def test_the_same_seed_and_time_make_the_same_world() -> None:
    assert await world(fleet_at(START, seed=7)) == await world(fleet_at(START, seed=7))
    assert await world(fleet_at(START, seed=7)) != await world(fleet_at(START, seed=8))


async def test_another_process_makes_the_same_world() -> None:
    code = "import asyncio; from tests.gateway.test_simulated import *; print(asyncio.run(world(fleet_at(START))))"
    made = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        cwd=Path(__file__).parents[2],
    )
    assert made.stdout.strip() == await world(fleet_at(START))


async def test_the_world_does_not_depend_on_what_was_asked_before() -> None:
    clock = FakeClock()
    fleet = SimulatedFleet(clock, runners=30)
    for jump in (86_400, -(10**7), 3, 10**8):
        clock.jump(jump)
        await world(fleet)
    runners = await everyone(fleet)
    backwards = [await fleet.get_history(runner.id) for runner in reversed(runners)]
    fresh = fleet_at(clock.now(), runners=30)
    assert backwards[::-1] == [await fresh.get_history(runner.id) for runner in runners]


async def test_a_smaller_fleet_is_the_newer_part_of_the_same_world() -> None:
    small, large = fleet_at(START, runners=12), fleet_at(START)
    assert await everyone(small) == (await everyone(large))[:12]
    for runner in await everyone(small):
        assert await small.get_history(runner.id) == await large.get_history(runner.id)


@pytest.mark.parametrize("runners", [0, 1, 2, 3])
async def test_small_fleets(runners: int) -> None:
    fleet = fleet_at(START, runners)
    page = await fleet.list_runners(1, 10, None)
    assert page.total == len(page.runners) == runners
    assert [runner.id for runner in page.runners][:2] == [PRODUCTION, DEVELOPMENT][:runners]


async def test_an_unknown_runner() -> None:
    fleet = fleet_at(START, runners=1)
    with pytest.raises(UnknownRunner):
        await fleet.get_runner(DEVELOPMENT)
    with pytest.raises(UnknownRunner):
        await fleet.get_history(DEVELOPMENT)


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


async def test_ten_thousand_runners_cost_little() -> None:
    clock = FakeClock()
    made = []
    for seed in range(3):
        began = time.perf_counter()
        fleet = SimulatedFleet(clock, runners=10_000, seed=seed)
        made.append(time.perf_counter() - began)
    # The quickest of them: what else the machine does meanwhile is not the fleet's fault.
    assert min(made) < 1
    runners = await everyone(fleet)
    assert len(runners) == len({runner.id for runner in runners}) == len({runner.name for runner in runners}) == 10_000
    assert min([await seconds_of(fleet.list_runners(page, 100, None)) for page in range(50, 60)]) < 0.02
    asked = sorted([await seconds_of(fleet.get_history(runner.id)) for runner in runners[::200]])
    assert asked[len(asked) // 2] < 0.02


async def seconds_of(answer: Coroutine[Any, Any, object]) -> float:
    began = time.perf_counter()
    await answer
    return time.perf_counter() - began


async def test_nothing_is_kept_of_what_was_asked() -> None:
    clock = FakeClock()
    fleet = SimulatedFleet(clock, runners=10)
    await world(fleet)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(20):
            clock.jump(3600)
            await world(fleet)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 50_000
