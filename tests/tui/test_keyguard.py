"""Keys in pieces: what of them gets through to the parser, and when."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.tui.keyguard import AFTER_ESCAPE, PATIENCE, KeyGuard
from tests.support.terminal import Terminal

DELAY = 0.1
LATE = 0.4
"""Seconds: long enough for a lone ESC to be the Escape key, short enough for what follows to belong to it."""

SEQUENCES = {
    "down": "\x1b[B",
    "down in application mode": "\x1bOB",
    "shift and F1": "\x1bO2P",
    "F1 of the Linux console": "\x1b[[A",
    "F5": "\x1b[15~",
    "ctrl and up": "\x1b[1;5A",
    "a key of the Kitty protocol": "\x1b[97;5u",
    "a mouse report": "\x1b[<35;10;5M",
    "an old mouse report": "\x1b[Mq:!",
    "focus": "\x1b[O",
    "the start of a paste": "\x1b[200~",
    "a mode report": "\x1b[?2026;2$y",
}


def passed(*pieces: str, pause: float = LATE) -> list[str]:
    """What gets through of pieces that come so far apart, what a tick says before each and after the last included."""
    guard, now, through = KeyGuard(DELAY), 100.0, []
    for piece in pieces:
        through.append(guard.feed(piece, now))
        now += pause
        through.append(guard.tick(now))
    through.append(guard.tick(now + PATIENCE + 1))
    assert not guard.is_waiting
    return [each for each in through if each]


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_a_whole_sequence_gets_through_at_once(sequence: str) -> None:
    guard = KeyGuard(DELAY)
    assert guard.feed(f"a{sequence}b", 0.0) == f"a{sequence}b"
    assert not guard.is_waiting


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_wherever_it_is_torn_behind_its_second_character_it_is_put_together(sequence: str) -> None:
    for place in range(2, len(sequence)):
        assert passed(sequence[:place], sequence[place:] + "x") == [sequence + "x"]


@pytest.mark.parametrize("sequence", [each for each in SEQUENCES.values() if each != "\x1b[200~"])
def test_torn_off_the_escape_key_the_rest_does_nothing(sequence: str) -> None:
    for place in range(2, len(sequence) + 1):
        assert passed("\x1b", sequence[1:place], sequence[place:] or " ")[:1] == ["\x1b"]
        assert "".join(passed("\x1b", sequence[1:place], *sequence[place:])).strip() == "\x1b"
    assert passed("\x1b", sequence[1:] + "x") == ["\x1b", "x"]


def test_a_paste_torn_off_the_escape_key_is_a_paste() -> None:
    assert passed("\x1b", "[200~q", "uit\x1b[201~") == ["\x1b", "\x1b[200~q", "uit\x1b[201~"]


def test_escape_is_told_after_the_delay() -> None:
    guard = KeyGuard(DELAY)
    assert guard.feed("\x1b", 5.0) == ""
    assert guard.is_waiting
    assert guard.tick(5.0 + DELAY / 2) == ""
    assert guard.tick(5.01 + DELAY) == "\x1b"
    assert guard.tick(9.0) == ""


def test_escape_with_something_behind_it_in_time_is_one_key() -> None:
    assert passed("\x1b", "[B", pause=DELAY / 2) == ["\x1b[B"]
    assert passed("\x1b", "x", pause=DELAY / 2) == ["\x1bx"]


def test_escape_twice_is_twice_the_key() -> None:
    assert passed("\x1b\x1b") == ["\x1b", "\x1b"]
    assert passed("\x1b", "\x1b") == ["\x1b", "\x1b"]
    assert passed("\x1b\x1b[B") == ["\x1b\x1b[B"]


def test_other_keys_after_escape_are_keys() -> None:
    assert passed("\x1b", "j", "[", "O", "q") == ["\x1b", "j", "[", "O", "q"]


@pytest.mark.parametrize("key", ["[", "O"])
def test_alone_and_followed_by_nothing_they_are_keys_after_escape_too(key: str) -> None:
    assert passed("\x1b", key) == ["\x1b", key]
    assert passed("\x1b", key, "j", pause=AFTER_ESCAPE + 0.1) == ["\x1b", key, "j"]


def test_what_stays_unfinished_is_dropped() -> None:
    assert passed("\x1b[1;", "j", pause=PATIENCE + 1) == ["j"]


def test_what_another_sequence_breaks_off_is_dropped() -> None:
    assert passed("\x1b[<35;1", "\x1b[B") == ["\x1b[B"]
    assert passed("\x1b[1\x1b[2\x1b[B") == ["\x1b[B"]
    assert passed("\x1b", "[1", "\x1b[B") == ["\x1b", "\x1b[B"]


@given(st.lists(st.text("[O\x1b?<;:0129~MABuy$ qxä日", max_size=4)), st.sampled_from([0.01, LATE, 1.0, 5.0]))
def test_nothing_is_invented_or_kept_for_ever(pieces: list[str], pause: float) -> None:
    through = iter("".join(pieces))
    assert all(any(sent == came for came in through) for sent in "".join(passed(*pieces, pause=pause)))


@given(st.lists(st.sampled_from([*SEQUENCES.values(), "a", "日", "[", "O", " "])), st.data())
def test_in_time_or_late_whole_input_gets_through_however_it_is_cut(inputs: list[str], data: st.DataObject) -> None:
    text = "".join(inputs)
    places = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    assert "".join(passed(*pieces, pause=DELAY / 2)) == text


ROOT = Path(__file__).parents[2]


def test_no_piece_acts_in_a_terminal() -> None:
    environ = {"ESCDELAY": "1", "PYTHONPATH": str(ROOT)}
    with Terminal([sys.executable, "-m", "tests.support.ending_app", "keys"], environ, (100, 10)) as terminal:
        terminal.wait_for("keys:")
        terminal.send(b"\x1b")
        terminal.wait_for("keys: escape.")
        for piece in (b"[", b"<35;10", b";5M", b"\x1b[", b"B", b"\x1bO", b"A", b"\x1b[1", b"5~", b"\x1b[<35;1"):
            terminal.send(piece)
            terminal.listen(0.05)
        terminal.send(b"0;5Mx")
        terminal.wait_for("keys: escape down up f5 x.")
        terminal.send(b"\xe4\xff")
        terminal.send(b"y")
        terminal.wait_for(" y.")
