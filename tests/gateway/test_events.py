"""The hub of event streams: bounded, coalescing, with heartbeats."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from comfytui.api.events import HEARTBEAT_SECONDS, MAX_RUNNERS_PER_EVENT, RunnerRevisions
from comfytui.gateway import events as event_stream
from comfytui.gateway.events import COALESCE_SECONDS, MAX_STREAMS, EventHub, EventStreamResponse
from tests.support.clock import FakeClock, settle

if TYPE_CHECKING:
    import pytest


class Client:
    """A stream that is read as fast as it comes."""

    def __init__(self) -> None:
        self.events: list[tuple[RunnerRevisions, ...]] = []

    async def read(self, hub: EventHub) -> None:
        async with aclosing(hub.listen()) as stream:
            async for revisions in stream:
                self.events.append(revisions)


@asynccontextmanager
async def reading(hub: EventHub) -> AsyncIterator[Client]:
    client = Client()
    task = asyncio.create_task(client.read(hub))
    await settle()
    try:
        yield client
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def revisions(id: str = "r1", number: int = 1) -> RunnerRevisions:
    return RunnerRevisions(id, runner=0, history=number, stats=0, is_live=True)


async def test_stream_begins_with_all_that_is_known() -> None:
    hub = EventHub(FakeClock())
    known = [revisions(f"r{number}") for number in range(MAX_RUNNERS_PER_EVENT + 1)]
    for each in known:
        hub.announce(each)
    async with reading(hub) as client:
        assert client.events == [tuple(known[:-1]), (known[-1],)]


async def test_change_is_told_at_once_and_what_follows_soon_together() -> None:
    clock = FakeClock()
    hub = EventHub(clock)
    async with reading(hub) as client:
        await clock.advance(1)
        hub.announce(revisions(number=1))
        await settle()
        assert client.events == [(), (revisions(number=1),)]
        for number in (2, 3, 4):
            hub.announce(revisions(number=number))
        hub.announce(revisions("r2"))
        await settle()
        assert len(client.events) == 2
        await clock.advance(COALESCE_SECONDS)
        assert client.events[2:] == [(revisions(number=4), revisions("r2"))]


async def test_repeated_announcement_is_sent_once() -> None:
    clock = FakeClock()
    hub = EventHub(clock)
    hub.announce(revisions())
    async with reading(hub) as client:
        hub.announce(revisions())
        await clock.advance(1)
        assert client.events == [(revisions(),)]


async def test_silence_is_a_heartbeat() -> None:
    clock = FakeClock()
    hub = EventHub(clock)
    async with reading(hub) as client:
        for beats in range(3):
            assert client.events == [()] * (1 + beats)
            await clock.advance(HEARTBEAT_SECONDS)


async def test_slow_reader_costs_one_entry_a_runner() -> None:
    clock = FakeClock()
    hub = EventHub(clock)
    async with aclosing(hub.listen()) as stream:
        assert await anext(stream) == ()
        for number in range(10_000):
            hub.announce(revisions(f"r{number % 3}", number))
        (slow,) = hub._streams
        assert len(slow._pending) == 3
        following = asyncio.create_task(anext(stream))
        await clock.advance(COALESCE_SECONDS)
        assert {each.history for each in await following} == {9_997, 9_998, 9_999}


async def test_streams_are_counted_and_end_with_the_hub() -> None:
    clock = FakeClock()
    hub = EventHub(clock)
    tasks = [asyncio.create_task(Client().read(hub)) for _ in range(MAX_STREAMS)]
    await settle()
    fullness = [hub.is_full]
    tasks.pop().cancel()
    await settle()
    fullness.append(hub.is_full)
    hub.close()
    await clock.advance(COALESCE_SECONDS)
    await asyncio.gather(*tasks)
    assert [*fullness, hub.is_full] == [True, False, True]
    assert not hub.has_streams


async def test_refresh_is_called_for_a_new_stream_and_with_heartbeats() -> None:
    clock = FakeClock()
    calls: list[float] = []
    hub = EventHub(clock, lambda: calls.append(clock.monotonic()))
    async with reading(hub), reading(hub):
        await clock.advance(3 * HEARTBEAT_SECONDS)
    # One for each stream, then one in all for each heartbeat.
    assert len(calls) == 2 + 3


async def test_client_that_takes_nothing_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "SEND_SECONDS", 0.01)
    hub = EventHub(FakeClock())

    async def send(_message: object) -> None:
        await asyncio.Future[None]()

    await asyncio.wait_for(EventStreamResponse(hub).stream_response(send), 5)
    assert not hub.has_streams
