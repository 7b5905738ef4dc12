"""Keys that come in pieces over a slow link: nothing that was torn off a key may act as a key of its own.

Most keys are sent as an escape sequence. Where its bytes come far apart, or where it means nothing to Textual's parser,
the parser takes what it has for keys: `ESC [`, and a while later `B`, are a typed `[` and a typed `B` to it, which
nobody who sees only keys can tell from what a person typed. So this looks at the characters before the parser does,
lets sequences through only whole, drops those that the parser has no use for, and knows where a paste ends.
The forms are those of ECMA-48, 5.3 to 5.6, and of xterm's control sequences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

ESCAPE = "\x1b"
PASTE_BEGINS = "\x1b[200~"
PASTE_ENDS = "\x1b[201~"

ESCAPE_TAIL_S = 0.7
"""Seconds after the Escape key in which `[` and `O` are taken for what was torn off it, and between such pieces."""

SEQUENCE_TIMEOUT_S = 3.0
"""Seconds that the rest of a sequence, of a string or of a paste is waited for."""

MAX_BUFFERED = 4096
"""Characters of something unfinished that are kept; the rest of it is awaited all the same."""

_INTERRUPT = "\x03"

# What eight bits say in one character, seven say in two.
_IN_SEVEN_BITS = {chr(code): ESCAPE + chr(code - 0x40) for code in (0x8F, 0x90, 0x98, 0x9B, 0x9D, 0x9E, 0x9F)}

_CSI = r"(?:\x1b\[|\x9b)"
_SS3 = r"(?:\x1bO|\x8f)"
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])"
_IN_STRING = r"[^\x03\x07\x18\x1a\x1b\x9c]"
_STRING_ENDS = r"(?:\x07|\x9c|\x1b\\)"
_BEGUN = rf"{_CSI}(?:\[|M[^\x03\x1b]{{0,2}}|[ -?]*)|{_SS3}[0-9;]*"

# Beside the standard's form there are the Linux console's `[[A`, the old mouse reports and rxvt's `3$`.
_TOKEN = re.compile(
    rf"(?P<key>{_CSI}(?:\[[^\x03\x1b]|M[^\x03\x1b]{{3}}|[0-9]{{1,2}}\$|(?!M)[ -?]*[@-Z\\-~])|{_SS3}[0-9;]*[@-~])"
    rf"|(?P<string>{_STRING}{_IN_STRING}*{_STRING_ENDS})"
    rf"|(?P<unfinished>(?:\x1b|{_BEGUN}|{_STRING}{_IN_STRING}*\x1b?)\Z)"
    rf"|(?P<broken>{_BEGUN}|{_STRING}{_IN_STRING}+|[\x8f\x90\x98\x9b\x9d-\x9f])"
    r"|(?P<text>\x1b[^\x1b\x8f\x90\x98\x9b\x9d-\x9f]?|[^\x1b\x8f\x90\x98\x9b\x9d-\x9f]+)",
    re.DOTALL,
)

# What may be a key, or the first of more: ESC, and Alt with what introduces a string.
_KEY_OR_MORE = re.compile(r"\x1b[\]PX^_]?")
_NEVER_TYPED = re.compile(rf"\x1b\[[0-?]+[ -/]*[@-~]|{_STRING}{_IN_STRING}*{_STRING_ENDS}")
_TORN_SOON = re.compile(r"\x1b(?:[\[O]|\][0-9]+;|P[0-9;]*[!-/<-?][!-~]|_G[a-z]=)")

_END_OF_PASTE = re.compile(r"(?:\x1b\[|\x9b)201~")
_END_OF_PASTE_BEGUN = re.compile(r"(?:\x1b(?:\[(?:2(?:01?)?)?)?|\x9b(?:2(?:01?)?)?)\Z")


class EscapeGuard:
    """Stands between the terminal and the parser of its sequences.

    Args:
        delay: Seconds after which an ESC with nothing behind it is the Escape key.
        knows: Whether the parser has a use for a whole control sequence, told in seven bits.
    """

    def __init__(self, delay: float, knows: Callable[[str], bool]) -> None:
        self._delay = delay
        self._knows = knows
        self._held = ""
        self._since = 0.0
        self._acted = ""
        self._acted_at = 0.0
        self._is_spent = False
        self._is_pasting = False

    @property
    def is_waiting(self) -> bool:
        """Whether something is held back or to be ended, and `tick` may have something to say."""
        return bool(self._held) or self._is_pasting

    def feed(self, text: str, now: float) -> str:
        """What the parser may have of all that has come, this text last; the rest is held back or dropped."""
        if self._is_torn_off(text, now):
            # The key has acted; what belonged to it is to be recognized, and dropped.
            self._held, self._is_spent, self._acted = self._acted, True, ""
        else:
            more = self._acted + text
            self._acted = more if self._acted == ESCAPE and _KEY_OR_MORE.fullmatch(more) else ""
        self._since = now
        text, self._held = self._held + text, ""
        return "".join(self._passing(text))

    def tick(self, now: float) -> str:
        """What has waited long enough: a key that could have been more, what was typed right behind it, or an end."""
        waited, held = now - self._since, self._held
        if self._is_pasting:
            return self._give_up_paste(now) if waited > SEQUENCE_TIMEOUT_S else ""
        if self._is_spent and waited > (ESCAPE_TAIL_S if held.startswith(("\x1b[", "\x1bO")) else SEQUENCE_TIMEOUT_S):
            self._held, self._is_spent = "", False
            # A single one with nothing behind it is a key after all.
            return held[1:] if len(held) <= len("\x1b[") else ""
        if not self._is_spent and _KEY_OR_MORE.fullmatch(held) and waited >= self._delay:
            self._held, self._acted, self._acted_at = "", held, now
            return held
        if waited > SEQUENCE_TIMEOUT_S:
            self._held = ""
        return ""

    def _is_torn_off(self, text: str, now: float) -> bool:
        if not self._acted:
            return False
        whole, is_recent = self._acted + text, now - self._acted_at <= ESCAPE_TAIL_S
        return bool(_NEVER_TYPED.match(whole) or (is_recent and _TORN_SOON.match(whole)))

    def _passing(self, text: str) -> Iterator[str]:
        while text:
            if self._is_pasting:
                passing, text = self._pasted(text)
                yield passing
            elif (token := _TOKEN.match(text)) is not None:
                text = text[token.end() :]
                yield self._passed(token, text)

    def _passed(self, token: re.Match[str], rest: str) -> str:
        said, kind = token.group(), token.lastgroup
        if kind == "unfinished":
            self._hold(said)
            return ""
        is_spent, self._is_spent = self._is_spent, False
        if kind == "text":
            return said
        if kind == "broken":
            # Broken off by what no sequence begins with, it was not torn off, but typed.
            return said[1:] if is_spent and not rest.startswith(ESCAPE) else ""
        said = _IN_SEVEN_BITS.get(said[0], said[0]) + said[1:]
        self._is_pasting = said == PASTE_BEGINS
        is_wanted = self._is_pasting or not is_spent
        return said if kind == "key" and is_wanted and self._knows(said) else ""

    def _hold(self, text: str) -> None:
        self._held = text[:MAX_BUFFERED]
        if len(text) > MAX_BUFFERED and text.endswith(ESCAPE):
            self._held += ESCAPE

    def _pasted(self, text: str) -> tuple[str, str]:
        if end := _END_OF_PASTE.search(text):
            self._is_pasting = False
            return _without_escapes(text[: end.start()]) + PASTE_ENDS, text[end.end() :]
        if _INTERRUPT in text:
            self._is_pasting = False
            before, _, after = text.partition(_INTERRUPT)
            return _without_escapes(before) + PASTE_ENDS, _INTERRUPT + after
        if unfinished := _END_OF_PASTE_BEGUN.search(text):
            self._held, text = unfinished.group(), text[: unfinished.start()]
        return _without_escapes(text), ""

    def _give_up_paste(self, now: float) -> str:
        held, self._held, self._is_pasting = self._held, "", False
        if held == ESCAPE:
            self._acted, self._acted_at = ESCAPE, now
        return PASTE_ENDS


def _without_escapes(text: str) -> str:
    # To Textual's parser each of them begins a sequence, and what is none is typed instead of pasted.
    return text.replace(ESCAPE, "")
