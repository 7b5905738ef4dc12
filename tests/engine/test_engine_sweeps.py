"""The engine with all pages loaded: they stay true, at an even pace, whatever a person does."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random
from typing import TYPE_CHECKING

import pytest

from comfytui.engine.feed import Freshness
from comfytui.engine.protocol import EngineCommand, HistoryKey, PageKey, Refresh, RunnerKey, SetViewport
from comfytui.query.filter import Query
from comfytui.query.view import ListViewBuilder
from comfytui.ratelimit.window import RESERVED_FOR_USER, SHARED_LIMIT, WINDOW_S, Priority
from tests.support.engine_harness import INTERVAL, PAGE
from tests.support.scan_harness import (
    EVERYBODY,
    PLAIN,
    QUIET,
    USUAL_PAGES,
    WHOLE,
    fill,
    load,
    loaded,
    page,
    pages_asked,
    whole_rig,
)

if TYPE_CHECKING:
    from comfytui.engine.protocol import Viewport


class TestKeeping:
    """All pages are loaded, and stay what they are."""

    async def test_a_sweep_is_spread_over_its_pace_and_nothing_is_ever_late(self) -> None:
        async with whole_rig(2_500) as at:
            await load(at)
            assert at.snapshot.list_interval_s == 32.0
            await at.clock.advance(at.snapshot.list_interval_s)
            at.source.forget()
            for _ in range(96):
                await at.clock.advance(1.0)
                freshness = at.snapshot.page.freshness(at.clock.monotonic(), at.snapshot.list_interval_s)
                assert freshness is Freshness.LIVE
            moments = [on for on, key in at.source.log if isinstance(key, PageKey)]
            assert set(Counter(pages_asked(at)).values()) == {3}
            assert max(later - earlier for earlier, later in pairwise(moments)) < 2.0
            assert Priority.BACKGROUND in at.source.priorities
            sent = [on for on, _ in at.source.log]
            assert (
                max(sum(0 <= on - first < WINDOW_S for on in sent) for first in sent)
                <= SHARED_LIMIT - RESERVED_FOR_USER
            )

    async def test_a_short_list_is_polled_as_often_as_a_page(self) -> None:
        async with whole_rig(50, QUIET) as at:
            await load(at)
            assert await at.asked_within(4 * INTERVAL + 1.0) == 4 * [page(1)]

    async def test_after_a_sleep_it_is_loaded_again(self) -> None:
        async with whole_rig(1_000, QUIET) as at:
            await load(at)
            at.clock.jump(3600.0)
            asked = await at.asked_within(INTERVAL + 5.0)
            assert sorted(set(asked), key=repr) == sorted((page(number) for number in range(1, 11)), key=repr)

    async def test_refresh_asks_each_page_once_and_starves_no_wish(self) -> None:
        async with whole_rig(3_000) as at:
            await load(at)
            await at.clock.advance(15.0)
            at.source.forget()
            for _ in range(20):
                await at.refresh()
            await at.attend(WHOLE._replace(runner_id="r700"))
            await at.clock.advance(1.5)
            assert {HistoryKey("r700"), RunnerKey("r700")} <= set(at.source.asked)
            await at.clock.advance(26.0)
            first = pages_asked(at)[:30]
            assert sorted(first) == list(range(1, 31))

    async def test_refresh_while_paused_asks_each_page_once(self) -> None:
        async with whole_rig(500, WHOLE._replace(paused=True)) as at:
            await load(at)
            await at.clock.advance(30.0)
            at.source.forget()
            await at.refresh()
            await at.clock.advance(30.0)
            assert sorted(pages_asked(at)) == [1, 2, 3, 4, 5]

    async def test_a_list_that_shrinks_and_grows(self) -> None:
        async with whole_rig(500, QUIET) as at:
            viewer = ListViewBuilder()
            for runners in (500, 150, 450):
                fill(at.source, EVERYBODY[:runners])
                await at.clock.advance(3 * INTERVAL)
                view = viewer.build(at.snapshot, Query(), None)
                assert (len(view.runners), view.searched.total) == (runners, runners)
                assert view.searched.is_complete

    async def test_end_of_a_scan_requests_the_page_and_keeps_data(self) -> None:
        async with whole_rig(500) as at:
            await load(at)
            await at.clock.advance(2 * INTERVAL)
            at.source.forget()
            await at.attend(PLAIN)
            assert at.source.asked[0] == PAGE
            assert set(await at.asked_within(3 * INTERVAL)) & {page(number) for number in range(1, 6)} == set()
            assert len(loaded(at)) == 5
            at.source.forget()
            await at.attend(WHOLE)
            assert ListViewBuilder().build(at.snapshot, Query(), None).searched.is_complete

    async def test_two_whole_lists_and_many_pages_do_not_push_each_other_out_while_loading(self) -> None:
        async with whole_rig(10_000, QUIET._replace(paused=True)) as at:
            for number in range(2, USUAL_PAGES):
                await at.attend(QUIET._replace(all_pages=False, page=PageKey(number)))
                await at.clock.advance(1.0)
            await at.attend(QUIET)
            await load(at)
            assert sorted(loaded(at)) == list(range(1, 101))


class Somebody(Random):
    """Who cannot decide what to look at."""

    def latency(self) -> float:
        """Seconds until an answer."""
        return self.uniform(0.0, 1.0)

    def wish(self, viewport: Viewport) -> EngineCommand:
        match self.randrange(6):
            case 0:
                return Refresh()
            case 1:
                return SetViewport(viewport._replace(all_pages=not viewport.all_pages))
            case 2:
                return SetViewport(viewport._replace(page=PageKey(self.randint(1, 60))))
            case _:
                return SetViewport(viewport._replace(runner_id=f"r{self.randrange(1_500)}"))


@pytest.mark.parametrize("seed", [1, 2])
async def test_whatever_a_person_does_the_share_is_kept_and_the_list_comes_together(seed: int) -> None:
    somebody = Somebody(seed)
    async with whole_rig(1_500, latency=somebody.latency) as at:
        for _ in range(200):
            await at.perform(somebody.wish(at.snapshot.viewport))
            await at.clock.advance(somebody.expovariate(2.0))
            assert at.snapshot.usage.peak_per_window(at.clock.monotonic()) <= SHARED_LIMIT
        assert at.source.most_under_way == 1
        await at.attend(WHOLE)
        await load(at)
        await at.clock.advance(at.snapshot.list_interval_s)
        assert len(ListViewBuilder().build(at.snapshot, Query(), None).runners) == 1_500
