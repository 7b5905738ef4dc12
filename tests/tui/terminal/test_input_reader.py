"""Bytes of a terminal as events, thinned out before the parser sees them."""

from __future__ import annotations

import pytest
from textual import events

from comfytui.tui.terminal.input_reader import MAX_PASTE, InputReader


def read(*parts: bytes) -> list[tuple[object, int]]:
    """What each event says, and how often it came."""
    reader, found = InputReader(), []
    for number, part in enumerate(parts):
        found += reader.feed(part, float(number))
    found += reader.tick(float(len(parts)))
    return [(_said(event), times) for event, times in found]


def _said(event: object) -> object:
    match event:
        case events.Key():
            return event.key
        case events.Paste():
            return event.text
        case events.MouseEvent():
            return (type(event).__name__, event.x, event.y)
        case _:
            return type(event).__name__


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"ttttt", [("t", 5)]),
        (b"x\x1b[Bjj", [("x", 1), ("down", 1), ("j", 2)]),
        (b"\x1bb", [("ctrl+left", 1)]),
        (b"\x1b\x1b[B", [("escape", 1), ("down", 1)]),
        (b"\0" * 1000, [("ctrl+@", 1000)]),
        (b"\xff\xfe" * 1000, [("replacement_character", 2000)]),
        (b"\x1bOB\x1b[[A", [("down", 1), ("f1", 1)]),
        (b"\x1b[200~ab\ncd\x1b[201~zz", [("ab\ncd", 1), ("z", 2)]),
        (b"\x1b[97;5uj", [("ctrl+a", 1), ("j", 1)]),
    ],
)
def test_bytes_are_the_keys_that_were_pressed(sent: bytes, expected: list[tuple[object, int]]) -> None:
    assert read(sent) == expected


def test_last_of_repeated_moves_is_read() -> None:
    moves = b"".join(f"\x1b[<35;{x};5M".encode() for x in range(1, 100))
    assert read(moves + b"j") == [(("MouseMove", 98, 4), 1), ("j", 1)]


def test_turns_of_the_wheel_at_one_place_are_read_once() -> None:
    assert read(b"\x1b[<65;3;3M" * 50 + b"\x1b[<65;4;3M") == [
        (("MouseScrollDown", 2, 2), 50),
        (("MouseScrollDown", 3, 2), 1),
    ]


def test_a_drag_ends_where_its_button_was_released() -> None:
    assert read(b"\x1b[<0;3;3M\x1b[<32;4;3M\x1b[<32;9;3M\x1b[<0;9;3m") == [
        (("MouseDown", 2, 2), 1),
        (("MouseMove", 8, 2), 1),
        (("MouseUp", 8, 2), 1),
    ]


@pytest.mark.parametrize("size", [MAX_PASTE + 1, 300_000])
def test_a_paste_is_read_up_to_its_bound_and_keys_behind_it_are_keys(size: int) -> None:
    paste = b"\x1b[200~" + b"y" * size + b"\x1b[201~j"
    parts = [paste[start : start + 4096] for start in range(0, len(paste), 4096)]
    assert read(*parts) == [("y" * MAX_PASTE, 1), ("j", 1)]


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"\x1b/gpu", ["slash", "g", "p", "u"]),
        (b"\x1bj/g", ["alt+j", "slash", "g"]),
        (b"\x1b\rx", ["enter", "x"]),
        (b"\x1bj\x1b[B", ["alt+j", "down"]),
    ],
)
def test_text_behind_an_alt_key_does_not_overtake_it(data: bytes, keys: list[str]) -> None:
    found = [entry.event for entry in InputReader().feed(data, 1.0)]
    assert [event.key for event in found if isinstance(event, events.Key)] == keys
