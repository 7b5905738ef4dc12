"""Session with one fleet: engine updates, the token dialog, the saved view, and the switch to another fleet."""

from __future__ import annotations

import asyncio
import math
from contextlib import ExitStack
from operator import is_
from typing import TYPE_CHECKING

from comfytui.config.settings import SettingsError
from comfytui.config.state import ViewState
from comfytui.engine.protocol import Reconnect
from comfytui.render.chrome import source_text
from comfytui.render.freshness import runner_skew_text, skew_text
from comfytui.tui.screen_stack import close_dialogs, notify_user, open_screen
from comfytui.tui.widgets.timers import CoalescingDelay

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App
    from textual.timer import Timer
    from textual.worker import Worker

    from comfytui.api.models import RunnerPage
    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.config.state import State
    from comfytui.engine.feed import Problem
    from comfytui.engine.snapshot import Snapshot
    from comfytui.render.cells import Line
    from comfytui.tui.screens.token import TokenScreen
    from comfytui.tui.services import AppServices, OpenFleet


_SAVE_DELAY_S = 1.0

COALESCE_S = 0.04
"""Seconds to wait for further responses of a poll cycle, so that all are drawn together while the user is idle."""

_INTERACTIVE_S = 3.0
"""Seconds after a key press or a start in which each response is drawn at once."""

_STARTUP_S = 3.0
"""Seconds after which a start is over, whether the API has answered or not."""

_MAX_SKEW_LINES = 3
_SKEW_TOAST_S = 10.0

_RENEW_FIRST_S = 10.0
_RENEW_MAX_S = 300.0
"""Seconds between two looks for a newer token after a refused one, at first and at most."""


class FleetSession:
    """Connection of the app to one fleet at a time.

    Attributes:
        fleet: The fleet that is watched.
        requests: Log of the requests to the API.
        state: State that is saved for the next start.
        snapshot: Newest data of the engine.
        source: Origin of the runners, for the header.

    Args:
        app: The app, which runs workers and timers and shows dialogs.
        fleet: The fleet that is watched first.
        clock: Source of time.
        requests: Log of the requests to the API.
        services: Services of the app.
        on_update: Called after each change of `snapshot` or `source`.
        on_switch: Called after a switch to another fleet, before its first update.
    """

    def __init__(
        self,
        app: App[None],
        fleet: OpenFleet,
        clock: Clock,
        requests: RequestLog,
        services: AppServices,
        *,
        on_update: Callable[[], None],
        on_switch: Callable[[], None],
    ) -> None:
        self.fleet = fleet
        self.requests = requests
        self.state = services.state_store.state
        self.snapshot: Snapshot = fleet.first
        self.source: Line = _source_line(fleet)
        self.coalescing = CoalescingDelay(COALESCE_S)
        self._app = app
        self._clock = clock
        self._services = services
        self._on_update = on_update
        self._on_switch = on_switch
        self._cleanups = ExitStack()
        self._after_startup: list[Callable[[], None]] = []
        self._workers: tuple[Worker[None], ...] = ()
        self._save_timer: Timer | None = None
        self._token_screen: TokenScreen | None = None
        self._active_monotonic = -math.inf
        self._skew_notices = SkewNotices()
        self._state_note: str | None = None

    def add_cleanup(self, close: Callable[[], None]) -> None:
        """Register a function to call once the app has ended; the last one registered runs first."""
        self._cleanups.callback(close)

    def after_startup(self, call: Callable[[], None]) -> None:
        """Register a function to call once the start is over, because it would delay it."""
        self._after_startup.append(call)

    def start(self) -> None:
        """Begin to poll the fleet."""
        self.note_activity()
        if self.fleet.profile is not None:
            self.save_state_soon(self.state._replace(profile=self.fleet.profile))
        engine, run = self.fleet.engine, self._app.run_worker
        self._workers = (run(engine.run(), name="engine"), run(self._follow(), name="follow"))
        self._notify_of_state()
        while self._after_startup:
            self._app.set_timer(_STARTUP_S, self._after_startup.pop(0))

    def close(self) -> None:
        """Save the state, close the fleet and run the registered cleanups."""
        self._save_state()
        self.fleet.close()
        self._cleanups.close()

    def note_activity(self) -> None:
        """Record that the user is active: for a while each response is drawn as it arrives."""
        self._active_monotonic = self._clock.monotonic()
        self.coalescing.flush()

    def switch_profile(self, profile: str) -> None:
        """Watch the fleet of another profile, from scratch."""
        self._app.run_worker(self._switch(profile), name="switch", exclusive=True, group="switch")

    def request_token(self) -> None:
        """Ask the user for a token if the API refuses the present one and no dialog is open for that."""
        problem = self.snapshot.auth_problem
        if problem is not None:
            self._ask_for_token(problem)

    @property
    def saved_view(self) -> ViewState:
        """The view of this fleet that was saved last."""
        return self.state.views.get(self.fleet.key, ViewState())

    def save_view(self, view: ViewState) -> None:
        """Save the view of this fleet soon."""
        self.save_state_soon(self.state.with_view(self.fleet.key, view))

    def save_state_soon(self, state: State) -> None:
        """Save this state after a short delay, in which further changes are collected."""
        self.state = state
        if self._save_timer is None:
            self._save_timer = self._app.set_timer(_SAVE_DELAY_S, self._save_now)

    async def _follow(self) -> None:
        engine = self.fleet.engine
        async for _ in engine.subscribe():
            if self._clock.monotonic() - self._active_monotonic >= _INTERACTIVE_S:
                await self.coalescing.wait()
            self._apply(engine.snapshot)

    def _apply(self, snapshot: Snapshot) -> None:
        """Show a new snapshot, and open, close or notify what it asks for."""
        known, self.snapshot = self.snapshot.auth_problem, snapshot
        self._on_update()
        # A new token may be refused with no snapshot in between that needs none.
        if snapshot.auth_problem is not None and snapshot.auth_problem is not known:
            self._ask_for_token(snapshot.auth_problem)
        if snapshot.auth_problem is None:
            self._close_token_screen()
        for group in self._skew_notices.update(snapshot):
            self._notify_of_skew(group)

    def _notify_of_skew(self, texts: list[str]) -> None:
        for text in texts:
            self.requests.note(text)
        hidden = len(texts) - _MAX_SKEW_LINES
        more = f"\nand {hidden} more: see L" if hidden > 0 else ""
        notify_user(self._app, "\n".join(texts[:_MAX_SKEW_LINES]) + more, _SKEW_TOAST_S)

    async def _switch(self, profile: str) -> None:
        try:
            fleet = self._services.fleets.open(profile)
        except SettingsError as error:
            notify_user(self._app, str(error))
            return
        for worker in self._workers:
            worker.cancel()
        await asyncio.gather(*(worker.wait() for worker in self._workers), return_exceptions=True)
        self.fleet.close()
        self.fleet, self._skew_notices = fleet, SkewNotices()
        close_dialogs(self._app)
        self._on_switch()
        self.snapshot, self.source = fleet.first, _source_line(fleet)
        self._on_update()
        self.start()

    def _ask_for_token(self, problem: Problem) -> None:
        from comfytui.tui.screens.token import TokenScreen

        if not any(isinstance(screen, TokenScreen) for screen in self._app.screen_stack):
            self._token_screen = TokenScreen(self.fleet.authenticator, problem.message, self._clock)
            open_screen(self._app, self._token_screen, self._token_screen_closed)
            self._app.run_worker(self._renew_token(self.fleet), name="renew", exclusive=True, group="renew")

    async def _renew_token(self, fleet: OpenFleet) -> None:
        """Reconnect once the source of the refused token has a newer one; look for it less and less often."""
        wait = _RENEW_FIRST_S
        while fleet.renew is not None and fleet is self.fleet and self.snapshot.auth_problem is not None:
            if await fleet.renew():
                fleet.engine.perform(Reconnect())
                return
            await self._clock.sleep(wait)
            wait = min(2 * wait, _RENEW_MAX_S)

    def _close_token_screen(self) -> None:
        """Close the token dialog after a login that the user did not do there."""
        if self._token_screen is not None and self._app.screen is self._token_screen:
            self._token_screen.dismiss(False)

    def _token_screen_closed(self, logged_in: bool | None) -> None:
        self._token_screen = None
        if logged_in:
            self.source = _source_line(self.fleet)
            self._on_update()
            self.fleet.engine.perform(Reconnect())

    async def _save_now(self) -> None:
        self._save_timer = None
        await asyncio.to_thread(self._save_state)
        self._notify_of_state()

    def _save_state(self) -> None:
        self._services.state_store.save(self.state)

    def _notify_of_state(self) -> None:
        """Show each new note about the state file once."""
        note = self._services.state_store.warning
        if note is not None and note != self._state_note:
            self.requests.note(note)
            notify_user(self._app, note)
        self._state_note = note


class SkewNotices:
    """Notices about clocks that are far off, each given once per fleet."""

    def __init__(self) -> None:
        self._is_server_noted = False
        self._noted_ids: set[str] = set()
        self._pages: list[RunnerPage | None] = []

    def update(self, snapshot: Snapshot) -> list[list[str]]:
        """Return the new notices of a snapshot in groups: about the API's clock, and about clocks of runners."""
        groups: list[list[str]] = []
        if snapshot.clock_skew and not self._is_server_noted:
            self._is_server_noted = True
            groups.append([skew_text(snapshot.clock_skew)])
        if runners := self._runner_notices(snapshot):
            groups.append(runners)
        return groups

    def _runner_notices(self, snapshot: Snapshot) -> list[str]:
        pages = [snapshot.page_feed(key).value for key in snapshot.page_keys]
        if len(pages) == len(self._pages) and all(map(is_, pages, self._pages)):
            return []
        self._pages = pages
        skewed = [runner for page in pages if page for runner in page.runners if runner.clock_skew]
        notices = [runner_skew_text(runner) for runner in skewed if runner.id not in self._noted_ids]
        self._noted_ids |= {runner.id for runner in skewed}
        return notices


def _source_line(fleet: OpenFleet) -> Line:
    return source_text(fleet.source, fleet.profile, fleet.accent_color)
