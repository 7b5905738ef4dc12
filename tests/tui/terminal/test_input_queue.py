"""Queue of what a user typed, clicked and pasted."""

from __future__ import annotations

from typing import TypeVar

from textual import events

from comfytui.tui.terminal.input_queue import FLOOD_SIZE, KEPT_ENTRIES, MAX_WAITING, InputQueue, QueuedEvent

Mouse = TypeVar("Mouse", bound=events.MouseEvent)


def key(name: str, times: int = 1) -> QueuedEvent:
    return QueuedEvent(events.Key(name, name if len(name) == 1 else None), times)


def mouse(kind: type[Mouse], x: int = 1, button: int = 0) -> QueuedEvent:
    return QueuedEvent(kind(None, x, 1, 0, 0, button, False, False, False))


def left(queue: InputQueue) -> list[tuple[str, int]]:
    """Name or type of each entry, and how often it came."""
    found = list[tuple[str, int]]()
    while (entry := queue.get()) is not None:
        event = entry.event
        found.append((event.key if isinstance(event, events.Key) else type(event).__name__, entry.repeats))
    return found


def test_repeats_of_one_key_are_counted() -> None:
    queue = InputQueue()
    queue.put([key("t"), key("t", 4), key("j"), key("t")])
    queue.put([key("t")])
    assert left(queue) == [("t", 5), ("j", 1), ("t", 2)]


def test_last_of_repeated_events_is_kept() -> None:
    queue = InputQueue()
    queue.put([mouse(events.MouseMove, x) for x in range(5)])
    queue.put([QueuedEvent(events.AppFocus()), QueuedEvent(events.AppFocus()), QueuedEvent(events.AppBlur())])
    first = queue.get()
    assert first is not None
    assert isinstance(first.event, events.MouseMove)
    assert first.event.x == 4
    assert left(queue) == [("AppFocus", 1), ("AppBlur", 1)]


def test_a_move_with_a_button_replaces_no_move_without() -> None:
    queue = InputQueue()
    queue.put([mouse(events.MouseMove), mouse(events.MouseMove, button=1)])
    assert len(queue) == 2


def test_turns_of_the_wheel_at_one_place_are_counted_and_clicks_are_not() -> None:
    queue = InputQueue()
    queue.put([*[mouse(events.MouseScrollDown)] * 3, mouse(events.MouseScrollDown, 2)])
    queue.put([mouse(events.MouseDown, button=1)] * 2)
    assert left(queue) == [("MouseScrollDown", 3), ("MouseScrollDown", 1), ("MouseDown", 1), ("MouseDown", 1)]


def test_text_is_taken_up_to_the_first_key_that_types_nothing() -> None:
    queue = InputQueue()
    queue.put([key("a"), key("b", 3), key("enter"), key("c")])
    assert "".join(queue.get_text()) == "abbb"
    assert left(queue) == [("enter", 1), ("c", 1)]


def test_many_commands_are_a_flood_and_a_long_text_in_a_box_is_not() -> None:
    queue = InputQueue()
    queue.put(key("ab"[number % 2]) for number in range(FLOOD_SIZE + 1))
    assert queue.is_flooded(typing=False)
    assert not queue.is_flooded(typing=True)
    queue.put(key(("a", "backspace")[number % 2]) for number in range(FLOOD_SIZE + 1))
    assert queue.is_flooded(typing=True)


def test_flood_keeps_its_end_and_button_releases() -> None:
    queue = InputQueue()
    queue.put([mouse(events.MouseUp, button=1), *(key("ab"[number % 2]) for number in range(FLOOD_SIZE))])
    queue.cut()
    assert left(queue) == [("MouseUp", 1), *[("a", 1), ("b", 1)] * (KEPT_ENTRIES // 2)]
    assert queue.dropped == FLOOD_SIZE + 1 - KEPT_ENTRIES


def test_unread_queue_is_bounded() -> None:
    queue = InputQueue()
    for _ in range(3):
        queue.put(key("ab"[number % 2]) for number in range(MAX_WAITING))
    assert len(queue) <= MAX_WAITING
