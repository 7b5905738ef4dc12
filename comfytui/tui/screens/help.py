"""The keys that work where help was asked for, from the live keymap."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.screen import Screen

from comfytui.tui.commands import Where, bindings
from comfytui.tui.present.cells import EMPTY, Role, Span
from comfytui.tui.present.fields import Field
from comfytui.tui.widgets.field_panel import FieldPanel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType

__all__ = ["HelpScreen"]


class HelpScreen(Screen[None]):
    """Keys and what they do, a section for each place."""

    CSS_PATH = "help.tcss"
    AUTO_FOCUS = "#help"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.HELP)]

    def __init__(self, sections: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        super().__init__()
        self._sections = sections
        self.panel = FieldPanel(id="help")

    def compose(self) -> ComposeResult:
        """The panel alone."""
        yield self.panel

    def on_mount(self) -> None:
        """Fill the panel."""
        fields: list[Field] = []
        for title, keys in self._sections.items():
            fields.extend((Field("", EMPTY), Field(title, EMPTY)))
            fields.extend(Field(f"  {key}", (Span(what),)) for key, what in keys)
        self.panel.label((Span("Help", Role.STRONG),), (Span("escape closes", Role.MUTED),))
        self.panel.show(fields[1:])

    def action_close_help(self) -> None:
        """Go back to where one was."""
        self.dismiss()
