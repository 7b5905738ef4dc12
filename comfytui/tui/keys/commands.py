"""Every user command as one declaration; bindings, keymap, help, footer and palette derive from it."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple


class Scope(StrEnum):
    """Scope of a command: a screen, a part of one, or several screens.

    Attributes:
        ANYWHERE: Every screen, but no dialog over one.
        ITEM: The dashboard and the workflow screen.
        PROMPT: Every text box of one line.
        FILTER: The text box of the filter.
    """

    ANYWHERE = "anywhere"
    DASHBOARD = "in the dashboard"
    ITEM = "on the item in view"
    TABLE = "in a table"
    PANEL = "in a panel"
    WORKFLOW = "on the workflow screen"
    HELP = "in the help"
    LOG = "in the request log"
    CHOICE = "on a checkbox"
    LOGIN = "in the token prompt"
    PROMPT = "in a text box"
    FILTER = "in the filter box"
    CHOOSER = "in the column chooser"
    PALETTE = "in the palette"


class Command(NamedTuple):
    """User command of the dashboard.

    Attributes:
        id: Name in the configuration, and of the action that runs it.
        keys: Default keys, comma separated, as Textual spells them; empty if only the palette has it.
        help: Description on the help screen and in the palette.
        scope: Screens on which it works.
        priority: True if its keys precede those of the focused widget.
        in_palette: True if the palette lists it; cursor movements are left out.
    """

    id: str
    keys: str
    help: str
    scope: Scope
    priority: bool = False
    in_palette: bool = True


class Hint(NamedTuple):
    """Word of the footer, and the commands whose first keys precede it."""

    word: str
    commands: tuple[str, ...]


COMMANDS = (
    Command("cursor_up", "up,k", "Cursor up", Scope.TABLE, in_palette=False),
    Command("cursor_down", "down,j", "Cursor down", Scope.TABLE, in_palette=False),
    Command("page_up", "pageup", "A screenful up", Scope.TABLE, in_palette=False),
    Command("page_down", "pagedown", "A screenful down", Scope.TABLE, in_palette=False),
    Command("first_row", "g,home", "First row", Scope.TABLE, in_palette=False),
    Command("last_row", "G,end", "Last row", Scope.TABLE, in_palette=False),
    Command("open_item", "enter", "Open: runner, its history, workflow", Scope.TABLE, in_palette=False),
    Command("scroll_up", "up,k", "Scroll up", Scope.PANEL, in_palette=False),
    Command("scroll_down", "down,j", "Scroll down", Scope.PANEL, in_palette=False),
    Command("scroll_page_up", "pageup", "Scroll a screenful up", Scope.PANEL, in_palette=False),
    Command("scroll_page_down", "pagedown", "Scroll a screenful down", Scope.PANEL, in_palette=False),
    Command("scroll_top", "g,home", "Scroll to the top", Scope.PANEL, in_palette=False),
    Command("scroll_end", "G,end", "Scroll to the end", Scope.PANEL, in_palette=False),
    Command("back", "escape", "Back to the same item", Scope.DASHBOARD, in_palette=False),
    Command("next_pane", "tab,right,l", "Next pane", Scope.DASHBOARD, in_palette=False),
    Command("previous_pane", "shift+tab,left,h", "Previous pane", Scope.DASHBOARD, in_palette=False),
    Command("next_page", "n,]", "Next page of runners", Scope.DASHBOARD),
    Command("previous_page", "p,[", "Previous page of runners", Scope.DASHBOARD),
    Command("next_runner", "J", "Next runner, without leaving the history", Scope.DASHBOARD),
    Command("previous_runner", "K", "Previous runner, without leaving the history", Scope.DASHBOARD),
    Command("go_to_page", "P", "Go to a page by number", Scope.DASHBOARD),
    Command("filter", "slash", "Filter while typing", Scope.DASHBOARD),
    Command("cycle_status", "s", "Status filter: all, active, disabled", Scope.DASHBOARD),
    Command("sort_column", "o", "Sort by the next column", Scope.DASHBOARD),
    Command("sort_direction", "O", "Reverse the sort order", Scope.DASHBOARD),
    Command("choose_columns", "c", "Choose and order columns", Scope.DASHBOARD),
    Command("reveal_headers", "H", "Reveal header values until the selection moves", Scope.DASHBOARD),
    Command("copy_id", "y", "Copy the id", Scope.ITEM),
    Command("copy_json", "Y", "Copy as JSON", Scope.ITEM),
    Command("copy_endpoint", "e", "Copy the runner's endpoint", Scope.ITEM),
    Command("save_view", "S", "Save the view: text, CSV, JSON or SVG", Scope.ITEM),
    Command("close_workflow", "escape", "Back to the history", Scope.WORKFLOW, in_palette=False),
    Command("close_help", "escape,?", "Close the help", Scope.HELP, in_palette=False),
    Command("close_log", "escape,L", "Close the request log", Scope.LOG, in_palette=False),
    Command("choose", "space,enter", "Check or uncheck", Scope.CHOICE, in_palette=False),
    Command("leave_token", "escape", "Go back without a token", Scope.LOGIN, in_palette=False),
    Command("close_prompt", "escape", "Close the box", Scope.PROMPT, in_palette=False),
    # The text box would take the key for a letter, so the binding precedes it.
    Command("explain_filter", "?", "Explain the filter syntax", Scope.FILTER, priority=True, in_palette=False),
    Command("toggle_column", "space", "Show or hide the column", Scope.CHOOSER, in_palette=False),
    Command("column_up", "K,shift+up", "Move the column up", Scope.CHOOSER, in_palette=False),
    Command("column_down", "J,shift+down", "Move the column down", Scope.CHOOSER, in_palette=False),
    Command("close_chooser", "escape,enter,c", "Close and apply the columns", Scope.CHOOSER, in_palette=False),
    Command("palette_up", "up", "Previous command", Scope.PALETTE, in_palette=False),
    Command("palette_down", "down", "Next command", Scope.PALETTE, in_palette=False),
    Command("close_palette", "escape", "Close the palette", Scope.PALETTE, in_palette=False),
    Command("refresh_now", "r", "Refresh now", Scope.ANYWHERE),
    Command("toggle_pause", "space", "Pause or resume polling", Scope.ANYWHERE),
    Command("poll_faster", "+", "Poll more often", Scope.ANYWHERE),
    Command("poll_slower", "-", "Poll less often", Scope.ANYWHERE),
    Command("cycle_time_style", "u", "Times: relative, local, UTC", Scope.ANYWHERE),
    Command("cycle_theme", "t", "Next theme", Scope.ANYWHERE),
    Command("toggle_mouse", "m", "Mouse on or off", Scope.ANYWHERE),
    Command("switch_profile", "", "Switch to another profile", Scope.ANYWHERE),
    Command("show_requests", "L", "Request log: the last 500 requests", Scope.ANYWHERE),
    Command("show_help", "?", "Help: the keys that work here", Scope.ANYWHERE),
    Command("command_palette", "ctrl+p,:", "Command palette", Scope.ANYWHERE, in_palette=False),
    Command("redraw", "ctrl+l", "Redraw the screen", Scope.ANYWHERE),
    Command("suspend_process", "ctrl+z", "Suspend to the shell", Scope.ANYWHERE),
    Command("quit", "q", "Quit", Scope.ANYWHERE),
    Command("quit_at_once", "ctrl+c", "Quit, whatever has the focus", Scope.ANYWHERE, priority=True, in_palette=False),
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
