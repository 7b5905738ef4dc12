"""A pane with a cursor, and the keys that move it."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from comfytui.tui.bindings import bindings
from comfytui.tui.commands import Where
from comfytui.tui.widgets.pane import Pane

if TYPE_CHECKING:
    from textual.binding import BindingType

__all__ = ["CursorPane"]


class CursorPane(Pane):
    """Moves its cursor by rows, by screenfuls, and to the ends."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.TABLE)]

    @property
    def page_length(self) -> int:
        """How many rows fit."""
        raise NotImplementedError

    def move_cursor(self, by: int) -> None:
        """Move the cursor by so many rows, as far as there are any."""
        raise NotImplementedError

    def action_cursor_up(self, times: int = 1) -> None:
        """One row up."""
        self.move_cursor(-times)

    def action_cursor_down(self, times: int = 1) -> None:
        """One row down."""
        self.move_cursor(times)

    def action_page_up(self, times: int = 1) -> None:
        """A screenful up."""
        self.move_cursor(-times * self.page_length)

    def action_page_down(self, times: int = 1) -> None:
        """A screenful down."""
        self.move_cursor(times * self.page_length)

    def action_first_row(self) -> None:
        """To the first row."""
        self.move_cursor(-self.line_count())

    def action_last_row(self) -> None:
        """To the last row."""
        self.move_cursor(self.line_count())
