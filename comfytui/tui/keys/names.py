"""How keys are spelled, by people and by Textual, and what terminals make of them."""

from __future__ import annotations

import contextlib
import string
import unicodedata
from collections.abc import Mapping

EXAMPLES = '"x", "X", "/", "ctrl+x", "alt+x", "shift+up", "pageup", "space", "f5"'
"""Some keys as people spell them, for sentences."""

_MODIFIERS = frozenset({"alt", "ctrl", "shift"})

_NAMED = frozenset(
    {"up", "down", "left", "right", "home", "end", "pageup", "pagedown", "insert", "delete", "backspace"}
    | {"enter", "escape", "space", "tab"}
    | {f"f{number}" for number in range(1, 25)}
)

# The characters whose names in Textual are not those in Unicode.
_RENAMED = {"/": "slash", "\\": "backslash", "@": "at", "-": "minus", "+": "plus", "_": "underscore", " ": "space"}

# What most terminals send for these cannot be told from other keys.
_SENT_AS: Mapping[str, str] = {
    "ctrl+i": "tab",
    "ctrl+m": "enter",
    "ctrl+h": "backspace",
    "ctrl+left_square_bracket": "escape",
    "ctrl+slash": "ctrl+underscore",
    "ctrl+space": "ctrl+@",
}


def _name(character: str) -> str:
    """What Textual calls the key of a character."""
    if character.isalnum():
        return character
    plain = unicodedata.name(character, "").lower().replace("-", "_").replace(" ", "_")
    return _RENAMED.get(character, plain)


_CHARACTERS = {_name(character): character for character in string.punctuation}


def parse_key(written: str) -> str | None:
    """The key as Textual spells it, None where it is no key.

    A key is a character, or its name in Textual, or the name of a key that types nothing; `ctrl`, `alt` and `shift`
    with a `+` behind each stand before it in any order. A capital letter stands for itself, without shift.
    """
    *before, key = _parts(written)
    modifiers = set(before)
    if len(modifiers) < len(before) or not modifiers <= _MODIFIERS:
        return None
    if len(key) == 1:
        key = _name(key) if key.isprintable() else ""
        if modifiers and key.isupper():
            modifiers, key = modifiers | {"shift"}, key.lower()
    if not _is_key(key) or (modifiers == {"shift"} and is_printable(key) and key != "space"):
        return None
    return "+".join((*sorted(modifiers), key))


def terminal_equivalents(key: str) -> tuple[str, ...]:
    """All that may reach the dashboard when this key is pressed, by terminal; the key itself is the first.

    Most terminals have no code of their own for some keys with ctrl; and of alt with anything but a letter, a digit
    or an arrow Textual drops the alt, unless the terminal speaks the Kitty keyboard protocol.
    """
    if key in _SENT_AS:
        return (key, _SENT_AS[key])
    without = key.removeprefix("alt+")
    lost = without != key and "+" not in without and len(without) > 1 and (is_printable(without) or without == "enter")
    return (key, without) if lost else (key,)


def is_printable(key: str) -> bool:
    """Whether the key types a character where one can type."""
    return key == "space" or _character(key) is not None


def display_key(key: str) -> str:
    """The key as it stands in a sentence: `/`, `ctrl+p`, `enter`."""
    *modifiers, last = key.split("+")
    return "+".join((*modifiers, _character(last) or last))


def _parts(written: str) -> list[str]:
    """The modifiers and the key, which may be a plus sign itself."""
    if written == "+" or written.endswith("++"):
        return [*(written[:-2].split("+") if len(written) > 1 else ()), "+"]
    return written.split("+")


def _character(key: str) -> str | None:
    """The character that a key without modifiers types, None where it types none, or space."""
    if len(key) == 1 or key in _CHARACTERS:
        return _CHARACTERS.get(key, key)
    if key == "space":
        return None
    with contextlib.suppress(KeyError):
        character = unicodedata.lookup(key.replace("_", " "))
        return character if character.isprintable() and _name(character) == key else None
    return None


def _is_key(key: str) -> bool:
    return key in _NAMED or is_printable(key)
