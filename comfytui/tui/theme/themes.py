"""Themes as Textual wants them: what each role, frame and cursor looks like, on terminals of many colours and of few.

Under one name there are colours as they are meant, for terminals with 256 of them the same before what is behind them
there, and some for sixteen: all of them from the palette that every terminal has, with a cursor that is reversed, for
no colour behind a row leaves all the others readable. Those are used without colours, too, and drawn without.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from rich.style import Style
from textual.color import Color
from textual.theme import Theme

from comfytui.render.cells import Role
from comfytui.tui.terminal.capabilities import ColorDepth
from comfytui.tui.theme.palettes import ANSI16, MANY_IN_256, TRUECOLOR, Palette

if TYPE_CHECKING:
    from rich.color import Color as RichColor


NAMES = tuple(TRUECOLOR)
"""The themes there are, the usual one first."""

_LOOKS = {
    ColorDepth.TRUECOLOR: TRUECOLOR,
    ColorDepth.COLOURS_256: MANY_IN_256,
    ColorDepth.COLOURS_16: ANSI16,
    ColorDepth.NONE: ANSI16,
}


def build_themes(colours: ColorDepth) -> tuple[Theme, ...]:
    """All themes, in the order of `NAMES`, as a terminal with so many colours can show them."""
    return tuple(build_theme(name, colours) for name in NAMES)


def build_theme(name: str, colours: ColorDepth) -> Theme:
    """The theme of a name, as a terminal with so many colours can show it; the usual one for a name nobody knows."""
    looks = _LOOKS[colours]
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
        variables={**_ours(look, colourless=colours is ColorDepth.NONE), **_textuals(look, few=few)},
    )


def _ours(look: Palette, *, colourless: bool) -> dict[str, str]:
    """What our own widgets look like."""
    roles = ("muted", "strong", "accent", "good", "working", "waiting", "neutral", "bad", "unknown", "changed")
    tints = ("red", "orange", "yellow", "green", "cyan", "blue", "purple")
    return {
        **{f"role-{role}": str(getattr(look, role)) for role in roles},
        **{f"tint-{tint}": colour for tint, colour in zip(tints, look.tints, strict=True)},
        "alert-foreground": look.alert[0],
        "alert-background": look.alert[1],
        "alert-text-style": "bold reverse" if colourless else "bold",
        "frame": look.frames[0],
        "frame-focused": look.frames[1],
        "cursor-background": look.cursor[0],
        "cursor-text-style": look.cursor[1],
        "cursor-blurred-background": look.blurred[0],
        "cursor-blurred-text-style": look.blurred[1],
        "bar-background": look.bar,
    }


def _textuals(look: Palette, *, few: bool) -> dict[str, str]:
    """What Textual's own widgets look like: fields, lists, buttons, notes and the palette.

    The palette's list never has the focus, so its cursor is what Textual calls blurred.
    """
    # The line is what is left of it where colours are dropped.
    cursor = {
        "foreground": look.strong,
        "background": look.chosen,
        "text-style": "bold underline" if few else "bold",
    }
    # Reversed, it is the text's colour that is behind it; a style is what is left where colours are dropped.
    caret = (look.foreground, look.background, "reverse") if few else (look.background, look.strong, "none")
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
"""The edge of a pane, and of the one that has the keys."""

CURSOR, CURSOR_BLURRED = "cursor", "cursor-blurred"
"""What is under the cursor's row, and under it where the keys go elsewhere."""


class _RoleStyle(NamedTuple):
    """The theme's variables that a part takes its colours from, and its style: a variable's name, or as it stands."""

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
    """What a role, or one of the parts named here, adds to the widget's own style.

    Args:
        part: Which.
        variables: Those of the theme in force (`comfytui.tui.theme.palettes`).
    """
    color, background, text_style = _PARTS[part]
    colours = Style.from_color(_colour(color, variables), _colour(background, variables))
    return colours + Style.parse(variables.get(text_style, text_style))


def _colour(name: str, variables: Mapping[str, str]) -> RichColor | None:
    return Color.parse(variables[name]).rich_color if name else None
