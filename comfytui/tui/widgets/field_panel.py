"""A pane of labelled values that scrolls when they are many or long."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from comfytui.tui.bindings import bindings
from comfytui.tui.commands import Where
from comfytui.tui.present.fields import Field, lay_out
from comfytui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from collections.abc import Sequence

    from textual.binding import BindingType
    from textual.strip import Strip

    from comfytui.tui.present.cells import Line

__all__ = ["FieldPanel"]


class FieldPanel(Pane):
    """Labels and values, each value in full however long it is."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.PANEL)]

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._head: tuple[Line, ...] = ()
        self._fields: tuple[Field, ...] = ()

    def show(self, fields: Sequence[Field], head: Sequence[Line] = (), *, anew: bool = False) -> None:
        """Show these fields below these lines; `anew` starts at the top again, for another item."""
        self._fields, self._head = tuple(fields), tuple(head)
        if anew:
            self.top = 0
        self.top = max(0, min(self.top, self.line_count() - self.body_height))
        self.repaint()

    def line_count(self) -> int:
        """Lines at the present width."""
        return len(self._lines(self.body_width))

    def body(self, width: int, height: int) -> Sequence[Strip]:
        """The lines in view."""
        return self._lines(width)[self.top : self.top + height]

    def action_scroll_up(self, times: int = 1) -> None:
        """One line up."""
        self.scroll_by(-times)

    def action_scroll_down(self, times: int = 1) -> None:
        """One line down."""
        self.scroll_by(times)

    def action_scroll_page_up(self, times: int = 1) -> None:
        """A screenful up."""
        self.scroll_by(-times * self.body_height)

    def action_scroll_page_down(self, times: int = 1) -> None:
        """A screenful down."""
        self.scroll_by(times * self.body_height)

    def action_scroll_top(self) -> None:
        """To the top."""
        self.scroll_by(-self.line_count())

    def action_scroll_end(self) -> None:
        """To the end."""
        self.scroll_by(self.line_count())

    def _lines(self, width: int) -> list[Strip]:
        """All lines, laid out anew only when something is different."""
        return self.kept("lines", (width, self._head, self._fields), lambda: self._laid_out(width))

    def _laid_out(self, width: int) -> list[Strip]:
        return [self.strip(pieces, width) for pieces in (*self._head, *lay_out(self._fields, width))]
