"""Typed or pasted text, sanitized and cut to the free length of its text box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.text import sanitize

if TYPE_CHECKING:
    from textual.widgets import Input


# Each character of a restricted box is checked on its own, which is slow.
_MAX_CHECKED = 64


def clean_typed(text: str) -> str:
    """Return the first non-blank line of a text without characters that terminals do not draw.

    Control characters and changes of direction are dropped; tabs become spaces.
    """
    lines = text.splitlines() or [""]
    line = next((line for line in lines if line.strip()), lines[0])
    shown = "".join(char for char in line.expandtabs(1) if char.isprintable() or char.isspace())
    return sanitize(shown)


def type_text(box: Input, text: str) -> None:
    """Insert a clean text into a box in place of the selection, as far as it fits."""
    start, end = sorted(box.selection)
    if box.restrict is not None:
        for character in text[:_MAX_CHECKED]:
            box.replace(character, *box.selection)
        return
    if box.max_length:
        text = text[: max(0, box.max_length - (len(box.value) - (end - start)))]
    if text:
        box.replace(text, start, end)
