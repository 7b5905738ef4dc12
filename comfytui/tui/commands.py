"""Every user command as one declaration; bindings, help, footer and palette derive from it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from textual.binding import Binding

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["COMMANDS", "DASHBOARD_HINTS", "LOG_HINTS", "WORKFLOW_HINTS", "Command", "Hint", "Where", "bindings"]


class Where(StrEnum):
    """Where a command can be given."""

    ANYWHERE = "anywhere"
    DASHBOARD = "in the dashboard"
    TABLE = "in a table"
    PANEL = "in a panel"
    WORKFLOW = "on the workflow screen"
    HELP = "in the help"
    LOG = "in the request log"
    CHOICE = "on a choice"
    DOOR = "where a token is asked for"


@dataclass(frozen=True, slots=True)
class Command:
    """Something a person can tell the dashboard to do.

    Attributes:
        id: Its name, and that of the action that does it.
        keys: The keys it has, comma separated, as Textual spells them.
        help: What it does, as the help screen and the palette say it.
        where: Where it can be given.
        priority: Whether its keys come before those of whatever has the focus.
        in_palette: Whether the palette lists it; movements are no use there.
    """

    id: str
    keys: str
    help: str
    where: Where
    priority: bool = False
    in_palette: bool = True


@dataclass(frozen=True, slots=True)
class Hint:
    """A word of the footer and the commands whose first keys stand before it."""

    word: str
    commands: tuple[str, ...]


COMMANDS = (
    Command("cursor_up", "up,k", "Cursor up", Where.TABLE, in_palette=False),
    Command("cursor_down", "down,j", "Cursor down", Where.TABLE, in_palette=False),
    Command("page_up", "pageup", "A screenful up", Where.TABLE, in_palette=False),
    Command("page_down", "pagedown", "A screenful down", Where.TABLE, in_palette=False),
    Command("first_row", "g,home", "First row", Where.TABLE, in_palette=False),
    Command("last_row", "G,end", "Last row", Where.TABLE, in_palette=False),
    Command("open_item", "enter", "Go in: runner, its history, workflow", Where.TABLE, in_palette=False),
    Command("scroll_up", "up,k", "Scroll up", Where.PANEL, in_palette=False),
    Command("scroll_down", "down,j", "Scroll down", Where.PANEL, in_palette=False),
    Command("scroll_page_up", "pageup", "Scroll a screenful up", Where.PANEL, in_palette=False),
    Command("scroll_page_down", "pagedown", "Scroll a screenful down", Where.PANEL, in_palette=False),
    Command("scroll_top", "g,home", "Scroll to the top", Where.PANEL, in_palette=False),
    Command("scroll_end", "G,end", "Scroll to the end", Where.PANEL, in_palette=False),
    Command("back", "escape", "Go out, back to the same item", Where.DASHBOARD, in_palette=False),
    Command("next_pane", "tab,right,l", "Next pane", Where.DASHBOARD, in_palette=False),
    Command("previous_pane", "shift+tab,left,h", "Previous pane", Where.DASHBOARD, in_palette=False),
    Command("next_page", "n,]", "Next page of runners", Where.DASHBOARD),
    Command("previous_page", "p,[", "Previous page of runners", Where.DASHBOARD),
    Command("next_runner", "J", "Next runner, without leaving the history", Where.DASHBOARD),
    Command("previous_runner", "K", "Previous runner, without leaving the history", Where.DASHBOARD),
    Command("cycle_status", "s", "Status filter: all, active, disabled", Where.DASHBOARD),
    Command("reveal_headers", "H", "Reveal header values until the selection moves", Where.DASHBOARD),
    Command("close_workflow", "escape", "Back to the history", Where.WORKFLOW, in_palette=False),
    Command("close_help", "escape,?", "Close the help", Where.HELP, in_palette=False),
    Command("close_log", "escape,L", "Close the request log", Where.LOG, in_palette=False),
    Command("choose", "space,enter", "Say yes or no", Where.CHOICE, in_palette=False),
    Command("leave_token", "escape", "Go back without a token", Where.DOOR, in_palette=False),
    Command("refresh_now", "r", "Refresh now", Where.ANYWHERE),
    Command("toggle_pause", "space", "Pause or resume polling", Where.ANYWHERE),
    Command("poll_faster", "+", "Poll more often", Where.ANYWHERE),
    Command("poll_slower", "-", "Poll less often", Where.ANYWHERE),
    Command("cycle_time_style", "u", "Times: relative, local, UTC", Where.ANYWHERE),
    Command("show_requests", "L", "Request log: the last 500 requests", Where.ANYWHERE),
    Command("show_help", "?", "Help: the keys that work here", Where.ANYWHERE),
    Command("command_palette", "ctrl+p,:", "Command palette", Where.ANYWHERE, in_palette=False),
    Command("suspend_process", "ctrl+z", "Suspend to the shell", Where.ANYWHERE),
    Command("quit", "q", "Quit", Where.ANYWHERE),
    Command("quit_at_once", "ctrl+c", "Quit, whatever has the focus", Where.ANYWHERE, priority=True, in_palette=False),
)

DASHBOARD_HINTS = (
    Hint("in", ("open_item",)),
    Hint("out", ("back",)),
    Hint("page", ("next_page", "previous_page")),
    Hint("pane", ("next_pane",)),
    Hint("status", ("cycle_status",)),
    Hint("refresh", ("refresh_now",)),
    Hint("pause", ("toggle_pause",)),
    Hint("times", ("cycle_time_style",)),
    Hint("interval", ("poll_faster", "poll_slower")),
    Hint("requests", ("show_requests",)),
    Hint("commands", ("command_palette",)),
)

WORKFLOW_HINTS = (
    Hint("back", ("close_workflow",)),
    Hint("refresh", ("refresh_now",)),
    Hint("pause", ("toggle_pause",)),
    Hint("times", ("cycle_time_style",)),
    Hint("commands", ("command_palette",)),
)


LOG_HINTS = (Hint("back", ("close_log",)), Hint("refresh", ("refresh_now",)), Hint("pause", ("toggle_pause",)))


def bindings(*places: Where) -> list[Binding]:
    """The key bindings of the commands of these places, each under its command's id."""
    return [_binding(declared) for declared in _of(places)]


def _of(places: Iterable[Where]) -> list[Command]:
    wanted = set(places)
    return [declared for declared in COMMANDS if declared.where in wanted]


def _binding(declared: Command) -> Binding:
    return Binding(declared.keys, declared.id, declared.help, show=False, priority=declared.priority, id=declared.id)
