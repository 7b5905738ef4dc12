"""An engine with an event stream: it asks less, is woken for just one runner, and misses nothing without one."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from comfytui.api.errors import (
    ComfyControlError,
    ConnectionFailedError,
    InvalidResponseError,
    NotFoundError,
    ServerError,
    UnauthorizedError,
    UnexpectedStatusError,
)
from comfytui.api.events import HEARTBEAT_SECONDS, RunnerRevisions
from comfytui.engine.feed import Freshness
from comfytui.engine.intervals import CHANGE_BATCH_INTERVAL_S, MAX_BACKOFF_S, change_interval, page_change_interval
from comfytui.engine.listener import REFUSED_RETRY_S, SETTLE_S
from comfytui.engine.protocol import HistoryKey, Refresh, Resource, StatsKey, Viewport
from tests.support.builders import make_page, make_runner
from tests.support.clock import settle
from tests.support.engine_harness import ALL, HISTORY, INTERVAL, PAGE, PAUSED, RUNNER, STATS, Rig, rig

if TYPE_CHECKING:
    from collections.abc import Sequence

VIEW = Viewport(runner_id="r1", visible_ids=("r1", "r2", "r3"))
IDS = ("r1", "r2", "r3")
PATH = "/v1/events"
CHANGES_APART = change_interval(INTERVAL)
REFUSALS = [
    NotFoundError("GET", PATH, "no", 404),
    UnexpectedStatusError("GET", PATH, "no", 405),
    InvalidResponseError("GET", PATH, "HTML"),
    ServerError("GET", PATH, "not implemented", 501),
]
FAILURES = [
    ConnectionFailedError("GET", PATH, "the event stream ended"),
    ServerError("GET", PATH, "full", 503),
    UnauthorizedError("GET", PATH, "no", 401),
]


def told(id: str = "r1", number: int = 1, *, row: int = 1, stats: int = 1, is_live: bool = True) -> RunnerRevisions:
    return RunnerRevisions(id, runner=row, history=number, stats=stats, is_live=is_live)


@asynccontextmanager
async def listening(viewport: Viewport = VIEW) -> AsyncIterator[Rig]:
    """An engine that has all it wants, and a stream that vouches for it."""
    async with rig(viewport) as engine:
        engine.source.pages[PAGE] = make_page(*(make_runner(id) for id in IDS))
        engine.source.has_events = True
        await engine.clock.advance(INTERVAL)
        await engine.clock.advance(SETTLE_S)
        assert engine.source.streams == 1
        engine.source.announce(*(told(id) for id in IDS))
        await settle()
        # What was asked before the stream told anything is asked once more.
        await lives(engine, 60)
        yield engine


async def lives(rig: Rig, seconds: float) -> None:
    """Let that much time pass, with heartbeats."""
    for _ in range(int(seconds / HEARTBEAT_SECONDS)):
        await rig.clock.advance(HEARTBEAT_SECONDS)
        rig.source.announce()
        await settle()


async def asked_while_living(rig: Rig, seconds: float) -> list[Resource]:
    rig.source.forget()
    await lives(rig, seconds)
    return rig.source.asked


async def test_source_without_events_is_never_asked_for_them() -> None:
    async with rig(VIEW) as engine:
        await engine.clock.advance(100)
        assert engine.source.streams == 0


async def test_unchanged_runners_are_asked_rarely_and_stay_live() -> None:
    async with rig(VIEW) as engine:
        without = [each for each in await engine.asked_within(120) if not isinstance(each, StatsKey)]
    async with listening() as engine:
        asked = [each for each in await asked_while_living(engine, 120) if not isinstance(each, StatsKey)]
        assert len(asked) * 4 < len(without)
        for feed in (engine.snapshot.page, engine.snapshot.history("r1"), engine.snapshot.runner("r1")):
            assert feed.freshness(engine.clock.monotonic(), engine.snapshot.interval_s) is Freshness.LIVE


async def test_change_wakes_the_engine_for_just_that_runner() -> None:
    async with listening() as engine:
        for id in ("r1", "r2"):
            engine.source.forget()
            engine.source.announce(told(id, 2))
            await settle()
            assert engine.source.asked == [HistoryKey(id)]


async def test_change_of_a_row_asks_for_the_page_and_the_runner() -> None:
    async with listening() as engine:
        engine.source.forget()
        engine.source.announce(told(row=2))
        await settle()
        assert set(engine.source.asked) == {PAGE, RUNNER}


async def test_runner_that_answers_again_is_checked_at_once() -> None:
    async with listening() as engine:
        engine.source.forget()
        engine.source.announce(told(stats=2))
        await settle()
        assert engine.source.asked == [STATS]


async def test_revision_of_an_invisible_runner_sends_nothing() -> None:
    async with listening() as engine:
        engine.source.announce(told("r9"))
        await settle()
        engine.source.forget()
        engine.source.announce(told("r9", 2))
        await settle()
        assert engine.source.asked == []


@pytest.mark.parametrize(("resource", "apart"), [(HISTORY, CHANGES_APART), (PAGE, page_change_interval(INTERVAL))])
async def test_many_changes_are_asked_once_in_a_while(resource: Resource, apart: float) -> None:
    async with listening() as engine:
        await engine.clock.advance(2 * apart)
        engine.source.forget()
        for number in range(100):
            engine.source.announce(told(number=number, row=number))
            await engine.clock.advance(0.1)
        moments = engine.moments_of(resource)
        assert 4 <= len(moments) <= 10 / apart + 1
        assert engine.snapshot.history("r1").problem is None


async def test_last_of_many_changes_is_asked_for() -> None:
    async with listening() as engine:
        engine.source.announce(told(number=2))
        await settle()
        engine.source.announce(told(number=3))
        await engine.clock.advance(0.5)
        engine.source.forget()
        await engine.clock.advance(CHANGES_APART)
        assert HISTORY in engine.source.asked


async def test_changes_are_not_asked_for_while_paused_but_once_it_is_over() -> None:
    async with listening() as engine:
        await engine.attend(PAUSED)
        engine.source.forget()
        engine.source.announce(told(number=2))
        await engine.clock.advance(3)
        assert engine.source.asked == []
        await engine.attend(ALL)
        await settle()
        assert HISTORY in engine.source.asked


async def test_refresh_asks_whatever_a_stream_says() -> None:
    async with listening() as engine:
        await engine.clock.advance(3)
        engine.source.forget()
        await engine.perform(Refresh())
        await engine.clock.advance(3)
        assert {PAGE, HISTORY, RUNNER} <= set(engine.source.asked)


@pytest.mark.parametrize("error", [*REFUSALS, *FAILURES], ids=repr)
async def test_polling_goes_on_when_the_stream_fails(error: ComfyControlError) -> None:
    async with listening() as engine:
        engine.source.break_stream(error)
        await settle()
        asked = await engine.asked_within(2 * INTERVAL)
        assert {PAGE, HISTORY, RUNNER} <= set(asked)
        assert engine.snapshot.page.problem is None
        assert engine.snapshot.auth_problem is None


async def test_runner_that_is_not_live_is_polled() -> None:
    async with listening() as engine:
        engine.source.announce(told(is_live=False))
        await settle()
        asked = await asked_while_living(engine, 4 * INTERVAL)
        assert asked.count(HISTORY) >= 3


async def test_silent_stream_is_not_believed() -> None:
    async with listening() as engine:
        asked = await engine.asked_within(2 * HEARTBEAT_SECONDS + 2 * INTERVAL)
        assert {PAGE, HISTORY, RUNNER} <= set(asked)


@pytest.mark.parametrize("error", REFUSALS, ids=repr)
async def test_server_without_streams_is_not_asked_again_and_again(error: ComfyControlError) -> None:
    async with listening() as engine:
        engine.source.break_stream(error)
        await engine.clock.advance(REFUSED_RETRY_S - 1)
        assert engine.source.streams == 1


@pytest.mark.parametrize("error", FAILURES, ids=repr)
async def test_lost_stream_is_opened_anew_later_and_later(error: ComfyControlError) -> None:
    async with listening() as engine:
        moments: list[float] = []
        for number in range(2, 9):
            engine.source.break_stream(error)
            while engine.source.streams < number:
                await engine.clock.advance(0.5)
            moments.append(engine.clock.monotonic())
        waits = [later - earlier for earlier, later in itertools.pairwise(moments)]
        assert waits == sorted(waits)
        assert waits[0] <= 3
        assert waits[-1] == MAX_BACKOFF_S


async def test_reconnected_stream_tells_what_was_missed() -> None:
    async with listening() as engine:
        engine.source.break_stream(FAILURES[0])
        await settle()
        await engine.clock.advance(0.9)
        engine.source.forget()
        await engine.clock.advance(0.2)
        assert engine.source.streams == 2
        engine.source.announce(told("r1"), told("r2", 7), told("r3"))
        await settle()
        histories = [each for each in engine.source.asked if isinstance(each, HistoryKey)]
        assert histories == [HistoryKey("r2")]


async def test_stream_ends_with_the_engine() -> None:
    async with listening() as engine:
        assert not engine.source.cancelled
    assert engine.source.closed == 1


async def test_woken_requests_leave_room_for_keys() -> None:
    ids = tuple(f"r{number}" for number in range(1, 26))
    async with listening(Viewport(runner_id="r1", visible_ids=ids)) as engine:
        engine.source.announce(*(told(id) for id in ids))
        await lives(engine, 120)
        engine.source.forget()
        for number in range(2, 22):
            engine.source.announce(*(told(id, number) for id in ids))
            await engine.clock.advance(0.5)
        assert _most_in_ten_seconds(engine.source.log) < engine.rate_limiter.usage.limit
        asked = {each for each in engine.source.asked if isinstance(each, HistoryKey)}
        assert len(asked) > 10


def _most_in_ten_seconds(log: Sequence[tuple[float, Resource]]) -> int:
    return max(sum(moment <= other <= moment + 10 for other, _ in log) for moment, _ in log)


async def test_changes_of_other_runners_soon_after_others_are_requested_together() -> None:
    async with listening() as engine:
        engine.source.announce(told("r2", 2))
        await settle()
        await engine.clock.advance(0.2)
        engine.source.forget()
        engine.source.announce(told("r3", 2))
        await engine.clock.advance(CHANGES_APART)
        engine.source.announce(told("r2", 3))
        await settle()
        assert engine.source.asked == []
        await engine.clock.advance(CHANGE_BATCH_INTERVAL_S - CHANGES_APART)
        assert sorted(engine.source.asked, key=str) == [HistoryKey("r2"), HistoryKey("r3")]


async def test_change_of_the_runner_under_the_cursor_waits_for_no_batch() -> None:
    async with listening() as engine:
        engine.source.announce(told("r2", 2))
        await settle()
        await engine.clock.advance(0.2)
        engine.source.forget()
        engine.source.announce(told("r1", 2))
        await settle()
        assert engine.source.asked == [HISTORY]
