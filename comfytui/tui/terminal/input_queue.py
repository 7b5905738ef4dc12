"""Queue of what a user typed, clicked and pasted: bounded, in order, repeats counted instead of kept.

What comes in a flood is an accident, a paste into the list say, and each of its keys would be a command: whoever takes
events from here cuts a flood down to its end, and whatever nobody takes in time is cut as well.
"""

from __future__ import annotations

from collections import deque
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from textual import events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from textual.message import Message


FLOOD = 64
"""More waiting entries than this are no keys that a person typed while the program was busy."""

MAX_WAITING = 8192
"""Entries that may wait, whatever they are for: a token that is typed by a paste must fit."""

KEPT = 8
"""Entries at the end of a flood that are kept."""

_WHEEL = (events.MouseScrollDown, events.MouseScrollUp, events.MouseScrollLeft, events.MouseScrollRight)


class QueuedEvent(NamedTuple):
    """An event of the terminal, and how often it came in a row."""

    event: Message
    times: int = 1


class InputQueue:
    """Events in the order in which they came.

    Of moves of the mouse, changes of focus and reports in a row only the last one is kept.

    Attributes:
        dropped: Entries that were dropped since this was last set to 0.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._entries: deque[QueuedEvent] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entries: Iterable[QueuedEvent]) -> None:
        """Add entries at the end; beyond `MAX_WAITING` only the first and the last ones stay."""
        for entry in entries:
            last = self._entries[-1] if self._entries else None
            if last is not None and (merged := _merged(last, entry)) is not None:
                self._entries[-1] = merged
            else:
                self._entries.append(entry)
        if len(self._entries) > MAX_WAITING:
            # The first may open a box for all the others.
            self.dropped += len(self._entries) - FLOOD - KEPT
            waiting = [*self._entries]
            self._entries = deque([*waiting[:FLOOD], *waiting[-KEPT:]])

    def is_flooded(self, *, typing: bool) -> bool:
        """Return True if more waits than a person typed; while `typing`, text is one thing however long it is."""
        if not typing or len(self._entries) <= FLOOD:
            return len(self._entries) > FLOOD
        things = (key for key, _ in groupby(self._entries, key=_text_or_not))
        return sum(1 for _ in islice(things, FLOOD + 1)) > FLOOD

    def put_back(self, entry: QueuedEvent) -> None:
        """Put an entry before all others."""
        self._entries.appendleft(entry)

    def get(self) -> QueuedEvent | None:
        """Remove and return the first entry, or None if there is none."""
        return self._entries.popleft() if self._entries else None

    def get_text(self) -> Iterator[str]:
        """Remove and yield what is typed next, up to the first key that types nothing."""
        while self._entries:
            event, times = self._entries[0]
            if not isinstance(event, events.Key) or not event.is_printable:
                return
            self._entries.popleft()
            yield (event.character or "") * times

    def cut(self) -> None:
        """Drop all but the last `KEPT` entries."""
        # Without its release a pressed button would be held for ever.
        released: QueuedEvent | None = None
        while len(self._entries) > KEPT:
            entry = self._entries.popleft()
            released = entry if isinstance(entry.event, events.MouseUp) else released
            self.dropped += 1
        if released is not None:
            self._entries.appendleft(released)


def _text_or_not(entry: QueuedEvent) -> object:
    """Return None for a key that types something, else what tells this entry from all others."""
    return None if isinstance(entry.event, events.Key) and entry.event.is_printable else id(entry)


def _merged(last: QueuedEvent, new: QueuedEvent) -> QueuedEvent | None:
    """Return the entry that stands for two in a row, or None if both are needed."""
    if type(last.event) is not type(new.event):
        return None
    match last.event, new.event:
        case (events.Key() as before, events.Key() as after):
            same = (before.key, before.character) == (after.key, after.character)
            return QueuedEvent(before, last.times + new.times) if same else None
        case (events.MouseMove() as before, events.MouseMove() as after):
            return new if before.button == after.button else None
        case (events.MouseEvent() as before, events.MouseEvent() as after):
            same = isinstance(before, _WHEEL) and (before.x, before.y) == (after.x, after.y)
            return QueuedEvent(before, last.times + new.times) if same else None
        case (events.Paste(), _):
            return None
        case _:
            return new
