"""The engine with all pages to load: fast, within the allowance, and with key presses answered meanwhile."""

from __future__ import annotations

from itertools import pairwise

import pytest

from comfytui.api.errors import ConnectionFailedError
from comfytui.engine.engine import Engine
from comfytui.engine.feed import Freshness, ProblemKind
from comfytui.engine.fetch import MAX_IN_FLIGHT
from comfytui.engine.protocol import PageKey, Reconnect
from comfytui.query.filter import Query
from comfytui.query.view import ListViewBuilder
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import RESERVED_FOR_USER, SHARED_LIMIT, WINDOW_S, Priority
from tests.support.builders import make_page
from tests.support.clock import FakeClock
from tests.support.engine_harness import DOWN, INTERVAL, PAGE, Rig, at_work, returning, rig, soon, without_jitter
from tests.support.scan_harness import (
    EVERYBODY,
    LONG,
    QUIET,
    WHOLE,
    fill,
    load,
    loaded,
    page,
    pages_asked,
    whole_rig,
)
from tests.support.source import ScriptedSource


class TestLoading:
    @pytest.mark.parametrize("runner_id", [None, "r1"])
    async def test_ten_thousand_runners_are_there_in_what_the_budget_allows(self, runner_id: str | None) -> None:
        clock = FakeClock()
        rate_limiter = LocalRateLimiter(clock)
        source = ScriptedSource(clock, soon, rate_limiter)
        fill(source, EVERYBODY)
        viewport = WHOLE._replace(runner_id=runner_id)
        engine = Engine(
            returning(source),
            clock,
            viewport=viewport,
            interval=INTERVAL,
            rate_limiter=rate_limiter,
            jitter=without_jitter,
        )
        async with at_work(engine) as task:
            at = Rig(clock, rate_limiter, source, engine, task)
            took = await load(at)
            others = len(source.log) - 100
            assert took <= 1.1 * WINDOW_S / SHARED_LIMIT * (len(source.log) + RESERVED_FOR_USER)
            assert others <= 2 * (took / INTERVAL + 2)
            assert sorted(pages_asked(at)) == list(range(1, 101))
            assert pages_asked(at)[0] == 1
            assert Priority.BACKGROUND not in source.priorities
            assert at.snapshot.usage.peak_per_window(clock.monotonic()) <= SHARED_LIMIT
            assert len(ListViewBuilder().build(at.snapshot, Query(), None).runners) == 10_000

    async def test_a_busy_start_costs_no_more_than_what_was_spent(self) -> None:
        async with whole_rig(4_000, waits=60.0) as at:
            spent = at.snapshot.usage.in_window(at.clock.monotonic())
            assert await load(at) <= 1.1 * WINDOW_S / SHARED_LIMIT * (len(at.source.log) + spent)

    async def test_a_cursor_that_moves_has_its_history_at_once(self) -> None:
        async with whole_rig(10_000, waits=30.0) as at:
            waits = []
            for number in range(100, 130):
                await at.attend(WHOLE._replace(runner_id=f"r{number}"))
                began = at.clock.monotonic()
                while at.snapshot.history(f"r{number}").value is None:
                    await at.clock.advance(0.05)
                waits.append(at.clock.monotonic() - began)
                await at.clock.advance(2.0)
            assert max(waits) < 2.0
            assert sorted(waits)[len(waits) // 2] < 0.2
            assert len(loaded(at)) > 40

    async def test_a_key_held_down_does_not_stop_it_for_good(self) -> None:
        async with whole_rig(10_000, waits=30.0) as at:
            at.source.forget()
            for number in range(400):
                await at.attend(WHOLE._replace(runner_id=f"x{number}"))
                await at.clock.advance(0.1)
            moments = [on for on, key in at.source.log if isinstance(key, PageKey)]
            assert max(later - earlier for earlier, later in pairwise(moments)) <= 1.5 * WINDOW_S + 1.0
            assert at.snapshot.usage.peak_per_window(at.clock.monotonic()) == SHARED_LIMIT

    async def test_scan_leaves_the_reserve_for_key_presses(self) -> None:
        async with whole_rig(10_000) as at:
            while len(loaded(at)) < 90:
                await at.clock.advance(0.1)
                assert at.rate_limiter.delay(Priority.USER) == 0.0

    async def test_a_few_pages_are_there_at_once(self) -> None:
        async with whole_rig(500) as at:
            assert await load(at) < 0.5

    async def test_several_are_under_way_but_no_page_twice(self) -> None:
        async with whole_rig(2_000, latency=lambda: 1.0) as at:
            await at.clock.advance(0.5)
            assert sum(isinstance(asked, PageKey) and asked.per_page == 100 for asked in at.source.under_way) <= 4
            assert at.source.under_way.total() <= MAX_IN_FLIGHT
            await load(at)
            assert at.source.most_under_way == 1

    async def test_while_it_lasts_what_is_loaded_is_live(self) -> None:
        async with whole_rig(10_000) as at:
            while len(loaded(at)) < 99:
                await at.clock.advance(1.0)
                freshness = at.snapshot.page.freshness(at.clock.monotonic(), at.snapshot.list_interval_s)
                assert freshness is Freshness.LIVE

    async def test_a_list_without_a_total_is_loaded_to_its_end(self) -> None:
        async with rig(QUIET._replace(all_pages=False)) as at:
            for number in range(1, 4):
                runners = EVERYBODY[number * 100 - 100 : number * 100]
                at.source.pages[page(number)] = make_page(*runners).model_copy(update={"total": None})
            at.source.pages[page(4)] = make_page().model_copy(update={"total": None})
            at.source.pages[PAGE] = make_page().model_copy(update={"total": None})
            await at.refresh()
            await at.attend(QUIET)
            await load(at)
            assert loaded(at) == [1, 2, 3, 4]

    async def test_paused_it_is_loaded_once_and_no_more(self) -> None:
        async with whole_rig(1_000, WHOLE._replace(paused=True)) as at:
            await load(at)
            assert sorted(pages_asked(at)) == list(range(1, 11))
            assert await at.asked_within(LONG) == []


class TestFailing:
    async def test_a_page_that_fails_is_tried_again_and_the_others_go_on(self) -> None:
        async with whole_rig(1_000) as at:
            at.source.pages[page(3)] = DOWN
            await at.clock.advance(12.0)
            assert loaded(at) == [1, 2, *range(4, 11)]
            problem = at.snapshot.page.problem
            assert problem is not None
            assert (problem.kind, problem.message) == (ProblemKind.SERVER, "down")
            assert pages_asked(at).count(3) >= 2
            at.source.pages[page(3)] = make_page(*EVERYBODY[200:300], total=1_000)
            await at.clock.advance(2 * INTERVAL)
            assert at.snapshot.page.problem is None
            assert len(loaded(at)) == 10

    async def test_nor_does_it_hold_them_up_where_nothing_else_is_asked(self) -> None:
        async with whole_rig(1_000, QUIET) as at:
            at.source.pages[page(3)] = DOWN
            await at.clock.advance(30.0)
            assert loaded(at) == [1, 2, *range(4, 11)]

    async def test_a_server_that_is_down_is_not_hammered(self) -> None:
        async with whole_rig(10_000, QUIET) as at:
            await at.clock.advance(1.0)
            for number in range(1, 101):
                at.source.pages[page(number)] = DOWN
            await at.clock.advance(INTERVAL)
            asked = await at.asked_within(10 * INTERVAL)
            assert 5 <= len(asked) <= 11

    async def test_failed_connection_is_a_problem_of_the_list(self) -> None:
        clock, tries = FakeClock(), []

        async def refused() -> ScriptedSource:
            tries.append(clock.monotonic())
            raise ConnectionFailedError("GET", "/v1/runner", "connection refused")

        engine = Engine(refused, clock, viewport=WHOLE, interval=INTERVAL, jitter=without_jitter)
        async with at_work(engine):
            await clock.advance(20.0)
            assert engine.snapshot.page.problem is not None
            assert engine.snapshot.page.problem.kind is ProblemKind.UNREACHABLE
            assert [later - earlier for earlier, later in pairwise(tries)] == [5.0, 10.0]

    async def test_another_connection_loads_all_again(self) -> None:
        async with whole_rig(300) as at:
            await load(at)
            at.source.forget()
            await at.clock.advance(3 * WINDOW_S)
            at.source.forget()
            await at.perform(Reconnect())
            await at.clock.advance(4)
            assert {*pages_asked(at)} == {1, 2, 3}
