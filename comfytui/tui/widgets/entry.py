"""A line to type into."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.widgets import Input
from textual.widgets.input import Selection

if TYPE_CHECKING:
    from textual.screen import Screen
    from textual.signal import Signal

__all__ = ["MAX_LENGTH", "Entry"]

MAX_LENGTH = 1000
"""Characters that a line takes unless told otherwise."""


class Entry(Input):
    """Textual's line without its blinking, bounded, and with keys that are told how often they were pressed."""

    def __init__(
        self,
        text: str = "",
        *,
        placeholder: str = "",
        password: bool = False,
        restrict: str | None = None,
        max_length: int = MAX_LENGTH,
        id: str | None = None,
    ) -> None:
        super().__init__(
            text[:max_length],
            placeholder=placeholder,
            password=password,
            restrict=restrict,
            max_length=max_length,
            select_on_focus=False,
            id=id,
        )
        self.cursor_blink = False
        self._selections: Signal[Screen[Any]] | None = None

    def on_mount(self) -> None:
        """Remember the signal of the screen that Textual's line subscribes to."""
        self._selections = self.screen.text_selection_started_signal

    def on_unmount(self) -> None:
        """Let the screen forget this line: its signal would keep it for ever."""
        if self._selections is not None:
            self._selections.unsubscribe(self)

    def action_delete_left(self, times: int = 1) -> None:
        """Delete what is selected, or characters before the cursor."""
        if not self.selection.is_empty:
            self.delete_selection()
            times -= 1
        if times > 0:
            self.delete(self.cursor_position - times, self.cursor_position)

    def action_delete_right(self, times: int = 1) -> None:
        """Delete what is selected, or characters behind the cursor."""
        if not self.selection.is_empty:
            self.delete_selection()
            times -= 1
        if times > 0:
            self.delete(self.cursor_position, self.cursor_position + times)

    def action_cursor_left(self, select: bool = False, times: int = 1) -> None:
        """Move the cursor, or the end of what is selected."""
        super().action_cursor_left(select)
        self._move_on(select=select, by=1 - times)

    def action_cursor_right(self, select: bool = False, times: int = 1) -> None:
        """Move the cursor, or the end of what is selected."""
        super().action_cursor_right(select)
        self._move_on(select=select, by=times - 1)

    def _move_on(self, *, select: bool, by: int) -> None:
        if by:
            end = self.selection.end + by
            self.selection = Selection(self.selection.start if select else end, end)
