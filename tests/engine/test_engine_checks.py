"""The engine asking for stats: live, slow, and never at the cost of anything else."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from comfytui.api.errors import NotFoundError, ServerError
from comfytui.engine.protocol import HistoryKey, RunnerKey, SetViewport, StatsKey, Viewport
from comfytui.engine.snapshot import HealthCheck
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import SHARED_LIMIT, WINDOW_S, Permit, Priority
from tests.support.builders import make_stats
from tests.support.engine_harness import ALL, DOWN, FULL_VIEW, HISTORY, INTERVAL, PAGE, RUNNER, STATS, rig, soon

if TYPE_CHECKING:
    from tests.support.clock import FakeClock

SILENT = ServerError("GET", "/v1/runner/r1/stats", "could not connect to the runner", 500)
GONE = NotFoundError("GET", "/v1/runner/r1/stats", "requested entity not found", 404)
FEW = FULL_VIEW._replace(visible_ids=("r1", "r2", "r3"))
HUNG = tuple(StatsKey(f"x{number}") for number in range(20))


async def test_health_check_is_published() -> None:
    async with rig() as at:
        assert at.snapshot.health("r1").value == HealthCheck(reachable=True, latency=0.0, stats=make_stats())
        at.source.stats["r1"] = SILENT
        await at.clock.advance(15)
        silent = HealthCheck(
            reachable=False, stats=make_stats(), error="could not connect to the runner", since=at.clock.now()
        )
        assert at.snapshot.health("r1").value == silent
        assert at.snapshot.health("r1").problem is None
        del at.source.stats["r1"]
        await at.clock.advance(15)
        assert at.snapshot.health("r1").value == HealthCheck(reachable=True, latency=0.0, stats=make_stats())


class Crowded(LocalRateLimiter):
    """An allowance of which others have so much that it takes seconds to get any."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self._waits = clock

    async def acquire(self, priority: Priority) -> Permit:
        await self._waits.sleep(6.0)
        return await super().acquire(priority)


async def test_latency_excludes_the_rate_limiter_wait() -> None:
    """Several dashboards share one: that this one had to wait is nothing that a runner or the API is slow for."""
    async with rig(Viewport(), latency=lambda: 0.25) as at:
        at.source._rate_limiter = Crowded(at.clock)
        await at.perform(SetViewport(ALL))
        await at.clock.advance(30)
        health = at.snapshot.health("r1").value
        assert health is not None
        assert health.latency == pytest.approx(0.25)
        assert at.snapshot.response_time == pytest.approx(0.25)
        assert at.snapshot.interval_s == INTERVAL


async def test_every_quarter_of_a_minute_however_much_it_is_wished_for_and_whatever_comes_of_it() -> None:
    async with rig(latency=soon) as at:
        for answer in (None, SILENT, DOWN):
            if answer is not None:
                at.source.stats["r1"] = answer
            for _ in range(20):
                await at.refresh()
                await at.clock.advance(3)
        moments = at.moments_of(STATS)
        assert min(later - earlier for earlier, later in pairwise(moments)) >= 15.0
        assert len(moments) >= 10


async def test_silent_runner_delays_no_other() -> None:
    async with rig(FULL_VIEW, held=(STATS,)) as at:
        await at.clock.advance(30)
        pace = at.snapshot.interval_s
        asked = await at.asked_within(30)
        assert [asked.count(resource) for resource in (PAGE, HISTORY, RUNNER, STATS)] == [6, 6, 6, 0]
        await at.release(STATS)
        assert at.snapshot.health("r1").value == HealthCheck(reachable=True, latency=60.0, stats=make_stats())
        assert at.snapshot.interval_s == pace


async def test_the_first_is_asked_at_once_and_others_once_the_cursor_rests_on_them() -> None:
    async with rig(Viewport()) as at:
        await at.attend(ALL)
        assert at.source.asked.count(STATS) == 1
        await at.attend(Viewport())
        await at.attend(Viewport(runner_id="r2"))
        assert StatsKey("r2") not in at.source.asked
        assert StatsKey("r2") in await at.asked_within(0.7)


async def test_going_over_runners_that_hang_shows_each_at_once() -> None:
    async with rig(Viewport(), held=HUNG) as at:
        for key in HUNG:
            at.source.forget()
            await at.attend(Viewport(runner_id=key.runner_id))
            assert at.source.asked[:2] == [HistoryKey(key.runner_id), RunnerKey(key.runner_id)]
            await at.clock.advance(3)
        assert at.source.under_way.total() <= 8
        assert at.source.under_way[HUNG[-1]] == 1


async def test_missing_stats_do_not_remove_the_runner() -> None:
    async with rig() as at:
        at.source.stats["r1"] = GONE
        await at.clock.advance(60)
        assert at.snapshot.removed == ()
        assert at.snapshot.health("r1").problem is not None
        assert at.source.asked.count(STATS) <= 5


async def test_paused_nothing_is_checked_by_time() -> None:
    async with rig(FEW._replace(paused=True)) as at:
        assert at.source.asked.count(STATS) == 1
        assert await at.asked_within(600) == []


class TestOthers:
    async def test_a_few_in_view_are_checked_once_in_a_minute(self) -> None:
        async with rig(FEW, latency=soon) as at:
            await at.clock.advance(30)
            assert at.snapshot.stats.keys() == {"r1", "r2", "r3"}
            asked = await at.asked_within(600)
            assert 8 <= asked.count(StatsKey("r2")) <= 10
            assert asked.count(StatsKey("r2")) == asked.count(StatsKey("r3"))
            assert asked.count(HistoryKey("r2")) >= 110

    async def test_hanging_health_check_delays_no_history(self) -> None:
        async with rig(FEW, held=(StatsKey("r2"),)) as at:
            await at.clock.advance(30)
            asked = await at.asked_within(60)
            assert asked.count(HistoryKey("r2")) >= 11
            assert asked.count(StatsKey("r3")) == 0
            await at.release(StatsKey("r2"))
            assert StatsKey("r3") in await at.asked_within(2 * INTERVAL)

    async def test_a_full_view_is_checked_slowly_once_all_histories_are_known(self) -> None:
        async with rig(FULL_VIEW, latency=lambda: 0.03) as at:
            await at.clock.advance(10)
            assert at.snapshot.stats.keys() == {"r1"}
            await at.clock.advance(140)
            assert at.snapshot.stats.keys() == set(FULL_VIEW.visible_ids)
            asked = await at.asked_within(130)
            checks = [each for each in asked if isinstance(each, StatsKey) and each != STATS]
            histories = [each for each in asked if isinstance(each, HistoryKey) and each != HISTORY]
            assert len(set(checks)) == 24
            assert 2 * len(checks) <= len(histories)

    async def test_filter_health_checks_run_beside_a_full_view(self) -> None:
        wanted = tuple(f"far{number}" for number in range(4))
        async with rig(FULL_VIEW._replace(health_check_ids=wanted)) as at:
            await at.clock.advance(45)
            assert at.snapshot.stats.keys() == {"r1", *wanted}
            assert not at.snapshot.histories.keys() & set(wanted)

    async def test_all_of_it_keeps_within_the_rotations_half_of_the_share(self) -> None:
        wanted = tuple(f"far{number}" for number in range(200))
        async with rig(FULL_VIEW._replace(runner_id=None, health_check_ids=wanted)) as at:
            await at.clock.advance(150)
            moments = [
                on
                for (on, _), priority in zip(at.source.log, at.source.priorities, strict=True)
                if priority is Priority.BACKGROUND
            ]
            assert max(sum(0 <= on - first < WINDOW_S for on in moments) for first in moments) <= SHARED_LIMIT // 2


async def test_leaving_a_runner_and_coming_back_does_not_check_it_again() -> None:
    async with rig() as at:
        for _ in range(10):
            await at.attend(Viewport())
            await at.attend(ALL)
            await at.clock.advance(1)
        assert at.source.asked.count(STATS) == 1
