"""Bounded queue of input events in order, with repeats counted.

A flood of events is an accident, such as a paste into the list, in which each key would be a command. Consumers cut a
flood to its end, and so does the queue if nothing consumes it.
"""

from __future__ import annotations

from collections import deque
from itertools import groupby, islice
from typing import TYPE_CHECKING, NamedTuple

from textual import events

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from textual.message import Message


FLOOD_SIZE = 64
"""Number of waiting entries beyond which they are a flood, not keys typed while the program was busy."""

MAX_WAITING = 8192
"""Maximum number of waiting entries; a token typed by a paste must fit."""

KEPT_ENTRIES = 8
"""Number of entries kept at the end of a flood."""

_WHEEL = (events.MouseScrollDown, events.MouseScrollUp, events.MouseScrollLeft, events.MouseScrollRight)


class QueuedEvent(NamedTuple):
    """Event of the terminal, and the number of its repeats."""

    event: Message
    repeats: int = 1


class InputQueue:
    """Input events in order of arrival.

    Of consecutive mouse moves, focus changes and reports only the last one is kept.

    Attributes:
        dropped: Number of entries dropped since it was last set to 0.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self._entries: deque[QueuedEvent] = deque()

    def __len__(self) -> int:
        return len(self._entries)

    def put(self, entries: Iterable[QueuedEvent]) -> None:
        """Append entries; beyond `MAX_WAITING` only the first and the last ones stay."""
        for entry in entries:
            last = self._entries[-1] if self._entries else None
            if last is not None and (merged := _merge(last, entry)) is not None:
                self._entries[-1] = merged
            else:
                self._entries.append(entry)
        if len(self._entries) > MAX_WAITING:
            # The first entries may open a text box for all the others, so they stay.
            self.dropped += len(self._entries) - FLOOD_SIZE - KEPT_ENTRIES
            waiting = [*self._entries]
            self._entries = deque([*waiting[:FLOOD_SIZE], *waiting[-KEPT_ENTRIES:]])

    def is_flooded(self, *, typing: bool) -> bool:
        """Return True if more entries wait than a user types; while `typing`, text counts as one entry."""
        if not typing or len(self._entries) <= FLOOD_SIZE:
            return len(self._entries) > FLOOD_SIZE
        groups = (key for key, _ in groupby(self._entries, key=_text_group))
        return sum(1 for _ in islice(groups, FLOOD_SIZE + 1)) > FLOOD_SIZE

    def put_back(self, entry: QueuedEvent) -> None:
        """Insert an entry before all others."""
        self._entries.appendleft(entry)

    def get(self) -> QueuedEvent | None:
        """Remove and return the first entry, or None if there is none."""
        return self._entries.popleft() if self._entries else None

    def get_text(self) -> Iterator[str]:
        """Remove and yield typed text up to the first key that types nothing."""
        while self._entries:
            event, times = self._entries[0]
            if not isinstance(event, events.Key) or not event.is_printable:
                return
            self._entries.popleft()
            yield (event.character or "") * times

    def cut(self) -> None:
        """Drop all but the last `KEPT_ENTRIES` entries."""
        # Without its release a mouse button would seem pressed forever.
        released: QueuedEvent | None = None
        while len(self._entries) > KEPT_ENTRIES:
            entry = self._entries.popleft()
            released = entry if isinstance(entry.event, events.MouseUp) else released
            self.dropped += 1
        if released is not None:
            self._entries.appendleft(released)


def _text_group(entry: QueuedEvent) -> object:
    """Return None for a key that types something, else a value unique to this entry."""
    return None if isinstance(entry.event, events.Key) and entry.event.is_printable else id(entry)


def _merge(last: QueuedEvent, new: QueuedEvent) -> QueuedEvent | None:
    """Return one entry in place of two consecutive ones, or None if both are needed."""
    if type(last.event) is not type(new.event):
        return None
    match last.event, new.event:
        case (events.Key() as before, events.Key() as after):
            same = (before.key, before.character) == (after.key, after.character)
            return QueuedEvent(before, last.repeats + new.repeats) if same else None
        case (events.MouseMove() as before, events.MouseMove() as after):
            return new if before.button == after.button else None
        case (events.MouseEvent() as before, events.MouseEvent() as after):
            same = isinstance(before, _WHEEL) and (before.x, before.y) == (after.x, after.y)
            return QueuedEvent(before, last.repeats + new.repeats) if same else None
        case (events.Paste(), _):
            return None
        case _:
            return new
