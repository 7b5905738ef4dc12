"""One line to type into, at the bottom of a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from textual import on
from textual.containers import Horizontal
from textual.message import Message
from textual.widgets import Input, Static
from textual.widgets.input import Selection

from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import Scope
from comfytui.tui.widgets.line_widget import StatusBar

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.screen import Screen
    from textual.signal import Signal

    from comfytui.render.cells import Line


MAX_LENGTH = 1000
"""Characters that a line takes unless told otherwise."""


class TextInput(Input):
    """Textual's line without its blinking, bounded, and with keys that are told how often they were pressed."""

    def __init__(
        self,
        text: str = "",
        *,
        placeholder: str = "",
        password: bool = False,
        restrict: str | None = None,
        max_length: int = MAX_LENGTH,
        id: str | None = None,
    ) -> None:
        super().__init__(
            text[:max_length],
            placeholder=placeholder,
            password=password,
            restrict=restrict,
            max_length=max_length,
            select_on_focus=False,
            id=id,
        )
        self.cursor_blink = False
        self._selections: Signal[Screen[Any]] | None = None

    def on_mount(self) -> None:
        """Remember the signal of the screen that Textual's line subscribes to."""
        self._selections = self.screen.text_selection_started_signal

    def on_unmount(self) -> None:
        """Let the screen forget this line: its signal would keep it for ever."""
        if self._selections is not None:
            self._selections.unsubscribe(self)

    def action_delete_left(self, times: int = 1) -> None:
        """Delete what is selected, or characters before the cursor."""
        if not self.selection.is_empty:
            self.delete_selection()
            times -= 1
        if times > 0:
            self.delete(self.cursor_position - times, self.cursor_position)

    def action_delete_right(self, times: int = 1) -> None:
        """Delete what is selected, or characters behind the cursor."""
        if not self.selection.is_empty:
            self.delete_selection()
            times -= 1
        if times > 0:
            self.delete(self.cursor_position, self.cursor_position + times)

    def action_cursor_left(self, select: bool = False, times: int = 1) -> None:
        """Move the cursor, or the end of what is selected."""
        super().action_cursor_left(select)
        self._move_cursor(select=select, by=1 - times)

    def action_cursor_right(self, select: bool = False, times: int = 1) -> None:
        """Move the cursor, or the end of what is selected."""
        super().action_cursor_right(select)
        self._move_cursor(select=select, by=times - 1)

    def _move_cursor(self, *, select: bool, by: int) -> None:
        if by:
            end = self.selection.end + by
            self.selection = Selection(self.selection.start if select else end, end)


class Checkbox(Static, can_focus=True):
    """`[ ] words`, or `[x] words` once it was chosen.

    Attributes:
        chosen: Whether it is a yes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.CHOICE)]

    def __init__(self, label: str, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self.value = False
        self._words = label

    def on_mount(self) -> None:
        """Show it as it is."""
        self._show()

    def on_click(self) -> None:
        """A click chooses as the keys do."""
        self.action_choose()

    def action_choose(self, times: int = 1) -> None:
        """Say yes, or no again."""
        self.value = self.value != bool(times % 2)
        self._show()

    def _show(self) -> None:
        self.update(f"[{'x' if self.value else ' '}] {self._words}", layout=False)


class Prompt(Horizontal):
    """Takes a line, and says beside it what it means as it is typed.

    Whoever opens it takes it away again, once it was given, or dropped by Escape or by going elsewhere.

    Attributes:
        FILTERS: Whether the line is a filter, else it is the number of a page.
    """

    FILTERS: ClassVar[bool] = False

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.PROMPT)]
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
    Prompt > StatusBar {
        width: 1fr;
    }
    """

    def __init__(self, label: str, entry: TextInput) -> None:
        super().__init__()
        self._label = label
        self._input = entry
        self._said = StatusBar()

    def compose(self) -> ComposeResult:
        """The label, the line, and what is said of it."""
        yield Static(self._label, markup=False)
        yield self._input
        yield self._said

    def on_mount(self) -> None:
        """Whoever opened it types into it."""
        self._input.focus()

    @property
    def hint_width(self) -> int:
        """Cells for what is said."""
        return max(0, self._said.size.width - 1)

    def set_hint(self, hint: Line) -> None:
        """Say this of the line."""
        self._said.set_text(hint)

    def action_close_prompt(self) -> None:
        """Never mind."""
        self.post_message(PromptCancelled(self))

    @on(Input.Changed)
    def _on_changed(self, event: Input.Changed) -> None:
        event.stop()
        self.post_message(PromptChanged(self, event.value))

    @on(Input.Submitted)
    def _on_submitted(self, event: Input.Submitted) -> None:
        event.stop()
        self.post_message(PromptSubmitted(self, event.value))


class FilterPrompt(Prompt):
    """Takes a filter."""

    FILTERS: ClassVar[bool] = True

    def __init__(self, text: str) -> None:
        super().__init__("/", _FilterInput(text, placeholder="words, tag:x, last:failed, !not"))


class PagePrompt(Prompt):
    """Takes a page's number."""

    def __init__(self) -> None:
        super().__init__("page ", TextInput(restrict=r"[0-9]{0,5}"))


class _FilterInput(TextInput):
    """A line that explains itself: Textual asks nobody above it for a key that it could type."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.FILTER)]

    def action_explain_filter(self) -> None:
        """The person wants to know what can be typed."""
        self.post_message(PromptHelpRequested())


class PromptChanged(Message):
    """Something else stands in the line now."""

    def __init__(self, prompt: Prompt, text: str) -> None:
        super().__init__()
        self.prompt = prompt
        self.text = text


class PromptSubmitted(Message):
    """This is the line."""

    def __init__(self, prompt: Prompt, text: str) -> None:
        super().__init__()
        self.prompt = prompt
        self.text = text


class PromptCancelled(Message):
    """Never mind."""

    def __init__(self, prompt: Prompt) -> None:
        super().__init__()
        self.prompt = prompt


class PromptHelpRequested(Message):
    """What can be typed into a filter?"""
