"""Who is in a simulated fleet, as the fleet tells it."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

import pytest

from comfytui.gateway.demo.fleet import DemoFleet
from comfytui.gateway.fleet import RunnerUnreachableError
from tests.support.clock import START, FakeClock
from tests.support.demo_fleets import DEVELOPMENT, PRODUCTION, everyone, fleet_at, moment


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
    statuses = Counter(str(runner.status) for runner in runners)
    assert 10 <= statuses["disabled"] <= 20
    assert statuses["active"] + statuses["disabled"] == 120
    assert 20 <= sum(bool(runner.headers) for runner in runners) <= 80


@pytest.mark.parametrize("runners", [0, 1, 2, 3])
async def test_small_fleets(runners: int) -> None:
    fleet = fleet_at(START, runners)
    page = await fleet.list_runners(1, 10, None)
    assert page.total == len(page.runners) == runners
    assert [runner.id for runner in page.runners][:2] == [PRODUCTION, DEVELOPMENT][:runners]


async def test_the_set_of_runners_stays() -> None:
    clock = FakeClock()
    fleet = DemoFleet(clock)
    before = await everyone(fleet)
    clock.jump(10**8)
    assert await everyone(fleet) == before


@pytest.mark.parametrize("seed", [0, 1, 20_261_121])
async def test_only_idle_demo_machines_are_off(seed: int) -> None:
    fleet = fleet_at(START, seed=seed)
    runners = await everyone(fleet)
    off = [runner for runner in runners if not await answers(fleet, runner.id)]
    statuses = Counter(str(runner.status) for runner in off)
    assert not {PRODUCTION, DEVELOPMENT} & {runner.id for runner in off}
    assert 7 <= statuses["active"] <= 10
    assert 7 <= statuses["disabled"] <= 8


async def answers(fleet: DemoFleet, runner_id: str) -> bool:
    try:
        return bool((await fleet.get_stats(runner_id)).devices)
    except RunnerUnreachableError:
        return False
