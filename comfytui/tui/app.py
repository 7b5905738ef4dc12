"""The dashboard: composes the fleet session, the screens and the terminal, and runs the commands of the user."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from textual import events, on
from textual.app import App
from textual.await_complete import AwaitComplete
from textual.command import CommandPalette

from comfytui.engine.protocol import Refresh, SetInterval
from comfytui.render.chrome import interval_text
from comfytui.render.times import TimeStyle
from comfytui.tui.exporter import Exporter
from comfytui.tui.fleet_session import FleetSession
from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import Scope
from comfytui.tui.keys.names import display_key
from comfytui.tui.keys.type_ahead import InputHooks, KeySequencer
from comfytui.tui.screen_stack import close_dialogs, mark_top_closed, notify_user, open_screen
from comfytui.tui.screens.base import SnapshotScreen
from comfytui.tui.screens.dashboard import DashboardScreen
from comfytui.tui.screens.messages import (
    BreadcrumbChanged,
    CopyRequested,
    EngineCommandIssued,
    ListViewChanged,
    ProfileSelected,
    RunnerRequested,
    SaveRequested,
    WorkflowRequested,
)
from comfytui.tui.terminal.driver import TerminalControl, TerminalDriver
from comfytui.tui.terminal.filters import line_filters
from comfytui.tui.terminal.screen_updates import build_screen_updates
from comfytui.tui.terminal.shutdown import ShutdownGuard, driver_class
from comfytui.tui.theme.themes import NAMES, build_themes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType
    from textual.binding import Binding, BindingType
    from textual.command import Provider
    from textual.driver import Driver
    from textual.filter import LineFilter
    from textual.message import Message
    from textual.screen import Screen

    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.engine.snapshot import Snapshot
    from comfytui.render.cells import Line
    from comfytui.tui.services import AppServices, OpenFleet
    from comfytui.tui.terminal.input_queue import QueuedEvent


_POLL_DELAY_S = 0.001
"""Seconds between the first frame and the first request; the writer thread needs a moment for the frame's bytes."""

_INTERVALS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)

_SHORT_TOAST_S = 2.0


@runtime_checkable
class _SearchingScreen(Protocol):
    """Screen on which it may not be known yet where the last input leads."""

    @property
    def is_deciding(self) -> bool: ...


class ComfyTUI(App[None], inherit_bindings=False):
    """The dashboard app.

    Attributes:
        clock: Source of time.
        services: Services of the app.
        session: Session with the fleet that is watched.
        shutdown: Guard of the app's end.
        time_style: Style in which times are shown.

    Args:
        fleet: The fleet that is watched first.
        clock: Source of time.
        requests: Log of the requests to the API.
        services: Services of the app.
    """

    TITLE = "comfytui"
    # Textual reads no stylesheet of a default screen, so the dashboard's is the app's.
    CSS_PATH = "screens/dashboard.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = set()
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.ANYWHERE)]
    ALLOW_SELECT: ClassVar[bool] = False

    def __init__(self, fleet: OpenFleet, clock: Clock, requests: RequestLog, services: AppServices) -> None:
        super().__init__(watch_css=False)
        self.clock = clock
        self.services = services
        self.shutdown = ShutdownGuard(self)
        self.session = FleetSession(
            self, fleet, clock, requests, services, on_update=self._update_screens, on_switch=self._reset_dashboard
        )
        self.key_sequencer = KeySequencer(self, self._input_hooks())
        self._exporter = Exporter(self, clock, services, self.write_to_terminal)
        self._terminal = TerminalControl(self)
        self._screen_buffer = build_screen_updates()
        self._mouse = services.mouse
        state = self.session.state
        for theme in build_themes(services.color_depth):
            self.register_theme(theme)
        self.theme = state.theme if state.theme in NAMES else NAMES[0]
        self.stylesheet.set_variables(self.get_css_variables())
        self._is_styled = self._has_begun = False
        self.set_keymap(services.keymap.as_textual)
        self._keys_to_quit = frozenset(services.keymap.keys("quit_at_once"))
        self._keys_to_redraw = frozenset(services.keymap.keys("redraw"))
        self._own_filters = line_filters(services.color_depth, only_ascii=services.ascii)
        self.time_style = services.time_style or _role_style_or_default(state.time_style)

    @property
    def snapshot(self) -> Snapshot:
        """Newest data of the engine."""
        return self.session.snapshot

    @property
    def source(self) -> Line:
        """Origin of the runners, for the header."""
        return self.session.source

    @property
    def driver(self) -> Driver | None:
        """Textual's driver, or None if the app does not run."""
        return self._driver

    @property
    def is_ending(self) -> bool:
        """True if a signal, a key or a lost terminal ends the app."""
        return self.shutdown.is_ending

    def get_driver_class(self) -> type[Driver]:
        """Return this project's driver, or Textual's where it does not apply."""
        return driver_class(super().get_driver_class())

    def get_default_screen(self) -> Screen[None]:
        """Return the dashboard itself, so that the first frame is its frame."""
        fleet = self.session.fleet
        screen = DashboardScreen(self.clock, fleet.first.viewport, self.session.saved_view)
        fleet.set_initial_viewport(screen.viewport)
        return screen

    def get_css_variables(self) -> dict[str, str]:
        """Return the variables of the theme; none while Textual asks before a theme of ours is set."""
        return super().get_css_variables() if self.theme in NAMES else {}

    def refresh_css(self, animate: bool = True) -> None:
        """Apply the styles of another theme; at the start, Textual asks although those of the first are applied."""
        if self._is_styled:
            super().refresh_css(animate)
        self._is_styled = True

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return the filters of every line on its way to the terminal, ours first."""
        return (*self._own_filters, *super().get_line_filters())

    def get_key_display(self, binding: Binding) -> str:
        """Return a key for display, without Textual's arrows and signs if only ASCII is drawn."""
        return display_key(binding.key) if self.services.ascii else super().get_key_display(binding)

    def on_load(self) -> None:
        """Start the shutdown guard on the event loop."""
        self.shutdown.start()

    def on_mount(self) -> None:
        """Disable animations and redraw after resume from Ctrl+Z."""
        self.animation_level = "none"
        self.app_resume_signal.subscribe(self, self._resumed)

    def on_unmount(self) -> None:
        """Save the view and close the fleet."""
        self.session.close()

    def exit(self, result: None = None, return_code: int = 0, message: RenderableType | None = None) -> None:
        """End the app, and the process soon after, with this status."""
        super().exit(result, return_code, message)
        self.shutdown.end(return_code)

    def panic(self, *renderables: RenderableType) -> None:
        """End after an error that Textual has drawn."""
        if self.shutdown.record_panic(renderables, self._exception):
            self._close_messages_no_wait()
        else:
            super().panic(*renderables)

    def _fatal_error(self) -> None:
        if self.shutdown.record_crash(self._exception):
            self._close_messages_no_wait()
        else:
            super()._fatal_error()

    def pop_screen(self) -> AwaitComplete:
        """Close the screen on top; the lowest one stays open."""
        return super().pop_screen() if mark_top_closed(self) else AwaitComplete()

    def action_suspend_process(self) -> None:
        """Restore the terminal and stop the process, if a shell can resume it."""
        if isinstance(self._driver, TerminalDriver):
            self._driver.suspend()

    def action_refresh_now(self) -> None:
        """Request everything in view again, and a token first if the API refuses the present one."""
        self.session.request_token()
        self.session.fleet.engine.perform(Refresh())

    def action_toggle_pause(self, times: int = 1) -> None:
        """Stop polling, or resume it."""
        if times % 2 and (dashboard := self._dashboard) is not None:
            dashboard.set_paused(paused=not self.snapshot.viewport.paused)

    def on_app_blur(self) -> None:
        """Poll less often while the terminal has no focus."""
        if (dashboard := self._dashboard) is not None:
            dashboard.set_focused(focused=False)

    def on_app_focus(self) -> None:
        """Poll at once, and as often as before, when the terminal gets the focus."""
        if (dashboard := self._dashboard) is not None:
            dashboard.set_focused(focused=True)

    def action_poll_faster(self, times: int = 1) -> None:
        """Poll at a shorter interval, `times` steps down."""
        shorter = [interval for interval in _INTERVALS if interval < self.snapshot.interval]
        self._change_interval([self.snapshot.interval, *reversed(shorter)][min(times, len(shorter))])

    def action_poll_slower(self, times: int = 1) -> None:
        """Poll at a longer interval, `times` steps up."""
        longer = [interval for interval in _INTERVALS if interval > self.snapshot.interval]
        self._change_interval([self.snapshot.interval, *longer][min(times, len(longer))])

    def action_cycle_time_style(self, times: int = 1) -> None:
        """Show times in another style, `times` steps on."""
        styles = [*TimeStyle]
        self.time_style = styles[(styles.index(self.time_style) + times) % len(styles)]
        self._update_screens()
        self.session.save_state_soon(self.session.state._replace(time_style=self.time_style))

    def action_command_palette(self) -> None:
        """Open the palette of all commands and all loaded runners."""
        from comfytui.tui.palette import PaletteScreen

        self._open_palette(PaletteScreen())

    def action_cycle_theme(self, times: int = 1) -> None:
        """Use another theme, `times` steps on."""
        self.theme = NAMES[(NAMES.index(self.theme) + times) % len(NAMES)]
        notify_user(self, f"Theme: {self.theme}", _SHORT_TOAST_S)
        self.session.save_state_soon(self.session.state._replace(theme=self.theme))

    def action_redraw(self) -> None:
        """Draw the whole screen again, for another program may have written over it."""
        self._screen_buffer.invalidate()
        if self.screen_stack:
            self.screen.refresh(layout=True)

    def action_toggle_mouse(self, times: int = 1) -> None:
        """Report the mouse, or leave it to the terminal, which can select text then."""
        self._mouse = self._mouse != bool(times % 2)
        self._terminal.set_mouse(on=self._mouse)
        notify_user(self, "Mouse on" if self._mouse else "Mouse off: the terminal selects text", _SHORT_TOAST_S)

    def action_switch_profile(self) -> None:
        """Open the palette of the profiles."""
        from comfytui.tui.palette import PaletteScreen, ProfileProvider

        self._open_palette(PaletteScreen((ProfileProvider,)))

    def action_show_help(self) -> None:
        """Show the keys of the present screen."""
        from comfytui.tui.screens.help import HelpScreen, help_sections

        open_screen(self, HelpScreen(help_sections(self.screen, self.services.keymap)))

    def action_show_requests(self) -> None:
        """Show the log of the requests."""
        from comfytui.tui.screens.requests import RequestsScreen

        open_screen(self, RequestsScreen(self.clock, self.session.requests))

    def action_quit_at_once(self) -> None:
        """Quit from whatever screen."""
        self.exit()

    @on(EngineCommandIssued)
    def _on_engine_command(self, event: EngineCommandIssued) -> None:
        self.session.fleet.engine.perform(event.command)

    @on(WorkflowRequested)
    def _on_workflow_requested(self, event: WorkflowRequested) -> None:
        from comfytui.tui.screens.workflow import WorkflowScreen

        open_screen(self, WorkflowScreen(self.clock, event.runner_id, event.workflow_id))

    @on(RunnerRequested)
    def _on_runner_requested(self, event: RunnerRequested) -> None:
        if (dashboard := self._dashboard) is not None:
            close_dialogs(self)
            dashboard.go_to_runner(event.runner_id)

    @on(BreadcrumbChanged)
    def _on_breadcrumb_changed(self, event: BreadcrumbChanged) -> None:
        self._terminal.set_title(" / ".join((self.TITLE, self.session.fleet.key, *event.breadcrumb)))

    @on(ListViewChanged)
    def _on_list_view_changed(self, event: ListViewChanged) -> None:
        self.session.save_view(event.view)

    @on(ProfileSelected)
    def _on_profile_selected(self, event: ProfileSelected) -> None:
        self.session.switch_profile(event.name)

    @on(CopyRequested)
    def _on_copy_requested(self, event: CopyRequested) -> None:
        self._exporter.copy(event.text, event.what)

    @on(SaveRequested)
    def _on_save_requested(self, event: SaveRequested) -> None:
        self._exporter.save(event.screen)

    @on(TerminalDriver.SuspendRefused)
    def _on_cannot_suspend(self) -> None:
        self.notify("Cannot suspend: no shell here could resume it. q quits.", severity="warning", markup=False)

    async def on_event(self, event: events.Event) -> None:
        """Hand input to the key sequencer, and draw all again after a change of size."""
        if isinstance(event, events.Resize):
            self._screen_buffer.invalidate()
        if not await self.key_sequencer.handle(event):
            await super().on_event(event)

    def queue_input(self, entries: Sequence[QueuedEvent]) -> None:
        """Queue events of the terminal."""
        self.key_sequencer.queue(entries)

    def write_to_terminal(self, text: str) -> None:
        """Write an escape sequence to the terminal; do nothing if there is none."""
        if self._driver is not None:
            self._driver.write(text)

    def _input_hooks(self) -> InputHooks:
        return InputHooks(
            bypass_queue=self._bypass_queue,
            focus_is_pending=lambda: isinstance(top := self._top, _SearchingScreen) and top.is_deciding,
            # Tables and panels do not follow the mouse.
            needs_mouse_moves=lambda: not isinstance(self._top, SnapshotScreen),
            on_input=self._on_input,
            on_error=self._handle_exception,
            on_dropped=lambda count: notify_user(self, f"Too much input at once: {count} keys ignored"),
        )

    def _bypass_queue(self, key: events.Key) -> bool:
        """Quit or redraw at once, whatever has the focus, if this is the key for it."""
        if key.key in self._keys_to_quit:
            self.exit()
        elif key.key in self._keys_to_redraw and not key.is_printable:
            self.action_redraw()
        else:
            return False
        return True

    def _on_input(self, event: Message) -> None:
        """Freeze the order of rows for a while, and draw responses at once."""
        if isinstance(event, (events.Key, events.MouseDown, events.AppFocus)):
            self.session.note_activity()
        if isinstance(event, (events.Key, events.MouseDown)) and (dashboard := self._dashboard) is not None:
            dashboard.on_user_input()

    def _update_screens(self) -> None:
        for screen in self.screen_stack:
            if isinstance(screen, SnapshotScreen):
                screen.show_snapshot(self.snapshot, self.source, self.time_style)

    def _reset_dashboard(self) -> None:
        """Clear the dashboard for another fleet."""
        if (dashboard := self._dashboard) is not None:
            fleet = self.session.fleet
            dashboard.reset(fleet.first.viewport, self.session.saved_view)
            fleet.set_initial_viewport(dashboard.viewport)

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        super()._display(screen, self._screen_buffer.minimize(renderable))
        if not self._has_begun and renderable is not None:
            self._has_begun = True
            self.set_timer(_POLL_DELAY_S, self.session.start)

    def _resumed(self, _app: object) -> None:
        """Draw the screen again that the shell wrote over, and request new data."""
        self.action_redraw()
        self.session.fleet.engine.perform(Refresh())

    @property
    def _top(self) -> object:
        """The screen on top, or None if there is none yet."""
        return self.screen_stack[-1] if self.screen_stack else None

    @property
    def _dashboard(self) -> DashboardScreen | None:
        """The dashboard below all other screens, or None if there is none yet."""
        bottom = self.screen_stack[0] if self.screen_stack else None
        return bottom if isinstance(bottom, DashboardScreen) else None

    def _open_palette(self, palette: CommandPalette) -> None:
        if not any(isinstance(screen, CommandPalette) for screen in self.screen_stack):
            open_screen(self, palette)

    def _change_interval(self, seconds: float) -> None:
        self.session.fleet.engine.perform(SetInterval(seconds))
        notify_user(self, interval_text(seconds), _SHORT_TOAST_S)


def _role_style_or_default(word: str | None) -> TimeStyle:
    return next((style for style in TimeStyle if style == word), TimeStyle.RELATIVE)
