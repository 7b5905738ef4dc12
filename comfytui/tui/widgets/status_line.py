"""One line of the screen that shows what it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from comfytui.tui.present.cells import EMPTY, Line, Role, Span
from comfytui.tui.widgets.quiet import QuietView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.strip import Strip

__all__ = ["StatusLine"]


class StatusLine(QuietView):
    """A bar of one line: the header and the footer of every screen."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"role--{role}" for role in Role if role.startswith("tint-")}
    DEFAULT_CSS: ClassVar[str] = """
    StatusLine {
        height: 1;
        padding: 0;
        background: $bar-background;
        & > .role--tint-red { color: $tint-red; text-style: bold; }
        & > .role--tint-orange { color: $tint-orange; text-style: bold; }
        & > .role--tint-yellow { color: $tint-yellow; text-style: bold; }
        & > .role--tint-green { color: $tint-green; text-style: bold; }
        & > .role--tint-cyan { color: $tint-cyan; text-style: bold; }
        & > .role--tint-blue { color: $tint-blue; text-style: bold; }
        & > .role--tint-purple { color: $tint-purple; text-style: bold; }
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: Line = EMPTY

    def show(self, pieces: Line) -> None:
        """Show this line."""
        self._shown = pieces
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        """The line, a cell away from the edges, where there is a line at all."""
        return [self.strip((Span(" "), *self._shown), width)] if height else []
