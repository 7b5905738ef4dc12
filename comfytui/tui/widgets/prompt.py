"""One line to type into, at the bottom of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import Horizontal
from textual.widgets import Input, Static

from comfytui.tui.bindings import bindings
from comfytui.tui.commands import Where
from comfytui.tui.widgets.answers import Dropped, Edited, Given, Puzzled
from comfytui.tui.widgets.entry import Entry
from comfytui.tui.widgets.status_line import StatusLine

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from comfytui.tui.present.cells import Line

__all__ = ["FilterBox", "PageBox", "Prompt"]


class Prompt(Horizontal):
    """Takes a line, and says beside it what it means as it is typed.

    Whoever opens it takes it away again, once it was given, or dropped by Escape or by going elsewhere.

    Attributes:
        FILTERS: Whether the line is a filter, else it is the number of a page.
    """

    FILTERS: ClassVar[bool] = False

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.PROMPT)]
    DEFAULT_CSS: ClassVar[str] = """
    Prompt {
        height: 1;
        background: $bar-background;
    }
    Prompt > Static {
        width: auto;
        padding: 0 0 0 1;
        color: $role-accent;
        background: $bar-background;
    }
    Prompt > Input, Prompt > Input:focus {
        width: 1fr;
        height: 1;
        border: none;
        padding: 0;
        background: $bar-background;
    }
    Prompt > StatusLine {
        width: 1fr;
    }
    """

    def __init__(self, label: str, entry: Entry) -> None:
        super().__init__()
        self._label = label
        self._input = entry
        self._said = StatusLine()

    def compose(self) -> ComposeResult:
        """The label, the line, and what is said of it."""
        yield Static(self._label, markup=False)
        yield self._input
        yield self._said

    def on_mount(self) -> None:
        """Whoever opened it types into it."""
        self._input.focus()

    @property
    def room(self) -> int:
        """Cells for what is said."""
        return max(0, self._said.size.width - 1)

    def say(self, words: Line) -> None:
        """Say this of the line."""
        self._said.show(words)

    def action_close_prompt(self) -> None:
        """Never mind."""
        self.post_message(Dropped(self))

    @on(Input.Changed)
    def _edited(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(Edited(self, event.value))

    @on(Input.Submitted)
    def _given(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(Given(self, event.value))


class FilterBox(Prompt):
    """Takes a filter."""

    FILTERS: ClassVar[bool] = True

    def __init__(self, text: str) -> None:
        super().__init__("/", _FilterEntry(text, placeholder="words, tag:x, last:failed, !not"))


class PageBox(Prompt):
    """Takes a page's number."""

    def __init__(self) -> None:
        super().__init__("page ", Entry(restrict=r"[0-9]{0,5}"))


class _FilterEntry(Entry):
    """A line that explains itself: Textual asks nobody above it for a key that it could type."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.FILTER)]

    def action_explain_filter(self) -> None:
        """The person wants to know what can be typed."""
        self.post_message(Puzzled())
