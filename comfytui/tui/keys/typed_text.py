"""Text that is typed or pasted: cleaned, and cut to what the box has room for, before the box gets it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.text import sanitize

if TYPE_CHECKING:
    from textual.widgets import Input


_MOST_CHECKED = 64


def clean_typed(text: str) -> str:
    """Return the first line of a text that has anything in it, without what no terminal draws.

    Controls, escape sequences' first characters and direction changes are dropped; tabs become spaces.
    """
    lines = text.splitlines() or [""]
    line = next((line for line in lines if line.strip()), lines[0])
    shown = "".join(char for char in line.expandtabs(1) if char.isprintable() or char.isspace())
    return sanitize(shown)


def type_text(box: Input, text: str) -> None:
    """Type a clean text into a box, in place of what is selected, as far as there is room."""
    start, end = sorted(box.selection)
    if box.restrict is not None:
        for character in text[:_MOST_CHECKED]:
            box.replace(character, *box.selection)
        return
    if box.max_length:
        text = text[: max(0, box.max_length - (len(box.value) - (end - start)))]
    if text:
        box.replace(text, start, end)
