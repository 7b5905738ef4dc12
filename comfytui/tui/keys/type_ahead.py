"""Input in the order in which it came: each key, click and paste acts where the one before it led.

Textual sends each key at once to what has the focus, and finds out what it means there only later. So of keys that come
in one packet, as slow links and pasting send them, all would go where the first one was typed: `/gpu` would open a box
and then do what `g`, `p` and `u` do in the list. So here an event is held until nothing that the one before it caused
is under way any more; then the command of a key is looked up and run in one go.
"""

from __future__ import annotations

import asyncio
from copy import copy
from functools import lru_cache
from inspect import signature
from typing import TYPE_CHECKING, ClassVar

from textual import events
from textual.widget import Widget
from textual.widgets import Input

from comfytui.tui.keys.typed_text import clean_typed, type_text
from comfytui.tui.terminal.input_queue import InputQueue, QueuedEvent
from comfytui.tui.terminal.shutdown import EndingApp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from textual.binding import ActiveBinding
    from textual.message import Message


_TURNS = 100
"""Turns of the event loop that are waited for what an event causes before waiting by the clock."""

_LOOK_AGAIN = 0.005
_LOOKS = 1000
"""Looks after which the next event is taken anyway: something that never comes to rest must not block all keys."""

_QUIET = 0.1
"""Seconds without input that end a flood."""

_AT_ONCE = 3
"""Times that a command is run for repeats of its key, unless it takes their number; and once more for even ones."""

_MOST_WHEEL_STEPS = 64

_ORDERED = (events.InputEvent, events.Paste, events.AppFocus, events.AppBlur)


class Turn(events.Event, bubble=False):
    """The app is to act on this event of the terminal now."""

    def __init__(self, entry: QueuedEvent) -> None:
        super().__init__()
        self.entry = entry


class TypedAheadApp(EndingApp):
    """App that acts on one event of the terminal after the other.

    An action with a parameter `times` is told how often its key came in a row; any other one is run a few times.
    """

    ALLOW_SELECT: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__(watch_css=False)
        self._queue = InputQueue()
        self._taking: asyncio.Task[None] | None = None
        self._turn: Turn | None = None
        self._came_at = 0.0

    @property
    def is_deciding(self) -> bool:
        """True if it is not known yet where what was typed last leads."""
        return False

    @property
    def wants_moves(self) -> bool:
        """True if something on the screen follows the mouse while no button is pressed."""
        return True

    def overtakes(self, _key: events.Key) -> bool:
        """Act on a key that waits for nothing; return True if it is one."""
        return False

    def on_input(self, event: Message) -> None:
        """React to any event of the terminal just before it is acted on."""

    def on_dropped(self, count: int) -> None:
        """React to a flood of which so many keys and clicks were ignored."""

    async def on_event(self, event: events.Event) -> None:
        """Queue an event of the terminal, act on the one whose turn it is, and hand all others on."""
        if isinstance(event, Turn):
            await self._act(event.entry)
            self._turn = None
        elif isinstance(event, _ORDERED) and not event.is_forwarded:
            self.queue_input([QueuedEvent(event)])
        else:
            await super().on_event(event)

    def queue_input(self, entries: Sequence[QueuedEvent]) -> None:
        """Queue events of the terminal, but for keys that overtake all others."""
        self._queue.put(
            entry for entry in entries if not (isinstance(entry.event, events.Key) and self.overtakes(entry.event))
        )
        self._came_at = asyncio.get_running_loop().time()
        self._begin_to_take()

    def _begin_to_take(self) -> None:
        # A task that is over is known to be only a turn of the loop later, and looks into the queue no more.
        if self._taking is None or self._taking.done():
            self._taking = asyncio.create_task(self._take_turns())
            self._taking.add_done_callback(self._turns_taken)

    def _turns_taken(self, task: asyncio.Task[None]) -> None:
        if self._taking is task:
            self._taking = None
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._handle_exception(error)

    async def _take_turns(self) -> None:
        """Have each event acted on once the one before it has had its effect."""
        is_first = True
        await self._come_to_rest()
        while len(self._queue):
            # The first one may open a box for all that comes behind it.
            if not is_first and self._queue.is_flooded(typing=self._box is not None):
                await self._let_flood_pass()
            is_first = False
            if (entry := self._queue.get()) is not None:
                self._turn = Turn(entry)
                if not self.post_message(self._turn):
                    return
            # What is left of repeats is put back only once the first of them has had its effect.
            await self._come_to_rest()

    async def _let_flood_pass(self) -> None:
        loop = asyncio.get_running_loop()
        while (left := self._came_at + _QUIET - loop.time()) > 0:
            self._queue.cut()
            await asyncio.sleep(left)
        self._queue.cut()
        self.on_dropped(self._queue.dropped)
        self._queue.dropped = 0

    async def _come_to_rest(self) -> None:
        """Wait until nothing is under way that could change what the next event means."""
        for _ in range(_TURNS):
            if self._is_at_rest():
                return
            await asyncio.sleep(0)
        for _ in range(_LOOKS):
            if self._is_at_rest():
                return
            await asyncio.sleep(_LOOK_AGAIN)

    def _is_at_rest(self) -> bool:
        if self._turn is not None or self.is_deciding or not self.screen_stack:
            return False
        nodes = self.screen.walk_children(Widget, with_self=True)
        return not self.message_queue_size and all(node.is_mounted and not node.message_queue_size for node in nodes)

    @property
    def _box(self) -> Input | None:
        """The box that is typed into, or None if keys are commands."""
        focused = self.focused if self.screen_stack else None
        return focused if isinstance(focused, Input) else None

    async def _act(self, entry: QueuedEvent) -> None:
        event, times = entry
        if not self.screen_stack:
            return
        self.on_input(event)
        match event:
            case events.Key():
                self.app_focus = True
                await self._press(event, times)
            case events.Paste():
                if (box := self._box) is not None:
                    type_text(box, clean_typed(event.text))
            case events.MouseMove() if not event.button and self.mouse_captured is None and not self.wants_moves:
                pass
            case events.MouseEvent():
                for _ in range(min(times, _MOST_WHEEL_STEPS)):
                    await super().on_event(copy(event))
            case events.Event():
                await super().on_event(event)
            case _:
                self.post_message(event)

    async def _press(self, event: events.Key, times: int) -> None:
        active, box = self.screen.active_bindings.get(event.key), self._box
        if box is not None and event.is_printable and not (active is not None and active.binding.priority):
            type_text(box, clean_typed("".join(self._text_of(event, times))))
        elif active is not None and active.enabled:
            await self._run(event, active, times)

    def _text_of(self, event: events.Key, times: int) -> Iterator[str]:
        """Yield what this key and those behind it type."""
        yield (event.character or "") * times
        yield from self._queue.get_text()

    async def _run(self, event: events.Key, active: ActiveBinding, times: int) -> None:
        """Run the command of a key; what is left of its repeats is looked up anew, for it may mean something else."""
        name = active.binding.action
        action: Callable[..., object] | None = getattr(active.node, f"action_{name}", None)
        if times > 1 and action is not None and _takes_times(getattr(action, "__func__", action)):
            action(times=times)
            return
        await self.run_action(name, active.node)
        if (left := times - 1) > 0:
            # Of more repeats than anybody can follow, what is seen in the end is whether they are even.
            left = left if left <= _AT_ONCE else _AT_ONCE - 1 + left % 2
            self._queue.put_back(QueuedEvent(events.Key(event.key, event.character), left))
            self._begin_to_take()


@lru_cache(maxsize=256)
def _takes_times(action: Callable[..., object]) -> bool:
    """Return True if an action has a parameter `times`."""
    return "times" in signature(action).parameters
