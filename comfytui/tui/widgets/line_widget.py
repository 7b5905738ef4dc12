"""Widget that draws whole lines and refreshes only those that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from rich.segment import Segment
from textual.filter import ANSIToTruecolor
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from comfytui.render.cells import EMPTY, Line, Role, Span, pad
from comfytui.tui.theme.themes import role_style

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from rich.style import Style
    from textual.color import Color
    from textual.filter import LineFilter

    from comfytui.render.times import Period


class LineWidget(Widget):
    """Widget of styled lines; `repaint` refreshes only the lines that differ.

    The screen diff (comfytui.tui.terminal.screen_diff) writes only the cells that differ.

    A subclass implements `draw` and calls `repaint` whenever its content may have changed. Drawing the same state
    twice writes nothing.
    """

    ALLOW_SELECT: ClassVar[bool] = False
    DEFAULT_CSS: ClassVar[str] = """
    LineWidget {
        color: $foreground;
        background: $background;
    }
    """

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._painted: list[Strip] = []
        self._painted_for = (0, 0)
        self._looks: dict[tuple[str, str], Style] = {}
        self._ground: Color | None = None
        self._seen: tuple[object, ...] = ()
        self._period: Period | None = None
        self._kept: dict[str, tuple[object, list[Strip]]] = {}

    def inputs_changed(self, at: datetime, *seen: object) -> bool:
        """Return True if the inputs differ from the last call's, or times in the content read differently now.

        If not, nothing needs to be built or drawn. `set_valid_period` sets for how long the content is true.
        """
        news = seen != self._seen or not (self._period is None or self._period.covers(at))
        self._seen = seen
        return news

    def set_valid_period(self, period: Period | None) -> None:
        """Set the period in which times in the content read the same, or None if there are none."""
        self._period = period

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        """Return the lines from the top, each of `width` cells, at most `height`.

        A line that is the same object as before counts as unchanged.
        """
        raise NotImplementedError

    def repaint(self) -> None:
        """Draw, and refresh the lines that differ."""
        width, height = self.size
        if not self.is_mounted or not (width and height):
            # While hidden, earlier lines are outdated once the widget is shown again.
            self._painted, self._painted_for = [], (0, 0)
            return
        before, self._painted = self._painted, self._cached_lines(width, height)
        if len(before) != len(self._painted):
            self.refresh()
            return
        regions = [
            Region(0, y, width, 1)
            for y, (old, new) in enumerate(zip(before, self._painted, strict=True))
            if old is not new and old != new
        ]
        if regions:
            self.refresh(*regions)

    def set_line(self, y: int, line: Strip) -> None:
        """Replace one line, or repaint all if none is known."""
        if y >= len(self._painted):
            self.repaint()
        elif self._painted[y] is not line and self._painted[y] != line:
            self._painted[y] = line
            self.refresh(Region(0, y, self.size.width, 1))

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return all filters but the one for ANSI colors, which our themes do not use."""
        return [each for each in super().get_line_filters() if not isinstance(each, ANSIToTruecolor)]

    def render_lines(self, crop: Region) -> list[Strip]:
        """Return the lines that Textual requests, as last drawn.

        Textual's own method copies each and looks up borders, margins and tints, which do not exist here.
        """
        width, height = self.size
        if len(self._painted) != height:
            self._painted = self._cached_lines(width, height)
        if self._ground is None:
            self._ground = self.background_colors[1]
        lines, background = self._painted[crop.y : crop.bottom], self._ground
        for each in self.get_line_filters():
            lines = [line.apply_filter(each, background) for line in lines]
        lines.extend(self.blank_line(width) for _ in range(crop.height - len(lines)))
        return lines if crop.column_span == (0, width) else [line.crop(*crop.column_span) for line in lines]

    def cached(self, part: str, told: object, make: Callable[[], list[Strip]]) -> list[Strip]:
        """Return the lines of a part, rebuilt only if its inputs or styles changed."""
        made = self._kept.get(part)
        if made is None or made[0] != told:
            made = self._kept[part] = (told, make())
        return made[1]

    def style_for(self, part: str, below: str = "") -> Style:
        """Return the style of a role or part, over that of `below` if given, over the widget's."""
        look = self._looks.get((part, below))
        if look is None:
            base = self.style_for(below) if below else self.rich_style
            look = self._looks[part, below] = base + role_style(part, self.app.theme_variables)
        return look

    def strip(self, pieces: Line, width: int, below: str = "") -> Strip:
        """Return a line of exactly `width` cells; `below` is a style under all of it."""
        return Strip([Segment(text, self.style_for(role, below)) for text, role in pad(pieces, width) if text], width)

    def blank_line(self, width: int) -> Strip:
        """Return a blank line."""
        return Strip([Segment(" " * width, self.style_for(Role.PLAIN))] if width else [], width)

    def notify_style_update(self) -> None:
        """Discard drawn lines after a change of styles."""
        super().notify_style_update()
        self._forget()

    def on_resize(self) -> None:
        """Draw at the new size."""
        self._seen = ()
        if self._painted_for != self.size:
            self._forget()
            self.refresh()

    def _forget(self) -> None:
        self._seen = ()
        self._looks.clear()
        self._ground = None
        self._kept.clear()
        self._painted, self._painted_for = [], (0, 0)

    def _cached_lines(self, width: int, height: int) -> list[Strip]:
        self._painted_for = (width, height)
        lines = [*self.draw(width, height)][:height]
        lines.extend(self.blank_line(width) for _ in range(height - len(lines)))
        return lines


class StatusBar(LineWidget):
    """Status bar of one line: the header or the footer of a screen."""

    DEFAULT_CSS: ClassVar[str] = """
    StatusBar {
        height: 1;
        padding: 0;
        background: $bar-background;
    }
    """

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._shown: Line = EMPTY

    def set_text(self, pieces: Line) -> None:
        """Set the text."""
        self._shown = pieces
        self.repaint()

    def draw(self, width: int, height: int) -> Sequence[Strip]:
        """Return the line, one cell away from the edges, or nothing without height."""
        return [self.strip((Span(" "), *self._shown), width)] if height else []
