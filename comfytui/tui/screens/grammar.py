"""Filter syntax, on a screen over the dashboard."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.screen import ModalScreen

from comfytui.engine.query import GRAMMAR
from comfytui.tui.bindings import bindings, live_keys
from comfytui.tui.commands import Where
from comfytui.tui.present.cells import Role, Span
from comfytui.tui.present.fields import Field
from comfytui.tui.screen_stack import OwnScreen
from comfytui.tui.widgets.field_panel import FieldPanel

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

__all__ = ["GrammarScreen"]


class GrammarScreen(ModalScreen[None], OwnScreen[None]):
    """Examples of filters and what they find, over the box they are typed into."""

    DEFAULT_CSS: ClassVar[str] = """
    GrammarScreen {
        align: center bottom;
        background: transparent;
    }
    GrammarScreen > FieldPanel {
        width: 76;
        max-width: 100%;
        height: 16;
        max-height: 100%;
        margin: 0 0 1 0;
    }
    """
    AUTO_FOCUS = "FieldPanel"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.HELP)]

    def compose(self) -> ComposeResult:
        """The panel alone."""
        yield FieldPanel()

    def on_mount(self) -> None:
        """Fill the panel."""
        panel = self.query_one(FieldPanel)
        closing = "".join(live_keys(self).get("close_help", ())[:1])
        panel.label((Span("Filter syntax", Role.STRONG),), (Span(f"{closing} closes", Role.MUTED),))
        panel.show([Field(example, (Span(meaning),)) for example, meaning in GRAMMAR])

    def action_close_help(self) -> None:
        """Go back to the box."""
        self.dismiss()
