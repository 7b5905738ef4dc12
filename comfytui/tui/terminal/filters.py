"""Line filters for terminals that draw only ASCII or no colors.

They are applied last, so no other code has to know, and they keep the position of every cell.
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
# Textual draws the edges of boxes with these.
_EDGES = dict.fromkeys("▁▂▃▄▔▀", "-") | dict.fromkeys("▊▎▏▕▌▐", "|") | dict.fromkeys("▗▖▘▝", "+")

_TABLE = _STATUSES | _MARKS | _ARROWS | _QUOTES | _BARS | _FRAMES | _EDGES

UNKNOWN = "?"


class AsciiFilter(LineFilter):
    """Filter that replaces all characters outside ASCII."""

    def apply(self, segments: list[Segment], _background: Color) -> list[Segment]:
        """Return the line with ASCII replacements of equal width."""
        if all(text.isascii() for text, _, _ in segments):
            return segments
        return [
            segment if segment.text.isascii() else Segment(to_ascii(segment.text), segment.style, segment.control)
            for segment in segments
        ]


class NoColorFilter(LineFilter):
    """Filter that removes colors and keeps bold, reverse and underline."""

    def apply(self, segments: list[Segment], _background: Color) -> list[Segment]:
        """Return the line without colors."""
        return [
            Segment(text, None if style is None else _without_color(style), control)
            for text, style, control in segments
        ]


def line_filters(colors: ColorDepth, *, only_ascii: bool) -> tuple[LineFilter, ...]:
    """Return the filters for a terminal, to be applied before Textual's own, which would blend colors."""
    found: list[LineFilter] = [NoColorFilter()] if colors is ColorDepth.NONE else []
    return (*found, AsciiFilter()) if only_ascii else tuple(found)


@lru_cache(maxsize=4096)
def to_ascii(text: str) -> str:
    """Return the text in ASCII in as many cells: our icons have replacements, letters lose their accents.

    Other characters become a question mark in each of their cells.
    """
    if text.isascii():
        return text
    replaced = "".join(_replace_grapheme(text[start:end], cells) for start, end, cells in split_graphemes(text)[0])
    # Rich measures a text that begins with a joiner inconsistently, so the width is set here.
    return set_cell_size(replaced, cell_len(text))


def _replace_grapheme(grapheme: str, cells: int) -> str:
    if grapheme.isascii() and len(grapheme) == 1:
        return grapheme
    if cells != 1:
        return UNKNOWN * cells
    if found := _TABLE.get(grapheme[0]):
        return found
    base = unicodedata.normalize("NFKD", grapheme)
    # Only a letter with its marks is reduced to the letter; a fraction, say, is not.
    is_letter = base[0].isascii() and base[0].isprintable() and cell_len(base) == 1
    return base[0] if is_letter else UNKNOWN


@lru_cache(maxsize=1024)
def _without_color(style: Style) -> Style:
    # Textual finds the clicked widget by the style's metadata, so it has to stay.
    return style.without_color + Style.from_meta(style.meta) if style.meta else style.without_color
