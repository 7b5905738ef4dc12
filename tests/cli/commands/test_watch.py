from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.api.errors import (
    ComfyControlError,
    ConnectionFailedError,
    InvalidArgumentError,
    NotFoundError,
    ServerError,
    UnauthorizedError,
)
from comfytui.api.statuses import RunnerStatus
from comfytui.backends import UnusableTokenError
from comfytui.cli.commands.watch import EventType, FleetChange, WatchOptions, event_to_dict, watch
from comfytui.engine.protocol import HistoryKey, PageKey, StatsKey
from comfytui.engine.reducer import MAX_HISTORIES
from comfytui.query.filter import parse
from comfytui.ratelimit.local import LocalRateLimiter
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.changing import ChangingSource
from tests.support.clock import START, FakeClock, settle
from tests.support.source import ScriptedSource

if TYPE_CHECKING:
    from comfytui.api.models import Runner

A, B = make_runner("a"), make_runner("b", tags=["gpu"])
RENAMED = make_runner("a", name="Renamed")
DOWN = ConnectionFailedError("GET", "/v1/runner", "connection refused")
INVALID = UnauthorizedError("GET", "/v1/runner", "Invalid token", 401)
BROKEN = ServerError("GET", "/v1/runner", "database is down", 503)


@dataclass
class Watching:
    """A watch at work: what it told, what it said, and what it ended with."""

    clock: FakeClock
    source: ScriptedSource
    task: asyncio.Task[None] = field(init=False)
    events: list[Mapping[str, object]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    @property
    def told(self) -> list[str]:
        """The events since this was read last, in short."""
        told = [f"{event['event']} {event['runner_id']}" for event in self.events]
        self.events.clear()
        return told

    def list(self, *runners: Runner, status: RunnerStatus | None = None) -> None:
        """Let this be the list from now on."""
        for start in range(0, max(1, len(runners)), 100):
            page = make_page(*runners[start : start + 100], total=len(runners))
            self.source.pages[PageKey(start // 100 + 1, 100, status)] = page

    def emit(self, event: Mapping[str, object]) -> None:
        self.events.append(event)


@asynccontextmanager
async def watching(
    *runners: Runner,
    watched: WatchOptions | None = None,
    errors: Mapping[str, Exception] | None = None,
    pipe: int | None = None,
    hold: bool = False,
    renew: Callable[[], Awaitable[bool]] | None = None,
) -> AsyncIterator[Watching]:
    """Watch this list, which has been asked for, unless there are errors when it is to `connect` or `list`."""
    clock = FakeClock()
    rate_limiter = LocalRateLimiter(clock)
    at = Watching(clock, ScriptedSource(clock, rate_limiter=rate_limiter))
    watched = watched or WatchOptions()
    at.list(*runners, status=watched.status)
    errors = errors or {}
    if hold:
        at.source.hold(PageKey(1, 100, watched.status))
    if "list" in errors:
        at.source.pages[PageKey(1, 100, watched.status)] = errors["list"]

    async def connect() -> ScriptedSource:
        if "connect" in errors:
            raise errors["connect"]
        return at.source

    at.task = asyncio.create_task(watch(connect, clock, rate_limiter, watched, at.emit, at.said.append, pipe, renew))
    await settle()
    try:
        yield at
    finally:
        at.task.cancel()
        with suppress(asyncio.CancelledError, ComfyControlError):
            await at.task


async def test_each_runner_then_each_change() -> None:
    async with watching(A, B) as at:
        assert at.told == ["runner a", "runner b"]
        await at.clock.advance(60)
        assert at.told == []
        new = make_runner("c")
        at.list(new, RENAMED, B)
        await at.clock.advance(5)
        assert at.told == ["added c", "changed a"]
        at.list(new, RENAMED)
        await at.clock.advance(5)
        assert at.told == ["removed b"]
        at.list(new, RENAMED, B)
        await at.clock.advance(5)
        assert at.told == ["added b"]
        assert at.said == []


async def test_watch_sends_the_requests_of_the_engine() -> None:
    async with watching(A, watched=WatchOptions(interval=7.0)) as at:
        at.source.forget()
        await at.clock.advance(70)
        assert at.source.asked == [PageKey(1, 100)] * 10


async def test_an_event_as_it_is_written() -> None:
    headers = {"Authorization": "Bearer sekret"}
    async with watching(make_runner("a", headers=headers, created_at="2026-11-20T01:02:03+02:00")) as at:
        (event,) = at.events
    assert json.loads(json.dumps(event)) == {
        "schema": 1,
        "event": "runner",
        "at": "2026-11-21T14:00:00.000Z",
        "runner_id": "a",
        "runner": {
            "id": "a",
            "user_id": None,
            "name": "Runner a",
            "status": "active",
            "endpoint": None,
            "tags": [],
            "headers": {"Authorization": "••••••••"},
            "created_at": "2026-11-19T23:02:03Z",
            "updated_at": None,
        },
    }


def test_times_are_in_utc_and_of_a_removed_runner_there_is_the_id_alone() -> None:
    at = START.astimezone(timezone(timedelta(hours=5))) + timedelta(microseconds=123_456)
    assert event_to_dict(FleetChange(EventType.REMOVED, "a"), at) == {
        "schema": 1,
        "event": "removed",
        "at": "2026-11-21T14:00:00.123Z",
        "runner_id": "a",
    }
    assert datetime.fromisoformat(str(event_to_dict(FleetChange(EventType.REMOVED, "a"), at)["at"])).tzinfo is not None


async def test_only_what_matches_is_told() -> None:
    async with watching(A, B, watched=WatchOptions(query=parse("tag:gpu"))) as at:
        assert at.told == ["runner b"]
        at.list(make_runner("a", tags=["gpu"]), make_runner("b"))
        await at.clock.advance(5)
        assert at.told == ["added a", "removed b"]


async def test_only_those_of_a_status_are_asked_for() -> None:
    async with watching(A, watched=WatchOptions(status=RunnerStatus.DISABLED)) as at:
        assert at.told == []
        assert at.source.asked == [PageKey(1, 100, RunnerStatus.DISABLED)]


async def test_watch_requests_details_that_the_filter_needs() -> None:
    async with watching(A, B, watched=WatchOptions(query=parse("gpu last:failed"))) as at:
        at.source.histories["b"] = (make_workflow(status="completed"),)
        await at.clock.advance(2)
        assert at.told == []
        at.source.histories["b"] = (make_workflow(status="failed"),)
        await at.clock.advance(10)
        assert at.told == ["added b"]
        at.source.histories["b"] = (make_workflow(status="queued"),)
        await at.clock.advance(10)
        assert at.told == ["removed b"]
        assert HistoryKey("b") in at.source.asked
        assert HistoryKey("a") not in at.source.asked


async def test_watch_checks_reachability_for_the_filter() -> None:
    async with watching(A, B, watched=WatchOptions(query=parse("is:unreachable"))) as at:
        at.source.stats["b"] = ServerError("GET", "/v1/runner/b/stats", "the runner does not answer", 500)
        await at.clock.advance(60)
        assert {StatsKey("a"), StatsKey("b")} <= set(at.source.asked)
        assert at.told == ["runner b"]


async def test_a_runner_that_moves_from_page_to_page_was_never_gone() -> None:
    fleet = [make_runner(f"r{number}") for number in range(150)]
    async with watching(*fleet) as at:
        await at.clock.advance(10)
        assert at.told == [f"runner {runner.id}" for runner in fleet]
        at.list(make_runner("new"), *fleet)
        await at.clock.advance(30)
        assert at.told == ["added new"]
        at.list(*fleet)
        await at.clock.advance(30)
        assert at.told == ["removed new"]


async def test_a_runner_that_the_api_no_longer_knows_is_removed_at_once() -> None:
    async with watching(A, B, watched=WatchOptions(query=parse("is:idle"))) as at:
        await at.clock.advance(10)
        assert at.told == ["runner a", "runner b"]
        at.source.histories["a"] = NotFoundError("GET", "/v1/runner/a/history", "requested entity not found", 404)
        at.list(B)
        await at.clock.advance(10)
        assert at.told == ["removed a"]


async def test_trouble_is_said_once_and_its_end_too() -> None:
    async with watching(A) as at:
        at.source.pages[PageKey(1, 100)] = BROKEN
        await at.clock.advance(120)
        (said,) = at.said
        assert said.startswith("stale since ")
        assert said.endswith(": 503 from the API: database is down")
        at.source.pages[PageKey(1, 100)] = DOWN
        await at.clock.advance(60)
        assert at.said[1].endswith(": the API cannot be reached: connection refused")
        at.list(RENAMED)
        await at.clock.advance(60)
        assert at.said[2:] == ["live again"]
        assert at.told == ["runner a", "changed a"]


async def test_pages_that_fail_for_the_same_reason_are_one_trouble() -> None:
    fleet = [make_runner(f"r{number}") for number in range(150)]
    async with watching(*fleet) as at:
        await at.clock.advance(10)
        at.source.pages[PageKey(1, 100)] = BROKEN
        await at.clock.advance(10)
        at.source.pages[PageKey(2, 100)] = BROKEN
        await at.clock.advance(60)
        at.source.pages[PageKey(1, 100)] = make_page(*fleet[:100], total=150)
        await at.clock.advance(60)
        assert len(at.said) == 1
        at.list(*fleet)
        await at.clock.advance(60)
        assert at.said[1:] == ["live again"]
        assert len(at.told) == 150


@pytest.mark.parametrize("where", ["connect", "list"])
async def test_an_api_that_is_down_is_waited_for(where: str) -> None:
    async with watching(A, errors={where: DOWN}) as at:
        await at.clock.advance(60)
        (said,) = at.said
        assert said.startswith("not known since ")
        assert (at.told, at.task.done()) == ([], False)


async def test_an_api_that_hangs_is_told_to_be_waited_for() -> None:
    async with watching(hold=True) as at:
        await at.clock.advance(0.9)
        assert at.said == []
        await at.clock.advance(0.2)
        assert at.said == ["waiting for an answer"]


async def test_an_empty_fleet_is_an_answer() -> None:
    async with watching() as at:
        await at.clock.advance(3)
        assert at.said == []


@pytest.mark.parametrize("where", ["connect", "list"])
async def test_a_token_that_is_refused_ends_it(where: str) -> None:
    async with watching(A, errors={where: INVALID}) as at:
        with pytest.raises(UnauthorizedError, match="Invalid token"):
            await at.task
        assert at.said == []


async def test_a_token_that_is_revoked_ends_it() -> None:
    async with watching(A) as at:
        at.source.pages[PageKey(1, 100)] = UnauthorizedError("GET", "/v1/runner", "Token revoked", 401)
        await at.clock.advance(6)
        with pytest.raises(UnauthorizedError, match="Token revoked"):
            await at.task
        assert (at.told, at.source.closed) == (["runner a"], 1)


async def test_a_setting_that_keeps_it_from_asking_ends_it() -> None:
    refusal = UnusableTokenError("The token has a blank in it.")
    async with watching(errors={"connect": refusal}) as at:
        with pytest.raises(InvalidArgumentError) as raised:
            await at.task
        assert (raised.value, at.said) == (refusal, [])


async def test_unwatched_runners_are_reported() -> None:
    fleet = [make_runner(f"r{number}") for number in range(MAX_HISTORIES + 88)]
    async with watching(*fleet, watched=WatchOptions(query=parse("is:busy"))) as at:
        await at.clock.advance(30)
        assert at.said == ["more than the list tells is looked at for the newest 512 runners alone"]


async def test_error_of_emit_ends_the_watch() -> None:
    clock = FakeClock()
    source = ScriptedSource(clock)
    source.pages[PageKey(1, 100)] = make_page(A)

    async def connect() -> ScriptedSource:
        return source

    def emit(event: object) -> None:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        await watch(connect, clock, LocalRateLimiter(clock), WatchOptions(), emit, emit)
    assert source.closed == 1


async def test_being_cancelled_closes_what_was_open() -> None:
    async with watching(A) as at:
        at.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await at.task
        assert at.source.closed == 1


async def test_closed_pipe_ends_a_quiet_watch() -> None:
    reader, writer = os.pipe()
    try:
        async with watching(A, pipe=writer) as at:
            assert not at.task.done()
            os.close(reader)
            async with asyncio.timeout(10):
                await at.task
            assert (at.said, at.source.closed) == ([], 1)
    finally:
        os.close(writer)


async def test_watch_writes_to_files(tmp_path: Path) -> None:
    file = os.open(tmp_path / "events", os.O_WRONLY | os.O_CREAT)
    try:
        async with watching(A, pipe=file) as at:
            assert (at.told, at.task.done()) == (["runner a"], False)
    finally:
        os.close(file)


async def test_refused_token_that_its_source_renews_lets_the_watch_go_on() -> None:
    at: Watching
    asked = []

    async def renew() -> bool:
        asked.append(1)
        if len(asked) < 2:
            return False
        at.list(A, B)
        return True

    async with watching(A, renew=renew) as at:
        assert at.told == ["runner a"]
        at.source.pages[PageKey(1, 100)] = INVALID
        await at.clock.advance(5)
        assert not at.task.done()
        await at.clock.advance(10)
        assert at.told == ["added b"]
        assert at.said == ["token rejected; looking for a newer one where it came from", "token renewed"]


async def test_refused_token_that_is_not_renewed_ends_the_watch() -> None:
    asked = []

    async def renew() -> bool:
        asked.append(1)
        return False

    async with watching(A, renew=renew) as at:
        at.source.pages[PageKey(1, 100)] = INVALID
        await at.clock.advance(5)
        with pytest.raises(UnauthorizedError):
            await at.task
    assert len(asked) == 3


async def test_token_that_was_never_taken_ends_the_watch_at_once() -> None:
    async def renew() -> bool:
        raise AssertionError

    async with watching(errors={"list": INVALID}, renew=renew) as at:
        with pytest.raises(UnauthorizedError):
            await at.task


async def test_runner_deleted_while_the_list_is_read_makes_no_other_one_come_or_go() -> None:
    clock = FakeClock()
    rate_limiter = LocalRateLimiter(clock)
    source = ChangingSource(clock, [f"r{number}" for number in range(250)], rate_limiter)
    source.changes = [lambda ids: ids[1:]]
    events: list[Mapping[str, object]] = []

    async def connect() -> ChangingSource:
        return source

    task = asyncio.create_task(watch(connect, clock, rate_limiter, WatchOptions(), events.append, lambda _: None))
    await clock.advance(120)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    told = [(event["event"], event["runner_id"]) for event in events]
    assert sorted(told) == sorted([("removed", "r0"), *(("runner", f"r{number}") for number in range(250))])
