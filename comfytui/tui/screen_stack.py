"""Opening and closing of screens, in one place: closing twice is harmless, and nothing reaches a closed screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from textual import events
from textual.await_complete import AwaitComplete
from textual.errors import NoWidget
from textual.screen import Screen

from comfytui.tui.keys.type_ahead import TypedAheadApp

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from textual.message import Message


T = TypeVar("T")
Result = TypeVar("Result")

_LIFECYCLE = "textual.messages"
"""Module of the messages that Textual itself needs to the very end."""


class OwnScreen(Screen[T]):
    """Screen that is closed once, whatever still arrives for it.

    Attributes:
        is_closed: True once it was dismissed: it is no longer on the stack, but may still be about to go.
    """

    is_closed = False

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Close this screen and those above it; do nothing if it is closed already.

        Textual's own closes whichever screen is on top.
        """
        if self.is_closed or self not in self.app.screen_stack:
            return AwaitComplete()
        while self.app.screen is not self:
            self.app.pop_screen()
        return super().dismiss(result)

    def open_screen(self, screen: Screen[Result], closed: Callable[[Result | None], None] | None = None) -> None:
        """Show a screen above this one.

        Args:
            screen: The screen.
            closed: Called with its result.
        """
        if isinstance(self.app, ScreenStackApp):
            self.app.open_screen(screen, closed)

    def post_message(self, message: Message) -> bool:
        """Queue a message; what users and widgets still have to say to a closed screen is dropped."""
        return not (self.is_closed and _is_dropped(message)) and super().post_message(message)

    async def on_event(self, event: events.Event) -> None:
        """Handle an event, unless it is too late for that.

        A screen tells itself each size that it is laid out for, so two sizes in its queue would follow one another for
        ever. A screen that is closed before it is mounted finds neither its widgets nor what it was opened over.
        """
        is_old_size = isinstance(event, events.Resize) and event.size != self.app.size
        is_mounted_late = isinstance(event, events.Mount) and self.is_closed
        if is_old_size or is_mounted_late:
            return
        try:
            await super().on_event(event)
        except NoWidget:
            # The screen became smaller between a click and its turn.
            if not isinstance(event, events.MouseEvent):
                raise

    def _forward_event(self, event: events.Event) -> None:
        try:
            super()._forward_event(event)
        except AttributeError:
            # Textual looks for the container of what was clicked, and has none if that was removed a moment ago.
            if not isinstance(event, events.MouseEvent):
                raise


class ScreenStackApp(TypedAheadApp):
    """App that opens and closes screens."""

    def open_screen(self, screen: Screen[T], closed: Callable[[T | None], None] | None = None) -> None:
        """Show a screen above all others; one of the same kind is closed before, with those above it.

        Args:
            screen: The screen.
            closed: Called with its result.
        """
        same = next((other for other in self.screen_stack[1:] if type(other) is type(screen)), None)
        while same is not None and same in self.screen_stack:
            self.pop_screen()
        self.push_screen(screen, closed)

    def pop_screen(self) -> AwaitComplete:
        """Close the screen on top; the one below all others stays."""
        if len(self.screen_stack) <= 1:
            return AwaitComplete()
        top: Screen[Any] = self.screen
        if isinstance(top, OwnScreen):
            top.is_closed = True
        return super().pop_screen()

    def leave_all_boxes(self) -> None:
        """Close all screens but the one below them."""
        while len(self.screen_stack) > 1:
            self.pop_screen()


def _is_dropped(message: Message) -> bool:
    """Return True if a message is of no use to a closed screen."""
    if isinstance(message, events.Event):
        return isinstance(message, (events.InputEvent, events.Paste))
    return type(message).__module__ != _LIFECYCLE
