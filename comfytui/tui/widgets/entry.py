"""A line to type into that takes keys in the order they come."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.widgets import Input

if TYPE_CHECKING:
    from textual import events

__all__ = ["Entry"]


class Entry(Input):
    """Textual's line, without its blinking, and without letting a letter overtake the key before it.

    Textual types a letter at once but asks the whole app what Backspace means first, so of both in one packet, as slow
    links send them, the letter would come first and be deleted.
    """

    def __init__(
        self,
        text: str = "",
        *,
        placeholder: str = "",
        password: bool = False,
        restrict: str | None = None,
        id: str | None = None,
    ) -> None:
        super().__init__(
            text, placeholder=placeholder, password=password, restrict=restrict, select_on_focus=False, id=id
        )
        self.cursor_blink = False

    async def on_key(self, event: events.Key) -> None:
        """Edit at once."""
        edits = {
            "backspace": self.action_delete_left,
            "delete": self.action_delete_right,
            "left": self.action_cursor_left,
            "right": self.action_cursor_right,
            "home": self.action_home,
            "end": self.action_end,
            "ctrl+a": self.action_home,
            "ctrl+e": self.action_end,
            "ctrl+u": self.action_delete_left_all,
            "ctrl+k": self.action_delete_right_all,
            "ctrl+w": self.action_delete_left_word,
        }
        if (edit := edits.get(event.key)) is not None:
            event.stop()
            event.prevent_default()
            edit()
        elif event.key == "enter":
            event.stop()
            event.prevent_default()
            await self.action_submit()
