"""Dialog for the name of a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Input, Static

from comfytui.render.export import ExportFormat, validate_file_name
from comfytui.tui.keys.bindings import active_keys, bindings_for
from comfytui.tui.keys.commands import Scope
from comfytui.tui.screen_stack import OwnScreen
from comfytui.tui.widgets.inputs import TextInput

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType


_FORMAT_LABELS = {
    ExportFormat.TEXT: "text",
    ExportFormat.CSV: "table",
    ExportFormat.JSON: "data",
    ExportFormat.SVG: "picture",
}

ENDINGS = "  ".join(f".{kind} {word}" for kind, word in _FORMAT_LABELS.items())
"""Extensions of file names and their formats."""


class SaveScreen(ModalScreen[str | None], OwnScreen[str | None]):
    """Dialog for a file name, which is checked as it is typed.

    Dismissed with a valid name, or None if cancelled.

    Args:
        name: Suggested name.
    """

    CSS_PATH = "save.tcss"
    AUTO_FOCUS = "#file"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.PROMPT)]

    def __init__(self, name: str) -> None:
        super().__init__()
        # The cursor is behind the extension, which is changed most often, and nothing is selected.
        self._input = TextInput(name, id="file")
        self._said = Static(validate_file_name(name) or "", id="wrong", markup=False)

    def compose(self) -> ComposeResult:
        """Compose the input, the extensions and the error."""
        with VerticalScroll(id="save", can_focus=False) as box:
            box.border_title = "Save this view in a file"
            yield self._input
            yield Static(ENDINGS, id="endings", markup=False)
            yield self._said

    def on_mount(self) -> None:
        """Show the keys whenever they change."""
        self.bindings_updated_signal.subscribe(self, lambda _screen: self._show_keys())

    @on(Input.Changed, "#file")
    def _on_changed(self) -> None:
        self._said.update(validate_file_name(self._input.value) or "")

    @on(Input.Submitted, "#file")
    def _on_submitted(self) -> None:
        if validate_file_name(self._input.value) is None:
            self.dismiss(self._input.value)

    def action_close_prompt(self) -> None:
        """Close the dialog and save nothing."""
        self.dismiss(None)

    def _show_keys(self) -> None:
        back = " ".join(active_keys(self.screen).get("close_prompt", [])[:1])
        # As content, for a key may be a bracket, which text would parse as markup.
        self.query_one("#save").border_subtitle = Content(f"enter saves  {back} goes back" if back else "enter saves")
