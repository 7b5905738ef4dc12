"""Every user command as one declaration; bindings, keymap, help, footer and palette derive from it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

__all__ = ["COMMANDS", "DASHBOARD_HINTS", "LOG_HINTS", "WORKFLOW_HINTS", "Command", "Hint", "Where"]


class Where(StrEnum):
    """Where a command can be given: a screen, a part of one, or several screens that have it in common.

    Attributes:
        ANYWHERE: On every screen, but in no box that lies over one.
        WATCHING: In the dashboard, and on the workflow screen.
        PROMPT: In every box of one line that is typed into.
        FILTER: In the one of them that takes a filter.
    """

    ANYWHERE = "anywhere"
    DASHBOARD = "in the dashboard"
    WATCHING = "on what is in view"
    TABLE = "in a table"
    PANEL = "in a panel"
    WORKFLOW = "on the workflow screen"
    HELP = "in the help"
    LOG = "in the request log"
    CHOICE = "on a choice"
    DOOR = "where a token is asked for"
    PROMPT = "in a box one types into"
    FILTER = "in the filter's box"
    CHOOSER = "where columns are chosen"
    PALETTE = "in the palette"


class Command(NamedTuple):
    """Something a person can tell the dashboard to do.

    Attributes:
        id: Its name, and that of the action that does it.
        keys: The keys it has, comma separated, as Textual spells them; empty where only the palette gives it.
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


class Hint(NamedTuple):
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
    Command("go_to_page", "P", "Go to a page by its number", Where.DASHBOARD),
    Command("filter", "slash", "Filter while typing", Where.DASHBOARD),
    Command("cycle_status", "s", "Status filter: all, active, disabled", Where.DASHBOARD),
    Command("sort_column", "o", "Sort by the next column", Where.DASHBOARD),
    Command("sort_direction", "O", "Sort the other way round", Where.DASHBOARD),
    Command("choose_columns", "c", "Choose and order the columns", Where.DASHBOARD),
    Command("reveal_headers", "H", "Reveal header values until the selection moves", Where.DASHBOARD),
    Command("copy_id", "y", "Copy the id", Where.WATCHING),
    Command("copy_json", "Y", "Copy as JSON", Where.WATCHING),
    Command("copy_endpoint", "e", "Copy the runner's endpoint", Where.WATCHING),
    Command("save_view", "S", "Save what is in view: text, CSV, JSON or SVG", Where.WATCHING),
    Command("close_workflow", "escape", "Back to the history", Where.WORKFLOW, in_palette=False),
    Command("close_help", "escape,?", "Close the help", Where.HELP, in_palette=False),
    Command("close_log", "escape,L", "Close the request log", Where.LOG, in_palette=False),
    Command("choose", "space,enter", "Say yes or no", Where.CHOICE, in_palette=False),
    Command("leave_token", "escape", "Go back without a token", Where.DOOR, in_palette=False),
    Command("close_prompt", "escape", "Close the box", Where.PROMPT, in_palette=False),
    # It comes before the box itself, which would take the key for a letter.
    Command("explain_filter", "?", "What a filter can say", Where.FILTER, priority=True, in_palette=False),
    Command("toggle_column", "space", "Show or hide the column", Where.CHOOSER, in_palette=False),
    Command("column_up", "K,shift+up", "Move the column up", Where.CHOOSER, in_palette=False),
    Command("column_down", "J,shift+down", "Move the column down", Where.CHOOSER, in_palette=False),
    Command("close_chooser", "escape,enter,c", "Close, and show the columns so", Where.CHOOSER, in_palette=False),
    Command("palette_up", "up", "Command before", Where.PALETTE, in_palette=False),
    Command("palette_down", "down", "Next command", Where.PALETTE, in_palette=False),
    Command("close_palette", "escape", "Close the palette", Where.PALETTE, in_palette=False),
    Command("refresh_now", "r", "Refresh now", Where.ANYWHERE),
    Command("toggle_pause", "space", "Pause or resume polling", Where.ANYWHERE),
    Command("poll_faster", "+", "Poll more often", Where.ANYWHERE),
    Command("poll_slower", "-", "Poll less often", Where.ANYWHERE),
    Command("cycle_time_style", "u", "Times: relative, local, UTC", Where.ANYWHERE),
    Command("cycle_theme", "t", "Next theme", Where.ANYWHERE),
    Command("toggle_mouse", "m", "Mouse on or off", Where.ANYWHERE),
    Command("switch_profile", "", "Switch to another profile", Where.ANYWHERE),
    Command("show_requests", "L", "Request log: the last 500 requests", Where.ANYWHERE),
    Command("show_help", "?", "Help: the keys that work here", Where.ANYWHERE),
    Command("command_palette", "ctrl+p,:", "Command palette", Where.ANYWHERE, in_palette=False),
    Command("redraw", "ctrl+l", "Draw the screen anew, if something wrote over it", Where.ANYWHERE),
    Command("suspend_process", "ctrl+z", "Suspend to the shell", Where.ANYWHERE),
    Command("quit", "q", "Quit", Where.ANYWHERE),
    Command("quit_at_once", "ctrl+c", "Quit, whatever has the focus", Where.ANYWHERE, priority=True, in_palette=False),
)

DASHBOARD_HINTS = (
    Hint("in", ("open_item",)),
    Hint("out", ("back",)),
    Hint("filter", ("filter",)),
    Hint("page", ("next_page", "previous_page")),
    Hint("pane", ("next_pane",)),
    Hint("sort", ("sort_column", "sort_direction")),
    Hint("commands", ("command_palette",)),
    Hint("status", ("cycle_status",)),
    Hint("refresh", ("refresh_now",)),
    Hint("pause", ("toggle_pause",)),
    Hint("times", ("cycle_time_style",)),
    Hint("columns", ("choose_columns",)),
    Hint("copy", ("copy_id", "copy_json")),
    Hint("save", ("save_view",)),
    Hint("interval", ("poll_faster", "poll_slower")),
    Hint("requests", ("show_requests",)),
)

WORKFLOW_HINTS = (
    Hint("back", ("close_workflow",)),
    Hint("copy", ("copy_id", "copy_json")),
    Hint("save", ("save_view",)),
    Hint("commands", ("command_palette",)),
    Hint("refresh", ("refresh_now",)),
    Hint("pause", ("toggle_pause",)),
    Hint("times", ("cycle_time_style",)),
)


LOG_HINTS = (Hint("back", ("close_log",)), Hint("refresh", ("refresh_now",)), Hint("pause", ("toggle_pause",)))
