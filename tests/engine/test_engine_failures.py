"""The engine when the API fails, refuses, or does not know a runner any more."""

from __future__ import annotations

from itertools import cycle

import pytest

from comfytui.api.errors import ForbiddenError, NotFoundError, RequestTimeoutError, UnauthorizedError
from comfytui.engine.engine import Engine
from comfytui.engine.feed import Freshness, ProblemKind
from comfytui.engine.protocol import Reconnect, Refresh, SetViewport, Viewport
from tests.support.builders import make_page, make_runner
from tests.support.clock import FakeClock, settle
from tests.support.engine_harness import (
    ALL,
    DOWN,
    FULL_VIEW,
    HISTORY,
    INTERVAL,
    PAGE,
    RUNNER,
    SECOND,
    STATS,
    at_work,
    returning,
    rig,
    without_jitter,
)
from tests.support.source import ScriptedSource

HANGS = RequestTimeoutError("GET", "/v1/runner", "no whole answer within 10 seconds")
GONE = NotFoundError("GET", "/v1/runner/r1", "requested entity not found", 404)
REFUSED = UnauthorizedError("GET", "/v1/runner", "Token has expired", 401)


class TestFailures:
    async def test_a_failed_poll_is_tried_again_after_one_interval_then_ever_later_up_to_half_a_minute(self) -> None:
        async with rig(Viewport()) as at:
            at.source.pages[PAGE] = DOWN
            start = at.clock.monotonic()
            await at.asked_within(100)
            assert [on - start for on in at.moments_of(PAGE)] == [5, 10, 20, 40, 70, 100]

    async def test_a_single_resource_that_fails_among_others_is_tried_every_interval(self) -> None:
        async with rig() as at:
            at.source.runners["r1"] = DOWN
            asked = await at.asked_within(20 * INTERVAL)
            assert asked.count(PAGE) == asked.count(HISTORY) == asked.count(RUNNER) == 20
            assert at.snapshot.page.problem is None
            problem = at.snapshot.runner("r1").problem
            assert problem is not None
            assert (problem.failures, problem.retry_monotonic) == (20, problem.failed_monotonic + INTERVAL)

    async def test_any_success_brings_all_back_within_an_interval(self) -> None:
        async with rig() as at:
            at.break_everything(DOWN)
            await at.clock.advance(200)
            at.mend_everything()
            at.source.pages[PAGE] = DOWN
            await at.refresh()
            assert at.snapshot.history("r1").problem is None
            assert at.snapshot.page.problem is not None
            assert at.snapshot.page.problem.retry_monotonic == at.clock.monotonic() + INTERVAL

    async def test_the_first_success_after_an_outage_is_that_of_all(self) -> None:
        async with rig() as at:
            at.break_everything(HANGS)
            await at.clock.advance(200)
            at.mend_everything()
            await at.attend(ALL._replace(page=SECOND))
            assert at.snapshot.page.problem is None
            await at.clock.advance(0.1)
            assert at.snapshot.runner("r1").problem is None
            assert at.snapshot.history("r1").problem is None

    @pytest.mark.parametrize("outage", [1.0, 4.0])
    async def test_after_a_short_outage_everything_is_live_within_an_interval(self, outage: float) -> None:
        async with rig() as at:
            await at.clock.advance(INTERVAL - 0.5)
            at.break_everything(DOWN)
            await at.clock.advance(outage)
            at.mend_everything()
            await at.clock.advance(INTERVAL)
            for feed in (at.snapshot.page, at.snapshot.runner("r1"), at.snapshot.history("r1")):
                assert feed.freshness(at.clock.monotonic(), at.snapshot.interval_s) is Freshness.LIVE

    async def test_however_long_an_outage_was_it_is_over_within_half_a_minute(self) -> None:
        async with rig() as at:
            at.break_everything(DOWN)
            await at.clock.advance(3600)
            at.mend_everything()
            await at.clock.advance(30)
            assert at.snapshot.page.freshness(at.clock.monotonic(), INTERVAL) is Freshness.LIVE

    async def test_refresh_tries_now(self) -> None:
        async with rig() as at:
            at.break_everything(DOWN)
            await at.clock.advance(100)
            at.source.forget()
            await at.refresh()
            assert at.source.asked[:3] == [PAGE, HISTORY, RUNNER]

    async def test_forbidden_keeps_the_message_of_the_api(self) -> None:
        async with rig() as at:
            at.source.histories["r1"] = ForbiddenError("GET", "/v1/runner/r1/history", "not in your tier", 403)
            await at.clock.advance(INTERVAL)
            problem = at.snapshot.history("r1").problem
            assert problem is not None
            assert (problem.kind, problem.message) == (ProblemKind.FORBIDDEN, "not in your tier")

    async def test_jitter_is_applied_from_the_second_failure_on(self) -> None:
        clock, source = FakeClock(), ScriptedSource(FakeClock())
        source.pages[PAGE] = DOWN
        drawn = cycle([0.8, 0.9, 1.2, 1.0])
        engine = Engine(returning(source), clock, viewport=Viewport(), interval=5.0, jitter=lambda: next(drawn))
        waits = []
        async with at_work(engine):
            for _ in range(4):
                assert engine.snapshot.page.problem is not None
                waits.append(engine.snapshot.page.problem.retry_monotonic - clock.monotonic())
                await clock.advance(waits[-1])
        assert waits == pytest.approx([5.0, 9.0, 24.0, 30.0])

    async def test_without_anybodys_word_the_jitter_is_a_fifth_either_way(self) -> None:
        clock, source = FakeClock(), ScriptedSource(FakeClock())
        source.pages[PAGE] = DOWN
        engine = Engine(returning(source), clock, viewport=Viewport(), interval=5.0)
        async with at_work(engine):
            await clock.advance(5.0)
            assert engine.snapshot.page.problem is not None
            assert 8.0 <= engine.snapshot.page.problem.retry_monotonic - clock.monotonic() <= 12.0


class TestDepartures:
    async def test_a_404_removes_the_runner_and_a_later_page_brings_it_back(self) -> None:
        both = make_page(make_runner("r1"), make_runner("r2"), total=2)
        async with rig() as at:
            at.source.pages[PAGE] = both
            at.source.runners["r1"] = at.source.histories["r1"] = GONE
            await at.refresh()
            at.source.pages[PAGE] = DOWN
            await at.clock.advance(INTERVAL)
            assert at.snapshot.page.value == make_page(make_runner("r2"), total=1)
            assert [(left.runner_id, left.name) for left in at.snapshot.removed] == [("r1", "Runner r1")]
            assert "r1" not in {**at.snapshot.runners, **at.snapshot.histories}
            assert set(await at.asked_within(60)) == {PAGE}
            at.mend_everything()
            at.source.pages[PAGE] = both
            await at.refresh()
            await at.clock.advance(1)
            assert at.snapshot.page.value == both
            assert at.snapshot.runner("r1").value is not None

    async def test_missing_history_of_a_listed_runner_is_not_known_and_the_runner_stays(self) -> None:
        async with rig(FULL_VIEW._replace(visible_ids=("r1", "r2"))) as at:
            both = at.source.pages[PAGE] = make_page(make_runner("r1"), make_runner("r2"), total=2)
            at.source.histories["r1"] = at.source.histories["r2"] = GONE
            for _ in range(12):
                await at.clock.advance(INTERVAL)
                assert at.snapshot.page.value == both
                assert at.snapshot.removed == ()
            for runner_id in ("r1", "r2"):
                problem = at.snapshot.history(runner_id).problem
                assert problem is not None
                assert problem.kind is ProblemKind.NOT_FOUND
            at.source.histories["r2"] = ()
            await at.clock.advance(30)
            assert at.snapshot.history("r2").problem is None

    async def test_list_that_goes_on_having_a_runner_outweighs_that_it_is_not_found(self) -> None:
        async with rig() as at:
            only = at.source.pages[PAGE] = make_page(make_runner("r1"), total=1)
            at.source.runners["r1"] = at.source.histories["r1"] = at.source.stats["r1"] = GONE
            await at.refresh()
            for _ in range(24):
                await at.clock.advance(INTERVAL / 2)
                assert at.snapshot.page.value == only
                assert at.snapshot.removed == ()
            at.source.pages[PAGE] = DOWN
            await at.clock.advance(60)
            assert at.snapshot.page.value == only
            at.source.pages[PAGE] = make_page(total=0)
            await at.clock.advance(60)
            assert at.snapshot.removed[-1].runner_id == "r1"


class TestToken:
    async def test_a_refused_token_stops_everything(self) -> None:
        async with rig(FULL_VIEW) as at:
            at.source.pages[PAGE] = REFUSED
            await at.clock.advance(INTERVAL)
            assert at.snapshot.auth_problem is not None
            assert at.snapshot.auth_problem.message == "Token has expired"
            assert at.snapshot.page.value is not None
            at.source.forget()
            await at.perform(Refresh(), SetViewport(FULL_VIEW._replace(page=SECOND, runner_id="x")))
            assert await at.asked_within(3600) == []

    async def test_with_another_connection_everything_is_asked_again(self) -> None:
        clock = FakeClock()
        sources = [ScriptedSource(clock), ScriptedSource(clock)]
        old, new = sources
        old.pages[PAGE] = REFUSED
        old.hold(HISTORY)
        engine = Engine(
            returning(*sources), clock, viewport=ALL._replace(paused=True), interval=INTERVAL, jitter=without_jitter
        )
        async with at_work(engine):
            assert engine.snapshot.auth_problem is not None
            engine.perform(Reconnect())
            meanwhile = engine.snapshot
            await settle()
            assert (meanwhile.auth_problem, meanwhile.page.problem) == (None, None)
            assert (old.closed, old.cancelled) == (1, [HISTORY])
            assert new.asked == [PAGE, HISTORY, RUNNER, STATS]
            assert engine.snapshot.page.value is not None

    async def test_a_late_answer_to_the_old_token_is_not_taken_for_one_to_the_new(self) -> None:
        clock = FakeClock()
        old, new = ScriptedSource(clock), ScriptedSource(clock)
        old.pages[PAGE] = old.histories["r1"] = REFUSED
        old.hold(HISTORY)
        engine = Engine(returning(old, new), clock, viewport=ALL, interval=INTERVAL)
        async with at_work(engine):
            old.release(HISTORY)
            engine.perform(Reconnect())
            await settle()
            assert engine.snapshot.auth_problem is None
            await clock.advance(INTERVAL)
            assert new.asked == [PAGE, HISTORY, RUNNER, STATS, PAGE, HISTORY, RUNNER]

    async def test_token_refused_while_connecting_waits_for_a_new_one(self) -> None:
        clock, source, tries = FakeClock(), ScriptedSource(FakeClock()), 0

        async def connect() -> ScriptedSource:
            nonlocal tries
            tries += 1
            if tries == 1:
                raise REFUSED
            return source

        engine = Engine(connect, clock, viewport=ALL, interval=INTERVAL)
        async with at_work(engine):
            engine.perform(Refresh())
            await clock.advance(600)
            assert tries == 1
            engine.perform(Reconnect())
            await settle()
            assert source.asked == [PAGE, HISTORY, RUNNER, STATS]

    async def test_known_data_stays_without_a_token(self) -> None:
        async with rig() as at:
            known = at.snapshot.page.value
            await at.perform(Reconnect())
            assert at.snapshot.page.value is known
            assert at.source.closed == 1
