"""Guard that passes only complete escape sequences to Textual's parser, for keys that arrive in pieces.

Most keys are sent as an escape sequence. If its bytes arrive far apart, or if Textual does not know it, the parser
takes the bytes for typed keys: `ESC [` and a later `B` become a typed `[` and a typed `B`. The keys alone do not tell
the difference. So the guard reads the characters before the parser does, holds incomplete sequences back, drops
unsupported ones, and finds the end of a paste. The forms are those of ECMA-48, 5.3 to 5.6, and of xterm's control
sequences.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

ESCAPE = "\x1b"
PASTE_BEGINS = "\x1b[200~"
PASTE_ENDS = "\x1b[201~"

ESCAPE_TAIL_S = 0.7
"""Seconds after an Escape key in which `[` and `O` count as the rest of a sequence; also between such pieces."""

SEQUENCE_TIMEOUT_S = 3.0
"""Seconds to wait for the rest of a sequence, a string or a paste."""

MAX_BUFFERED = 4096
"""Characters of an incomplete sequence that are stored; the rest is dropped until its end."""

_INTERRUPT = "\x03"

# 8-bit control characters and their 7-bit forms of two characters.
_IN_SEVEN_BITS = {chr(code): ESCAPE + chr(code - 0x40) for code in (0x8F, 0x90, 0x98, 0x9B, 0x9D, 0x9E, 0x9F)}

_CSI = r"(?:\x1b\[|\x9b)"
_SS3 = r"(?:\x1bO|\x8f)"
_STRING = r"(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])"
_IN_STRING = r"[^\x03\x07\x18\x1a\x1b\x9c]"
_STRING_ENDS = r"(?:\x07|\x9c|\x1b\\)"
_BEGUN = rf"{_CSI}(?:\[|M[^\x03\x1b]{{0,2}}|[ -?]*)|{_SS3}[0-9;]*"

# Non-standard forms: the Linux console's `[[A`, old mouse reports, and rxvt's `3$`.
_TOKEN = re.compile(
    rf"(?P<key>{_CSI}(?:\[[^\x03\x1b]|M[^\x03\x1b]{{3}}|[0-9]{{1,2}}\$|(?!M)[ -?]*[@-Z\\-~])|{_SS3}[0-9;]*[@-~])"
    rf"|(?P<string>{_STRING}{_IN_STRING}*{_STRING_ENDS})"
    rf"|(?P<unfinished>(?:\x1b|{_BEGUN}|{_STRING}{_IN_STRING}*\x1b?)\Z)"
    rf"|(?P<broken>{_BEGUN}|{_STRING}{_IN_STRING}+|[\x8f\x90\x98\x9b\x9d-\x9f])"
    r"|(?P<text>\x1b[^\x1b\x8f\x90\x98\x9b\x9d-\x9f]?|[^\x1b\x8f\x90\x98\x9b\x9d-\x9f]+)",
    re.DOTALL,
)

# Either a complete key or the start of a sequence: ESC, and Alt with a character that introduces a string.
_KEY_OR_MORE = re.compile(r"\x1b[\]PX^_]?")
_NEVER_TYPED = re.compile(rf"\x1b\[[0-?]+[ -/]*[@-~]|{_STRING}{_IN_STRING}*{_STRING_ENDS}")
_TORN_SOON = re.compile(r"\x1b(?:[\[O]|\][0-9]+;|P[0-9;]*[!-/<-?][!-~]|_G[a-z]=)")

_END_OF_PASTE = re.compile(r"(?:\x1b\[|\x9b)201~")
_END_OF_PASTE_BEGUN = re.compile(r"(?:\x1b(?:\[(?:2(?:01?)?)?)?|\x9b(?:2(?:01?)?)?)\Z")


class EscapeGuard:
    """Filter between the terminal and Textual's parser of sequences.

    Args:
        delay: Seconds after which an ESC without more is the Escape key.
        is_supported: Returns True if the parser understands a complete 7-bit control sequence.
    """

    def __init__(self, delay: float, knows: Callable[[str], bool]) -> None:
        self._delay = delay
        self._is_supported = knows
        self._buffer = ""
        self._fed_monotonic = 0.0
        self._emitted = ""
        self._emitted_monotonic = 0.0
        self._is_dropping = False
        self._is_pasting = False

    @property
    def is_waiting(self) -> bool:
        """True if input is held back or a paste is open, so that `tick` may return something."""
        return bool(self._buffer) or self._is_pasting

    def feed(self, text: str, now: float) -> str:
        """Return the input that is complete after this text; the rest is held back or dropped."""
        if self._belongs_to_emitted(text, now):
            # The Escape key was passed on already, so the rest of its sequence has to be dropped.
            self._buffer, self._is_dropping, self._emitted = self._emitted, True, ""
        else:
            more = self._emitted + text
            self._emitted = more if self._emitted == ESCAPE and _KEY_OR_MORE.fullmatch(more) else ""
        self._fed_monotonic = now
        text, self._buffer = self._buffer + text, ""
        return "".join(self._filter(text))

    def tick(self, now: float) -> str:
        """Return buffered input whose timeout expired: a lone Escape, an incomplete sequence or the end of a paste."""
        waited, held = now - self._fed_monotonic, self._buffer
        if self._is_pasting:
            return self._end_paste(now) if waited > SEQUENCE_TIMEOUT_S else ""
        if self._is_dropping and waited > (
            ESCAPE_TAIL_S if held.startswith(("\x1b[", "\x1bO")) else SEQUENCE_TIMEOUT_S
        ):
            self._buffer, self._is_dropping = "", False
            # A single character without more is a key after all.
            return held[1:] if len(held) <= len("\x1b[") else ""
        if not self._is_dropping and _KEY_OR_MORE.fullmatch(held) and waited >= self._delay:
            self._buffer, self._emitted, self._emitted_monotonic = "", held, now
            return held
        if waited > SEQUENCE_TIMEOUT_S:
            self._buffer = ""
        return ""

    def _belongs_to_emitted(self, text: str, now: float) -> bool:
        if not self._emitted:
            return False
        whole, is_recent = self._emitted + text, now - self._emitted_monotonic <= ESCAPE_TAIL_S
        return bool(_NEVER_TYPED.match(whole) or (is_recent and _TORN_SOON.match(whole)))

    def _filter(self, text: str) -> Iterator[str]:
        while text:
            if self._is_pasting:
                passing, text = self._filter_paste(text)
                yield passing
            elif (token := _TOKEN.match(text)) is not None:
                text = text[token.end() :]
                yield self._filter_token(token, text)

    def _filter_token(self, token: re.Match[str], rest: str) -> str:
        text, kind = token.group(), token.lastgroup
        if kind == "unfinished":
            self._store(text)
            return ""
        was_dropping, self._is_dropping = self._is_dropping, False
        if kind == "text":
            return text
        if kind == "broken":
            # No new sequence begins after it, so it was typed and is not the rest of one.
            return text[1:] if was_dropping and not rest.startswith(ESCAPE) else ""
        text = _IN_SEVEN_BITS.get(text[0], text[0]) + text[1:]
        self._is_pasting = text == PASTE_BEGINS
        is_wanted = self._is_pasting or not was_dropping
        return text if kind == "key" and is_wanted and self._is_supported(text) else ""

    def _store(self, text: str) -> None:
        self._buffer = text[:MAX_BUFFERED]
        if len(text) > MAX_BUFFERED and text.endswith(ESCAPE):
            self._buffer += ESCAPE

    def _filter_paste(self, text: str) -> tuple[str, str]:
        if end := _END_OF_PASTE.search(text):
            self._is_pasting = False
            return _without_escapes(text[: end.start()]) + PASTE_ENDS, text[end.end() :]
        if _INTERRUPT in text:
            self._is_pasting = False
            before, _, after = text.partition(_INTERRUPT)
            return _without_escapes(before) + PASTE_ENDS, _INTERRUPT + after
        if unfinished := _END_OF_PASTE_BEGUN.search(text):
            self._buffer, text = unfinished.group(), text[: unfinished.start()]
        return _without_escapes(text), ""

    def _end_paste(self, now: float) -> str:
        held, self._buffer, self._is_pasting = self._buffer, "", False
        if held == ESCAPE:
            self._emitted, self._emitted_monotonic = ESCAPE, now
        return PASTE_ENDS


def _without_escapes(text: str) -> str:
    # Textual's parser takes each ESC for the start of a sequence, and types the rest instead of pasting it.
    return text.replace(ESCAPE, "")
