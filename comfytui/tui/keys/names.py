"""Spelling of keys, by users and by Textual, and the keys that terminals send for them."""

from __future__ import annotations

import contextlib
import string
import unicodedata
from collections.abc import Mapping

EXAMPLES = '"x", "X", "/", "ctrl+x", "alt+x", "shift+up", "pageup", "space", "f5"'
"""Examples of keys as users spell them, for messages."""

_MODIFIERS = frozenset({"alt", "ctrl", "shift"})

_NAMED_KEYS = frozenset(
    {"up", "down", "left", "right", "home", "end", "pageup", "pagedown", "insert", "delete", "backspace"}
    | {"enter", "escape", "space", "tab"}
    | {f"f{number}" for number in range(1, 25)}
)

# Textual's names of characters that differ from their Unicode names.
_TEXTUAL_NAMES = {
    "/": "slash",
    "\\": "backslash",
    "@": "at",
    "-": "minus",
    "+": "plus",
    "_": "underscore",
    " ": "space",
}

# Most terminals send the same bytes for these keys as for others.
_INDISTINGUISHABLE: Mapping[str, str] = {
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+h": "backspace",
    "ctrl+left_square_bracket": "escape",
    "ctrl+slash": "ctrl+underscore",
    "ctrl+space": "ctrl+@",
}


def _textual_name(character: str) -> str:
    """Return Textual's name for the key of a character."""
    if character.isalnum():
        return character
    plain = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    return _TEXTUAL_NAMES.get(character, plain)


_CHARACTERS = {_textual_name(character): character for character in string.punctuation}


def parse_key(text: str) -> str | None:
    """Return the key as Textual spells it, or None if it is unknown.

    A key is a character, its name in Textual, or the name of a key without a character. `ctrl`, `alt` and `shift`, each
    followed by a `+`, precede it in any order. A capital letter stands for itself, without shift.
    """
    *prefixes, key = _split_key(text)
    modifiers = set(prefixes)
    if len(modifiers) < len(prefixes) or not modifiers <= _MODIFIERS:
        return None
    if len(key) == 1:
        key = _textual_name(key) if key.isprintable() else ""
        if modifiers and key.isupper():
            modifiers, key = modifiers | {"shift"}, key.lower()
    if not _is_key(key) or (modifiers == {"shift"} and is_printable(key) and key != "space"):
        return None
    return "+".join((*sorted(modifiers), key))


def terminal_equivalents(key: str) -> tuple[str, ...]:
    """Return all keys that may arrive when this key is pressed, the key itself first.

    Most terminals have no code of their own for some keys with ctrl. Textual drops the alt of most keys, except for
    letters, digits and arrows, unless the terminal speaks the Kitty keyboard protocol.
    """
    if key in _INDISTINGUISHABLE:
        return (key, _INDISTINGUISHABLE[key])
    plain = key.removeprefix("alt+")
    loses_alt = plain != key and "+" not in plain and len(plain) > 1 and (is_printable(plain) or plain == "enter")
    return (key, plain) if loses_alt else (key,)


def is_printable(key: str) -> bool:
    """Return True if the key types a character in a text box."""
    return key == "space" or _character(key) is not None


def display_key(key: str) -> str:
    """Return the key as shown to the user: `/`, `ctrl+p`, `enter`."""
    *modifiers, last = key.split("+")
    return "+".join((*modifiers, _character(last) or last))


def _split_key(text: str) -> list[str]:
    """Return modifiers and key; the key may be a plus sign itself."""
    if text == "+" or text.endswith("++"):
        return [*(text[:-2].split("+") if len(text) > 1 else ()), "+"]
    return text.split("+")


def _character(key: str) -> str | None:
    """Return the character that a key without modifiers types, or None if it types none or a space."""
    if len(key) == 1 or key in _CHARACTERS:
        return _CHARACTERS.get(key, key)
    if key == "space":
        return None
    with contextlib.suppress(KeyError):
        character = unicodedata.lookup(key.replace("_", " "))
        return character if character.isprintable() and _textual_name(character) == key else None
    return None


def _is_key(key: str) -> bool:
    return key in _NAMED_KEYS or is_printable(key)
