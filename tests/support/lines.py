"""What a line of the dashboard reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.geometry import Region

if TYPE_CHECKING:
    from textual.strip import Strip
    from textual.widget import Widget

    from comfytui.render.cells import Line

__all__ = ["drawn_line", "plain_text"]


def plain_text(pieces: Line) -> str:
    """The line without its roles."""
    return "".join(text for text, _ in pieces)


def drawn_line(widget: Widget, y: int) -> Strip:
    """A line of a widget, from its left to its right edge, as it is drawn."""
    (line,) = widget.render_lines(Region(0, y, widget.size.width, 1))
    return line
