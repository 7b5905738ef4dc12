"""What goes over the wire when something on the screen has changed: that, and no more.

Textual's own partial update begins every changed stretch at the left edge of the widget it lies in, wraps each piece of
text in a style of its own, and writes the whole screen whenever a box opens or closes, or lies over what changes. On a
slow link that is most of what a key press costs. So what the terminal shows is remembered here, and compared. This is
the one place that reaches into Textual's compositor.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import split_graphemes
from rich.console import COLOR_SYSTEMS
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.color import ColorSystem
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

__all__ = ["LeanUpdate", "Wire", "differing_spans"]

_RESET = "\x1b[0m"
_TEXT = "\0"

# Closer than this, two changes on a line are cheaper sent as one: moving the terminal's cursor costs as much.
_WORTH_A_JUMP = 8


class _Stretch(NamedTuple):
    """Part of a line: where it begins, and what is there."""

    y: int
    x: int
    strip: Strip


class Wire:
    """Remembers what the terminal shows, and writes only what is to be different."""

    def __init__(self) -> None:
        self._lines: list[Strip] = []

    def forget(self) -> None:
        """Nothing is known of what the terminal shows: the next whole screen is written as a whole."""
        self._lines = []

    def lean(self, update: RenderableType | None) -> RenderableType | None:
        """The same update in fewer bytes where there is a way, else the update itself."""
        return LeanUpdate(self, update) if isinstance(update, (ChopsUpdate, LayoutUpdate)) else update

    def take(self, update: ChopsUpdate | LayoutUpdate) -> list[_Stretch]:
        """What has to be written for this update; it is taken to be written then."""
        return self._of_part(update) if isinstance(update, ChopsUpdate) else self._of_whole(update)

    def _of_part(self, update: ChopsUpdate) -> list[_Stretch]:
        stretches = [*_stretches(update)]
        for y, x, strip in stretches:
            if y < len(self._lines):
                old = self._lines[y]
                parts = [old.crop(0, x), strip, old.crop(x + strip.cell_length)]
                self._lines[y] = Strip.join(parts).simplify()
        return stretches

    def _of_whole(self, update: LayoutUpdate) -> list[_Stretch]:
        before, lines = self._lines, [Strip.join(line) for line in update.strips]
        self._lines = lines if not update.region.offset else []
        top, left = update.region.y, update.region.x
        if [line.cell_length for line in before] != [line.cell_length for line in lines] or update.region.offset:
            return [_Stretch(top + y, left, line) for y, line in enumerate(lines)]
        return [
            _Stretch(y, start, new.crop(start, end))
            for y, (old, new) in enumerate(zip(before, lines, strict=True))
            for start, end in differing_spans(old, new)
        ]


class LeanUpdate(CompositorUpdate):
    """What is left of an update."""

    def __init__(self, wire: Wire, update: ChopsUpdate | LayoutUpdate) -> None:
        self._wire = wire
        self._update = update

    def render_segments(self, console: Console) -> str:
        """The bytes for the terminal."""
        colours = COLOR_SYSTEMS.get(console.color_system or "")
        return "".join(
            f"\x1b[{y + 1};{x + 1}H{_rendered(strip, colours)}"
            for y, x, strip in self._wire.take(self._update)
            if strip.cell_length
        )

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._update.__rich_console__(console, options)


def _stretches(update: ChopsUpdate) -> Iterator[_Stretch]:
    """Each piece that changed, a widget's part of a stretch at a time."""
    for y, start, end in update.spans:
        chops = update.chops[y].items()
        for chop_end, (x, strip) in zip(update.chop_ends[y], chops, strict=False):
            left, right = max(x, start), min(chop_end, end)
            if strip is not None and left < right:
                yield _Stretch(y, left, strip.crop(left - x, right - x))


def differing_spans(old: Strip, new: Strip) -> list[tuple[int, int]]:
    """The stretches of cells, as (start, end), in which two lines of the same width differ."""
    if old == new:
        return []
    differing = [x for x, (before, after) in enumerate(zip(_cells(old), _cells(new), strict=False)) if before != after]
    if not differing:
        return []
    breaks = [(a, b) for a, b in pairwise(differing) if b - a > _WORTH_A_JUMP]
    starts = [differing[0], *(b for _, b in breaks)]
    ends = [*(a for a, _ in breaks), differing[-1]]
    return [(start, end + 1) for start, end in zip(starts, ends, strict=True)]


def _cells(strip: Strip) -> Iterator[tuple[str, int, Style | None]]:
    """Each terminal cell of a line: the character it belongs to, which cell of that character, and the style."""
    for text, style, _ in strip:
        if text.isascii():
            for char in text:
                yield (char, 0, style)
        else:
            for start, end, width in split_graphemes(text)[0]:
                for cell in range(width):
                    yield (text[start:end], cell, style)


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
