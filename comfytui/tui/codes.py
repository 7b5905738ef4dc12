"""Styles as the codes that a terminal takes."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rich.style import Style

if TYPE_CHECKING:
    from rich.color import ColorSystem

__all__ = ["PLAIN", "RESET", "Codes", "change", "codes_of"]

RESET = "\x1b[0m"
"""Back to no style at all."""

_TEXT = "\0"


class Codes(NamedTuple):
    """The codes of a style, each without the escape around it; empty for none.

    Attributes:
        attributes: What makes it bold, underlined and so on.
        foreground: The colour of the text.
        background: The colour behind it.
        blank: What of all that can be seen where there is no text.
    """

    attributes: str
    foreground: str
    background: str
    blank: tuple[str, ...]


PLAIN = Codes("", "", "", ("",))
"""Of what has no style."""


def change(last: Codes, new: Codes) -> str:
    """What turns one look into another; what has to be switched off is switched off by starting anew."""
    before, after = last[:3], new[:3]
    if last.attributes != new.attributes or any(old and not part for old, part in zip(before, after, strict=True)):
        return f"\x1b[{';'.join(filter(None, ('0', *after)))}m"
    return f"\x1b[{';'.join(part for old, part in zip(before, after, strict=True) if old != part)}m"


def codes_of(style: Style | None, colours: ColorSystem | None) -> Codes:
    """The codes of a style on a terminal with so many colours, None standing for none."""
    return _made(style, colours) if style else PLAIN


@lru_cache(maxsize=1024)
def _made(style: Style, colours: ColorSystem | None) -> Codes:
    colour, ground = Style(color=style.color), Style(bgcolor=style.bgcolor)
    attributes, fore, back = (_codes(part, colours) for part in (style.without_color, colour, ground))
    return Codes(attributes, fore, back, (attributes, fore, back) if _marks_blanks(style) else (back,))


def _marks_blanks(style: Style) -> bool:
    """Whether spaces look like anything but what is behind them."""
    lines = (style.underline, style.underline2, style.strike, style.overline, style.frame, style.encircle)
    return bool(style.reverse or style.blink or style.blink2 or any(lines))


def _codes(style: Style, colours: ColorSystem | None) -> str:
    """The codes that switch a style on, as Rich would write them."""
    start = style.render(_TEXT, color_system=colours).partition(_TEXT)[0]
    return start.removeprefix("\x1b[").removesuffix("m")
