"""Framed, scrolling pane."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.segment import Segment
from textual.containers import Container
from textual.strip import Strip

from comfytui.render.cells import EMPTY, Line, Role, cell_width, truncate
from comfytui.tui.theme.themes import FRAME, FRAME_FOCUSED
from comfytui.tui.widgets.line_widget import LineWidget

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.style import Style
    from textual import events
    from textual.geometry import Region


_WHEEL_LINES = 3


class Pane(LineWidget, can_focus=True):
    """Pane with a title, a footer and scrolling lines.

    The frame is drawn with the lines so that a changed title costs the terminal only the cells that differ. With
    `framed` off only the lines are drawn, as terminals below 40×10 need it.
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.framed = True
        self.top = 0
        self._title: Line = EMPTY
        self._foot: Line = EMPTY
        self._sides: dict[int, tuple[Strip, Style, Strip]] = {}

    def set_title(self, title: Line, foot: Line = EMPTY) -> None:
        """Set title and footer; the next `repaint` draws them."""
        self._title, self._foot = title, foot

    def footer(self) -> Line:
        """Return the text in the lower edge of the frame."""
        return self._foot

    def content(self, width: int, height: int) -> Sequence[Strip]:
        """Return the lines in view, from `top` on."""
        raise NotImplementedError

    def scroll_by(self, lines: int) -> None:
        """Scroll by this many lines, as far as there are any."""
        self.top = max(0, min(self.top + lines, self.line_count() - self.body_height))
        self.repaint()

    def line_count(self) -> int:
        """Number of lines to scroll over."""
        raise NotImplementedError

    @property
    def content_cells(self) -> tuple[int, int]:
        """Width and height inside the frame, cached, for Textual's property is slow."""
        width, height = self.size
        return (max(0, width - 4), max(0, height - 2)) if self.framed else (width, height)

    @property
    def body_width(self) -> int:
        """Width inside the frame."""
        return self.content_cells[0]

    @property
    def body_height(self) -> int:
        """Height inside the frame."""
        return self.content_cells[1]

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        """Return the frame and the lines in it."""
        if not self.framed:
            return self.content(width, height)
        lines = [*self.content(width - 4, height - 2)][: height - 2]
        lines.extend([self.blank_line(width - 4)] * (height - 2 - len(lines)))
        edge = self._border_style
        inside = [self._framed(place, strip, edge, width) for place, strip in enumerate(lines)]
        return [
            self._border_line("╭", self._title, "╮", width),
            *inside,
            self._border_line("╰", self.footer(), "╯", width),
        ]

    def repaint_line(self, place: int, strip: Strip) -> None:
        """Repaint one line in view within the frame."""
        if not self.framed:
            self.set_line(place, strip)
            return
        self.set_line(place + 1, self._framed(place, strip, self._border_style, self.size.width))

    def repaint_frame(self) -> None:
        """Repaint title and footer only."""
        if self.framed and (size := self.size):
            self.set_line(0, self._border_line("╭", self._title, "╮", size.width))
            self.set_line(size.height - 1, self._border_line("╰", self.footer(), "╯", size.width))

    @property
    def _border_style(self) -> Style:
        """Style of the frame, which shows the focus."""
        return self.style_for(FRAME_FOCUSED if self.has_focus else FRAME)

    def _framed(self, place: int, strip: Strip, edge: Style, width: int) -> Strip:
        """Return a line between the frame's sides, cached while the line is the same object."""
        made = self._sides.get(place)
        if made is None or made[0] is not strip or made[1] is not edge:
            gap = Segment(" ", self.style_for(Role.PLAIN))
            sides = Strip([Segment("│", edge), gap, *strip, gap, Segment("│", edge)], width)
            made = self._sides[place] = (strip, edge, sides)
        return made[2]

    def on_focus(self) -> None:
        """Show the focus by the frame."""
        self.repaint()

    def on_blur(self) -> None:
        """Show by the frame that the focus is elsewhere."""
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll the view, not the cursor."""
        event.stop()
        self.scroll_by(_WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll the view, not the cursor."""
        event.stop()
        self.scroll_by(-_WHEEL_LINES)

    def _border_line(self, start: str, text: Line, end: str, width: int) -> Strip:
        style = self._border_style
        return self.cached(
            start, (text, width, style), lambda: [self._draw_border_line(start, text, end, width, style)]
        )[0]

    def _draw_border_line(self, start: str, text: Line, end: str, width: int, style: Style) -> Strip:
        text = truncate(text, max(0, width - 6))
        gap = Segment(" ", self.style_for(Role.PLAIN))
        label = [gap, *self.strip(text, cell_width(text)), gap] if text else []
        rule = "─" * (width - 3 - (cell_width(text) + 2 if text else 0))
        return Strip([Segment(f"{start}─", style), *label, Segment(f"{rule}{end}", style)], width)


class TransparentContainer(Container):
    """Container that draws nothing, for its children cover it.

    Textual would draw all of its lines at each key press.
    """

    def render_lines(self, _crop: Region) -> list[Strip]:
        """Return no lines."""
        return []
