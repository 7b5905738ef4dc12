"""The engine when nobody looks, when the machine slept, when answers are slow."""

from __future__ import annotations

import pytest

from comfytui.engine.feed import Freshness
from comfytui.engine.protocol import PageKey, SetInterval, Viewport
from tests.support.engine_harness import (
    ALL,
    DOWN,
    HISTORY,
    INTERVAL,
    PAGE,
    RUNNER,
    STATS,
    rig,
)


class TestFocus:
    async def test_without_it_everything_is_four_times_slower_but_on_a_wallboard(self) -> None:
        async with rig() as at:
            await at.attend(ALL._replace(focused=False))
            assert at.snapshot.interval_s == 4 * INTERVAL
            assert (await at.asked_within(8 * INTERVAL)).count(PAGE) == 2
            await at.attend(ALL._replace(focused=False, full_rate_unfocused=True))
            assert at.snapshot.interval_s == INTERVAL
            assert (await at.asked_within(8 * INTERVAL)).count(PAGE) == 8

    async def test_regained_everything_is_asked_at_once(self) -> None:
        async with rig() as at:
            await at.attend(ALL._replace(focused=False))
            await at.clock.advance(1)
            at.source.forget()
            await at.attend(ALL)
            assert at.source.asked == [PAGE, HISTORY, RUNNER]
            assert await at.asked_within(INTERVAL - 0.1) == []

    async def test_regained_what_failed_is_tried_at_once(self) -> None:
        async with rig(Viewport()) as at:
            at.source.pages[PAGE] = DOWN
            await at.clock.advance(101)
            await at.attend(Viewport(focused=False))
            at.source.forget()
            await at.attend(Viewport())
            assert at.source.asked == [PAGE]

    async def test_regained_nothing_is_asked_when_paused(self) -> None:
        async with rig(ALL._replace(paused=True, focused=False)) as at:
            at.source.forget()
            await at.attend(ALL._replace(paused=True))
            assert at.source.asked == []


class TestSleepAndSlowness:
    async def test_small_jumps_of_the_wall_clock_change_nothing(self) -> None:
        async with rig(Viewport()) as at:
            for jump in (29.0, -29.0):
                at.clock.jump(jump)
                assert await at.asked_within(INTERVAL - 0.1) == []
                assert await at.asked_within(0.1) == [PAGE]
            assert at.snapshot.page.fetched_at == at.clock.now()

    @pytest.mark.parametrize("jump", [8 * 3600.0, -3600.0])
    async def test_after_a_sleep_everything_is_asked_within_seconds_whatever_the_interval(self, jump: float) -> None:
        async with rig() as at:
            await at.perform(SetInterval(600.0))
            await at.clock.advance(20)
            at.clock.jump(jump)
            at.source.forget()
            await at.clock.advance(6)
            assert at.source.asked == [PAGE, HISTORY, RUNNER, STATS]
            assert await at.asked_within(595) == []

    async def test_after_a_sleep_nothing_old_is_called_live(self) -> None:
        async with rig(Viewport(), latency=lambda: 1.0) as at:
            await at.clock.advance(4)
            at.clock.jump(3600.0)
            await at.clock.advance(1.5)
            assert at.source.under_way[PAGE]
            assert at.snapshot.page.freshness(at.clock.monotonic(), INTERVAL) is Freshness.LATE
            await at.clock.advance(1)
            assert at.snapshot.page.freshness(at.clock.monotonic(), INTERVAL) is Freshness.LIVE

    async def test_polling_slows_down_with_the_answers_and_recovers_with_them(self) -> None:
        seconds = [6.0]
        async with rig(Viewport(), latency=lambda: seconds[0]) as at:
            await at.clock.advance(6)
            assert at.snapshot.interval_s == 12.0
            assert await at.asked_within(5.9) == []
            seconds[0] = 0.1
            await at.clock.advance(200)
            assert at.snapshot.interval_s == INTERVAL

    async def test_unneeded_requests_do_not_pile_up_at_a_hung_server(self) -> None:
        pages = tuple(PageKey(number) for number in range(2, 20))
        async with rig(Viewport(), held=pages) as at:
            for page in pages:
                await at.attend(Viewport(page))
                await at.clock.advance(1)
            assert at.source.under_way.total() <= 8
            assert at.source.asked[-1] == pages[-1]
            assert pages[-1] not in at.source.cancelled
            assert at.source.most_under_way == 1
