"""What goes over the wire when something on the screen has changed: that, and no more.

Textual's own partial update begins every changed stretch at the left edge of the widget it lies in, wraps each piece of
text in a style of its own, and writes the whole screen whenever a box opens or closes, or lies over what changes. On a
slow link that is most of what a key press costs. So what the terminal shows is remembered here, and compared cell by
cell. This is the one place that reaches into Textual's compositor.

Of what is written most would be colours: one takes 19 bytes, getting anywhere else 9 at most. So an update over what is
known is painted one colour after another; all of it is one frame to the terminal.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import cell_len, split_graphemes
from rich.console import COLOR_SYSTEMS
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.color import ColorSystem
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult

__all__ = ["LeanUpdate", "Wire"]

_RESET = "\x1b[0m"
_TEXT = "\0"

# Fewer unchanged cells than this between two changes are cheaper sent again than jumped over.
_WORTH_A_JUMP = 5


class _Look(NamedTuple):
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


_PLAIN = _Look("", "", "", ("",))


class _Run(NamedTuple):
    """Text in one look: where it begins, and how many cells it takes."""

    y: int
    x: int
    text: str
    width: int
    look: _Look

    @property
    def is_blank(self) -> bool:
        """Whether it is nothing but spaces."""
        return not self.text.strip(" ")


class _Stretch(NamedTuple):
    """Part of a line: where it begins, and what is to be there."""

    y: int
    x: int
    strip: Strip


class _Cells(NamedTuple):
    """Text cell by cell: the character in each, empty where one before it goes on; and its look."""

    chars: list[str]
    looks: list[_Look]


class _Line:
    """A line as the terminal shows it; its cells are told apart only once part of it changes."""

    def __init__(self, strip: Strip) -> None:
        self.width = strip.cell_length
        self._strip: Strip | None = strip
        self._cells = _Cells([], [])

    def differs(self, x: int, strip: Strip) -> bool:
        """Whether this would be anything new; said without looking at cells, so at times of what is not."""
        return self._strip is None or x > 0 or self._strip != strip

    def put(self, stretch: _Stretch, colours: ColorSystem | None) -> Iterator[_Run]:
        """Have this in the line from now on; what differs is what has to be written."""
        if self._strip is not None:
            self._cells, self._strip = _cells(self._strip, colours), None
        chars, looks = self._cells
        new = _cells(stretch.strip, colours)
        part = slice(stretch.x, stretch.x + len(new.chars))
        old = _Cells(chars[part], looks[part])
        chars[part], looks[part] = new
        return _differing(stretch.y, stretch.x, old, new)


class Wire:
    """Remembers what the terminal shows, and writes only what is to be different."""

    def __init__(self) -> None:
        self._lines: list[_Line] = []

    def forget(self) -> None:
        """Nothing is known of what the terminal shows: the next whole screen is written as a whole."""
        self._lines = []

    def lean(self, update: RenderableType | None) -> RenderableType | None:
        """The same update in fewer bytes where there is a way, else the update itself."""
        return LeanUpdate(self, update) if isinstance(update, (ChopsUpdate, LayoutUpdate)) else update

    def take(self, update: ChopsUpdate | LayoutUpdate, colours: ColorSystem | None) -> Iterable[_Run]:
        """What has to be written for this update; it is taken to be written then."""
        if isinstance(update, ChopsUpdate):
            stretches = [*_stretches(update)]
        elif (whole := self._begun_anew(update)) is not None:
            return chain.from_iterable(_whole(stretch, colours) for stretch in whole)
        else:
            stretches = [_Stretch(y, 0, Strip.join(line)) for y, line in enumerate(update.strips)]
        if not self._lines:
            return chain.from_iterable(_whole(stretch, colours) for stretch in stretches)
        return _by_look([run for stretch in stretches for run in self._put(stretch, colours)])

    def _put(self, stretch: _Stretch, colours: ColorSystem | None) -> Iterable[_Run]:
        if stretch.y >= len(self._lines):
            return _whole(stretch, colours)
        line = self._lines[stretch.y]
        return line.put(stretch, colours) if line.differs(stretch.x, stretch.strip) else ()

    def _begun_anew(self, update: LayoutUpdate) -> list[_Stretch] | None:
        """All of the update where it is not known what the terminal shows in its place."""
        region, lines = update.region, [Strip.join(line) for line in update.strips]
        is_known = [line.width for line in self._lines] == [line.cell_length for line in lines]
        if is_known and not region.offset:
            return None
        self._lines = [] if region.offset else [_Line(line) for line in lines]
        return [_Stretch(region.y + y, region.x, line) for y, line in enumerate(lines)]


class LeanUpdate(CompositorUpdate):
    """What is left of an update."""

    def __init__(self, wire: Wire, update: ChopsUpdate | LayoutUpdate) -> None:
        self._wire = wire
        self._update = update

    def render_segments(self, console: Console) -> str:
        """The bytes for the terminal."""
        return _written(self._wire.take(self._update, COLOR_SYSTEMS.get(console.color_system or "")))

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


def _whole(stretch: _Stretch, colours: ColorSystem | None) -> Iterator[_Run]:
    """All of it, as it comes."""
    x = stretch.x
    for text, style, control in stretch.strip:
        if text and not control:
            yield _Run(stretch.y, x, text, width := cell_len(text), _look_of(style, colours))
            x += width


def _cells(strip: Strip, colours: ColorSystem | None) -> _Cells:
    cells = _Cells([], [])
    for text, style, control in strip:
        if not control:
            chars = text if text.isascii() else _characters(text)
            cells.chars.extend(chars)
            cells.looks.extend([_look_of(style, colours)] * len(chars))
    return cells


@lru_cache(maxsize=1024)
def _characters(text: str) -> list[str]:
    """What is in each cell of a text; what takes no cell belongs to the one before it."""
    cells: list[str] = []
    for start, end, width in split_graphemes(text)[0]:
        if width:
            cells.extend((text[start:end], *[""] * (width - 1)))
        elif cells:
            cells[-1] += text[start:end]
    return cells


def _differing(y: int, x: int, old: _Cells, new: _Cells) -> Iterator[_Run]:
    """The runs of cells that look different."""
    start = end = 0
    look = _PLAIN
    for place, differs in enumerate(map(_differs, *old, *new)):
        if not differs:
            continue
        here = new.looks[place]
        if start == end:
            start, look = place, here
        elif place == end and here is look:
            pass
        elif (joined := _joined(new, start, end, place, look)) is None:
            yield _Run(y, x + start, "".join(new.chars[start:end]), end - start, look)
            start, look = place, here
        else:
            look = joined
        end = place + 1
    if start < end:
        yield _Run(y, x + start, "".join(new.chars[start:end]), end - start, look)


def _differs(was: str, looked: _Look, char: str, look: _Look) -> bool:
    return was != char or (look is not looked and look != looked and not (char == " " and look.blank == looked.blank))


def _joined(cells: _Cells, start: int, end: int, place: int, look: _Look) -> _Look | None:
    """The look in which the cells from start to place can be written as one; None where they are better apart.

    Those from start to end look as told.
    """
    if place - end >= _WORTH_A_JUMP:
        return None
    between = range(end, place + 1)
    here = cells.looks[place]
    if all(_fits(cells, each, look) for each in between):
        return look
    is_blank = all(char == " " for char in cells.chars[start:end])
    return here if is_blank and all(_fits(cells, each, here) for each in range(start, place)) else None


def _fits(cells: _Cells, place: int, look: _Look) -> bool:
    """Whether a cell may be written in this look."""
    own = cells.looks[place]
    return own == look or (cells.chars[place] == " " and own.blank == look.blank)


def _by_look(runs: Sequence[_Run]) -> Iterator[_Run]:
    """The runs in an order in which looks change as little as can be; those of one look from the top."""
    looks: defaultdict[_Look, list[_Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.is_blank):
        same = (each for each in looks if run.is_blank and each.blank == run.look.blank)
        look = next(same, run.look)
        looks[look].append(run._replace(look=look))
    for look in sorted(looks, key=lambda look: (look.attributes, look.background)):
        yield from sorted(looks[look], key=lambda run: (run.y, run.x))


def _written(runs: Iterable[_Run]) -> str:
    """The runs with a jump only where one does not follow another, and of a change of look only what changes."""
    written: list[str] = []
    at, last = (-1, -1), _PLAIN
    for run in runs:
        if run.look != last and not (run.is_blank and run.look.blank == last.blank):
            written.append(_change(last, run.look))
            last = run.look
        if (run.y, run.x) != at:
            written.append(f"\x1b[{run.x + 1}G" if run.y == at[0] else f"\x1b[{run.y + 1};{run.x + 1}H")
        written.append(run.text)
        at = (run.y, run.x + run.width)
    return "".join(written) + ("" if last == _PLAIN else _RESET)


def _change(last: _Look, look: _Look) -> str:
    """What turns one look into another; what has to be switched off is switched off by starting anew."""
    before, after = last[:3], look[:3]
    if last.attributes != look.attributes or any(old and not new for old, new in zip(before, after, strict=True)):
        return f"\x1b[{';'.join(filter(None, ('0', *after)))}m"
    return f"\x1b[{';'.join(new for old, new in zip(before, after, strict=True) if old != new)}m"


def _look_of(style: Style | None, colours: ColorSystem | None) -> _Look:
    return _look(style, colours) if style else _PLAIN


@lru_cache(maxsize=1024)
def _look(style: Style, colours: ColorSystem | None) -> _Look:
    colour, ground = Style(color=style.color), Style(bgcolor=style.bgcolor)
    attributes, fore, back = (_codes(part, colours) for part in (style.without_color, colour, ground))
    return _Look(attributes, fore, back, (attributes, fore, back) if _marks_blanks(style) else (back,))


def _marks_blanks(style: Style) -> bool:
    """Whether spaces look like anything but what is behind them."""
    lines = (style.underline, style.underline2, style.strike, style.overline, style.frame, style.encircle)
    return bool(style.reverse or style.blink or style.blink2 or any(lines))


def _codes(style: Style, colours: ColorSystem | None) -> str:
    """The codes that switch a style on, as Rich would write them."""
    start = style.render(_TEXT, color_system=colours).partition(_TEXT)[0]
    return start.removeprefix("\x1b[").removesuffix("m")
