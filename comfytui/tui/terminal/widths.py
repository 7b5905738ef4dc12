"""Characters of disputed width: emoji, combining signs, and characters newer than the terminal."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from rich.cells import split_graphemes

# Marks and format characters take a cell in some terminals and none in others; unassigned and private characters have
# no defined width. Letters and signs of the basic plane have the same width everywhere.
_DISPUTED_CATEGORIES = frozenset(("Mn", "Me", "Mc", "Cf", "Cn", "Co", "Cs"))
_FIRST_MARK = 0x300
_SOFT_HYPHEN = 0xAD
_BEYOND_BASIC = 0x10000
_IDEOGRAPHS = range(0x20000, 0x3FFFE)
_SYMBOLS = range(0x2300, 0x2C00)


@lru_cache(maxsize=4096)
def is_disputed(text: str) -> bool:
    """Return True if terminals may disagree on how many cells a text takes."""
    if text.isascii():
        return False
    return any(
        end - start > 1 or _is_disputed_character(text[start], width) for start, end, width in split_graphemes(text)[0]
    )


def with_fixed_columns(cells: Sequence[str], x: int) -> str:
    """Return text to write from column `x`, with the cursor repositioned after each disputed character.

    Its cells are blanked first, because the terminal may fill fewer of them.

    Args:
        cells: Character in each cell; empty in the second cell of a wide one.
        x: Column.
    """
    text = "".join(cells)
    if not is_disputed(text):
        return text
    written: list[str] = []
    for start, cell in enumerate(cells):
        if cell and is_disputed(cell):
            end = next((index for index in range(start + 1, len(cells)) if cells[index]), len(cells))
            written.append(f"{' ' * (end - start)}\x1b[{x + start + 1}G{cell}\x1b[{x + end + 1}G")
        else:
            written.append(cell)
    return "".join(written)


def _is_disputed_character(character: str, width: int) -> bool:
    code = ord(character)
    if code < _FIRST_MARK:
        return code == _SOFT_HYPHEN
    if unicodedata.category(character) in _DISPUTED_CATEGORIES:
        return True
    if code >= _BEYOND_BASIC:
        return code not in _IDEOGRAPHS
    # Symbols became wide when they became emoji, some of them after Python's Unicode data.
    is_wide = unicodedata.east_asian_width(character) in {"W", "F"}
    return is_wide != (width > 1) or (is_wide and code in _SYMBOLS)
