"""Text from elsewhere, made safe to draw: no control, no escape, no invisible or direction-changing character."""

from __future__ import annotations

import re
import unicodedata

MAX_TEXT = 4096
"""Characters of a field that are kept; the rest is dropped before the text is cleaned."""

# Invisible, or of a width terminals disagree on, though not a format character: variation selectors, the combining
# grapheme joiner, the fillers of Hangul and Khmer, and what Unicode sets aside for more of the kind.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8"
    "\U000e0000-\U000e0fff]"
)
_REPLACEMENT = "\ufffd"
_CONTROL_PICTURES = 0x2400


def sanitize(text: str) -> str:
    """The text as one line that is safe to send to a terminal.

    C0 controls and DEL become their control pictures (`␛` for ESC), C1 controls and lone surrogates become U+FFFD,
    line separators become spaces; bidirectional controls, zero-width and other invisible characters are dropped.
    Everything else stays as it is.
    """
    if not text.isprintable():
        text = "".join(char if char.isprintable() else _replacement(char) for char in text)
    return text if text.isascii() else _INVISIBLE.sub("", text)


def sanitize_json(value: object) -> str:
    """Any JSON value as clean text: a string as it is, anything else as its JSON, `…` where that has no bottom."""
    if isinstance(value, str):
        return sanitize(_bounded(value))
    import json

    try:
        return sanitize(_bounded(json.dumps(value, ensure_ascii=False, default=str)))
    except RecursionError:
        return "…"


def _bounded(text: str) -> str:
    return text if len(text) <= MAX_TEXT + 1 else f"{text[:MAX_TEXT]}…"


def _replacement(char: str) -> str:
    match unicodedata.category(char):
        case "Cc" if ord(char) < 0x20:
            return chr(_CONTROL_PICTURES + ord(char))
        case "Cc" if char == "\x7f":
            return "\N{SYMBOL FOR DELETE}"
        case "Cc" | "Cs":
            return _REPLACEMENT
        case "Zl" | "Zp" | "Zs":
            return " "
        case "Cf":
            return ""
        case _:
            return char
