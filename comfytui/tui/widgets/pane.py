"""A framed, scrolling part of the screen."""

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
    """A frame with a title above and a foot below, around lines that scroll.

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
        """Set title and foot; the next `repaint` draws them."""
        self._title, self._foot = title, foot

    def footer(self) -> Line:
        """What stands in the frame below the lines."""
        return self._foot

    def content(self, width: int, height: int) -> Sequence[Strip]:
        """The lines in view, from `top` on."""
        raise NotImplementedError

    def scroll_by(self, lines: int) -> None:
        """Move the view by so many lines, as far as there are any."""
        self.top = max(0, min(self.top + lines, self.line_count() - self.body_height))
        self.repaint()

    def line_count(self) -> int:
        """How many lines there are to scroll over."""
        raise NotImplementedError

    @property
    def content_cells(self) -> tuple[int, int]:
        """Cells for the lines inside the frame, and how many lines: asking Textual takes a while."""
        width, height = self.size
        return (max(0, width - 4), max(0, height - 2)) if self.framed else (width, height)

    @property
    def body_width(self) -> int:
        """Cells for the lines inside the frame."""
        return self.content_cells[0]

    @property
    def body_height(self) -> int:
        """Lines inside the frame."""
        return self.content_cells[1]

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        """The frame and the lines in it."""
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
        """Draw one of the lines in view anew, the frame's sides around it."""
        if not self.framed:
            self.set_line(place, strip)
            return
        self.set_line(place + 1, self._framed(place, strip, self._border_style, self.size.width))

    def repaint_frame(self) -> None:
        """Draw title and foot anew, the lines between them staying as they are."""
        if self.framed and (size := self.size):
            self.set_line(0, self._border_line("╭", self._title, "╮", size.width))
            self.set_line(size.height - 1, self._border_line("╰", self.footer(), "╯", size.width))

    @property
    def _border_style(self) -> Style:
        """The style of the frame: it shows where the keys go."""
        return self.style_for(FRAME_FOCUSED if self.has_focus else FRAME)

    def _framed(self, place: int, strip: Strip, edge: Style, width: int) -> Strip:
        """A line between the frame's sides; the one made last time where the line is the same object."""
        made = self._sides.get(place)
        if made is None or made[0] is not strip or made[1] is not edge:
            gap = Segment(" ", self.style_for(Role.PLAIN))
            sides = Strip([Segment("│", edge), gap, *strip, gap, Segment("│", edge)], width)
            made = self._sides[place] = (strip, edge, sides)
        return made[2]

    def on_focus(self) -> None:
        """Show by the frame where the keys go."""
        self.repaint()

    def on_blur(self) -> None:
        """Show by the frame that the keys go elsewhere."""
        self.repaint()

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """The wheel moves the view, not the cursor."""
        event.stop()
        self.scroll_by(_WHEEL_LINES)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """The wheel moves the view, not the cursor."""
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
    """A container that draws nothing: its children lie on what is behind it.

    Textual draws all lines of a container at each key press, only to find its children in front of them.
    """

    def render_lines(self, _crop: Region) -> list[Strip]:
        """No lines."""
        return []
