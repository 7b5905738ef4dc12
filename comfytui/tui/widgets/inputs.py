"""Text inputs, checkbox and prompts at the bottom of a screen."""

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
"""Most characters of an input by default."""


class TextInput(Input):
    """Textual's input without blinking, with a maximum length and repeat counts for keys."""

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
        """Remember the screen's signal that Textual's input subscribes to."""
        self._selections = self.screen.text_selection_started_signal

    def on_unmount(self) -> None:
        """Unsubscribe from the screen's signal, which would keep the input in memory."""
        if self._selections is not None:
            self._selections.unsubscribe(self)

    def action_delete_left(self, times: int = 1) -> None:
        """Delete the selection, or characters before the cursor."""
        if not self.selection.is_empty:
            self.delete_selection()
            times -= 1
        if times > 0:
            self.delete(self.cursor_position - times, self.cursor_position)

    def action_delete_right(self, times: int = 1) -> None:
        """Delete the selection, or characters behind the cursor."""
        if not self.selection.is_empty:
            self.delete_selection()
            times -= 1
        if times > 0:
            self.delete(self.cursor_position, self.cursor_position + times)

    def action_cursor_left(self, select: bool = False, times: int = 1) -> None:
        """Move the cursor, or the end of the selection."""
        super().action_cursor_left(select)
        self._move_cursor(select=select, by=1 - times)

    def action_cursor_right(self, select: bool = False, times: int = 1) -> None:
        """Move the cursor, or the end of the selection."""
        super().action_cursor_right(select)
        self._move_cursor(select=select, by=times - 1)

    def _move_cursor(self, *, select: bool, by: int) -> None:
        if by:
            end = self.selection.end + by
            self.selection = Selection(self.selection.start if select else end, end)


class Checkbox(Static, can_focus=True):
    """Checkbox with a label, drawn as `[ ]` or `[x]`.

    Attributes:
        value: True if checked.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.CHOICE)]

    def __init__(self, label: str, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self.value = False
        self._words = label

    def on_mount(self) -> None:
        """Show the value."""
        self._show()

    def on_click(self) -> None:
        """Toggle the value."""
        self.action_choose()

    def action_choose(self, times: int = 1) -> None:
        """Toggle the value `times` times."""
        self.value = self.value != bool(times % 2)
        self._show()

    def _show(self) -> None:
        self.update(f"[{'x' if self.value else ' '}] {self._words}", layout=False)


class Prompt(Horizontal):
    """Prompt for a line, with a hint beside it as it is typed.

    The opener removes it after it is submitted, or cancelled by Escape or a change of focus.

    Attributes:
        FILTERS: True if the line is a filter, else it is a page number.
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
        """Compose label, input and hint."""
        yield Static(self._label, markup=False)
        yield self._input
        yield self._said

    def on_mount(self) -> None:
        """Focus the input."""
        self._input.focus()

    @property
    def hint_width(self) -> int:
        """Cells for the hint."""
        return max(0, self._said.size.width - 1)

    def set_hint(self, hint: Line) -> None:
        """Show a hint."""
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
    """Prompt for a filter."""

    FILTERS: ClassVar[bool] = True

    def __init__(self, text: str) -> None:
        super().__init__("/", _FilterInput(text, placeholder="words, tag:x, last:failed, !not"))


class PagePrompt(Prompt):
    """Prompt for a page number."""

    def __init__(self) -> None:
        super().__init__("page ", TextInput(restrict=r"[0-9]{0,5}"))


class _FilterInput(TextInput):
    """Input with a help key, which Textual would otherwise not pass on."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.FILTER)]

    def action_explain_filter(self) -> None:
        """Request help about filters."""
        self.post_message(PromptHelpRequested())


class PromptChanged(Message):
    """The text of a prompt changed."""

    def __init__(self, prompt: Prompt, text: str) -> None:
        super().__init__()
        self.prompt = prompt
        self.text = text


class PromptSubmitted(Message):
    """A prompt was submitted."""

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
    """Help about filters was requested."""
