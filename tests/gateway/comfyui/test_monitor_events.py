"""Changes of a scripted server, announced to event streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from comfytui.config.settings import Server
from comfytui.gateway.comfyui.monitor import ANNOUNCED_SECONDS, GATHER_SECONDS, UNSEEN_SECONDS
from tests.gateway.test_events import Client, reading
from tests.support.clock import FakeClock, settle
from tests.support.comfyui import ScriptedComfyUI, job
from tests.support.comfyui_monitoring import beat, readings, runner_ids, until, watching

if TYPE_CHECKING:
    from comfytui.api.events import RunnerRevisions
    from comfytui.gateway.comfyui.fleet import ComfyUIFleet


class Followed:
    """A server in a fleet, and a stream of its changes."""

    def __init__(self, server: ScriptedComfyUI, clock: FakeClock, fleet: ComfyUIFleet, id: str, client: Client) -> None:
        self.server, self.clock, self.fleet, self.id, self.client = server, clock, fleet, id, client

    @property
    def newest(self) -> RunnerRevisions:
        """What was told last."""
        return [each for event in self.client.events for each in event][-1]

    async def read(self) -> None:
        """Wait until a change that was heard of is read and told."""
        (box,) = self.fleet._boxes.values()
        await until(lambda: box._following.is_running)
        await self.clock.advance(1)
        await until(lambda: not box._following.is_running)
        await self.clock.advance(0.2)


@asynccontextmanager
async def followed() -> AsyncIterator[Followed]:
    """A server whose jobs are known and whose changes are heard of."""
    clock = FakeClock()
    async with ScriptedComfyUI() as server, watching(Server(server.url, "gpu"), clock=clock) as fleet:
        (id,) = await runner_ids(fleet)
        (box,) = fleet._boxes.values()
        async with reading(fleet.events) as client:
            await fleet.get_history(id)
            await until(lambda: box._signals.is_open)
            follow = Followed(server, clock, fleet, id, client)
            await clock.advance(1.5)
            await until(lambda: not (box._following.is_running or box._reading.is_running))
            await clock.advance(0.2)
            await until(lambda: follow.newest.is_live)
            server.requests.clear()
            yield follow


async def test_change_is_read_and_announced_unasked() -> None:
    async with followed() as follow:
        before = follow.newest
        follow.server.put(job("a"))
        await follow.server.changed()
        await follow.read()
        assert readings(follow.server) == 1
        assert follow.newest.history > before.history
        assert follow.newest.is_live
        requests = len(follow.server.requests)
        assert [workflow.id for workflow in await follow.fleet.get_history(follow.id)] == ["a"]
        assert len(follow.server.requests) == requests


async def test_messages_of_one_change_cost_one_reading() -> None:
    async with followed() as follow:
        follow.server.put(job("a", "in_progress"))
        for _ in range(5):
            await follow.server.changed()
        await follow.read()
        await follow.clock.advance(2)
        await beat(follow.clock)
        assert readings(follow.server) == 1


async def test_nothing_is_announced_where_nothing_changed() -> None:
    async with followed() as follow:
        told = follow.newest
        await follow.server.changed()
        await follow.read()
        await beat(follow.clock, 3)
        assert follow.newest == told


async def test_length_of_a_queue_is_told_without_a_reading() -> None:
    async with followed() as follow:
        before = follow.newest
        await follow.clock.advance(1)
        follow.server.put(*(job(f"j{number}", "pending", number=number) for number in range(400)))
        await follow.server.changed()
        (box,) = follow.fleet._boxes.values()
        await until(lambda: box.runner().queue_pending == 399)
        await follow.clock.advance(0.2)
        assert follow.newest.runner > before.runner


async def test_server_that_falls_silent_is_not_live_any_more() -> None:
    async with followed() as follow:
        before = follow.newest
        await follow.server.stop()
        (box,) = follow.fleet._boxes.values()
        await until(lambda: not box._signals.is_open)
        await follow.clock.advance(0.2)
        assert not follow.newest.is_live
        await beat(follow.clock)
        await until(lambda: box._contact.silence is not None)
        await follow.clock.advance(5)
        assert follow.newest.stats > before.stats
        await follow.server.start()


async def test_change_that_the_server_does_not_tell_is_found_within_a_minute() -> None:
    async with followed() as follow:
        before = follow.newest
        follow.server.put(job("a"))
        for _ in range(int(UNSEEN_SECONDS / 5) + 1):
            await follow.fleet.list_runners(1, 10, None)
            await beat(follow.clock)
        await until(lambda: readings(follow.server) == 1)
        await follow.clock.advance(0.2)
        await until(lambda: follow.newest.history > before.history)


async def test_jobs_are_not_read_without_a_request() -> None:
    async with followed() as follow:
        for _ in range(int(ANNOUNCED_SECONDS / 5) + 1):
            await follow.fleet.list_runners(1, 10, None)
            await beat(follow.clock)
        assert not follow.newest.is_live
        follow.server.requests.clear()
        follow.server.put(job("a"))
        await follow.server.changed()
        await settle()
        await follow.clock.advance(2)
        assert readings(follow.server) == 0


async def test_without_streams_nothing_is_read_unasked() -> None:
    clock = FakeClock()
    async with ScriptedComfyUI() as server, watching(Server(server.url, "gpu"), clock=clock) as fleet:
        (id,) = await runner_ids(fleet)
        (box,) = fleet._boxes.values()
        await fleet.get_history(id)
        await until(lambda: box._signals.is_open)
        await clock.advance(11)
        await until(lambda: not box._reading.is_running)
        server.requests.clear()
        server.put(job("a", "in_progress"), job("b", "pending"))
        await server.changed()
        await clock.advance(GATHER_SECONDS)
        await settle()
        assert readings(server) == 0
