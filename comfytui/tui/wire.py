"""What goes over the wire when part of the screen has changed: that part, and no more.

Textual's own partial update begins every changed stretch at the left edge of the widget it lies in, and wraps each
piece of text in a style of its own. On a slow link that is most of what a key press costs. This is the one place
that reaches into Textual's compositor.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from rich.console import COLOR_SYSTEMS
from rich.style import Style
from textual._compositor import ChopsUpdate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.color import ColorSystem
    from rich.console import Console, RenderableType
    from textual.strip import Strip

__all__ = ["lean"]

_RESET = "\x1b[0m"
_TEXT = "\0"


def lean(update: RenderableType | None) -> RenderableType | None:
    """The same update in fewer bytes where there is a way, else the update itself."""
    return _StretchesUpdate(update) if isinstance(update, ChopsUpdate) else update


class _StretchesUpdate(ChopsUpdate):
    """The changed stretches of some lines."""

    def __init__(self, update: ChopsUpdate) -> None:
        super().__init__(update.chops, update.spans, update.chop_ends)

    def render_segments(self, console: Console) -> str:
        """The bytes for the terminal."""
        colours = COLOR_SYSTEMS.get(console.color_system or "")
        return "".join(
            f"\x1b[{y + 1};{x + 1}H{_rendered(strip, colours)}"
            for y, x, strip in self._stretches()
            if strip.cell_length
        )

    def _stretches(self) -> Iterator[tuple[int, int, Strip]]:
        """Line, column and content of each piece that changed, a widget's part of a stretch at a time."""
        for y, start, end in self.spans:
            chops = self.chops[y].items()
            for chop_end, (x, strip) in zip(self.chop_ends[y], chops, strict=False):
                left, right = max(x, start), min(chop_end, end)
                if strip is not None and left < right:
                    yield y, left, strip.crop(left - x, right - x)


def _rendered(strip: Strip, colours: ColorSystem | None) -> str:
    """The strip with a change of style only where the style changes, and of that only what changes."""
    written: list[str] = []
    last = _PLAIN
    for text, style, control in strip:
        if control:
            continue
        look = _look(style, colours) if style else _PLAIN
        if look != last:
            written.append(_change(last, look))
            last = look
        written.append(text)
    return "".join(written) + ("" if last == _PLAIN else _RESET)


class _Look(NamedTuple):
    """The codes of a style, each without the escape around it; empty for none."""

    attributes: str
    foreground: str
    background: str


_PLAIN = _Look("", "", "")


def _change(last: _Look, look: _Look) -> str:
    """What turns one look into another; what has to be switched off is switched off by starting anew."""
    if last.attributes != look.attributes or any(old and not new for old, new in zip(last, look, strict=True)):
        return f"\x1b[{';'.join(filter(None, ('0', *look)))}m"
    return f"\x1b[{';'.join(new for old, new in zip(last, look, strict=True) if old != new)}m"


@lru_cache(maxsize=1024)
def _look(style: Style, colours: ColorSystem | None) -> _Look:
    colour, ground = Style(color=style.color), Style(bgcolor=style.bgcolor)
    return _Look(*(_codes(part, colours) for part in (style.without_color, colour, ground)))


def _codes(style: Style, colours: ColorSystem | None) -> str:
    """The codes that switch a style on, as Rich would write them."""
    start = style.render(_TEXT, color_system=colours).partition(_TEXT)[0]
    return start.removeprefix("\x1b[").removesuffix("m")
