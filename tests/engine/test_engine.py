from __future__ import annotations

from comfytui.api.errors import ConnectionFailedError, ServerError
from comfytui.engine.feed import Freshness, ProblemKind
from comfytui.engine.protocol import (
    HistoryKey,
    PageKey,
    Refresh,
    RunnerKey,
    SetInterval,
    SetViewport,
    StatsKey,
    Viewport,
)
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.clock import START
from tests.support.engine_harness import ALL, DOWN, HISTORY, INTERVAL, PAGE, PAUSED, RUNNER, STATS, rig

NO = ConnectionFailedError("GET", "/v1/runner", "connection refused")


async def test_viewport_is_requested_at_once_in_order() -> None:
    async with rig() as at:
        assert at.source.asked == [PAGE, HISTORY, RUNNER, STATS]
        assert at.snapshot.page.value == make_page()
        assert at.snapshot.runner("r1").value == make_runner("r1")
        assert at.snapshot.history("r1").value == ()
        assert at.snapshot.page.fetched_at == START
        assert at.snapshot.page.fetched_monotonic == at.clock.monotonic()


async def test_without_a_runner_only_the_page_is_asked() -> None:
    async with rig(Viewport()) as at:
        assert at.source.asked == [PAGE]
        assert await at.asked_within(INTERVAL) == [PAGE]


async def test_the_page_is_asked_for_as_the_key_says() -> None:
    key = PageKey(page=3, per_page=50)
    async with rig(Viewport(page=key)) as at:
        assert at.source.asked == [key]


async def test_everything_is_asked_again_an_interval_after_its_answer() -> None:
    async with rig() as at:
        assert await at.asked_within(INTERVAL - 0.1) == []
        assert await at.asked_within(0.1) == [PAGE, HISTORY, RUNNER]
        assert await at.asked_within(2 * INTERVAL) == [*2 * [PAGE, HISTORY, RUNNER], STATS]


async def test_interval_counts_from_one_cycle_to_the_next_however_long_answers_take() -> None:
    async with rig(Viewport(), latency=lambda: 2.0) as at:
        assert await at.asked_within(INTERVAL - 0.1) == []
        assert await at.asked_within(0.1) == [PAGE]


async def test_a_question_that_hangs_is_not_repeated_and_starves_nothing_else() -> None:
    async with rig(held=(PAGE,)) as at:
        asked = await at.asked_within(10 * INTERVAL)
        assert [asked.count(resource) for resource in (PAGE, HISTORY, RUNNER, STATS)] == [0, 10, 10, 3]
        await at.release(PAGE)
        assert at.snapshot.page.value is not None
        assert PAGE in await at.asked_within(at.snapshot.interval_s)


async def test_an_answer_to_what_is_no_longer_attended_is_still_taken() -> None:
    async with rig(held=(PAGE,)) as at:
        second = PageKey(page=2)
        await at.attend(Viewport(page=second))
        assert at.snapshot.pages.keys() == {second}
        await at.release(PAGE)
        assert at.snapshot.pages[PAGE].value == make_page()
        assert await at.asked_within(INTERVAL) == [second]


async def test_coming_back_while_the_first_question_is_open_does_not_repeat_it() -> None:
    async with rig(Viewport(), held=(PAGE,)) as at:
        await at.attend(Viewport(page=PageKey(page=2)))
        await at.attend(Viewport())
        await at.refresh()
        assert at.source.asked.count(PAGE) == 1
        await at.release(PAGE)
        assert at.source.asked.count(PAGE) == 1


async def test_page_known_and_fresh_is_shown_and_polled_with_the_next_cycle() -> None:
    async with rig(Viewport()) as at:
        await at.clock.advance(1)
        await at.attend(Viewport(page=PageKey(page=2)))
        await at.clock.advance(1)
        at.source.forget()
        await at.attend(Viewport())
        assert at.source.asked == []
        assert at.snapshot.page.value is not None
        assert await at.asked_within(INTERVAL - 1.1) == []
        assert await at.asked_within(0.1) == [PAGE]


async def test_outdated_resource_is_requested_at_once() -> None:
    async with rig(Viewport()) as at:
        await at.attend(Viewport(page=PageKey(page=2)))
        await at.clock.advance(INTERVAL)
        at.source.forget()
        await at.attend(Viewport())
        assert at.source.asked == [PAGE]


async def test_refresh_asks_everything_attended_now_and_once() -> None:
    async with rig() as at:
        await at.clock.advance(1)
        at.source.forget()
        await at.perform(Refresh(), Refresh())
        assert at.source.asked == [PAGE, HISTORY, RUNNER]
        assert await at.asked_within(INTERVAL - 0.1) == []


async def test_refresh_does_not_ask_twice_what_is_under_way() -> None:
    async with rig(held=(RUNNER,)) as at:
        at.source.forget()
        await at.refresh()
        assert at.source.asked == [PAGE, HISTORY]
        await at.release(RUNNER)
        assert at.source.asked == [PAGE, HISTORY]


async def test_a_refresh_is_for_what_was_attended_then() -> None:
    async with rig(Viewport()) as at:
        at.source.forget()
        elsewhere = Viewport(page=PageKey(page=2))
        await at.perform(Refresh(), SetViewport(elsewhere))
        await at.attend(Viewport())
        assert at.source.asked == [elsewhere.page]


async def test_refresh_asks_again_what_failed() -> None:
    async with rig() as at:
        at.source.runners["r1"] = NO
        await at.refresh()
        del at.source.runners["r1"]
        assert at.snapshot.runner("r1").problem is not None
        await at.clock.advance(2)
        await at.refresh()
        assert at.snapshot.runner("r1").problem is None


async def test_paused_nothing_is_polled_by_time() -> None:
    async with rig() as at:
        await at.attend(PAUSED)
        assert await at.asked_within(100 * INTERVAL) == []


async def test_paused_a_failure_is_not_tried_again_by_time() -> None:
    async with rig() as at:
        at.source.pages[PAGE] = NO
        await at.perform(Refresh(), SetViewport(PAUSED))
        assert at.snapshot.page.problem is not None
        assert PAGE not in await at.asked_within(100 * INTERVAL)


async def test_paused_a_refresh_still_asks_once() -> None:
    async with rig(PAUSED) as at:
        at.source.forget()
        await at.refresh()
        assert at.source.asked == [PAGE, HISTORY, RUNNER]
        assert await at.asked_within(100 * INTERVAL) == [STATS]


async def test_paused_what_was_never_asked_is_asked() -> None:
    async with rig(PAUSED) as at:
        at.source.forget()
        await at.attend(Viewport(page=PageKey(page=2), runner_id="r2", paused=True))
        assert at.source.asked == [PageKey(page=2), HistoryKey("r2"), RunnerKey("r2")]
        assert await at.asked_within(1) == [StatsKey("r2")]


async def test_after_a_pause_what_is_due_is_asked_at_once() -> None:
    async with rig(PAUSED) as at:
        await at.clock.advance(INTERVAL)
        at.source.forget()
        await at.attend(ALL)
        assert at.source.asked == [PAGE, HISTORY, RUNNER]


async def test_a_failure_keeps_the_value_and_is_tried_again_after_an_interval() -> None:
    async with rig() as at:
        known = at.snapshot.page
        at.source.pages[PAGE] = NO
        await at.clock.advance(INTERVAL)
        failed = at.snapshot.page
        assert failed.value is known.value
        assert failed.fetched_monotonic == known.fetched_monotonic
        assert failed.freshness(at.clock.monotonic(), INTERVAL) is Freshness.STALE
        assert failed.problem is not None
        assert failed.problem.kind is ProblemKind.UNREACHABLE
        assert failed.problem.retry_monotonic == at.clock.monotonic() + INTERVAL
        assert PAGE not in await at.asked_within(INTERVAL - 0.1)
        assert PAGE in await at.asked_within(0.1)


async def test_failures_in_a_row_are_counted_from_the_first_and_forgotten_after_a_success() -> None:
    async with rig(Viewport()) as at:
        at.source.pages[PAGE] = NO
        await at.clock.advance(INTERVAL)
        since = at.clock.now()
        at.source.pages[PAGE] = ServerError("GET", "/v1/runner", "down", 503)
        await at.clock.advance(INTERVAL + 2 * INTERVAL)
        problem = at.snapshot.page.problem
        assert problem is not None
        assert (problem.failures, problem.since_at, problem.status) == (3, since, 503)
        del at.source.pages[PAGE]
        await at.clock.advance(4 * INTERVAL)
        assert at.snapshot.page.problem is None
        assert at.snapshot.page.fetched_monotonic == at.clock.monotonic()


async def test_a_failed_first_try_is_no_longer_what_was_never_asked() -> None:
    async with rig(Viewport()) as at:
        at.source.runners["r1"] = NO
        await at.attend(ALL)
        await at.attend(Viewport())
        at.source.forget()
        await at.attend(ALL)
        assert at.source.asked == []
        assert RUNNER in await at.asked_within(INTERVAL)


async def test_equal_answers_keep_the_objects_and_still_count_as_fetched() -> None:
    async with rig() as at:
        at.source.pages[PAGE] = make_page(make_runner("r1"), make_runner("r2"))
        at.source.histories["r1"] = (make_workflow("w1"),)
        await at.refresh()
        before = at.snapshot
        at.source.pages[PAGE] = make_page(make_runner("r1"), make_runner("r2"))
        at.source.histories["r1"] = (make_workflow("w1"),)
        await at.clock.advance(INTERVAL)
        assert at.snapshot.page.value is before.page.value
        assert at.snapshot.runner("r1").value is before.runner("r1").value
        assert at.snapshot.history("r1").value is before.history("r1").value
        assert at.snapshot.page.fetched_monotonic == at.clock.monotonic()


async def test_a_new_interval_holds_from_now_on() -> None:
    async with rig(Viewport()) as at:
        await at.perform(SetInterval(2.0))
        assert at.snapshot.interval == 2.0
        assert await at.asked_within(6.0) == 3 * [PAGE]
        await at.perform(SetInterval(60.0))
        assert await at.asked_within(59.9) == []


async def test_a_new_interval_hurries_what_failed_too() -> None:
    async with rig(Viewport()) as at:
        await at.perform(SetInterval(3600.0))
        at.source.pages[PAGE] = NO
        await at.refresh()
        await at.perform(SetInterval(2.0))
        assert await at.asked_within(2.0) == [PAGE]


async def test_clock_skew_is_published_and_survives_failures() -> None:
    async with rig() as at:
        assert at.snapshot.clock_skew == 0.0
        at.source.clock_skew = -42.5
        await at.refresh()
        assert at.snapshot.clock_skew == -42.5
        at.break_everything(DOWN)
        await at.clock.advance(INTERVAL)
        assert at.snapshot.clock_skew == -42.5
