"""The dashboard: follows the engine, owns the snapshot, hands wishes to the engine."""

from __future__ import annotations

from collections import defaultdict
from contextlib import ExitStack
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.reactive import reactive

from comfytui.engine.actions import ChangeInterval, Reconnect, Refresh
from comfytui.engine.snapshot import Snapshot
from comfytui.tui.commands import COMMANDS, Where, bindings
from comfytui.tui.endings import EndingApp
from comfytui.tui.messages import OpenedWorkflow, Wished
from comfytui.tui.palette import CommandProvider
from comfytui.tui.present.header import interval_words
from comfytui.tui.present.units import TimeStyle
from comfytui.tui.screens.dashboard import DashboardScreen
from comfytui.tui.themes import THEMES
from comfytui.tui.wire import lean

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType
    from textual.binding import BindingType
    from textual.command import Provider
    from textual.screen import Screen

    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.engine.engine import Engine
    from comfytui.engine.feed import Problem
    from comfytui.tui.door import Door

__all__ = ["ComfyTUI"]

_INTERVALS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)


class ComfyTUI(EndingApp):
    """The application.

    Attributes:
        snapshot: What the engine knows; screens watch it.
        time_style: How times are told; screens watch it.
        source: Where the runners come from, for people to read; screens watch it.
    """

    TITLE = "comfytui"
    # Textual reads no stylesheet of a default screen, so the dashboard's is the app's.
    CSS_PATH = "screens/dashboard.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = {CommandProvider}
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.ANYWHERE)]

    snapshot: reactive[Snapshot] = reactive(Snapshot(), init=False, layout=False, repaint=False)
    time_style: reactive[TimeStyle] = reactive(TimeStyle.RELATIVE, init=False, layout=False, repaint=False)

    source: reactive[str] = reactive("", init=False, layout=False, repaint=False)

    def __init__(self, engine: Engine, clock: Clock, door: Door, requests: RequestLog) -> None:
        super().__init__(watch_css=False)
        self._engine = engine
        self._clock = clock
        self._door = door
        self._requests = requests
        self._at_end = ExitStack()
        for theme in THEMES:
            self.register_theme(theme)
        self.theme = THEMES[0].name
        self.set_reactive(ComfyTUI.snapshot, engine.snapshot)
        self.set_reactive(ComfyTUI.source, door.source)

    def at_end(self, close: Callable[[], None]) -> None:
        """Have something closed once the screen is gone, the last one named first."""
        self._at_end.callback(close)

    def on_unmount(self) -> None:
        """Close what was to be closed."""
        self._at_end.close()

    def get_default_screen(self) -> Screen[None]:
        """The dashboard itself, so that the first frame is its frame."""
        return DashboardScreen(self._clock, self._engine.snapshot.attention)

    def on_mount(self) -> None:
        """Ask for nothing before the first frame is drawn."""
        self.animation_level = "none"
        self.call_after_refresh(self._start)
        self.app_resume_signal.subscribe(self, self._resumed)

    def action_refresh_now(self) -> None:
        """Ask everything in view again; for a token first where the API takes the old one no more."""
        if self.snapshot.needs_token is not None:
            self._ask_for_token(self.snapshot.needs_token)
        self._engine.perform(Refresh())

    def action_toggle_pause(self) -> None:
        """Stop polling, or go on with it."""
        if (dashboard := self._dashboard) is not None:
            dashboard.set_paused(paused=not self.snapshot.attention.paused)

    def on_app_blur(self) -> None:
        """The terminal is no longer in front: poll less."""
        if (dashboard := self._dashboard) is not None:
            dashboard.set_focused(focused=False)

    def on_app_focus(self) -> None:
        """The terminal is in front again: poll at once, and as often as before."""
        if (dashboard := self._dashboard) is not None:
            dashboard.set_focused(focused=True)

    def action_poll_faster(self) -> None:
        """Take the next shorter interval."""
        shorter = [each for each in _INTERVALS if each < self.snapshot.interval]
        self._change_interval(shorter[-1] if shorter else self.snapshot.interval)

    def action_poll_slower(self) -> None:
        """Take the next longer interval."""
        longer = [each for each in _INTERVALS if each > self.snapshot.interval]
        self._change_interval(longer[0] if longer else self.snapshot.interval)

    def action_cycle_time_style(self) -> None:
        """Tell times in the next style."""
        self.time_style = self.time_style.following

    def action_show_help(self) -> None:
        """Say which keys work here."""
        from comfytui.tui.screens.help import HelpScreen

        self.push_screen(HelpScreen(self._keys_that_work_here()))

    def action_show_requests(self) -> None:
        """Show what was asked of the API, and what it answered."""
        from comfytui.tui.screens.requests import RequestsScreen

        self.push_screen(RequestsScreen(self._clock, self._requests))

    def action_quit_at_once(self) -> None:
        """Leave, from whatever screen."""
        self.exit()

    @on(Wished)
    def _wished(self, event: Wished) -> None:
        self._engine.perform(event.action)

    @on(OpenedWorkflow)
    def _opened(self, event: OpenedWorkflow) -> None:
        from comfytui.tui.screens.workflow import WorkflowScreen

        self.push_screen(WorkflowScreen(self._clock, event.runner_id, event.workflow_id))

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        super()._display(screen, lean(renderable))

    def _resumed(self, _app: object) -> None:
        """Draw all of the screen that the shell wrote over, and ask for what is new since."""
        self.screen.refresh()
        self._engine.perform(Refresh())

    def _start(self) -> None:
        self.run_worker(self._engine.run(), name="engine")
        self.run_worker(self._follow(), name="follow")

    async def _follow(self) -> None:
        async for snapshot in self._engine.subscribe():
            asked_for, self.snapshot = self.snapshot.needs_token, snapshot
            # Another refusal may follow a new token with no snapshot in between that needs none.
            if snapshot.needs_token is not None and snapshot.needs_token is not asked_for:
                self._ask_for_token(snapshot.needs_token)

    def _ask_for_token(self, problem: Problem) -> None:
        from comfytui.tui.screens.token import TokenScreen

        if not any(isinstance(screen, TokenScreen) for screen in self.screen_stack):
            self.push_screen(TokenScreen(self._door, problem.message), self._token_given)

    def _token_given(self, let_in: bool | None) -> None:
        if let_in:
            self.source = self._door.source
            self._engine.perform(Reconnect())

    @property
    def _dashboard(self) -> DashboardScreen | None:
        """The screen below all others, once there is one."""
        bottom = self.screen_stack[0] if self.screen_stack else None
        return bottom if isinstance(bottom, DashboardScreen) else None

    def _change_interval(self, seconds: float) -> None:
        self._engine.perform(ChangeInterval(seconds))
        self.notify(interval_words(seconds), markup=False, timeout=2)

    def _keys_that_work_here(self) -> dict[str, list[tuple[str, str]]]:
        keys: dict[str, list[str]] = defaultdict(list)
        for active in self.screen.active_bindings.values():
            if active.binding.id:
                keys[active.binding.id].append(self.get_key_display(active.binding))
        sections: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for declared in COMMANDS:
            if declared.id in keys:
                sections[declared.where.capitalize()].append((" ".join(keys[declared.id]), declared.help))
        return dict(sections)
