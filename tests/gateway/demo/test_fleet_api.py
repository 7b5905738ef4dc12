"""The simulated fleet: the same world for the same seed and time, whoever asks, whatever was asked, and quickly."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import time
import tracemalloc
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from comfytui.gateway.demo.fleet import DemoFleet
from comfytui.gateway.fleet import RunnerNotFoundError
from tests.support.clock import START, FakeClock
from tests.support.demo_fleets import DEVELOPMENT, PRODUCTION, everyone, fleet_at, world


async def test_the_same_seed_and_time_make_the_same_world() -> None:
    assert await world(fleet_at(START, seed=7)) == await world(fleet_at(START, seed=7))
    assert await world(fleet_at(START, seed=7)) != await world(fleet_at(START, seed=8))


async def test_another_process_makes_the_same_world() -> None:
    code = "import asyncio; from tests.support.demo_fleets import *; print(asyncio.run(world(fleet_at(START))))"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONHASHSEED": "4711"},
        cwd=Path(__file__).parents[3],
    )
    printed, _ = await process.communicate()
    assert printed.decode().strip() == await world(fleet_at(START))


async def test_the_world_does_not_depend_on_what_was_asked_before() -> None:
    clock = FakeClock()
    fleet = DemoFleet(clock, runners=30)
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


async def test_an_unknown_runner() -> None:
    fleet = fleet_at(START, runners=1)
    with pytest.raises(RunnerNotFoundError):
        await fleet.get_runner(DEVELOPMENT)
    with pytest.raises(RunnerNotFoundError):
        await fleet.get_history(DEVELOPMENT)
    with pytest.raises(RunnerNotFoundError):
        await fleet.get_stats(DEVELOPMENT)


async def test_stats_say_whether_it_is_at_work() -> None:
    """The production runner always is, and the numbers are of that second."""
    clock = FakeClock()
    fleet = DemoFleet(clock, runners=1)
    (device,) = (await fleet.get_stats(PRODUCTION)).devices
    assert device.vram_total == 80 * 1024**3
    assert device.vram_free is not None
    assert device.vram_free < device.vram_total / 2
    before = await fleet.get_stats(PRODUCTION)
    clock.jump(7 * 86_400)
    assert await fleet.get_stats(PRODUCTION) != before
    await fleet.aclose()


async def test_ten_thousand_runners_cost_little() -> None:
    clock = FakeClock()
    fleet = DemoFleet(clock, runners=1)
    made = []
    for seed in range(3):
        began = time.thread_time()
        fleet = DemoFleet(clock, runners=10_000, seed=seed)
        made.append(time.thread_time() - began)
    assert min(made) < 1
    runners = await everyone(fleet)
    assert len(runners) == len({runner.id for runner in runners}) == len({runner.name for runner in runners}) == 10_000
    assert min([await seconds_of(fleet.list_runners(page, 100, None)) for page in range(50, 60)]) < 0.02
    asked = sorted([await seconds_of(fleet.get_history(runner.id)) for runner in runners[::200]])
    assert asked[len(asked) // 2] < 0.02


async def seconds_of(answer: Coroutine[Any, Any, object]) -> float:
    began = time.thread_time()
    await answer
    return time.thread_time() - began


async def test_nothing_is_kept_of_what_was_asked() -> None:
    clock = FakeClock()
    fleet = DemoFleet(clock, runners=10)
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
