"""Running engine with a scripted source and a fake clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfytui.api.errors import ServerError
from comfytui.engine.engine import Engine
from comfytui.engine.protocol import (
    EngineCommand,
    HistoryKey,
    PageKey,
    Refresh,
    Resource,
    RunnerKey,
    SetViewport,
    StatsKey,
    Viewport,
)
from comfytui.engine.reducer import RequestTiming
from comfytui.ratelimit.local import LocalRateLimiter
from tests.support.clock import START, FakeClock, settle
from tests.support.source import ScriptedSource

if TYPE_CHECKING:
    from comfytui.engine.snapshot import Snapshot

INTERVAL = 5.0
PAGE = PageKey()
RUNNER = RunnerKey("r1")
HISTORY = HistoryKey("r1")
STATS = StatsKey("r1")
ALL = Viewport(runner_id="r1")
PAUSED = Viewport(runner_id="r1", paused=True)


FULL_VIEW = Viewport(runner_id="r1", visible_ids=tuple(f"r{number}" for number in range(1, 26)))
SECOND = PageKey(2)
SOON = 0.05

DOWN = ServerError("GET", "/v1/runner", "down", 503)


@dataclass
class Rig:
    clock: FakeClock
    rate_limiter: LocalRateLimiter
    source: ScriptedSource
    engine: Engine
    task: asyncio.Task[None]

    @property
    def snapshot(self) -> Snapshot:
        return self.engine.snapshot

    def moments_of(self, resource: Resource) -> list[float]:
        """When this was asked, as far as the source's log goes back."""
        return [on for on, asked in self.source.log if asked == resource]

    def break_everything(self, error: Exception) -> None:
        """The first page, and all that is asked of the first runner, fail from now on."""
        self.source.pages[PAGE] = self.source.runners["r1"] = self.source.histories["r1"] = error
        self.source.stats["r1"] = error

    def mend_everything(self) -> None:
        """Nothing fails from now on."""
        for answers in (self.source.pages, self.source.runners, self.source.histories, self.source.stats):
            answers.clear()

    async def perform(self, *actions: EngineCommand) -> None:
        """Wish for these in one breath, then let everybody act on it."""
        for action in actions:
            self.engine.perform(action)
        await settle()

    async def attend(self, viewport: Viewport) -> None:
        await self.perform(SetViewport(viewport))

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
    viewport: Viewport = ALL,
    held: tuple[Resource, ...] = (),
    latency: Callable[[], float] = lambda: 0.0,
) -> AsyncIterator[Rig]:
    """An engine that has asked what there was to ask; stopped in the end, its bugs raised.

    Its waits after failures have no jitter, and its source takes leave of the allowance as a session does.
    """
    clock = FakeClock()
    rate_limiter = LocalRateLimiter(clock)
    source = ScriptedSource(clock, latency, rate_limiter)
    source.hold(*held)

    async def connect() -> ScriptedSource:
        return source

    engine = Engine(
        connect, clock, viewport=viewport, interval=INTERVAL, rate_limiter=rate_limiter, jitter=without_jitter
    )
    async with at_work(engine) as task:
        yield Rig(clock, rate_limiter, source, engine, task)


def soon() -> float:
    return SOON


def returning(*sources: ScriptedSource) -> Callable[[], Awaitable[ScriptedSource]]:
    """Connects to these, one after another."""
    left = list(sources)

    async def connect() -> ScriptedSource:
        return left.pop(0)

    return connect


def seen(on: float, asked_on: float | None = None) -> RequestTiming:
    """Answered at that moment, asked just then unless said otherwise."""
    return RequestTiming(on if asked_on is None else asked_on, on, START)


def without_jitter() -> float:
    return 1.0


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
