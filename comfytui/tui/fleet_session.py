"""Watching a fleet: follows its engine, asks for its token, remembers its view, and goes over to another one."""

from __future__ import annotations

import asyncio
import math
from contextlib import ExitStack
from operator import is_
from typing import TYPE_CHECKING

from textual import on
from textual.reactive import reactive

from comfytui.config.settings import SettingsError
from comfytui.config.state import ViewState
from comfytui.engine.protocol import Reconnect
from comfytui.engine.snapshot import Snapshot
from comfytui.render.cells import EMPTY, Line
from comfytui.render.chrome import source_text
from comfytui.render.freshness import runner_skew_text, skew_text
from comfytui.render.times import TimeStyle
from comfytui.tui.exporter import TakingApp
from comfytui.tui.screens.base import FollowingScreen
from comfytui.tui.screens.messages import Rearranged, SwitchedProfile
from comfytui.tui.widgets.timers import Lull

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.timer import Timer
    from textual.worker import Worker

    from comfytui.api.models import RunnerPage
    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.config.state import State
    from comfytui.engine.feed import Problem
    from comfytui.tui.screens.token import TokenScreen
    from comfytui.tui.services import OpenFleet, Setup


_KEEP_AFTER = 1.0

# Answers of one round of polls come within this time of the first, and nobody who does nothing misses them meanwhile.
_LULL = 0.04

# Seconds after a key press, and after a start, in which nothing of what comes waits for more.
_CALM_AFTER = 3.0

# Seconds after which a start is over, whether anybody has answered or not.
_AT_REST = 3.0
_MOST_SKEWED = 3

# Seconds between two looks for a newer token than a refused one: at first, and at most.
_RENEW_AFTER = 10.0
_RENEW_AT_LEAST_EVERY = 300.0


class WatchingApp(TakingApp):
    """An app that watches one fleet at a time.

    Attributes:
        fleet: What is watched.
        requests: What was asked of the API, for people to read.
        state: What will be remembered.
        snapshot: What the engine knows; screens are told of each.
        source: Where the runners come from, for people to read.
        time_style: How times are told.

    Args:
        fleet: What is watched first.
        clock: Says when things are.
        requests: What was asked of the API.
        setup: How the app is set up.
    """

    snapshot: reactive[Snapshot] = reactive(Snapshot(), init=False, layout=False, repaint=False)
    source: reactive[Line] = reactive(EMPTY, init=False, layout=False, repaint=False)
    time_style: reactive[TimeStyle] = reactive(TimeStyle.RELATIVE, init=False, layout=False, repaint=False)

    def __init__(self, fleet: OpenFleet, clock: Clock, requests: RequestLog, setup: Setup) -> None:
        super().__init__(clock, setup)
        self.fleet = fleet
        self.requests = requests
        self.state = setup.memory.state
        self._at_end = ExitStack()
        self._at_rest: list[Callable[[], None]] = []
        self._polling: tuple[Worker[None], ...] = ()
        self._keeping: Timer | None = None
        self._token_screen: TokenScreen | None = None
        self._lull = Lull(_LULL)
        self._stirred_on = -math.inf
        self._skew_told = False
        self._skewed: set[str] = set()
        self._skew_pages: list[RunnerPage | None] = []
        self._memory_told: str | None = None
        self.set_reactive(WatchingApp.snapshot, fleet.first)
        self.set_reactive(WatchingApp.source, _source_of(fleet))

    def watch_snapshot(self) -> None:
        """Show what the engine knows now."""
        self._tell_screens()

    def watch_source(self) -> None:
        """Show where the runners come from now."""
        self._tell_screens()

    def watch_time_style(self) -> None:
        """Show times in this style."""
        self._tell_screens()

    def _tell_screens(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, FollowingScreen):
                screen.take(self.snapshot, self.source, self.time_style)

    def at_end(self, close: Callable[[], None]) -> None:
        """Have something closed once the screen is gone, the last one named first."""
        self._at_end.callback(close)

    def at_rest(self, call: Callable[[], None]) -> None:
        """Have something done that would be in the way of the start."""
        self._at_rest.append(call)

    def on_unmount(self) -> None:
        """Keep the view, and close what was to be closed."""
        self._keep()
        self.fleet.close()
        self._at_end.close()

    def start(self) -> None:
        """Begin to poll the fleet."""
        self.stir()
        engine = self.fleet.engine
        if self.fleet.profile is not None:
            self.keep_soon(self.state._replace(profile=self.fleet.profile))
        self._polling = (self.run_worker(engine.run(), name="engine"), self.run_worker(self._follow(), name="follow"))
        self._tell_of_memory()
        while self._at_rest:
            self.set_timer(_AT_REST, self._at_rest.pop(0))

    async def _follow(self) -> None:
        engine = self.fleet.engine
        async for _ in engine.subscribe():
            if self.clock.monotonic() - self._stirred_on >= _CALM_AFTER:
                await self._lull.rest()
            snapshot = engine.snapshot
            asked_for, self.snapshot = self.snapshot.needs_token, snapshot
            # Another refusal may follow a new token with no snapshot in between that needs none.
            if snapshot.needs_token is not None and snapshot.needs_token is not asked_for:
                self.ask_for_token(snapshot.needs_token)
            if snapshot.needs_token is None:
                self._leave_token_screen()
            if snapshot.clock_skew and not self._skew_told:
                self._tell_of_skew(snapshot.clock_skew)
            self._tell_of_skewed_runners(snapshot)

    def stir(self) -> None:
        """Somebody does something: from now on and for a while all that comes is shown as it comes."""
        self._stirred_on = self.clock.monotonic()
        self._lull.end()

    def _tell_of_skew(self, ahead: float) -> None:
        self._skew_told = True
        words = skew_text(ahead)
        self.requests.note(words)
        self.tell(words, 10)

    def _tell_of_skewed_runners(self, snapshot: Snapshot) -> None:
        """Say once of each runner that its clock is far off."""
        pages = [snapshot.page_at(key).value for key in snapshot.page_keys]
        if len(pages) == len(self._skew_pages) and all(map(is_, pages, self._skew_pages)):
            return
        self._skew_pages = pages
        skewed = [runner for page in pages if page for runner in page.runners if runner.clock_skew]
        words = [runner_skew_text(runner) for runner in skewed if runner.id not in self._skewed]
        self._skewed |= {runner.id for runner in skewed}
        for each in words:
            self.requests.note(each)
        if words:
            more = f"\nand {len(words) - _MOST_SKEWED} more: see L" if len(words) > _MOST_SKEWED else ""
            self.tell("\n".join(words[:_MOST_SKEWED]) + more, 10)

    async def _switch(self, profile: str) -> None:
        """Watch another fleet from now on, from scratch."""
        try:
            fleet = self.setup.fleets.open(profile)
        except SettingsError as error:
            self.tell(str(error))
            return
        for worker in self._polling:
            worker.cancel()
        await asyncio.gather(*(worker.wait() for worker in self._polling), return_exceptions=True)
        self.fleet.close()
        self.fleet, self._skew_told = fleet, False
        self._skewed, self._skew_pages = set(), []
        self.leave_all_boxes()
        self.begin_anew()
        self.snapshot, self.source = fleet.first, _source_of(fleet)
        self.start()

    def begin_anew(self) -> None:
        """Forget on the screen what was known of the fleet before."""
        raise NotImplementedError

    def ask_for_token(self, problem: Problem) -> None:
        """Ask the person for a token, unless that is being done."""
        from comfytui.tui.screens.token import TokenScreen

        if not any(isinstance(screen, TokenScreen) for screen in self.screen_stack):
            self._token_screen = TokenScreen(self.fleet.door, problem.message, self.clock)
            self.open_screen(self._token_screen, self._token_given)
            self.run_worker(self._renew(self.fleet), name="renew", exclusive=True, group="renew")

    async def _renew(self, fleet: OpenFleet) -> None:
        """Go on by itself once the source of the refused token has a newer one; look for that less and less often."""
        wait = _RENEW_AFTER
        while fleet.renew is not None and fleet is self.fleet and self.snapshot.needs_token is not None:
            if await fleet.renew():
                fleet.engine.perform(Reconnect())
                return
            await self.clock.sleep(wait)
            wait = min(2 * wait, _RENEW_AT_LEAST_EVERY)

    def _leave_token_screen(self) -> None:
        """Close the token screen, where it was not the user who found a way in."""
        if self._token_screen is not None and self.screen is self._token_screen:
            self._token_screen.dismiss(False)

    def _token_given(self, let_in: bool | None) -> None:
        self._token_screen = None
        if let_in:
            self.source = _source_of(self.fleet)
            self.fleet.engine.perform(Reconnect())

    @property
    def view(self) -> ViewState:
        """How the fleet was looked at last."""
        return self.state.views.get(self.fleet.key, ViewState())

    def keep_soon(self, state: State) -> None:
        """Keep this once keys rest."""
        self.state = state
        if self._keeping is None:
            self._keeping = self.set_timer(_KEEP_AFTER, self._keep_now)

    async def _keep_now(self) -> None:
        self._keeping = None
        await asyncio.to_thread(self._keep)
        self._tell_of_memory()

    def _keep(self) -> None:
        self.setup.memory.remember(self.state)

    def _tell_of_memory(self) -> None:
        """Tell once what there is to tell of what is kept."""
        note = self.setup.memory.note
        if note is not None and note != self._memory_told:
            self.requests.note(note)
            self.tell(note)
        self._memory_told = note

    @on(Rearranged)
    def _rearranged(self, event: Rearranged) -> None:
        self.keep_soon(self.state.with_view(self.fleet.key, event.view))

    @on(SwitchedProfile)
    def _profile_switched(self, event: SwitchedProfile) -> None:
        self.run_worker(self._switch(event.name), name="switch", exclusive=True, group="switch")


def _source_of(fleet: OpenFleet) -> Line:
    return source_text(fleet.source, fleet.profile, fleet.colour)
