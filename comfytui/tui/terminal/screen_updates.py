"""Reducer of screen updates: the screen diff, or none if Textual's compositor is not the one that it knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from rich.console import RenderableType


class ScreenUpdates(Protocol):
    """Reducer of the updates that Textual writes to the terminal."""

    def invalidate(self) -> None:
        """Forget the content of the terminal: the next full update is written whole."""
        ...

    def minimize(self, update: RenderableType | None) -> RenderableType | None:
        """Return an update that writes only differences, or the same update if it cannot be reduced."""
        ...


class UnchangedUpdates:
    """Reducer that lets every update pass as Textual made it; methods as of `ScreenUpdates`."""

    def invalidate(self) -> None:
        """Do nothing: no content is remembered."""

    def minimize(self, update: RenderableType | None) -> RenderableType | None:
        """Return the same update."""
        return update


def build_screen_updates() -> ScreenUpdates:
    """Return the screen diff, or `UnchangedUpdates` if a private name of Textual that it needs is missing."""
    try:
        from comfytui.tui.terminal.screen_diff import ScreenBuffer
    except ImportError:
        return UnchangedUpdates()
    return ScreenBuffer()
