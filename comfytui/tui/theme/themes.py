"""Themes for Textual: styles of roles, frames and cursor, by color depth.

Each theme exists in three forms: in full color; the same with backgrounds that exist among 256 colors; and in the 16
ANSI colors with a reversed cursor, because no background color there leaves all texts readable. Terminals without color
use the ANSI form, whose colors a filter removes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from comfytui.render.cells import Role
from comfytui.tui.terminal.capabilities import ColorDepth
from comfytui.tui.theme.palettes import ANSI16, COLORS_256, TRUECOLOR, Palette

if TYPE_CHECKING:
    from rich.color import Color as RichColor


NAMES = tuple(TRUECOLOR)
"""Names of all themes, the default first."""

_PALETTES = {
    ColorDepth.TRUECOLOR: TRUECOLOR,
    ColorDepth.COLORS_256: COLORS_256,
    ColorDepth.COLORS_16: ANSI16,
    ColorDepth.NONE: ANSI16,
}


def build_themes(colors: ColorDepth) -> tuple[Theme, ...]:
    """Return all themes in the order of `NAMES` for a color depth."""
    return tuple(build_theme(name, colors) for name in NAMES)


def build_theme(name: str, colors: ColorDepth) -> Theme:
    """Return a theme for a color depth; an unknown name gives the default theme."""
    looks = _PALETTES[colors]
    name = name if name in looks else NAMES[0]
    look, few = looks[name], looks is ANSI16
    return Theme(
        name=name,
        primary=look.frames[1],
        secondary=look.accent,
        accent=look.accent,
        success=look.good,
        warning=look.waiting,
        error=look.bad,
        foreground=look.foreground,
        background=look.background,
        surface=look.background,
        panel=look.bar,
        boost=look.bar,
        dark=look.dark,
        variables={**_own_variables(look, no_color=colors is ColorDepth.NONE), **_textual_variables(look, is_ansi=few)},
    )


def _own_variables(look: Palette, *, no_color: bool) -> dict[str, str]:
    """Return the variables of our own widgets."""
    roles = ("muted", "strong", "accent", "good", "working", "waiting", "neutral", "bad", "unknown", "changed")
    tints = ("red", "orange", "yellow", "green", "cyan", "blue", "purple")
    return {
        **{f"role-{role}": str(getattr(look, role)) for role in roles},
        **{f"tint-{tint}": color for tint, color in zip(tints, look.tints, strict=True)},
        "alert-foreground": look.alert[0],
        "alert-background": look.alert[1],
        "alert-text-style": "bold reverse" if no_color else "bold",
        "frame": look.frames[0],
        "frame-focused": look.frames[1],
        "cursor-background": look.cursor[0],
        "cursor-text-style": look.cursor[1],
        "cursor-blurred-background": look.blurred[0],
        "cursor-blurred-text-style": look.blurred[1],
        "bar-background": look.bar,
    }


def _textual_variables(look: Palette, *, is_ansi: bool) -> dict[str, str]:
    """Return the variables of Textual's own widgets: text boxes, lists, buttons, notifications and the palette.

    The palette's list never has the focus, so its cursor has Textual's style for blurred lists.
    """
    # Without color, the underline alone marks the cursor.
    cursor = {
        "foreground": look.strong,
        "background": look.selected,
        "text-style": "bold underline" if is_ansi else "bold",
    }
    # Reversing puts the text's color behind the caret; without color, the style alone marks it.
    caret = (look.foreground, look.background, "reverse") if is_ansi else (look.background, look.strong, "none")
    texts = {"primary": look.accent, "secondary": look.accent, "accent": look.accent}
    texts |= {"success": look.good, "warning": look.waiting, "error": look.bad}
    return {
        **{f"block-cursor-{part}": value for part, value in cursor.items()},
        **{f"block-cursor-blurred-{part}": value for part, value in cursor.items()},
        **{f"text-{part}": value for part, value in texts.items()},
        "text": look.foreground,
        "text-muted": look.muted,
        "text-disabled": look.muted,
        "block-hover-background": look.blurred[0],
        "border": look.frames[1],
        "border-blurred": look.frames[0],
        "panel-darken-1": look.bar,
        "panel-lighten-1": look.bar,
        "surface-lighten-1": look.bar,
        "surface-darken-1": look.background,
        "input-cursor-foreground": caret[0],
        "input-cursor-background": caret[1],
        "input-cursor-text-style": caret[2],
        "input-selection-foreground": look.background,
        "input-selection-background": look.accent,
        "screen-selection-foreground": look.background,
        "screen-selection-background": look.accent,
        "scrollbar": look.frames[0],
        "scrollbar-hover": look.frames[1],
        "scrollbar-active": look.frames[1],
        "scrollbar-background": look.background,
        "link-color": look.accent,
        "link-color-hover": look.accent,
        "link-background-hover": look.background,
        "button-foreground": look.foreground,
        "button-color-foreground": look.background,
    }


FRAME, FRAME_FOCUSED = "frame", "frame-focused"
"""Parts for the frame of a pane, and of the focused one."""

CURSOR, CURSOR_BLURRED = "cursor", "cursor-blurred"
"""Parts for the selected row, and for it while its table has no focus."""


class _RoleStyle(NamedTuple):
    """Theme variables of a part's colors, and its style: a variable or a literal style."""

    color: str = ""
    background: str = ""
    text_style: str = ""


_PARTS: Mapping[str, _RoleStyle] = {
    **{role: _RoleStyle(f"role-{role}") for role in Role},
    **{role: _RoleStyle(role, text_style="bold") for role in Role if role.startswith("tint-")},
    Role.PLAIN: _RoleStyle(),
    Role.STRONG: _RoleStyle("role-strong", text_style="bold"),
    Role.CHANGED: _RoleStyle("role-changed", text_style="bold"),
    Role.ALERT: _RoleStyle("alert-foreground", "alert-background", "alert-text-style"),
    FRAME: _RoleStyle(FRAME),
    FRAME_FOCUSED: _RoleStyle(FRAME_FOCUSED),
    CURSOR: _RoleStyle("", "cursor-background", "cursor-text-style"),
    CURSOR_BLURRED: _RoleStyle("", "cursor-blurred-background", "cursor-blurred-text-style"),
}


def role_style(part: str, variables: Mapping[str, str]) -> Style:
    """Return the style of a role, or of a part named here, to combine with the widget's own style.

    Args:
        part: Role or part.
        variables: Variables of the current theme (`comfytui.tui.theme.palettes`).
    """
    color, background, text_style = _PARTS[part]
    colors = Style.from_color(_color(color, variables), _color(background, variables))
    return colors + Style.parse(variables.get(text_style, text_style))


def _color(name: str, variables: Mapping[str, str]) -> RichColor | None:
    return Color.parse(variables[name]).rich_color if name else None
