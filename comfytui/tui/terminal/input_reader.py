"""Decode what a terminal sends into Textual's events, bounded: repeats are counted, idle mouse moves replaced.

Textual's parser takes about 20 microseconds and several objects for each character, so a flood is thinned out before
it gets there: a run of one character becomes one key with a count, and of consecutive mouse moves the last is read.
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
"""Characters of one paste that are read: more than any box takes."""

# A report of the mouse at another place, whichever button is down; only the last of several is worth reading.
_MOVE = r"\x1b\[<(?:3[2-9]|[45][0-9]|6[0-3]);[0-9]+;[0-9]+M"
_PIECE = re.compile(
    rf"(?P<moves>(?:{_MOVE})*(?P<last>{_MOVE}))"
    r"|(?P<turns>(?P<turn>\x1b\[<6[4-7];[0-9]+;[0-9]+M)(?P=turn)*)"
    rf"|(?P<paste>{re.escape(PASTE_BEGINS)}[^\x1b]*)"
    r"|(?P<text>[^\x1b]+)"
    r"|(?P<other>\x1b(?:\[\[.|\[M...|\[[0-?]*[ -/]*[@-~]|O[0-9;]*[@-~]|[^\x1b])?)",
    re.DOTALL,
)
_MOUSE = re.compile(r"\x1b\[<[0-9]{1,3};[0-9]{1,5};[0-9]{1,5}[Mm]")


class InputReader:
    """Turn bytes of a terminal into events and how often each came in a row."""

    def __init__(self, *, debug: bool = False) -> None:
        self._parser = _CellParser(debug)
        self._decode = getincrementaldecoder("utf-8")("replace").decode
        self._guard = EscapeGuard(constants.ESCAPE_DELAY, is_parsed_correctly)
        self._pasted: int | None = None
        self._is_inside = False

    @property
    def is_waiting(self) -> bool:
        """True if something unfinished is held back, so that `tick` may return events."""
        return self._guard.is_waiting

    def feed(self, data: bytes, now: float) -> list[QueuedEvent]:
        """Return the events in these bytes, which came at `now` (monotonic seconds)."""
        return self._read(self._guard.feed(self._decode(data), now))

    def tick(self, now: float) -> list[QueuedEvent]:
        """Return the events that are due because nothing more came by `now` (monotonic seconds)."""
        late = self._read(self._guard.tick(now))
        return [*late, *(QueuedEvent(message) for message in self._parser.tick())]

    def _read(self, text: str) -> list[QueuedEvent]:
        before = text.removesuffix(ESCAPE)
        found = [*self._events(before)] if before else []
        if before != text:
            # The guard has waited as long as the parser would.
            found.append(QueuedEvent(events.Key("escape", ESCAPE)))
        return found

    def _events(self, text: str) -> Iterator[QueuedEvent]:
        for piece in _PIECE.finditer(text):
            if self._pasted is not None or piece.lastgroup == "paste":
                yield from self._paste(piece.group())
            elif piece.lastgroup == "text" and not self._is_inside:
                yield from _typed(piece.group())
            else:
                wanted = piece["last"] or piece["turn"] or piece.group()
                self._is_inside = wanted == ESCAPE
                times = len(piece.group()) // len(wanted) if piece["turn"] else 1
                yield from (QueuedEvent(message, times) for message in self._parser.feed(wanted))

    def _paste(self, piece: str) -> Iterator[QueuedEvent]:
        """Pass a paste on to the parser up to `MAX_PASTE` characters."""
        if piece == PASTE_ENDS:
            self._pasted = None
        elif self._pasted is None:
            piece = piece[: len(PASTE_BEGINS) + MAX_PASTE]
            self._pasted = len(piece) - len(PASTE_BEGINS)
        else:
            piece = piece[: MAX_PASTE - self._pasted]
            self._pasted += len(piece)
        if piece:
            yield from (QueuedEvent(message) for message in self._parser.feed(piece))


class _CellParser(XTermParser):
    """Textual's parser, to which a terminal that tells its size in pixels does not count the mouse in them."""

    def parse_mouse_code(self, code: str) -> Message | None:
        """Return what the mouse did, in cells."""
        self.mouse_pixels = False
        return super().parse_mouse_code(code)


def _typed(text: str) -> Iterator[QueuedEvent]:
    """Yield the keys that type a text; a parser of its own knows each character once."""
    for character, run in groupby(text):
        times = sum(1 for _ in run)
        yield from (QueuedEvent(events.Key(key, typed), times) for key, typed in _keys_of(character))


@lru_cache(maxsize=512)
def _keys_of(character: str) -> tuple[tuple[str, str | None], ...]:
    """Return the name and the character of each key that Textual's parser makes of a character."""
    return tuple((key.key, key.character) for key in XTermParser().feed(character) if isinstance(key, events.Key))


@lru_cache(maxsize=1024)
def is_parsed_correctly(sequence: str) -> bool:
    """Return True if Textual's parser reads a whole control sequence as the terminal means it, or as nothing.

    What it cannot read it hands on as if it had been typed, character by character.
    """
    if _MOUSE.fullmatch(sequence):
        return True
    parser = XTermParser()
    try:
        made = list(parser.feed(sequence))
    except (ValueError, OverflowError):
        # A key's number that no character has.
        return False
    # What is still being read at the next ESC is handed on.
    if len(sequence) > _MAX_SEQUENCE_SEARCH_THRESHOLD or list(parser.feed(ESCAPE)):
        return False
    return not (any(isinstance(each, events.Key) for each in made) and _is_misparsed(sequence))


def _is_misparsed(sequence: str) -> bool:
    # The parser takes the number of a key it does not know for the key's character: F18, `32~`, for a space.
    # That is right for what ends in `u`, and for xterm's `27;modifiers;character~` (modifyOtherKeys).
    if constants.DISABLE_KITTY_KEY or (match := _re_extended_key.fullmatch(sequence)) is None:
        return False
    codes, final = match.groups()
    code, _, character = [*codes.split(";"), "", ""][:3]
    is_other_key = f"{code}{final}" == "27~" and bool(character)
    return final != "u" and not is_other_key and f"{code or 1}{final}" not in FUNCTIONAL_KEYS
