"""What is done to every line on its way to the terminal: nothing but ASCII, or no colours.

Both are done last, so that nothing else has to know, and both keep every cell in its place.
"""

from __future__ import annotations

import unicodedata
from functools import lru_cache
from typing import TYPE_CHECKING

from rich.cells import cell_len, set_cell_size, split_graphemes
from rich.segment import Segment
from rich.style import Style
from textual.filter import LineFilter

from comfytui.tui.terminal.capabilities import ColorDepth

if TYPE_CHECKING:
    from textual.color import Color


_STATUSES = {"●": "*", "○": "o", "◌": ".", "◍": "u", "◔": "q", "▶": ">", "✔": "+", "⊘": "-", "⚠": "!", "✖": "x"}
_MARKS = {"…": "~", "–": "-", "—": "-", "−": "-", "•": "*", "·": ".", "∆": "#", "×": "x", "≤": "<", "≥": ">", "»": ">"}
_ARROWS = {"▲": "^", "▼": "v", "↑": "^", "↓": "v", "→": ">", "←": "<", "›": ">", "‹": "<", "«": "<", "⏎": "<", "⌫": "<"}
_QUOTES = {"‘": "'", "’": "'", "“": '"', "”": '"'}
_BARS = dict.fromkeys("▰▅▆▇█", "#") | dict.fromkeys("░▒▓", ".") | {"▱": "-"}
_FRAMES = dict.fromkeys("─━═╌╴╶", "-") | dict.fromkeys("│┃║╎", "|") | dict.fromkeys("╭╮╰╯├┤┬┴┼┌┐└┘", "+")
# What Textual draws the edges of boxes with.
_EDGES = dict.fromkeys("▁▂▃▄▔▀", "-") | dict.fromkeys("▊▎▏▕▌▐", "|") | dict.fromkeys("▗▖▘▝", "+")

_TABLE = _STATUSES | _MARKS | _ARROWS | _QUOTES | _BARS | _FRAMES | _EDGES

UNKNOWN = "?"


class AsciiFilter(LineFilter):
    """Draws nothing but ASCII."""

    def apply(self, segments: list[Segment], _background: Color) -> list[Segment]:
        """The line with other characters for those that are not ASCII, each as wide as the one it stands for."""
        if all(text.isascii() for text, _, _ in segments):
            return segments
        return [
            segment if segment.text.isascii() else Segment(to_ascii(segment.text), segment.style, segment.control)
            for segment in segments
        ]


class NoColorFilter(LineFilter):
    """Draws without colours: bold, reversed and underlined text is all that is left."""

    def apply(self, segments: list[Segment], _background: Color) -> list[Segment]:
        """The line without colours."""
        return [
            Segment(text, None if style is None else _without_color(style), control)
            for text, style, control in segments
        ]


def line_filters(colours: ColorDepth, *, only_ascii: bool) -> tuple[LineFilter, ...]:
    """What lines have to go through, before all that Textual does to them: it would mix colours first."""
    found: list[LineFilter] = [NoColorFilter()] if colours is ColorDepth.NONE else []
    return (*found, AsciiFilter()) if only_ascii else tuple(found)


@lru_cache(maxsize=4096)
def to_ascii(text: str) -> str:
    """The text in ASCII, in as many cells: our own shapes have theirs, letters without their accents.

    What has no likeness is a question mark in each of its cells.
    """
    if text.isascii():
        return text
    made = "".join(_one(text[start:end], cells) for start, end, cells in split_graphemes(text)[0])
    # Rich measures what begins with a joiner in two ways.
    return set_cell_size(made, cell_len(text))


def _one(grapheme: str, cells: int) -> str:
    if grapheme.isascii() and len(grapheme) == 1:
        return grapheme
    if cells != 1:
        return UNKNOWN * cells
    if found := _TABLE.get(grapheme[0]):
        return found
    base = unicodedata.normalize("NFKD", grapheme)
    # What is more than a letter and its marks, a fraction say, is not that letter.
    is_letter = base[0].isascii() and base[0].isprintable() and cell_len(base) == 1
    return base[0] if is_letter else UNKNOWN


@lru_cache(maxsize=1024)
def _without_color(style: Style) -> Style:
    # Textual finds what was clicked by what the style knows beside its look.
    return style.without_color + Style.from_meta(style.meta) if style.meta else style.without_color
