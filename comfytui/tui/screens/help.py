"""Help: the keys of a screen, and the legend of the icons."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any, ClassVar

from textual.binding import Binding
from textual.screen import ModalScreen

from comfytui.query.filter import SYNTAX_EXAMPLES
from comfytui.render.cells import Role, Span
from comfytui.render.panels import Field, help_lines
from comfytui.tui.keys.bindings import active_keys, bindings_for
from comfytui.tui.keys.commands import COMMANDS, Scope
from comfytui.tui.screen_stack import OwnScreen
from comfytui.tui.widgets.field_panel import FieldPanel

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from textual.app import ComposeResult
    from textual.binding import BindingType
    from textual.screen import Screen

    from comfytui.tui.keys.keymap import Keymap


_CONTAINED_SCOPES: Mapping[Scope, tuple[Scope, ...]] = {
    Scope.DASHBOARD: (Scope.PROMPT, Scope.FILTER, Scope.CHOOSER),
    Scope.ITEM: (Scope.PROMPT,),
    Scope.ANYWHERE: (Scope.PALETTE, Scope.HELP, Scope.PANEL),
}
"""Scopes of dialogs that open over a scope and have no help of their own."""

_PALETTE_SCOPE = "palette"


def help_sections(screen: Screen[Any], keymap: Keymap) -> dict[str, list[tuple[str, str]]]:
    """Return keys and commands of a screen and of the dialogs over it, by section."""
    app, live = screen.app, active_keys(screen)
    here = {declared.scope for declared in COMMANDS if declared.id in live}
    boxes = {box for place in here for box in _CONTAINED_SCOPES.get(place, ())} - here
    sections: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for declared in COMMANDS:
        if declared.id in live:
            keys = " ".join(live[declared.id]) or _PALETTE_SCOPE
            sections[declared.scope.capitalize()].append((keys, declared.help))
    for declared in COMMANDS:
        if declared.scope in boxes:
            keys = " ".join(app.get_key_display(Binding(key, declared.id)) for key in keymap.keys(declared.id))
            sections[declared.scope.capitalize()].append((keys or _PALETTE_SCOPE, declared.help))
    return dict(sections)


class HelpScreen(OwnScreen[None]):
    """Screen of keys and commands by section, and the legend of the icons."""

    CSS_PATH = "help.tcss"
    AUTO_FOCUS = "#help"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.HELP)]

    def __init__(self, sections: Mapping[str, Sequence[tuple[str, str]]]) -> None:
        super().__init__()
        self._sections = sections
        self.panel = FieldPanel(id="help")

    def compose(self) -> ComposeResult:
        """Compose the panel."""
        yield self.panel

    def on_mount(self) -> None:
        """Show the key that closes the screen."""
        closing = "".join(active_keys(self).get("close_help", ())[:1])
        self.panel.set_title((Span("Help", Role.STRONG),), (Span(f"{closing} closes", Role.MUTED),))

    def on_resize(self) -> None:
        """Lay out the text for the new width."""
        self.call_after_refresh(self._lay_out)

    def action_close_help(self) -> None:
        """Close the screen."""
        self.dismiss()

    def _lay_out(self) -> None:
        self.panel.set_fields((), help_lines(self._sections, self.panel.body_width))


class FilterHelpScreen(ModalScreen[None], OwnScreen[None]):
    """Dialog with examples of filters, over the filter prompt."""

    DEFAULT_CSS: ClassVar[str] = """
    FilterHelpScreen {
        align: center bottom;
        background: transparent;
    }
    FilterHelpScreen > FieldPanel {
        width: 76;
        max-width: 100%;
        height: 16;
        max-height: 100%;
        margin: 0 0 1 0;
    }
    """
    AUTO_FOCUS = "FieldPanel"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.HELP)]

    def compose(self) -> ComposeResult:
        """Compose the panel."""
        yield FieldPanel()

    def on_mount(self) -> None:
        """Fill the panel."""
        panel = self.query_one(FieldPanel)
        closing = "".join(active_keys(self).get("close_help", ())[:1])
        panel.set_title((Span("Filter syntax", Role.STRONG),), (Span(f"{closing} closes", Role.MUTED),))
        panel.set_fields([Field(example, (Span(meaning),)) for example, meaning in SYNTAX_EXAMPLES])

    def action_close_help(self) -> None:
        """Close the dialog."""
        self.dismiss()
