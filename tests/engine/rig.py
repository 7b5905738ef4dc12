"""An engine at work on a scripted source, with time standing still until it is told otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

from comfytui.engine.actions import Action, Attend, Refresh
from comfytui.engine.engine import Engine
from comfytui.engine.resources import HistoryKey, PageKey, Resource, RunnerKey
from comfytui.engine.snapshot import Attention, Snapshot
from tests.support.clock import FakeClock, settle
from tests.support.source import ScriptedSource

INTERVAL = 5.0
PAGE = PageKey()
RUNNER = RunnerKey("r1")
HISTORY = HistoryKey("r1")
ALL = Attention(runner_id="r1")
PAUSED = Attention(runner_id="r1", paused=True)


@dataclass
class Rig:
    clock: FakeClock
    source: ScriptedSource
    engine: Engine
    task: asyncio.Task[None]

    @property
    def snapshot(self) -> Snapshot:
        return self.engine.snapshot

    async def perform(self, *actions: Action) -> None:
        """Wish for these in one breath, then let everybody act on it."""
        for action in actions:
            self.engine.perform(action)
        await settle()

    async def attend(self, attention: Attention) -> None:
        await self.perform(Attend(attention))

    async def refresh(self) -> None:
        await self.perform(Refresh())

    async def release(self, *resources: Resource) -> None:
        self.source.release(*resources)
        await settle()

    async def asked_within(self, seconds: float) -> list[Resource]:
        """Let that much time pass, and say what was asked in it."""
        self.source.forget()
        await self.clock.advance(seconds)
        return self.source.asked


@asynccontextmanager
async def rig(
    attention: Attention = ALL,
    held: tuple[Resource, ...] = (),
    latency: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Rig]:
    """An engine that has asked what there was to ask; stopped in the end, its bugs raised."""
    clock = FakeClock()
    source = ScriptedSource(clock, latency)
    source.hold(*held)

    async def connect() -> ScriptedSource:
        return source

    engine = Engine(connect, clock, attention=attention, interval=INTERVAL)
    async with at_work(engine) as task:
        yield Rig(clock, source, engine, task)


@asynccontextmanager
async def at_work(engine: Engine) -> AsyncIterator[asyncio.Task[None]]:
    """The engine running, settled; cancelled in the end."""
    task = asyncio.create_task(engine.run())
    await settle()
    try:
        yield task
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
