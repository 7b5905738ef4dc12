"""The dashboard: follows the engine, owns the snapshot, hands wishes to the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Protocol, runtime_checkable

from textual import events, on
from textual.command import CommandPalette

from comfytui.engine.protocol import ChangeInterval, Refresh
from comfytui.render.chrome import interval_text
from comfytui.render.times import TimeStyle
from comfytui.tui.fleet_session import WatchingApp
from comfytui.tui.keys.bindings import bindings
from comfytui.tui.keys.commands import Scope
from comfytui.tui.keys.names import display_key
from comfytui.tui.screens.base import FollowingScreen
from comfytui.tui.screens.dashboard import DashboardScreen
from comfytui.tui.screens.messages import Arrived, OpenedRunner, OpenedWorkflow, Wished
from comfytui.tui.terminal.driver import TerminalControl
from comfytui.tui.terminal.filters import line_filters
from comfytui.tui.terminal.screen_diff import ScreenBuffer
from comfytui.tui.theme.themes import NAMES, build_themes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from rich.console import RenderableType
    from textual.binding import Binding, BindingType
    from textual.command import Provider
    from textual.filter import LineFilter
    from textual.message import Message
    from textual.screen import Screen

    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.tui.services import OpenFleet, Setup


_FRAME_FIRST = 0.001

_INTERVALS = (1.0, 2.0, 5.0, 10.0, 15.0, 30.0, 60.0)


@runtime_checkable
class _Deciding(Protocol):
    """Screen that may not know yet where what was typed into it leads."""

    @property
    def is_deciding(self) -> bool: ...


class ComfyTUI(WatchingApp, inherit_bindings=False):
    """The application.

    Args:
        fleet: What is watched first.
        clock: Says when things are.
        requests: What was asked of the API, for people to read.
        setup: How it is set up.
    """

    TITLE = "comfytui"
    # Textual reads no stylesheet of a default screen, so the dashboard's is the app's.
    CSS_PATH = "screens/dashboard.tcss"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = set()
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Scope.ANYWHERE)]

    def __init__(self, fleet: OpenFleet, clock: Clock, requests: RequestLog, setup: Setup) -> None:
        super().__init__(fleet, clock, requests, setup)
        self._terminal = TerminalControl(self)
        self._wire = ScreenBuffer()
        self._mouse = setup.mouse
        for theme in build_themes(setup.colours):
            self.register_theme(theme)
        self.theme = self.state.theme if self.state.theme in NAMES else NAMES[0]
        self.stylesheet.set_variables(self.get_css_variables())
        self._is_styled = self._has_begun = False
        self.set_keymap(setup.keymap.textual)
        self._keys_to_quit = frozenset(setup.keymap.of("quit_at_once"))
        self._keys_to_redraw = frozenset(setup.keymap.of("redraw"))
        self._own_filters = line_filters(setup.colours, only_ascii=setup.ascii)
        self.set_reactive(ComfyTUI.time_style, setup.time_style or _style(self.state.time_style))

    def get_default_screen(self) -> Screen[None]:
        """The dashboard itself, so that the first frame is its frame."""
        screen = DashboardScreen(self.clock, self.fleet.first.attention, self.view)
        self.fleet.begin_with(screen.attention)
        return screen

    def begin_anew(self) -> None:
        """Forget on the screen what was known of the fleet before."""
        if (dashboard := self._dashboard) is not None:
            dashboard.restart(self.fleet.first.attention, self.view)
            self.fleet.begin_with(dashboard.attention)

    def get_css_variables(self) -> dict[str, str]:
        """What styles are made of; nothing while there is no theme of ours yet, for Textual asks that early, too."""
        return super().get_css_variables() if self.theme in NAMES else {}

    def refresh_css(self, animate: bool = True) -> None:
        """Have the styles of another theme; those of the first are there when Textual asks for that at the start."""
        if self._is_styled:
            super().refresh_css(animate)
        self._is_styled = True

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What every line goes through on its way to the terminal, ours first."""
        return (*self._own_filters, *super().get_line_filters())

    def get_key_display(self, binding: Binding) -> str:
        """A key as people read it, without Textual's arrows and signs where only ASCII is drawn."""
        return display_key(binding.key) if self.setup.ascii else super().get_key_display(binding)

    def on_mount(self) -> None:
        """Have nothing move, and draw all anew after a suspension."""
        self.animation_level = "none"
        self.app_resume_signal.subscribe(self, self._resumed)

    def action_refresh_now(self) -> None:
        """Ask everything in view again; for a token first where the API takes the old one no more."""
        if self.snapshot.needs_token is not None:
            self.ask_for_token(self.snapshot.needs_token)
        self.fleet.engine.perform(Refresh())

    def action_toggle_pause(self, times: int = 1) -> None:
        """Stop polling, or go on with it."""
        if times % 2 and (dashboard := self._dashboard) is not None:
            dashboard.set_paused(paused=not self.snapshot.attention.paused)

    def on_app_blur(self) -> None:
        """The terminal is no longer in front: poll less."""
        if (dashboard := self._dashboard) is not None:
            dashboard.set_focused(focused=False)

    def on_app_focus(self) -> None:
        """The terminal is in front again: poll at once, and as often as before."""
        if (dashboard := self._dashboard) is not None:
            dashboard.set_focused(focused=True)

    def action_poll_faster(self, times: int = 1) -> None:
        """Take the next shorter interval, as often as said."""
        shorter = [interval for interval in _INTERVALS if interval < self.snapshot.interval]
        self._change_interval([self.snapshot.interval, *reversed(shorter)][min(times, len(shorter))])

    def action_poll_slower(self, times: int = 1) -> None:
        """Take the next longer interval, as often as said."""
        longer = [interval for interval in _INTERVALS if interval > self.snapshot.interval]
        self._change_interval([self.snapshot.interval, *longer][min(times, len(longer))])

    def action_cycle_time_style(self, times: int = 1) -> None:
        """Tell times in the next style, as often as said."""
        styles = [*TimeStyle]
        self.time_style = styles[(styles.index(self.time_style) + times) % len(styles)]
        self.keep_soon(self.state._replace(time_style=self.time_style))

    def action_command_palette(self) -> None:
        """Offer every command, and every runner that is loaded."""
        from comfytui.tui.palette import Palette

        self._offer(Palette())

    def action_cycle_theme(self, times: int = 1) -> None:
        """Have the next theme, as often as said."""
        self.theme = NAMES[(NAMES.index(self.theme) + times) % len(NAMES)]
        self.tell(f"Theme: {self.theme}", 2)
        self.keep_soon(self.state._replace(theme=self.theme))

    def action_redraw(self) -> None:
        """Draw the whole screen, whatever another program has written over it."""
        self._wire.forget()
        if self.screen_stack:
            self.screen.refresh(layout=True)

    def action_toggle_mouse(self, times: int = 1) -> None:
        """Have the mouse reported, or leave it to the terminal, which can select text then."""
        self._mouse = self._mouse != bool(times % 2)
        self._terminal.set_mouse(on=self._mouse)
        self.tell("Mouse on" if self._mouse else "Mouse off: the terminal selects text", 2)

    def action_switch_profile(self) -> None:
        """Offer the profiles."""
        from comfytui.tui.palette import Palette, ProfileProvider

        self._offer(Palette((ProfileProvider,)))

    def action_show_help(self) -> None:
        """Say which keys work here."""
        from comfytui.tui.screens.help import HelpScreen, help_sections

        self.open_screen(HelpScreen(help_sections(self.screen, self.setup.keymap)))

    def action_show_requests(self) -> None:
        """Show what was asked of the API, and what it answered."""
        from comfytui.tui.screens.requests import RequestsScreen

        self.open_screen(RequestsScreen(self.clock, self.requests))

    def action_quit_at_once(self) -> None:
        """Leave, from whatever screen."""
        self.exit()

    @on(Wished)
    def _wished(self, event: Wished) -> None:
        self.fleet.engine.perform(event.action)

    @on(OpenedWorkflow)
    def _opened(self, event: OpenedWorkflow) -> None:
        from comfytui.tui.screens.workflow import WorkflowScreen

        self.open_screen(WorkflowScreen(self.clock, event.runner_id, event.workflow_id))

    @on(OpenedRunner)
    def _runner_opened(self, event: OpenedRunner) -> None:
        if (dashboard := self._dashboard) is not None:
            self.leave_all_boxes()
            dashboard.go_to_runner(event.runner_id)

    @on(Arrived)
    def _arrived(self, event: Arrived) -> None:
        self._terminal.set_title(" / ".join((self.TITLE, self.fleet.key, *event.trail)))

    @property
    def is_deciding(self) -> bool:
        """True if Enter was pressed in the palette, and what it finds is still being searched."""
        return isinstance(top := self._top, _Deciding) and top.is_deciding

    @property
    def wants_moves(self) -> bool:
        """True if something on the screen follows the mouse: nothing does where only tables and panels are."""
        return not isinstance(self._top, FollowingScreen)

    def overtakes(self, key: events.Key) -> bool:
        """Quit or draw anew at once, whatever has the focus, if this is the key for it."""
        if key.key in self._keys_to_quit:
            self.exit()
        elif key.key in self._keys_to_redraw and not key.is_printable:
            self.action_redraw()
        else:
            return False
        return True

    def on_input(self, event: Message) -> None:
        """Keep rows in place for a while, and show what comes next at once."""
        if isinstance(event, (events.Key, events.MouseDown, events.AppFocus)):
            self.stir()
        if isinstance(event, (events.Key, events.MouseDown)) and (dashboard := self._dashboard) is not None:
            dashboard.pressed()

    def on_dropped(self, count: int) -> None:
        """Say that a flood of keys was ignored."""
        self.tell(f"Too much input at once: {count} keys ignored")

    async def on_event(self, event: events.Event) -> None:
        """Trust nothing of a terminal that changes its size."""
        if isinstance(event, events.Resize):
            self._wire.forget()
        await super().on_event(event)

    def _display(self, screen: Screen[object], renderable: RenderableType | None) -> None:
        super()._display(screen, self._wire.lean(renderable))
        if not self._has_begun and renderable is not None:
            # The first frame: its bytes are with the thread that writes to the terminal, which needs a moment.
            self._has_begun = True
            self.set_timer(_FRAME_FIRST, self.start)

    def _resumed(self, _app: object) -> None:
        """Draw all of the screen that the shell wrote over, and ask for what is new since."""
        self.action_redraw()
        self.fleet.engine.perform(Refresh())

    @property
    def _top(self) -> object:
        """The screen above all others, or None if there is none yet."""
        return self.screen_stack[-1] if self.screen_stack else None

    @property
    def _dashboard(self) -> DashboardScreen | None:
        """The screen below all others, once there is one."""
        bottom = self.screen_stack[0] if self.screen_stack else None
        return bottom if isinstance(bottom, DashboardScreen) else None

    def _offer(self, palette: CommandPalette) -> None:
        if not any(isinstance(screen, CommandPalette) for screen in self.screen_stack):
            self.open_screen(palette)

    def _change_interval(self, seconds: float) -> None:
        self.fleet.engine.perform(ChangeInterval(seconds))
        self.tell(interval_text(seconds), 2)


def _style(word: str | None) -> TimeStyle:
    return next((style for style in TimeStyle if style == word), TimeStyle.RELATIVE)
