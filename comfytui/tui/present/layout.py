"""How the panes share a terminal of a given size."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["Layout", "layout_for"]

WIDE, MEDIUM, NARROW = 120, 80, 40
SHORT, STACKED = 10, 18


class Layout(StrEnum):
    """The arrangements of the dashboard."""

    WIDE = "wide"
    """List left, detail over history right."""
    MEDIUM = "medium"
    """List above, detail beside history below."""
    NARROW = "narrow"
    """One pane at a time."""
    TINY = "tiny"
    """One pane at a time, and only its lines."""


def layout_for(width: int, height: int) -> Layout:
    """The arrangement for so many columns and rows; panes are stacked only where each keeps a few lines."""
    if width < NARROW or height < SHORT:
        return Layout.TINY
    if width >= WIDE:
        return Layout.WIDE
    return Layout.MEDIUM if width >= MEDIUM and height >= STACKED else Layout.NARROW
