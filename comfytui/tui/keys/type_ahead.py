"""Type-ahead: each key, click and paste acts on the state that the one before it led to.

Textual sends each key at once to the focused widget and looks up its meaning later. Keys that arrive in one packet, as
over slow links or from a paste, would all go to the widget focused at first: `/gpu` would open a prompt and then run
the list's commands for `g`, `p` and `u`. So an event is queued until everything that the one before it caused is done;
then the command of a key is looked up and run in one step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from functools import lru_cache
from inspect import signature
from typing import TYPE_CHECKING, Any, NamedTuple

from textual import events
from textual.app import App
from textual.widget import Widget
from textual.widgets import Input

from comfytui.tui.keys.typed_text import clean_typed, type_text
from comfytui.tui.terminal.input_queue import InputQueue, QueuedEvent

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from textual.binding import ActiveBinding
    from textual.message import Message


_TURNS = 100
"""Turns of the event loop to wait for the effects of an event before waiting by the clock."""

_CHECK_INTERVAL_S = 0.005
_MAX_CHECKS = 1000
"""Checks after which the next event is handled anyway: a widget that is always busy must not block all keys."""

_FLOOD_END_S = 0.1
"""Seconds without input that end a flood."""

_MAX_REPEATS = 3
"""Times that a command without `times` runs for repeats of its key; once more if their number is even."""

_MAX_WHEEL_STEPS = 64

_QUEUED = (events.InputEvent, events.Paste, events.AppFocus, events.AppBlur)


class Turn(events.Event, bubble=False):
    """Request to the app to handle a queued event now."""

    def __init__(self, entry: QueuedEvent) -> None:
        super().__init__()
        self.entry = entry


class InputHooks(NamedTuple):
    """App-specific decisions of a `KeySequencer`.

    Attributes:
        bypass_queue: Handles a key that waits for no other; returns True if it was one.
        focus_is_pending: Returns True while it is not known where the last input leads.
        needs_mouse_moves: Returns True if something on the screen follows the mouse while no button is pressed.
        on_input: Called with each event just before it is handled.
        on_error: Called with an error of the queue itself.
        on_dropped: Called after a flood with the number of keys and clicks that were ignored.
    """

    bypass_queue: Callable[[events.Key], bool] = lambda _key: False
    focus_is_pending: Callable[[], bool] = lambda: False
    needs_mouse_moves: Callable[[], bool] = lambda: True
    on_input: Callable[[Message], None] = lambda _event: None
    on_error: Callable[[Exception], None] = lambda _error: None
    on_dropped: Callable[[int], None] = lambda _count: None


class KeySequencer:
    """Queue of terminal input whose events are handled one after the other.

    An action with a parameter `times` gets the number of repeats of its key; any other one runs a few times.

    Args:
        app: The app whose input this is; its `on_event` calls `handle`.
        hooks: Decisions of the app; the defaults if None.
    """

    def __init__(self, app: App[Any], hooks: InputHooks | None = None) -> None:
        self._app = app
        self._hooks = hooks or InputHooks()
        self._queue = InputQueue()
        self._task: asyncio.Task[None] | None = None
        self._turn: Turn | None = None
        self._last_input_at = 0.0

    @property
    def is_idle(self) -> bool:
        """True if all input was handled."""
        return self._task is None

    async def wait_idle(self) -> None:
        """Wait until all input was handled and has had its effect, or the app has ended."""
        while self._task is not None and self._app.is_running:
            await asyncio.wait([self._task])
        if self._app.is_running:
            await self._wait_settled()

    async def handle(self, event: events.Event) -> bool:
        """Queue an event of the terminal, or handle the one whose turn it is; return False for all others."""
        if isinstance(event, Turn):
            await self._handle(event.entry)
            self._turn = None
        elif isinstance(event, _QUEUED) and not event.is_forwarded:
            self.queue([QueuedEvent(event)])
        else:
            return False
        return True

    def queue(self, entries: Sequence[QueuedEvent]) -> None:
        """Queue events of the terminal, except keys that bypass the queue."""
        bypasses = self._hooks.bypass_queue
        self._queue.put(
            entry for entry in entries if not (isinstance(entry.event, events.Key) and bypasses(entry.event))
        )
        self._last_input_at = asyncio.get_running_loop().time()
        self._start_task()

    def _start_task(self) -> None:
        # The callback of a finished task runs a turn of the loop later, and the task reads the queue no more.
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._handle_queue())
            self._task.add_done_callback(self._task_done)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        if self._task is task:
            self._task = None
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._hooks.on_error(error)

    async def _handle_queue(self) -> None:
        """Handle each queued event once the one before it has had its effect."""
        is_first = True
        await self._wait_settled()
        while len(self._queue):
            # The first one may open a prompt for all that follow.
            if not is_first and self._queue.is_flooded(typing=self._box is not None):
                await self._wait_flood_end()
            is_first = False
            if (entry := self._queue.get()) is not None:
                self._turn = Turn(entry)
                if not self._app.post_message(self._turn):
                    return
            # The rest of repeats is put back only once the first of them has had its effect.
            await self._wait_settled()

    async def _wait_flood_end(self) -> None:
        loop = asyncio.get_running_loop()
        while (left := self._last_input_at + _FLOOD_END_S - loop.time()) > 0:
            self._queue.cut()
            await asyncio.sleep(left)
        self._queue.cut()
        self._hooks.on_dropped(self._queue.dropped)
        self._queue.dropped = 0

    async def _wait_settled(self) -> None:
        """Wait until nothing is under way that could change the meaning of the next event."""
        for _ in range(_TURNS):
            if self._is_settled():
                return
            await asyncio.sleep(0)
        for _ in range(_MAX_CHECKS):
            if self._is_settled():
                return
            await asyncio.sleep(_CHECK_INTERVAL_S)

    def _is_settled(self) -> bool:
        if self._turn is not None or self._hooks.focus_is_pending() or not self._app.screen_stack:
            return False
        nodes = self._app.screen.walk_children(Widget, with_self=True)
        return not self._app.message_queue_size and all(
            node.is_mounted and not node.message_queue_size for node in nodes
        )

    @property
    def _box(self) -> Input | None:
        """The input that has the focus, or None if keys are commands."""
        focused = self._app.focused if self._app.screen_stack else None
        return focused if isinstance(focused, Input) else None

    async def _handle(self, entry: QueuedEvent) -> None:
        event, times = entry
        if not self._app.screen_stack:
            return
        self._hooks.on_input(event)
        match event:
            case events.Key():
                self._app.app_focus = True
                await self._press(event, times)
            case events.Paste():
                if (box := self._box) is not None:
                    type_text(box, clean_typed(event.text))
            case events.MouseMove() if self._is_idle_move(event):
                pass
            case events.MouseEvent():
                for _ in range(min(times, _MAX_WHEEL_STEPS)):
                    await App.on_event(self._app, copy(event))
            case events.Event():
                await App.on_event(self._app, event)
            case _:
                self._app.post_message(event)

    def _is_idle_move(self, event: events.MouseMove) -> bool:
        """Return True if nothing on the screen reacts to this move of the mouse."""
        return not event.button and self._app.mouse_captured is None and not self._hooks.needs_mouse_moves()

    async def _press(self, event: events.Key, times: int) -> None:
        active, box = self._app.screen.active_bindings.get(event.key), self._box
        if box is not None and event.is_printable and not (active is not None and active.binding.priority):
            type_text(box, clean_typed("".join(self._text_of(event, times))))
        elif active is not None and active.enabled:
            await self._run(event, active, times)

    def _text_of(self, event: events.Key, times: int) -> Iterator[str]:
        """Yield the text of this key and of those queued behind it."""
        yield (event.character or "") * times
        yield from self._queue.get_text()

    async def _run(self, event: events.Key, active: ActiveBinding, times: int) -> None:
        """Run the command of a key; its other repeats are looked up again, because their meaning may have changed."""
        name = active.binding.action
        action: Callable[..., object] | None = getattr(active.node, f"action_{name}", None)
        if times > 1 and action is not None and _takes_times(getattr(action, "__func__", action)):
            action(times=times)
            return
        await self._app.run_action(name, active.node)
        if (left := times - 1) > 0:
            # Of many repeats of a toggle, only an odd or even number makes a difference on the screen.
            left = left if left <= _MAX_REPEATS else _MAX_REPEATS - 1 + left % 2
            self._queue.put_back(QueuedEvent(events.Key(event.key, event.character), left))
            self._start_task()


@lru_cache(maxsize=256)
def _takes_times(action: Callable[..., object]) -> bool:
    """Return True if an action has a parameter `times`."""
    return "times" in signature(action).parameters
