"""How an engine starts, publishes, fails and ends."""

from __future__ import annotations

import asyncio
import sys

import pytest

from comfytui.api.errors import ConnectionFailedError, InvalidArgumentError
from comfytui.engine.engine import Engine
from comfytui.engine.feed import ProblemKind
from comfytui.engine.protocol import PageKey, Refresh, RunnerSource, SetInterval, SetViewport, Viewport
from comfytui.engine.snapshot import Snapshot
from tests.support.clock import FakeClock, settle
from tests.support.engine_harness import ALL, HISTORY, INTERVAL, PAGE, RUNNER, STATS, at_work, rig, without_jitter
from tests.support.source import ScriptedSource

SECOND = PageKey(page=2)


class FlakyDoor:
    """Connects only after as many failures as it is told."""

    def __init__(self, source: RunnerSource, failures: int) -> None:
        self.source = source
        self.failures = failures
        self.tries = 0

    async def connect(self) -> RunnerSource:
        self.tries += 1
        if self.tries <= self.failures:
            raise InvalidArgumentError("no token")
        return self.source


def behind(authenticator: FlakyDoor, clock: FakeClock, viewport: Viewport = ALL) -> Engine:
    return Engine(authenticator.connect, clock, viewport=viewport, interval=INTERVAL, jitter=without_jitter)


async def test_a_failure_to_connect_is_the_problem_of_the_page_and_tried_again() -> None:
    clock = FakeClock()
    source = ScriptedSource(clock)
    authenticator = FlakyDoor(source, failures=2)
    engine = behind(authenticator, clock)
    async with at_work(engine):
        assert engine.snapshot.page.problem is not None
        assert engine.snapshot.page.problem.kind is ProblemKind.REFUSED
        await clock.advance(INTERVAL - 0.1)
        assert authenticator.tries == 1
        await clock.advance(0.1)
        assert authenticator.tries == 2
        assert engine.snapshot.page.problem.failures == 2
        assert source.asked == []
        await clock.advance(2 * INTERVAL)
        assert authenticator.tries == 3
        assert source.asked == [PAGE, HISTORY, RUNNER, STATS]
        assert engine.snapshot.page.problem is None


async def test_connecting_is_tried_again_at_once_for_a_refresh_or_another_page() -> None:
    clock = FakeClock()
    authenticator = FlakyDoor(ScriptedSource(clock), failures=5)
    engine = behind(authenticator, clock)
    async with at_work(engine):
        engine.perform(Refresh())
        await settle()
        assert authenticator.tries == 2
        engine.perform(SetViewport(Viewport(page=SECOND)))
        await settle()
        assert authenticator.tries == 3
        assert engine.snapshot.page.problem is not None


async def test_paused_connecting_is_not_tried_again_by_time() -> None:
    clock = FakeClock()
    authenticator = FlakyDoor(ScriptedSource(clock), failures=1)
    async with at_work(behind(authenticator, clock, Viewport(paused=True))):
        await clock.advance(10 * INTERVAL)
        assert authenticator.tries == 1


async def test_wishes_are_taken_before_it_runs() -> None:
    clock = FakeClock()
    source = ScriptedSource(clock)
    engine = behind(FlakyDoor(source, failures=0), clock)
    engine.perform(SetViewport(Viewport(page=SECOND)))
    engine.perform(SetInterval(2.0))
    engine.perform(Refresh())
    assert engine.snapshot == Snapshot(2, Viewport(page=SECOND), 2.0)
    async with at_work(engine):
        assert source.asked == [SECOND]


async def test_the_revision_grows_by_one_with_each_change() -> None:
    async with rig() as at:
        assert at.snapshot.revision == 4
        at.source.runners["r1"] = ConnectionFailedError("GET", "/v1/runner/r1", "reset")
        await at.clock.advance(INTERVAL)
        assert at.snapshot.revision == 7
        at.engine.perform(SetViewport(Viewport()))
        assert at.snapshot.revision == 8


async def test_wishing_for_what_is_publishes_nothing() -> None:
    async with rig() as at:
        before = at.snapshot
        await at.perform(SetViewport(Viewport(runner_id="r1")), SetInterval(INTERVAL))
        assert at.snapshot is before


async def test_published_snapshots_are_immutable() -> None:
    async with rig() as at:
        held = at.snapshot
        keys = (set(held.pages), set(held.runners), set(held.histories))
        feed = held.page
        await at.attend(Viewport(page=SECOND, runner_id="r2"))
        await at.clock.advance(INTERVAL)
        assert (set(held.pages), set(held.runners), set(held.histories)) == keys
        assert held.page is feed


@pytest.mark.parametrize("seconds", [0.99, 0.0, -5.0, float("nan"), float("inf")])
async def test_an_interval_that_is_none_is_refused(seconds: float) -> None:
    async with rig() as at:
        with pytest.raises(ValueError, match="1 second or more"):
            at.engine.perform(SetInterval(seconds))
        assert at.snapshot.interval == INTERVAL
    with pytest.raises(ValueError, match="1 second or more"):
        Engine(FlakyDoor(at.source, 0).connect, at.clock, viewport=ALL, interval=seconds)


async def test_cancelling_gives_up_what_is_under_way_then_closes_the_source() -> None:
    async with rig(held=(PAGE, HISTORY)) as at:
        at.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await at.task
        assert set(at.source.cancelled) == {PAGE, HISTORY}
        assert at.source.closed == 1


async def test_cancelling_while_it_connects_ends_subscriptions() -> None:
    clock = FakeClock()

    async def slow() -> RunnerSource:
        await clock.sleep(60.0)
        return ScriptedSource(clock)

    engine = Engine(slow, clock, viewport=ALL, interval=INTERVAL)
    async with at_work(engine):
        seen = asyncio.create_task(_all_of(engine))
        await settle()
        assert not seen.done()
    assert await seen == [0]


async def test_a_bug_in_the_source_surfaces_and_the_source_is_closed() -> None:
    source = ScriptedSource(FakeClock())
    source.runners["r1"] = ZeroDivisionError("a bug")
    source.hold(PAGE)
    engine = behind(FlakyDoor(source, failures=0), FakeClock())
    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError, match="a bug")):
        await engine.run()
    assert set(source.cancelled) == {PAGE}
    assert source.closed == 1
    assert await _all_of(engine) == [engine.snapshot.revision]


async def test_a_bug_in_connecting_surfaces() -> None:
    async def buggy() -> RunnerSource:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await Engine(buggy, FakeClock(), viewport=ALL, interval=INTERVAL).run()


async def test_subscribers_see_the_present_at_once_and_then_each_change() -> None:
    async with rig(Viewport()) as at:
        ours, theirs = at.engine.subscribe(), at.engine.subscribe()
        assert await anext(ours) is at.snapshot
        passing = asyncio.create_task(at.clock.advance(INTERVAL))
        assert (await anext(ours)).revision == 2
        assert (await anext(theirs)).revision == 2
        await passing


async def test_a_slow_subscriber_sees_only_the_newest() -> None:
    async with rig() as at:
        slow = at.engine.subscribe()
        await anext(slow)
        await at.clock.advance(10 * INTERVAL)
        assert await anext(slow) is at.snapshot
        assert at.snapshot.revision == 37


async def test_subscriptions_end_with_the_engine_after_the_newest() -> None:
    async with rig(Viewport()) as at:
        seen = asyncio.create_task(_all_of(at.engine))
        await settle()
        at.engine.perform(SetInterval(60.0))
    assert await seen == [1, 2]


async def test_engine_imports_neither_client_nor_screen() -> None:
    code = "import sys, comfytui.engine.engine; print({'httpx', 'pydantic', 'textual'} & set(sys.modules))"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().strip() == "set()"


async def _all_of(engine: Engine) -> list[int]:
    return [snapshot.revision async for snapshot in engine.subscribe()]
