"""Minimal screen updates: only cells that changed are written to the terminal.

Textual's own partial update starts every changed range at the left edge of its widget, styles each piece of text
separately, and writes the whole screen whenever a dialog opens or covers a change. On a slow link that is most of the
cost of a key press. So the screen's content is remembered and compared cell by cell. This is the only module that uses
Textual's compositor.

Most bytes would be colors: one takes 19 bytes, a cursor move at most 9. So an update is written color by color; the
terminal shows it as one frame.

Terminals disagree on the width of some characters, so the cells of such a line are unknown. A line that contains them,
or did, is erased and written whole, and the cursor is positioned after each of them.
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

from comfytui.tui.terminal.widths import is_disputed, with_fixed_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from rich.color import ColorSystem
    from rich.console import Console, ConsoleOptions, RenderableType, RenderResult


RESET = "\x1b[0m"
"""SGR sequence that resets all styles."""

_TEXT = "\0"


class Sgr(NamedTuple):
    """SGR parameters of a style, without the escape around them; empty for none.

    Attributes:
        attributes: Bold, underline and other attributes.
        foreground: Color of the text.
        background: Color behind the text.
        blank_look: Parameters that are visible on spaces.
    """

    attributes: str
    foreground: str
    background: str
    blank_look: tuple[str, ...]


PLAIN = Sgr("", "", "", ("",))
"""Parameters of unstyled text."""


def sgr_transition(last: Sgr, new: Sgr) -> str:
    """Return the sequence from one style to another; a reset comes first if something has to be switched off."""
    before, after = last[:3], new[:3]
    if last.attributes != new.attributes or any(old and not part for old, part in zip(before, after, strict=True)):
        return f"\x1b[{';'.join(filter(None, ('0', *after)))}m"
    return f"\x1b[{';'.join(part for old, part in zip(before, after, strict=True) if old != part)}m"


def sgr_for(style: Style | None, colors: ColorSystem | None) -> Sgr:
    """Return the SGR parameters of a style in a color system, or without colors if it is None."""
    return _sgr_for(style, colors) if style else PLAIN


@lru_cache(maxsize=1024)
def _sgr_for(style: Style, colors: ColorSystem | None) -> Sgr:
    text, ground = Style(color=style.color), Style(bgcolor=style.bgcolor)
    attributes, fore, back = (_codes(part, colors) for part in (style.without_color, text, ground))
    return Sgr(attributes, fore, back, (attributes, fore, back) if _shows_on_blanks(style) else (back,))


def _shows_on_blanks(style: Style) -> bool:
    """Return True if a style shows on spaces by more than its background."""
    lines = (style.underline, style.underline2, style.strike, style.overline, style.frame, style.encircle)
    return bool(style.reverse or style.blink or style.blink2 or any(lines))


def _codes(style: Style, colors: ColorSystem | None) -> str:
    """Return the parameters of a style as Rich writes them."""
    start = style.render(_TEXT, color_system=colors).partition(_TEXT)[0]
    return start.removeprefix("\x1b[").removesuffix("m")


_ERASE = "\x1b[K"
"""Sequence that erases to the end of the line."""

# Up to this many unchanged cells between two changes cost fewer bytes than a cursor move.
_MIN_JUMP = 5


class _TextRun(NamedTuple):
    """Text in one style: its position, and the column after its end."""

    y: int
    x: int
    end: int
    text: str
    look: Sgr


_NOWHERE = _TextRun(-1, -1, -1, "", PLAIN)


class _CellRange(NamedTuple):
    """New content of a part of a line."""

    y: int
    x: int
    strip: Strip


class _Cells(NamedTuple):
    """Character and style of each cell; the character is empty in the second cell of a wide one."""

    chars: list[str]
    looks: list[Sgr]


class _ScreenLine:
    """Line shown by the terminal; it is split into cells only once part of it changes."""

    def __init__(self, strip: Strip) -> None:
        self.width = strip.cell_length
        self.is_disputed = _holds_disputed(strip)
        self._strip: Strip | None = strip
        self._cells = _Cells([], [])

    def differs(self, x: int, strip: Strip) -> bool:
        """Return True if the content may be new; a fast check without comparing cells."""
        return self._strip is None or x > 0 or self._strip != strip

    def update(self, cells: _CellRange, colors: ColorSystem | None) -> list[_TextRun]:
        """Put new content into the line, and return the runs to write."""
        if self._strip is not None:
            self._cells, self._strip = _cells(self._strip, colors), None
        chars, looks = self._cells
        self.is_disputed = self.is_disputed or _holds_disputed(cells.strip)
        runs: list[_TextRun] = []
        place = cells.x
        for text, style, control in cells.strip:
            if not control:
                new, look = _characters(text), sgr_for(style, colors)
                part = slice(place, place + len(new))
                runs += _changed_runs(cells.y, place, look, new, _Cells(chars[part], looks[part]))
                chars[part], looks[part] = new, [look] * len(new)
                place += len(new)
        return _merge_blank_runs(runs)

    def redraw(self, y: int) -> list[_TextRun]:
        """Return all runs of the line from left to right, preceded by an erase."""
        chars, looks = self._cells
        self.is_disputed = is_disputed("".join(chars))
        starts = [0, *(x for x in range(1, len(looks)) if looks[x] != looks[x - 1] and chars[x]), len(chars)]
        runs = [
            _TextRun(y, x, end, with_fixed_columns(chars[x:end], x), looks[x]) for x, end in pairwise(starts) if x < end
        ]
        return _with_erase(runs)


class ScreenBuffer:
    """Content of the terminal's screen, from which updates are reduced to their differences."""

    def __init__(self) -> None:
        self._lines: list[_ScreenLine] = []

    def invalidate(self) -> None:
        """Forget the content: the next full update is written whole."""
        self._lines = []

    def minimize(self, update: RenderableType | None) -> RenderableType | None:
        """Return an update that writes only differences, or the same update if it cannot be reduced."""
        if not isinstance(update, (ChopsUpdate, LayoutUpdate)):
            return update
        if _is_understood(update):
            return DiffUpdate(self, update)
        self.invalidate()
        return update

    def diff(self, update: ChopsUpdate | LayoutUpdate, colors: ColorSystem | None) -> Iterable[_TextRun]:
        """Return the runs to write for an update, and record them as written."""
        if isinstance(update, ChopsUpdate):
            stretches = [*_changed_ranges(update)]
        elif (whole := self._full_redraw(update)) is not None:
            return chain.from_iterable(self._replace_unknown(stretch, colors) for stretch in whole)
        else:
            stretches = [_CellRange(y, 0, Strip.join(line)) for y, line in enumerate(update.strips)]
        if not self._lines:
            return chain.from_iterable(_all_runs(stretch, colors) for stretch in stretches)
        return self._update_lines(stretches, colors)

    def _update_lines(self, ranges: Iterable[_CellRange], colors: ColorSystem | None) -> Iterable[_TextRun]:
        runs: list[_TextRun] = []
        # Lines with characters of disputed width are redrawn whole, because their cells are unknown.
        redrawn: dict[int, _ScreenLine] = {}
        for stretch in ranges:
            changed = self._update_line(stretch, colors)
            runs += changed
            if changed and stretch.y < len(self._lines) and (line := self._lines[stretch.y]).is_disputed:
                redrawn[stretch.y] = line
        if not redrawn:
            return _group_by_style(runs)
        whole = [run for y, line in redrawn.items() for run in line.redraw(y)]
        return chain(whole, _group_by_style(run for run in runs if run.y not in redrawn))

    def _update_line(self, cells: _CellRange, colors: ColorSystem | None) -> Sequence[_TextRun]:
        if cells.y >= len(self._lines):
            return [*_all_runs(cells, colors)]
        line = self._lines[cells.y]
        return line.update(cells, colors) if line.differs(cells.x, cells.strip) else ()

    def _replace_unknown(self, cells: _CellRange, colors: ColorSystem | None) -> Iterable[_TextRun]:
        """Return the runs to write over unknown content."""
        runs = [*_all_runs(cells, colors)]
        return _with_erase(runs) if cells.y < len(self._lines) and self._lines[cells.y].is_disputed else runs

    def _full_redraw(self, update: LayoutUpdate) -> list[_CellRange] | None:
        """Return the whole update if the content it replaces is unknown, else None."""
        region, lines = update.region, [Strip.join(line) for line in update.strips]
        is_known = [line.width for line in self._lines] == [line.cell_length for line in lines]
        if is_known and not region.offset:
            return None
        self._lines = [] if region.offset else [_ScreenLine(line) for line in lines]
        return [_CellRange(region.y + y, region.x, line) for y, line in enumerate(lines)]


class DiffUpdate(CompositorUpdate):
    """Update reduced to the cells that differ from the screen."""

    def __init__(self, buffer: ScreenBuffer, update: ChopsUpdate | LayoutUpdate) -> None:
        self._buffer = buffer
        self._update = update

    def render_segments(self, console: Console) -> str:
        """Return the bytes for the terminal."""
        return _encode(self._buffer.diff(self._update, COLOR_SYSTEMS.get(console.color_system or "")))

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._update.__rich_console__(console, options)


def _is_understood(update: ChopsUpdate | LayoutUpdate) -> bool:
    """Return True if an update has the attributes that this module reads, which are not part of Textual's API."""
    names = ("chops", "spans", "chop_ends") if isinstance(update, ChopsUpdate) else ("strips", "region")
    return all(hasattr(update, name) for name in names)


def _changed_ranges(update: ChopsUpdate) -> Iterator[_CellRange]:
    """Yield the changed ranges of an update, split at widget borders."""
    for y, start, end in update.spans:
        chops = update.chops[y].items()
        for chop_end, (x, strip) in zip(update.chop_ends[y], chops, strict=False):
            left, right = max(x, start), min(chop_end, end)
            if strip is not None and left < right:
                yield _CellRange(y, left, strip.crop(left - x, right - x))


def _all_runs(cells: _CellRange, colors: ColorSystem | None) -> Iterator[_TextRun]:
    """Yield all runs of a range in order."""
    x = cells.x
    for text, style, control in cells.strip:
        if not control:
            chars = _characters(text)
            yield _TextRun(cells.y, x, end := x + len(chars), with_fixed_columns(chars, x), sgr_for(style, colors))
            x = end


def _holds_disputed(strip: Strip) -> bool:
    """Return True if terminals may disagree on the width of a character in it."""
    return any(not text.isascii() and is_disputed(text) for text, _, _ in strip)


def _with_erase(runs: list[_TextRun]) -> list[_TextRun]:
    """Return the runs of a whole line, the first one preceded by an erase."""
    return [runs[0]._replace(text=f"{_ERASE}{runs[0].text}"), *runs[1:]] if runs and runs[0].x == 0 else runs


def _cells(strip: Strip, colors: ColorSystem | None) -> _Cells:
    cells = _Cells([], [])
    for text, style, control in strip:
        if not control:
            cells.chars.extend(chars := _characters(text))
            cells.looks.extend([sgr_for(style, colors)] * len(chars))
    return cells


def _characters(text: str) -> Sequence[str]:
    """Return the character in each cell of a text."""
    return text if text.isascii() else _wide_characters(text)


@lru_cache(maxsize=1024)
def _wide_characters(text: str) -> Sequence[str]:
    """Return the character in each cell: empty after a wide one; zero-width ones belong to the one before."""
    cells: list[str] = []
    for start, end, width in split_graphemes(text)[0]:
        if width:
            cells.extend((text[start:end], *[""] * (width - 1)))
        elif cells:
            cells[-1] += text[start:end]
    return tuple(cells)


def _changed_runs(y: int, x: int, look: Sgr, chars: Sequence[str], old: _Cells) -> list[_TextRun]:
    """Return the runs to write so that the cells show these characters in one style."""
    if _is_unchanged(look, chars, old):
        return []
    blank = look.blank_look
    changed = [
        index
        for index, (new, was, looked) in enumerate(zip(chars, *old, strict=False))
        if new != was or (looked is not look and looked != look and (new != " " or looked.blank_look != blank))
    ]
    if len(changed) == len(chars):
        return [_TextRun(y, x, x + len(chars), "".join(chars), look)]
    if not changed:
        return []
    breaks = [(a, b) for a, b in pairwise(changed) if b - a > _MIN_JUMP]
    starts, ends = [changed[0], *(b for _, b in breaks)], [*(a + 1 for a, _ in breaks), changed[-1] + 1]
    return [
        _TextRun(y, x + start, x + end, "".join(chars[start:end]), look)
        for start, end in zip(starts, ends, strict=True)
    ]


def _is_unchanged(look: Sgr, chars: Sequence[str], old: _Cells) -> bool:
    """Return True if all cells have these characters and this style already; a fast check of the whole range."""
    # Joined, wide characters would be equal to the same ones a cell further.
    same = "".join(old.chars) == chars if isinstance(chars, str) else [*old.chars] == [*chars]
    return same and old.looks.count(look) == len(chars)


def _merge_blank_runs(runs: list[_TextRun]) -> list[_TextRun]:
    """Give blank runs the style of an adjacent run if they look the same in it."""
    blanks = [index for index, run in enumerate(runs) if run.text.isspace()]
    for index, step in [*((blank, -1) for blank in blanks), *((blank, 1) for blank in reversed(blanks))]:
        run, other = runs[index], runs[index + step] if 0 <= index + step < len(runs) else _NOWHERE
        if run.look.blank_look == other.look.blank_look and (other.end == run.x or run.end == other.x):
            runs[index] = run._replace(look=other.look)
    return runs


def _group_by_style(runs: Iterable[_TextRun]) -> Iterator[_TextRun]:
    """Yield the runs ordered by style to minimize style changes; within a style from top to bottom."""
    looks: defaultdict[Sgr, list[_TextRun]] = defaultdict(list)
    for run in runs:
        looks[run.look].append(run)
    for look in sorted(looks, key=lambda look: (look.attributes, look.background)):
        yield from looks[look]


def _encode(runs: Iterable[_TextRun]) -> str:
    """Encode the runs with cursor moves and style changes only where necessary."""
    written: list[str] = []
    y, x, last = -1, -1, PLAIN
    for run in runs:
        if run.look != last and not (run.look.blank_look == last.blank_look and run.text.isspace()):
            written.append(sgr_transition(last, run.look))
            last = run.look
        if (run.y, run.x) != (y, x):
            written.append(f"\x1b[{run.x + 1}G" if run.y == y else f"\x1b[{run.y + 1};{run.x + 1}H")
        written.append(run.text)
        y, x = run.y, run.end
    return "".join(written) + ("" if last == PLAIN else RESET)
