"""The engine within its allowance, and when that is taken away."""

from __future__ import annotations

from itertools import pairwise

import pytest

from comfytui.api.errors import RateLimitedError
from comfytui.engine.engine import Engine
from comfytui.engine.feed import ProblemKind
from comfytui.engine.protocol import (
    EngineCommand,
    HistoryKey,
    PageKey,
    Refresh,
    Resource,
    RunnerKey,
    SetViewport,
    Viewport,
)
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import SHARED_LIMIT, WINDOW_S, Priority
from tests.support.clock import FakeClock
from tests.support.engine_harness import (
    ALL,
    DOWN,
    FULL_VIEW,
    HISTORY,
    INTERVAL,
    PAGE,
    RUNNER,
    SECOND,
    SOON,
    returning,
    rig,
    soon,
)
from tests.support.source import ScriptedSource

LIMITED = RateLimitedError("GET", "/v1/runner", "too many requests", 429, 12.0)
AT_ONCE = 0.1


class TestCoolDown:
    async def test_everything_stops_and_then_goes_on(self) -> None:
        async with rig(FULL_VIEW, latency=soon) as at:
            await at.clock.advance(INTERVAL)
            at.source.pages[PAGE] = LIMITED
            await at.clock.advance(2 * SOON)
            at.mend_everything()
            assert at.snapshot.usage.cooldown_left(at.clock.monotonic()) == pytest.approx(12.0, abs=2 * SOON)
            await at.perform(Refresh(), SetViewport(FULL_VIEW._replace(page=SECOND)), Refresh())
            assert await at.asked_within(11.9) == []
            asked = await at.asked_within(0.2)
            assert asked[0] == SECOND
            assert {HISTORY, RUNNER} <= set(asked)

    async def test_no_try_is_promised_inside_it(self) -> None:
        async with rig(latency=soon) as at:
            await at.clock.advance(1)
            at.source.histories["r1"] = DOWN
            at.source.pages[PAGE] = LIMITED
            await at.refresh()
            await at.clock.advance(SOON)
            until = at.clock.monotonic() + 12.0
            for feed in (at.snapshot.page, at.snapshot.history("r1")):
                assert feed.problem is not None
                assert feed.problem.retry_monotonic == until
            assert at.snapshot.page.problem is not None
            assert at.snapshot.page.problem.kind is ProblemKind.RATE_LIMITED

    async def test_an_answer_that_comes_in_it_shortens_nothing(self) -> None:
        async with rig() as at:
            at.source.hold(HISTORY)
            at.source.pages[PAGE] = LIMITED
            await at.refresh()
            await at.clock.advance(1)
            await at.release(HISTORY)
            assert at.snapshot.history("r1").problem is None
            assert at.snapshot.page.problem is not None
            assert at.snapshot.page.problem.retry_monotonic == at.clock.monotonic() + 11.0

    async def test_cooldown_of_another_process_is_published(self) -> None:
        async with rig() as at:
            at.rate_limiter.block_for(60.0)
            revision = at.snapshot.revision
            assert await at.asked_within(2 * INTERVAL) == []
            assert at.snapshot.usage.cooldown_left(at.clock.monotonic()) == 50.0
            assert at.snapshot.revision == revision + 1


class TestBudget:
    async def test_no_window_holds_more_than_the_share_however_many_keys_are_pressed(self) -> None:
        async with rig(FULL_VIEW) as at:
            for number in range(600):
                await at.attend(Viewport(PageKey(number % 50 + 2), f"r{number}", visible_ids=FULL_VIEW.visible_ids))
                await at.clock.advance(0.1)
            assert at.snapshot.usage.peak_per_window(at.clock.monotonic()) == SHARED_LIMIT

    async def test_fast_page_turns_request_only_the_last(self) -> None:
        async with rig(Viewport()) as at:
            for number in range(SHARED_LIMIT + 10):
                await at.attend(Viewport(PageKey(number + 2)))
            assert len(at.source.asked) == SHARED_LIMIT
            asked = await at.asked_within(WINDOW_S + 1)
            assert asked[0] == PageKey(SHARED_LIMIT + 11)
            assert set(asked) == {PageKey(SHARED_LIMIT + 11)}

    async def test_each_request_is_weighed_once_the_one_before_is_counted(self) -> None:
        async with rig(Viewport()) as at:
            for number in range(SHARED_LIMIT - 4):
                await at.attend(Viewport(PageKey(number + 2)))
            at.source.forget()
            last = [PageKey(90), PageKey(91), PageKey(92)]
            for page in last:
                await at.attend(Viewport(page, "x"))
            assert at.source.asked == last

    async def test_pages_turned_within_one_breath_are_one_page(self) -> None:
        async with rig(Viewport()) as at:
            at.source.forget()
            await at.perform(*(SetViewport(Viewport(PageKey(number))) for number in range(2, 30)))
            assert at.source.asked == [PageKey(29)]

    @pytest.mark.parametrize("later", [0.0, 0.3, 1.7, 4.9, 5.0, 7.7, 9.2])
    @pytest.mark.parametrize(
        ("action", "wanted"),
        [
            (SetViewport(FULL_VIEW._replace(page=SECOND)), [SECOND]),
            (SetViewport(FULL_VIEW._replace(runner_id="x")), [HistoryKey("x"), RunnerKey("x")]),
            (Refresh(), [PAGE, HISTORY, RUNNER]),
        ],
        ids=["page", "cursor", "refresh"],
    )
    async def test_a_key_press_is_answered_at_once_while_the_rotation_is_busy(
        self, action: EngineCommand, wanted: list[Resource], later: float
    ) -> None:
        async with rig(FULL_VIEW, latency=soon) as at:
            await at.clock.advance(60 + later)
            pressed = at.clock.monotonic()
            await at.perform(action)
            await at.clock.advance(AT_ONCE)
            assert {resource for on, resource in at.source.log if on > pressed - AT_ONCE} >= set(wanted)

    async def test_a_wish_goes_out_as_a_wish_and_a_poll_as_a_poll(self) -> None:
        async with rig() as at:
            assert at.source.priorities == [*3 * [Priority.USER], Priority.POLL]
            await at.asked_within(INTERVAL)
            assert at.source.priorities == 3 * [Priority.POLL]
            at.source.forget()
            await at.refresh()
            assert at.source.priorities == 3 * [Priority.USER]

    async def test_refresh_held_down_asks_evenly_and_leaves_room_for_other_keys(self) -> None:
        async with rig(latency=soon) as at:
            await at.clock.advance(30)
            at.source.forget()
            for _ in range(600):
                await at.refresh()
                await at.clock.advance(0.05)
                assert at.rate_limiter.delay(Priority.USER) == 0.0
            pages = at.moments_of(PAGE)
            assert 14 <= len(pages) <= 16
            await at.attend(Viewport(SECOND))
            assert at.source.asked[-1] == SECOND

    async def test_going_from_runner_to_runner_without_pause_does_not_starve_the_list(self) -> None:
        async with rig() as at:
            start = at.clock.monotonic()
            at.source.forget()
            for number in range(600):
                await at.attend(Viewport(runner_id=f"x{number}"))
                await at.clock.advance(0.1)
            pages = [start, *at.moments_of(PAGE), at.clock.monotonic()]
            assert max(later - earlier for earlier, later in pairwise(pages)) <= WINDOW_S

    async def test_an_unchanged_poll_publishes_once_and_nothing_is_published_by_time(self) -> None:
        async with rig() as at:
            revision = at.snapshot.revision
            await at.clock.advance(INTERVAL)
            assert at.snapshot.revision == revision + 3
            await at.clock.advance(INTERVAL - 0.1)
            assert at.snapshot.revision == revision + 3
            assert at.snapshot.usage.sent_monotonic == at.rate_limiter.usage.sent_monotonic


class TestRotation:
    async def test_rows_never_fetched_are_requested_from_the_top_then_in_rotation(self) -> None:
        async with rig(FULL_VIEW) as at:
            await at.clock.advance(120)
            histories = [asked for asked in at.source.asked if isinstance(asked, HistoryKey) and asked != HISTORY]
            assert histories[:24] == [HistoryKey(runner_id) for runner_id in FULL_VIEW.visible_ids[1:]]
            assert set(histories[24:48]) == set(histories[:24])
            assert at.snapshot.histories.keys() == set(FULL_VIEW.visible_ids)

    async def test_first_fill_of_a_page_keeps_four_requests_for_keys_and_ends_within_12_s(self) -> None:
        async with rig(FULL_VIEW, latency=lambda: 0.3) as at:
            await at.clock.advance(9.9)
            assert len(at.source.asked) == SHARED_LIMIT - 4
            await at.clock.advance(2.0)
            assert at.snapshot.histories.keys() == set(FULL_VIEW.visible_ids)

    async def test_page_turned_at_rest_is_filled_as_the_window_slides(self) -> None:
        later = tuple(f"x{number}" for number in range(25))
        async with rig(FULL_VIEW, latency=soon) as at:
            await at.clock.advance(60)
            await at.attend(FULL_VIEW._replace(page=SECOND, runner_id="x0", visible_ids=later))
            await at.clock.advance(26)
            assert at.snapshot.histories.keys() >= set(later)

    async def test_rotation_takes_at_most_half_of_the_limit(self) -> None:
        async with rig(FULL_VIEW._replace(runner_id=None)) as at:
            await at.clock.advance(300)
            moments = [
                on
                for (on, _), priority in zip(at.source.log, at.source.priorities, strict=True)
                if priority is Priority.BACKGROUND
            ]
            most = max(sum(0 <= on - first < WINDOW_S for on in moments) for first in moments)
            assert SHARED_LIMIT // 4 < most <= SHARED_LIMIT // 2

    async def test_some_that_hang_hold_up_no_poll_no_key_and_no_other(self) -> None:
        held = tuple(HistoryKey(runner_id) for runner_id in ("r3", "r4"))
        async with rig(FULL_VIEW, held=held, latency=soon) as at:
            await at.clock.advance(31)
            assert {HistoryKey(runner_id) for runner_id in ("r7", "r8", "r9", "r10")} <= set(at.source.asked)
            asked = await at.asked_within(4 * INTERVAL)
            assert [asked.count(resource) for resource in (PAGE, HISTORY, RUNNER)] == [4, 4, 4]
            await at.attend(FULL_VIEW._replace(page=SECOND))
            assert at.source.asked[-1] == SECOND
            await at.release(held[0])
            assert at.source.most_under_way == 1
            assert at.source.cancelled == []

    async def test_none_when_paused(self) -> None:
        async with rig(FULL_VIEW._replace(paused=True)) as at:
            assert await at.asked_within(300) == []

    async def test_rotation_follows_the_visible_rows(self) -> None:
        async with rig(FULL_VIEW) as at:
            await at.clock.advance(5)
            await at.attend(FULL_VIEW._replace(visible_ids=("a", "b")))
            asked = await at.asked_within(20)
            histories = {each.runner_id for each in asked if isinstance(each, HistoryKey)}
            assert histories == {"a", "b", "r1"}


async def test_an_engine_without_an_allowance_has_its_own() -> None:
    clock = FakeClock()
    engine = Engine(returning(ScriptedSource(clock)), clock, viewport=ALL, interval=INTERVAL)
    assert engine.snapshot.usage == LocalRateLimiter(clock).usage
