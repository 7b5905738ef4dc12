"""Keys in the order they were typed: one typed behind another goes where that one leads."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from textual import events

from comfytui.tui.endings import EndingApp

if TYPE_CHECKING:
    from textual.dom import DOMNode
    from textual.timer import Timer

__all__ = ["Leaving", "TypedAheadApp"]

_REMEMBERED = 256
_LOOK_AGAIN = 0.005
_TRIES = 200


class Leaving:
    """A screen that is left by what is typed into it, perhaps not at once.

    Attributes:
        is_leaving: Whether what leaves it was typed, and it is not known yet where that leads.
    """

    is_leaving: bool = False


class TypedAheadApp(EndingApp):
    """An app that hands a key to what the key before it opened or moved to.

    Textual sends each key at once to what has the focus, and finds out what it means there only later. So of keys that
    come in one packet, as slow links and pasting send them, all would go where the first one was typed: `/gpu` would
    open a box and then do what `g`, `p` and `u` do in the list.
    """

    def __init__(self) -> None:
        super().__init__(watch_css=False)
        self._sent: deque[tuple[events.Key, DOMNode]] = deque(maxlen=_REMEMBERED)
        self._ahead: deque[events.Key] = deque()
        self._leading: events.Key | None = None
        self._look_again: Timer | None = None
        self._tries = 0

    @property
    def is_opening(self) -> bool:
        """Whether something is about to take the keys that does not have them yet."""
        return False

    def leads_on(self, _key: str) -> bool:
        """Whether this key, which what has the focus is about to get, is one that those behind it have to wait for."""
        return False

    def goes_first(self, _key: str) -> bool:
        """Whether this key waits for nothing."""
        return False

    async def on_event(self, event: events.Event) -> None:
        """Hold a key that is meant for what is still opening, or for what has the focus only now."""
        if not isinstance(event, events.Key) or self.goes_first(event.key):
            await super().on_event(event)
        elif self._is_meant_for_elsewhere(event):
            self._ahead.append(events.Key(event.key, event.character))
            self._hand_on_soon()
        else:
            await self._send(event)

    def _is_meant_for_elsewhere(self, event: events.Key) -> bool:
        if event is self._leading:
            return False
        if self.is_opening or self._ahead:
            return True
        if not event.is_forwarded:
            return False
        # It went to what had the focus, which did not want it; had the focus moved by then, it was not meant either.
        sent_to = next((target for sent, target in self._sent if sent is event), None)
        return sent_to is not None and sent_to is not self._target

    async def _send(self, event: events.Key) -> None:
        if not event.is_forwarded:
            self._sent.append((event, self._target))
            self._leading = event if self.leads_on(event.key) else None
        await super().on_event(event)

    @property
    def _target(self) -> DOMNode:
        return self.focused or self.screen

    def _hand_on_soon(self) -> None:
        if self._look_again is None:
            self._look_again = self.set_timer(_LOOK_AGAIN, self._hand_on)

    async def _hand_on(self) -> None:
        self._look_again = None
        self._tries += 1
        while self._ahead and (not self.is_opening or self._tries > _TRIES):
            await self._send(self._ahead.popleft())
        if self._ahead:
            self._hand_on_soon()
        else:
            self._tries = 0
