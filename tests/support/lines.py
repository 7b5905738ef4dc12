"""What a line of the dashboard reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.tui.present.cells import Line

__all__ = ["plain_text"]


def plain_text(pieces: Line) -> str:
    """The line without its roles."""
    return "".join(text for text, _ in pieces)
