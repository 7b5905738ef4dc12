"""Opening and closing of screens: closing twice is harmless, and no message reaches a closed screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from textual import events
from textual.await_complete import AwaitComplete
from textual.errors import NoWidget
from textual.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.app import App
    from textual.message import Message


T = TypeVar("T")

TOAST_S = 4.0
"""Seconds that a notification stays on the screen."""

_LIFECYCLE = "textual.messages"
"""Module of the lifecycle messages that Textual needs until a screen is removed."""


class OwnScreen(Screen[T]):
    """Screen that can be closed only once, whatever messages still arrive for it.

    Attributes:
        is_closed: True once it was closed: no longer on the stack, perhaps not yet removed.
    """

    is_closed = False

    def dismiss(self, result: T | None = None) -> AwaitComplete:
        """Close this screen and those above it; do nothing if it is closed already.

        Textual's own method closes the screen on top, whichever that is.
        """
        if self.is_closed or self not in self.app.screen_stack:
            return AwaitComplete()
        while self.app.screen is not self:
            self.app.pop_screen()
        return super().dismiss(result)

    def post_message(self, message: Message) -> bool:
        """Queue a message; input and widget messages for a closed screen are dropped."""
        return not (self.is_closed and _is_dropped(message)) and super().post_message(message)

    async def on_event(self, event: events.Event) -> None:
        """Handle an event unless it is outdated.

        A screen posts itself each size that it is laid out for, so two sizes in its queue would alternate for ever.
        A screen that is closed before it is mounted finds neither its widgets nor the screen below.
        """
        is_old_size = isinstance(event, events.Resize) and event.size != self.app.size
        is_mounted_late = isinstance(event, events.Mount) and self.is_closed
        if is_old_size or is_mounted_late:
            return
        try:
            await super().on_event(event)
        except NoWidget:
            # The screen became smaller between a click and its handling.
            if not isinstance(event, events.MouseEvent):
                raise

    def _forward_event(self, event: events.Event) -> None:
        try:
            super()._forward_event(event)
        except AttributeError:
            # Textual looks up the container of the clicked widget, and finds none if the widget was just removed.
            if not isinstance(event, events.MouseEvent):
                raise


def open_screen(app: App[Any], screen: Screen[T], closed: Callable[[T | None], None] | None = None) -> None:
    """Show a screen above all others; one of the same kind is closed first, with those above it.

    Args:
        app: The running app.
        screen: The screen to show.
        closed: Called with its result.
    """
    same = next((other for other in app.screen_stack[1:] if type(other) is type(screen)), None)
    while same is not None and same in app.screen_stack:
        app.pop_screen()
    app.push_screen(screen, closed)


def close_dialogs(app: App[Any]) -> None:
    """Close all screens but the lowest."""
    while len(app.screen_stack) > 1:
        app.pop_screen()


def mark_top_closed(app: App[Any]) -> bool:
    """Mark the screen on top as closed; return False if it is the lowest, which stays open."""
    if len(app.screen_stack) <= 1:
        return False
    if isinstance(top := app.screen, OwnScreen):
        top.is_closed = True
    return True


def notify_user(app: App[Any], text: str, seconds: float = TOAST_S) -> None:
    """Show a text in a corner for some seconds, never as markup: it may come from a server."""
    app.notify(text, markup=False, timeout=seconds)


def _is_dropped(message: Message) -> bool:
    """Return True if a closed screen must not get this message."""
    if isinstance(message, events.Event):
        return isinstance(message, (events.InputEvent, events.Paste))
    return type(message).__module__ != _LIFECYCLE
