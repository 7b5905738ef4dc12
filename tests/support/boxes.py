"""An app with nothing but lines of text on it, for a box to lie over."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.app import App, ComposeResult
from textual.widgets import Static

from comfytui.tui.terminal.capabilities import ColorDepth
from comfytui.tui.theme.themes import NAMES, build_theme

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["BoxApp"]


class BoxApp(App[None]):
    """Text below, in one of our themes, with other keys for some commands."""

    def __init__(self, theme: str = NAMES[0], keys: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self.register_theme(build_theme(theme, ColorDepth.TRUECOLOR))
        self.theme = theme
        self.set_keymap(dict(keys or {}))

    def compose(self) -> ComposeResult:
        """The text."""
        yield Static("below " * 50, markup=False)

    @property
    def lines(self) -> list[str]:
        """What the screen shows, a string a line, without trailing blanks."""
        return [strip.text.rstrip() for strip in self.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        """What the screen shows."""
        return "\n".join(self.lines)
