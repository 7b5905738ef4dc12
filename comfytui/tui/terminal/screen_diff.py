"""What goes over the wire when something on the screen has changed: that, and no more.

Textual's own partial update begins every changed stretch at the left edge of the widget it lies in, wraps each piece of
text in a style of its own, and writes the whole screen whenever a box opens or closes, or lies over what changes. On a
slow link that is most of what a key press costs. So what the terminal shows is remembered here, and compared cell by
cell. This is the one place that reaches into Textual's compositor.

Of what is written most would be colours: one takes 19 bytes, getting anywhere else 9 at most. So an update over what is
known is painted one colour after another; all of it is one frame to the terminal.

Where terminals dispute how wide a character is, what one shows cannot be known cell by cell. A line that holds such
characters, or held some, is erased and written whole from left to right, with the cursor set anew behind each of them.
"""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from itertools import chain, pairwise
from typing import TYPE_CHECKING, NamedTuple

from rich.cells import split_graphemes
from rich.console import COLOR_SYSTEMS
from rich.style import Style
from textual._compositor import ChopsUpdate, CompositorUpdate, LayoutUpdate
from textual.strip import Strip

from comfytui.tui.terminal.widths import is_disputed, settled

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.color import ColorSystem
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult


RESET = "\x1b[0m"
"""Back to no style at all."""

_TEXT = "\0"


class Sgr(NamedTuple):
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


PLAIN = Sgr("", "", "", ("",))
"""Of what has no style."""


def sgr_transition(last: Sgr, new: Sgr) -> str:
    """What turns one look into another; what has to be switched off is switched off by starting anew."""
    before, after = last[:3], new[:3]
    if last.attributes != new.attributes or any(old and not part for old, part in zip(before, after, strict=True)):
        return f"\x1b[{';'.join(filter(None, ('0', *after)))}m"
    return f"\x1b[{';'.join(part for old, part in zip(before, after, strict=True) if old != part)}m"


def sgr_for(style: Style | None, colours: ColorSystem | None) -> Sgr:
    """The codes of a style on a terminal with so many colours, None standing for none."""
    return _made(style, colours) if style else PLAIN


@lru_cache(maxsize=1024)
def _made(style: Style, colours: ColorSystem | None) -> Sgr:
    colour, ground = Style(color=style.color), Style(bgcolor=style.bgcolor)
    attributes, fore, back = (_codes(part, colours) for part in (style.without_color, colour, ground))
    return Sgr(attributes, fore, back, (attributes, fore, back) if _marks_blanks(style) else (back,))


def _marks_blanks(style: Style) -> bool:
    """Whether spaces look like anything but what is behind them."""
    lines = (style.underline, style.underline2, style.strike, style.overline, style.frame, style.encircle)
    return bool(style.reverse or style.blink or style.blink2 or any(lines))


def _codes(style: Style, colours: ColorSystem | None) -> str:
    """The codes that switch a style on, as Rich would write them."""
    start = style.render(_TEXT, color_system=colours).partition(_TEXT)[0]
    return start.removeprefix("\x1b[").removesuffix("m")


_ERASE = "\x1b[K"
"""Up to the end of the line."""

# Fewer unchanged cells than this between two changes are cheaper sent again than jumped over.
_WORTH_A_JUMP = 5


class _TextRun(NamedTuple):
    """Text in one look: where it begins, and before which cell it ends."""

    y: int
    x: int
    end: int
    text: str
    look: Sgr


_NOWHERE = _TextRun(-1, -1, -1, "", PLAIN)


class _CellRange(NamedTuple):
    """Part of a line: where it begins, and what is to be there."""

    y: int
    x: int
    strip: Strip


class _Cells(NamedTuple):
    """Text cell by cell: the character in each, empty where one before it goes on; and its look."""

    chars: list[str]
    looks: list[Sgr]


class _ScreenLine:
    """A line as the terminal shows it; its cells are told apart only once part of it changes."""

    def __init__(self, strip: Strip) -> None:
        self.width = strip.cell_length
        self.is_disputed = _holds_disputed(strip)
        self._strip: Strip | None = strip
        self._cells = _Cells([], [])

    def differs(self, x: int, strip: Strip) -> bool:
        """Whether this would be anything new; said without looking at cells, so at times of what is not."""
        return self._strip is None or x > 0 or self._strip != strip

    def put(self, stretch: _CellRange, colours: ColorSystem | None) -> list[_TextRun]:
        """Have this in the line from now on; what differs is what has to be written."""
        if self._strip is not None:
            self._cells, self._strip = _cells(self._strip, colours), None
        chars, looks = self._cells
        self.is_disputed = self.is_disputed or _holds_disputed(stretch.strip)
        runs: list[_TextRun] = []
        place = stretch.x
        for text, style, control in stretch.strip:
            if not control:
                new, look = _characters(text), sgr_for(style, colours)
                part = slice(place, place + len(new))
                runs += _differing(stretch.y, place, look, new, _Cells(chars[part], looks[part]))
                chars[part], looks[part] = new, [look] * len(new)
                place += len(new)
        return _adapted(runs)

    def whole(self, y: int) -> list[_TextRun]:
        """All of the line anew, from left to right, after what the terminal shows in its place is erased."""
        chars, looks = self._cells
        self.is_disputed = is_disputed("".join(chars))
        starts = [0, *(x for x in range(1, len(looks)) if looks[x] != looks[x - 1] and chars[x]), len(chars)]
        runs = [_TextRun(y, x, end, settled(chars[x:end], x), looks[x]) for x, end in pairwise(starts) if x < end]
        return _erased(runs)


class ScreenBuffer:
    """Remembers what the terminal shows, and writes only what is to be different."""

    def __init__(self) -> None:
        self._lines: list[_ScreenLine] = []

    def forget(self) -> None:
        """Nothing is known of what the terminal shows: the next whole screen is written as a whole."""
        self._lines = []

    def lean(self, update: RenderableType | None) -> RenderableType | None:
        """The same update in fewer bytes where there is a way, else the update itself."""
        return DiffUpdate(self, update) if isinstance(update, (ChopsUpdate, LayoutUpdate)) else update

    def take(self, update: ChopsUpdate | LayoutUpdate, colours: ColorSystem | None) -> Iterable[_TextRun]:
        """What has to be written for this update; it is taken to be written then."""
        if isinstance(update, ChopsUpdate):
            stretches = [*_stretches(update)]
        elif (whole := self._begun_anew(update)) is not None:
            return chain.from_iterable(self._first(stretch, colours) for stretch in whole)
        else:
            stretches = [_CellRange(y, 0, Strip.join(line)) for y, line in enumerate(update.strips)]
        if not self._lines:
            return chain.from_iterable(_whole(stretch, colours) for stretch in stretches)
        return self._put_all(stretches, colours)

    def _put_all(self, stretches: Iterable[_CellRange], colours: ColorSystem | None) -> Iterable[_TextRun]:
        runs: list[_TextRun] = []
        # Dicts keep their order: the lines that are written whole, for of what they show nobody can be sure.
        anew: dict[int, _ScreenLine] = {}
        for stretch in stretches:
            made = self._put(stretch, colours)
            runs += made
            if made and stretch.y < len(self._lines) and (line := self._lines[stretch.y]).is_disputed:
                anew[stretch.y] = line
        if not anew:
            return _by_look(runs)
        whole = [run for y, line in anew.items() for run in line.whole(y)]
        return chain(whole, _by_look(run for run in runs if run.y not in anew))

    def _put(self, stretch: _CellRange, colours: ColorSystem | None) -> Sequence[_TextRun]:
        if stretch.y >= len(self._lines):
            return [*_whole(stretch, colours)]
        line = self._lines[stretch.y]
        return line.put(stretch, colours) if line.differs(stretch.x, stretch.strip) else ()

    def _first(self, stretch: _CellRange, colours: ColorSystem | None) -> Iterable[_TextRun]:
        """Return the runs to write in place of something unknown."""
        runs = [*_whole(stretch, colours)]
        return _erased(runs) if stretch.y < len(self._lines) and self._lines[stretch.y].is_disputed else runs

    def _begun_anew(self, update: LayoutUpdate) -> list[_CellRange] | None:
        """All of the update where it is not known what the terminal shows in its place."""
        region, lines = update.region, [Strip.join(line) for line in update.strips]
        is_known = [line.width for line in self._lines] == [line.cell_length for line in lines]
        if is_known and not region.offset:
            return None
        self._lines = [] if region.offset else [_ScreenLine(line) for line in lines]
        return [_CellRange(region.y + y, region.x, line) for y, line in enumerate(lines)]


class DiffUpdate(CompositorUpdate):
    """What is left of an update."""

    def __init__(self, wire: ScreenBuffer, update: ChopsUpdate | LayoutUpdate) -> None:
        self._wire = wire
        self._update = update

    def render_segments(self, console: Console) -> str:
        """The bytes for the terminal."""
        return _written(self._wire.take(self._update, COLOR_SYSTEMS.get(console.color_system or "")))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._update.__rich_console__(console, options)


def _stretches(update: ChopsUpdate) -> Iterator[_CellRange]:
    """Each piece that changed, a widget's part of a stretch at a time."""
    for y, start, end in update.spans:
        chops = update.chops[y].items()
        for chop_end, (x, strip) in zip(update.chop_ends[y], chops, strict=False):
            left, right = max(x, start), min(chop_end, end)
            if strip is not None and left < right:
                yield _CellRange(y, left, strip.crop(left - x, right - x))


def _whole(stretch: _CellRange, colours: ColorSystem | None) -> Iterator[_TextRun]:
    """All of it, as it comes."""
    x = stretch.x
    for text, style, control in stretch.strip:
        if not control:
            cells = _characters(text)
            yield _TextRun(stretch.y, x, end := x + len(cells), settled(cells, x), sgr_for(style, colours))
            x = end


def _holds_disputed(strip: Strip) -> bool:
    """Return True if terminals may disagree on how wide something in it is."""
    return any(not text.isascii() and is_disputed(text) for text, _, _ in strip)


def _erased(runs: list[_TextRun]) -> list[_TextRun]:
    """The runs of a whole line, before which all that stands there is erased."""
    return [runs[0]._replace(text=f"{_ERASE}{runs[0].text}"), *runs[1:]] if runs and runs[0].x == 0 else runs


def _cells(strip: Strip, colours: ColorSystem | None) -> _Cells:
    cells = _Cells([], [])
    for text, style, control in strip:
        if not control:
            cells.chars.extend(chars := _characters(text))
            cells.looks.extend([sgr_for(style, colours)] * len(chars))
    return cells


def _characters(text: str) -> Sequence[str]:
    """What is in each cell of a text."""
    return text if text.isascii() else _wide_characters(text)


@lru_cache(maxsize=1024)
def _wide_characters(text: str) -> Sequence[str]:
    """What is in each cell; empty where the character before takes two, and what takes none belongs to that before."""
    cells: list[str] = []
    for start, end, width in split_graphemes(text)[0]:
        if width:
            cells.extend((text[start:end], *[""] * (width - 1)))
        elif cells:
            cells[-1] += text[start:end]
    return tuple(cells)


def _differing(y: int, x: int, look: Sgr, chars: Sequence[str], old: _Cells) -> list[_TextRun]:
    """What has to be written where there are to be these characters, all in one look."""
    if _is_as_it_was(look, chars, old):
        return []
    blank = look.blank
    places = [
        place
        for place, (new, was, looked) in enumerate(zip(chars, *old, strict=False))
        if new != was or (looked is not look and looked != look and (new != " " or looked.blank != blank))
    ]
    if len(places) == len(chars):
        return [_TextRun(y, x, x + len(chars), "".join(chars), look)]
    if not places:
        return []
    breaks = [(a, b) for a, b in pairwise(places) if b - a > _WORTH_A_JUMP]
    starts, ends = [places[0], *(b for _, b in breaks)], [*(a + 1 for a, _ in breaks), places[-1] + 1]
    return [
        _TextRun(y, x + start, x + end, "".join(chars[start:end]), look)
        for start, end in zip(starts, ends, strict=True)
    ]


def _is_as_it_was(look: Sgr, chars: Sequence[str], old: _Cells) -> bool:
    """Whether all of it is there already, in one look too; said without going from cell to cell."""
    return old.looks.count(look) == len(chars) and "".join(old.chars) == "".join(chars)


def _adapted(runs: list[_TextRun]) -> list[_TextRun]:
    """The runs of a line, from left to right, those that are blank in the look of the one they touch."""
    blanks = [place for place, run in enumerate(runs) if run.text.isspace()]
    for place, by in [*((each, -1) for each in blanks), *((each, 1) for each in reversed(blanks))]:
        run, other = runs[place], runs[place + by] if 0 <= place + by < len(runs) else _NOWHERE
        if run.look.blank == other.look.blank and (other.end == run.x or run.end == other.x):
            runs[place] = run._replace(look=other.look)
    return runs


def _by_look(runs: Iterable[_TextRun]) -> Iterator[_TextRun]:
    """The runs in an order in which looks change as little as can be; those of one look from the top."""
    looks: defaultdict[Sgr, list[_TextRun]] = defaultdict(list)
    for run in runs:
        looks[run.look].append(run)
    for look in sorted(looks, key=lambda look: (look.attributes, look.background)):
        yield from looks[look]


def _written(runs: Iterable[_TextRun]) -> str:
    """The runs with a jump only where one does not follow another, and of a change of look only what changes."""
    written: list[str] = []
    y, x, last = -1, -1, PLAIN
    for run in runs:
        if run.look != last and not (run.look.blank == last.blank and run.text.isspace()):
            written.append(sgr_transition(last, run.look))
            last = run.look
        if (run.y, run.x) != (y, x):
            written.append(f"\x1b[{run.x + 1}G" if run.y == y else f"\x1b[{run.y + 1};{run.x + 1}H")
        written.append(run.text)
        y, x = run.y, run.end
    return "".join(written) + ("" if last == PLAIN else RESET)
