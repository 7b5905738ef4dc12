"""Driving the dashboard in a test: keys in, screen text out, and waiting for what the engine does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfytui.api.request_log import RequestLog
from comfytui.config.settings import Settings
from comfytui.engine.protocol import PageKey
from comfytui.login import Authenticator, NoAuthentication
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.tui.screens.dashboard import DashboardScreen
from comfytui.wiring import build_app, build_demo_app
from tests.support.clock import FakeClock, settle
from tests.support.source import ScriptedSource

if TYPE_CHECKING:
    from textual.pilot import Pilot

    from comfytui.api.models import RunnerPage, Workflow
    from comfytui.engine.feed import Feed
    from comfytui.tui.app import ComfyTUI
    from comfytui.tui.services import AppServices

PATIENCE = 15.0


@dataclass
class Driven:
    """A running dashboard on a clock that moves only when told."""

    app: ComfyTUI
    pilot: Pilot[None]
    clock: FakeClock

    @property
    def lines(self) -> list[str]:
        """What the screen shows, a string a line, without trailing blanks."""
        strips = self.app.screen._compositor.render_strips()
        return [strip.text.rstrip() for strip in strips]

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(self.lines)

    async def press(self, *keys: str) -> None:
        """Press keys one after another, and wait until nothing is under way."""
        for key in keys:
            await self.pilot.press(key)
            await self.settled()

    async def settled(self) -> None:
        """Wait until put-off wishes are granted, the engine has its answers, and the screen is drawn."""
        await self.until(lambda: not self._busy())
        await self.pilot.pause()

    async def granted(self) -> None:
        """As `settled`, but time passes as long as what was wished for waits for its share of the allowance."""
        async with asyncio.timeout(PATIENCE):
            while self._busy():
                await self.clock.advance(1.0)
                await self.pilot.pause(0.01)
        await self.settled()

    async def sees(self, *wanted: str) -> None:
        """Wait until the screen shows all of this."""
        try:
            await self.until(lambda: all(text in self.text for text in wanted))
        except TimeoutError:
            missing = [text for text in wanted if text not in self.text]
            raise AssertionError(f"not on the screen: {missing}\n{self.text}") from None

    async def passes(self, seconds: float) -> None:
        """Let time pass for everything that follows the clock, then for the screen."""
        await self.clock.advance(seconds)
        await self.settled()
        self.redraw()
        await self.pilot.pause()

    def redraw(self) -> None:
        """Draw for the present moment, as the screen's own timer does each second."""
        again = getattr(self.app.screen, "refresh_view", None)
        if again is not None:
            again()

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait until this is so; TimeoutError when it does not come."""
        async with asyncio.timeout(PATIENCE):
            while not condition():
                await self.pilot.pause(0.01)

    def _busy(self) -> bool:
        snapshot, dashboard = self.app.snapshot, self.app.screen_stack[0]
        assert isinstance(dashboard, DashboardScreen)
        viewport = snapshot.viewport
        if snapshot is not self.app.session.fleet.engine.snapshot:
            # What is known and comes in a burst is not shown yet.
            return True
        if viewport != dashboard.viewport or viewport.runner_id != dashboard.runners.cursor_id:
            return True
        in_view = dashboard.runners.visible_ids
        if viewport.visible_ids[: len(in_view)] != in_view:
            return True
        feeds: list[Feed[object]] = [snapshot.page]
        if viewport.runner_id is not None:
            feeds += [snapshot.runner(viewport.runner_id), snapshot.history(viewport.runner_id)]
        return any(feed.value is None and feed.problem is None for feed in feeds)

    async def knows_all_in_view(self) -> None:
        """Let time pass, a second at a time, until every runner in view has told its history."""
        engine = self.app.session.fleet.engine
        await self._idle()
        while any(each not in engine.snapshot.histories for each in engine.snapshot.viewport.visible_ids):
            await self.clock.advance(1.0)
            await self._idle()
        await self.until(lambda: self.app.snapshot is engine.snapshot)
        self.redraw()
        await self.settled()

    async def passes_in_steps(self, seconds: int) -> None:
        """Let time pass a second at a time, each with all its answers shown, however busy the machine is."""
        engine = self.app.session.fleet.engine
        for _ in range(seconds):
            await self.clock.advance(1.0)
            await self._idle()
            await self.until(lambda: self.app.snapshot is engine.snapshot)
            await self.pilot.pause()
        self.redraw()
        await self.settled()

    async def _idle(self) -> None:
        """Wait until the engine requests nothing and has nothing more to request at this moment of the clock."""
        await settle()
        await self.app.session.fleet.engine.wait_idle()


@asynccontextmanager
async def drive(app: ComfyTUI, clock: FakeClock, size: tuple[int, int] = (120, 40)) -> AsyncIterator[Driven]:
    """Run the dashboard without a terminal; it is settled when this begins."""
    async with app.run_test(size=size, notifications=True) as pilot:
        driven = Driven(app, pilot, clock)
        await driven.settled()
        yield driven


@asynccontextmanager
async def demo(
    size: tuple[int, int] = (120, 40), runners: int = 120, seed: int = 0, services: AppServices | None = None
) -> AsyncIterator[Driven]:
    """The dashboard over the in-process gateway and its simulated fleet, all on one clock that stands still."""
    clock = FakeClock()
    async with drive(build_demo_app(Settings("demo"), runners, seed, clock, services), clock, size) as driven:
        yield driven


@asynccontextmanager
async def scripted(
    page: RunnerPage,
    history: tuple[Workflow, ...] = (),
    size: tuple[int, int] = (120, 40),
    authenticator: Authenticator | None = None,
    services: AppServices | None = None,
) -> AsyncIterator[tuple[Driven, ScriptedSource]]:
    """The dashboard over a scripted source: its first page, and every runner's history."""
    clock = FakeClock()
    rate_limiter = LocalRateLimiter(clock)
    source = ScriptedSource(clock, rate_limiter=rate_limiter)
    source.pages[PageKey()] = page
    source.histories.update((runner.id, history) for runner in page.runners)
    source.runners.update((runner.id, runner) for runner in page.runners)

    async def connect() -> ScriptedSource:
        source.closed = 0
        return source

    parts = (authenticator or NoAuthentication("scripted"), rate_limiter, RequestLog(clock))
    async with drive(build_app(Settings("scripted"), connect, clock, *parts, services), clock, size) as driven:
        yield driven, source
