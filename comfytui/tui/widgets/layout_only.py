"""A container that only says where its children are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from textual.containers import Container

if TYPE_CHECKING:
    from textual.geometry import Region
    from textual.strip import Strip

__all__ = ["LayoutOnly"]


class LayoutOnly(Container):
    """A container that draws nothing: its children lie on what is behind it.

    Textual draws all lines of a container at each key press, only to find its children in front of them.
    """

    def render_lines(self, _crop: Region) -> list[Strip]:
        """No lines."""
        return []
