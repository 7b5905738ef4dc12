"""The parts a widget of ours is drawn with, and what each looks like by the theme's variables.

Textual's own way, component classes, makes and matches a node for each part of each widget whenever styles are applied:
a third of the time to the first frame, and most of what a change of focus cost.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from rich.style import Style
from textual.color import Color

from comfytui.tui.present.cells import Role

if TYPE_CHECKING:
    from rich.color import Color as RichColor

__all__ = ["CURSOR", "CURSOR_BLURRED", "FRAME", "FRAME_FOCUSED", "style_of"]

FRAME, FRAME_FOCUSED = "frame", "frame-focused"
"""The edge of a pane, and of the one that has the keys."""

CURSOR, CURSOR_BLURRED = "cursor", "cursor-blurred"
"""What is under the cursor's row, and under it where the keys go elsewhere."""


class _Part(NamedTuple):
    """The theme's variables that a part takes its colours from, and its style: a variable's name, or as it stands."""

    color: str = ""
    background: str = ""
    text_style: str = ""


_PARTS: Mapping[str, _Part] = {
    **{role: _Part(f"role-{role}") for role in Role},
    **{role: _Part(role, text_style="bold") for role in Role if role.startswith("tint-")},
    Role.PLAIN: _Part(),
    Role.STRONG: _Part("role-strong", text_style="bold"),
    Role.CHANGED: _Part("role-changed", text_style="bold"),
    Role.ALERT: _Part("alert-foreground", "alert-background", "alert-text-style"),
    FRAME: _Part(FRAME),
    FRAME_FOCUSED: _Part(FRAME_FOCUSED),
    CURSOR: _Part("", "cursor-background", "cursor-text-style"),
    CURSOR_BLURRED: _Part("", "cursor-blurred-background", "cursor-blurred-text-style"),
}


def style_of(part: str, variables: Mapping[str, str]) -> Style:
    """What a role, or one of the parts named here, adds to the widget's own style.

    Args:
        part: Which.
        variables: Those of the theme in force (`comfytui.tui.themes`).
    """
    color, background, text_style = _PARTS[part]
    colours = Style.from_color(_colour(color, variables), _colour(background, variables))
    return colours + Style.parse(variables.get(text_style, text_style))


def _colour(name: str, variables: Mapping[str, str]) -> RichColor | None:
    return Color.parse(variables[name]).rich_color if name else None
