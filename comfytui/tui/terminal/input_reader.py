"""Decoder from terminal input to Textual's events, with repeats counted and idle mouse moves replaced.

Textual's parser takes about 20 microseconds and several objects per character, so floods are reduced before it: a run
of one character becomes one key with a count, and only the last of consecutive mouse moves is parsed.
"""

from __future__ import annotations

import re
from codecs import getincrementaldecoder
from functools import lru_cache
from itertools import groupby
from typing import TYPE_CHECKING

from textual import constants, events
from textual._keyboard_protocol import FUNCTIONAL_KEYS
from textual._xterm_parser import _MAX_SEQUENCE_SEARCH_THRESHOLD, XTermParser, _re_extended_key

from comfytui.tui.terminal.escape_guard import ESCAPE, PASTE_BEGINS, PASTE_ENDS, EscapeGuard
from comfytui.tui.terminal.input_queue import QueuedEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from textual.message import Message


MAX_PASTE = 16_384
"""Characters of a paste that are read; no text box takes more."""

# Mouse moves with any button pressed; of several only the last one matters.
_MOVE = r"\x1b\[<(?:3[2-9]|[45][0-9]|6[0-3]);[0-9]+;[0-9]+M"
_PIECE = re.compile(
    rf"(?P<moves>(?:{_MOVE})*(?P<last>{_MOVE}))"
    r"|(?P<turns>(?P<turn>\x1b\[<6[4-7];[0-9]+;[0-9]+M)(?P=turn)*)"
    rf"|(?P<paste>{re.escape(PASTE_BEGINS)}[^\x1b]*)"
    r"|(?P<text>[^\x1b]+)"
    r"|(?P<other>\x1b(?:\[\[.|\[M...|\[[0-?]*[ -/]*[@-~]|O[0-9;]*[@-~]|[^\x1b])?)",
    re.DOTALL,
)
_ALT = re.compile(r"\x1b[^\x1b\[O]")
_MOUSE = re.compile(r"\x1b\[<[0-9]{1,3};[0-9]{1,5};[0-9]{1,5}[Mm]")


class InputReader:
    """Turns input bytes into events with repeat counts."""

    def __init__(self, *, debug: bool = False) -> None:
        self._parser = _CellParser(debug)
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._guard = EscapeGuard(constants.ESCAPE_DELAY, is_parsed_correctly)
        self._paste_length: int | None = None
        self._is_in_sequence = False

    @property
    def is_waiting(self) -> bool:
        """True if something unfinished is held back, so that `tick` may return events."""
        return self._guard.is_waiting

    def feed(self, data: bytes, now: float) -> list[QueuedEvent]:
        """Return the events in these bytes, which arrived at `now` (monotonic seconds)."""
        return self._read(self._guard.feed(self._decode(data), now))

    def tick(self, now: float) -> list[QueuedEvent]:
        """Return the events whose timeout expired by `now` (monotonic seconds)."""
        late = self._read(self._guard.tick(now))
        return [*late, *(QueuedEvent(message) for message in self._parser.tick())]

    def _read(self, text: str) -> list[QueuedEvent]:
        before = text.removesuffix(ESCAPE)
        found = [*self._events(before)] if before else []
        if before != text:
            # The guard has already waited for the rest, so this is the Escape key.
            found.append(QueuedEvent(events.Key("escape", ESCAPE)))
        return found

    def _events(self, text: str) -> Iterator[QueuedEvent]:
        for piece in _PIECE.finditer(text):
            if self._paste_length is not None or piece.lastgroup == "paste":
                yield from self._paste(piece.group())
            elif piece.lastgroup == "text" and not self._is_in_sequence:
                yield from _parse_text(piece.group())
            else:
                wanted = piece["last"] or piece["turn"] or piece.group()
                self._is_in_sequence = wanted == ESCAPE
                times = len(piece.group()) // len(wanted) if piece["turn"] else 1
                yield from (QueuedEvent(message, times) for message in self._parser.feed(wanted))
                if _ALT.fullmatch(wanted):
                    # Textual's parser waits for the rest of a sequence, but text behind this key must not overtake it.
                    yield from (QueuedEvent(message) for message in self._parser.flush())

    def _paste(self, piece: str) -> Iterator[QueuedEvent]:
        """Pass a paste to the parser up to `MAX_PASTE` characters."""
        if piece == PASTE_ENDS:
            self._paste_length = None
        elif self._paste_length is None:
            piece = piece[: len(PASTE_BEGINS) + MAX_PASTE]
            self._paste_length = len(piece) - len(PASTE_BEGINS)
        else:
            piece = piece[: MAX_PASTE - self._paste_length]
            self._paste_length += len(piece)
        if piece:
            yield from (QueuedEvent(message) for message in self._parser.feed(piece))


class _CellParser(XTermParser):
    """Textual's parser, with mouse positions always in cells, never in pixels."""

    def flush(self) -> Iterator[Message]:
        """Yield the events of an incomplete sequence without waiting for its rest."""
        if self._timeout_time is not None:
            self._timeout_time = 0.0
            yield from self.tick()

    def parse_mouse_code(self, code: str) -> Message | None:
        """Return the mouse event in cells."""
        self.mouse_pixels = False
        return super().parse_mouse_code(code)


def _parse_text(text: str) -> Iterator[QueuedEvent]:
    """Yield the keys of a text; each distinct character is parsed only once."""
    for character, run in groupby(text):
        times = sum(1 for _ in run)
        yield from (QueuedEvent(events.Key(key, typed), times) for key, typed in _parse_keys(character))


@lru_cache(maxsize=512)
def _parse_keys(character: str) -> tuple[tuple[str, str | None], ...]:
    """Return name and character of each key that Textual's parser makes of a character."""
    return tuple((key.key, key.character) for key in XTermParser().feed(character) if isinstance(key, events.Key))


@lru_cache(maxsize=1024)
def is_parsed_correctly(sequence: str) -> bool:
    """Return True if Textual's parser understands or ignores a complete control sequence.

    Others it passes on character by character as if they had been typed.
    """
    if _MOUSE.fullmatch(sequence):
        return True
    parser = XTermParser()
    try:
        parsed = list(parser.feed(sequence))
    except (ValueError, OverflowError):
        # The number of the key is no valid code point.
        return False
    # A sequence still incomplete at the next ESC would be passed on as typed keys.
    if len(sequence) > _MAX_SEQUENCE_SEARCH_THRESHOLD or list(parser.feed(ESCAPE)):
        return False
    return not (any(isinstance(event, events.Key) for event in parsed) and _is_misparsed(sequence))


def _is_misparsed(sequence: str) -> bool:
    # The parser reads an unknown key number as a character code: F18, `32~`, becomes a space.
    # That is correct for sequences ending in `u` and for xterm's `27;modifiers;character~` (modifyOtherKeys).
    if constants.DISABLE_KITTY_KEY or (match := _re_extended_key.fullmatch(sequence)) is None:
        return False
    codes, final = match.groups()
    code, _, character = [*codes.split(";"), "", ""][:3]
    is_other_key = f"{code}{final}" == "27~" and bool(character)
    return final != "u" and not is_other_key and f"{code or 1}{final}" not in FUNCTIONAL_KEYS
