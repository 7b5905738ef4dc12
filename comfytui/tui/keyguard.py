"""Keys that come in pieces over a slow link: nothing that was torn off a key may act as a key of its own.

Most keys are sent as an escape sequence. Where its bytes come far apart, Textual's parser takes what it has for keys:
`ESC [`, and a while later `B`, are a typed `[` and a typed `B` to it, which nobody who sees only keys can tell from
what a person typed. So this looks at the characters before the parser does, and lets sequences through only whole.
The forms are those of ECMA-48, 5.4, and of xterm's control sequences.
"""

from __future__ import annotations

import re

__all__ = ["AFTER_ESCAPE", "PATIENCE", "KeyGuard"]

ESCAPE = "\x1b"

AFTER_ESCAPE = 0.7
"""Seconds after the Escape key in which `[` and `O` are taken for what was torn off it, and between such pieces."""

PATIENCE = 3.0
"""Seconds that the rest of a sequence is waited for."""

_BEGUN = r"\x1b(?:\[(?:[0-?]*[ -/]*|\[|M[^\x1b]{0,2})|O[0-9;]*)"
_WHOLE = r"\x1b(?:\[(?:\[.|M[^\x1b]{3}|(?!M)[0-?]*[ -/]*[@-Z\\-~])|O[0-9;]*[@-~])"

_UNFINISHED = re.compile(rf"(?:{_BEGUN}|\x1b)\Z")
_BROKEN_OFF = re.compile(rf"{_BEGUN}(?=\x1b)")
_FIRST = re.compile(rf"{_WHOLE}|{_BROKEN_OFF.pattern}", re.DOTALL)

_PASTE_BEGINS = "\x1b[200~"


class KeyGuard:
    """Stands between the terminal and the parser of its sequences.

    Args:
        delay: Seconds after which an ESC with nothing behind it is the Escape key.
    """

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._held = ""
        self._since = 0.0
        self._escaped_at: float | None = None
        self._is_spent = False

    @property
    def is_waiting(self) -> bool:
        """Whether something is held back, and `tick` may have something to say."""
        return bool(self._held)

    def feed(self, text: str, now: float) -> str:
        """What the parser may have of all that has come, this text last; the rest is held back."""
        if self._is_torn_off(text, now):
            # The Escape key has acted; what belonged to it is to be recognized, and dropped.
            self._held, self._is_spent = ESCAPE, True
        self._escaped_at, self._since = None, now
        text, self._held = self._held + text, ""
        if self._is_spent:
            text = self._without_the_spent(text)
        text = _BROKEN_OFF.sub("", text)
        if unfinished := _UNFINISHED.search(text):
            self._held, text = unfinished.group(), text[: unfinished.start()]
        return text

    def tick(self, now: float) -> str:
        """What has waited long enough: ESC for the Escape key, or what was typed right behind it."""
        waited, held = now - self._since, self._held
        if self._is_spent and waited > AFTER_ESCAPE:
            self._held, self._is_spent = "", False
            # A single one with nothing behind it is a key after all.
            return held[1:] if len(held) <= len("\x1b[") else ""
        if held == ESCAPE and waited >= self._delay:
            self._held, self._escaped_at = "", now
            return ESCAPE
        if waited > PATIENCE:
            self._held = ""
        return ""

    def _is_torn_off(self, text: str, now: float) -> bool:
        recent = self._escaped_at is not None and now - self._escaped_at <= AFTER_ESCAPE
        return recent and text.startswith(("[", "O"))

    def _without_the_spent(self, text: str) -> str:
        if _UNFINISHED.fullmatch(text):
            return text
        self._is_spent = False
        first = _FIRST.match(text)
        if first is None:
            # Nothing is torn in this way.
            return text.removeprefix(ESCAPE)
        # What follows is text, not keys.
        kept = _PASTE_BEGINS if first.group() == _PASTE_BEGINS else ""
        return kept + text[first.end() :]
