"""Size limits of one response, applied before validation, sanitizing and redaction.

Cuts are marked: "…" at the end of a text, "… more than 64" as the last entry of a list or an object.
"""

from __future__ import annotations

from collections.abc import Collection

from comfytui.api.trimming import CUT
from comfytui.text import MAX_TEXT

MAX_ENTRIES = 64
"""Tags, headers, further fields, or entries of a nested value that are kept."""

MAX_ITEM_TEXT = 16_384
MAX_ANSWER_TEXT = 500_000
MAX_NESTED = 256
MAX_DEPTH = 8

_USUAL_TEXT = 512
_LEAST_ITEM_TEXT = 512


class Budget:
    """Characters and nested values that one answer may still add."""

    def __init__(self) -> None:
        self._answer = MAX_ANSWER_TEXT
        self._item = 0
        self._nested = 0

    def bounded(self, entry: object, known: Collection[str]) -> object:
        """Return one runner or workflow as sent, cut to the limits.

        Args:
            entry: A decoded JSON value.
            known: Names of the fields that matter most, which are kept before others.
        """
        if not isinstance(entry, dict) or _is_usual(entry):
            return entry
        before = self._item = max(_LEAST_ITEM_TEXT, min(MAX_ITEM_TEXT, self._answer))
        kept = {name: self._field(entry[name]) for name in known if name in entry}
        if "id" in entry:
            # Half an id would be that of another one.
            kept["id"] = entry["id"]
        others = 0
        for name, value in entry.items():
            if name in kept:
                continue
            others += 1
            if others > MAX_ENTRIES:
                kept[f"{CUT} more than {MAX_ENTRIES}"] = "fields"
                break
            kept[self._text(name)] = self._field(value)
        self._answer -= before - self._item
        return kept

    def _field(self, value: object) -> object:
        self._nested = MAX_NESTED
        return self._value(value, MAX_DEPTH)

    def _value(self, value: object, depth: int) -> object:
        if isinstance(value, str):
            return self._text(value)
        if not isinstance(value, (dict, list)):
            return value
        if depth == 0:
            return CUT
        return self._list(value, depth) if isinstance(value, list) else self._object(value, depth)

    def _list(self, values: list[object], depth: int) -> list[object]:
        kept: list[object] = []
        for value in values:
            if self._is_full(len(kept)):
                kept.append(f"{CUT} more than {len(kept)}")
                break
            kept.append(self._value(value, depth - 1))
        return kept

    def _object(self, fields: dict[str, object], depth: int) -> dict[str, object]:
        kept: dict[str, object] = {}
        for name, value in fields.items():
            if self._is_full(len(kept)):
                kept[f"{CUT} more than {len(kept)}"] = CUT
                break
            kept[self._text(name)] = self._value(value, depth - 1)
        return kept

    def _is_full(self, entries: int) -> bool:
        self._nested -= 1
        return entries >= MAX_ENTRIES or self._nested < 0

    def _text(self, text: str) -> str:
        room = min(MAX_TEXT, self._item)
        self._item -= min(room, len(text))
        return text if len(text) <= room else f"{text[:room]}{CUT}"


def _is_usual(entry: dict[str, object]) -> bool:
    """Return True if an entry is so small that nothing needs to be counted."""
    if len(entry) > MAX_ENTRIES // 4:
        return False
    return all(_is_small(value) for value in entry.values())


def _is_small(value: object) -> bool:
    if isinstance(value, str):
        return len(value) <= _USUAL_TEXT
    if isinstance(value, (list, dict)):
        parts = value if isinstance(value, list) else [*value, *value.values()] if len(value) < MAX_ENTRIES else None
        return parts is not None and len(parts) <= MAX_ENTRIES // 4 and all(map(_is_short, parts))
    return True


def _is_short(value: object) -> bool:
    return len(value) <= _USUAL_TEXT if isinstance(value, str) else not isinstance(value, (list, dict))
