"""What goes over the wire when part of the screen has changed: that part, and no more.

Textual's own partial update begins every changed stretch at the left edge of the widget it lies in, and wraps each
piece of text in a style of its own. On a slow link that is most of what a key press costs. This is the one place
that reaches into Textual's compositor.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from rich.console import COLOR_SYSTEMS
from textual._compositor import ChopsUpdate

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.color import ColorSystem
    from rich.console import Console, RenderableType
    from rich.style import Style
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
    """The strip with a change of style only where the style changes."""
    written: list[str] = []
    last = ""
    for text, style, control in strip:
        if control:
            continue
        start = _style_start(style, colours) if style else ""
        if start != last:
            written.append(f"\x1b[0;{start}m" if start else _RESET)
            last = start
        written.append(text)
    return "".join(written) + (_RESET if last else "")


@lru_cache(maxsize=1024)
def _style_start(style: Style, colours: ColorSystem | None) -> str:
    """The codes that switch this style on, without the escape around them; empty for none."""
    start = style.render(_TEXT, color_system=colours).partition(_TEXT)[0]
    return start.removeprefix("\x1b[").removesuffix("m")
