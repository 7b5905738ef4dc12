"""One line of the screen that shows what it is given."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from comfytui.tui.present.cells import EMPTY, Line, Span
from comfytui.tui.widgets.quiet import QuietView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.strip import Strip

__all__ = ["StatusLine"]


class StatusLine(QuietView):
    """A bar of one line: the header and the footer of every screen."""

    DEFAULT_CSS: ClassVar[str] = """
    StatusLine {
        height: 1;
        padding: 0;
        background: $bar-background;
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
