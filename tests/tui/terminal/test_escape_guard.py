"""Keys in pieces: what of them gets through to the parser, and when."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual._ansi_sequences import ANSI_SEQUENCES_KEYS
from textual._xterm_parser import XTermParser
from textual.events import Key

from comfytui.tui.terminal.escape_guard import ESCAPE_TAIL_S, MAX_BUFFERED, SEQUENCE_TIMEOUT_S, EscapeGuard
from comfytui.tui.terminal.input_reader import is_parsed_correctly
from tests.support.terminal import Terminal

DELAY = 0.1
LATE = 0.4
"""Seconds: long enough for a lone ESC to be the Escape key, short enough for what follows to belong to it."""

MISTAKEN = [
    *(f"\x1b[{code}~" for code in (25, 26, 28, 29, 31, 32, 33, 34, 62, 63)),
    *(f"\x1b[5{way}" for way in "ABCD"),
]
"""Keys in Textual's table which its parser takes for characters, before it looks there."""

SEQUENCES = {
    "down": "\x1b[B",
    "down in application mode": "\x1bOB",
    "shift and F1": "\x1b[1;2P",
    "F1 of the Linux console": "\x1b[[A",
    "F5": "\x1b[15~",
    "ctrl and up": "\x1b[1;5A",
    "a key of the Kitty protocol": "\x1b[97;5u",
    "a mouse report": "\x1b[<35;10;5M",
    "an old mouse report": "\x1b[Mq:!",
    "focus": "\x1b[O",
    "rxvt's shift and delete": "\x1b[3$",
    "rxvt's ctrl and delete": "\x1b[3^",
    "a function key of the keypad": "\x1bOj",
    "alt and a letter": "\x1bq",
    "alt and a digit": "\x1b5",
    "what xterm sends for other keys": "\x1b[27;5;113~",
    "a key of the Kitty protocol with its text": "\x1b[97;2;65u",
    "where the cursor is": "\x1b[24;80R",
    "the size": "\x1b[48;24;80;480;1600t",
    "a mouse beyond the edge": "\x1b[<0;-1;5M",
    "the mouse of urxvt": "\x1b[32;10;5M",
    "a mode report": "\x1b[?2026;2$y",
}


def passed(*pieces: str, pause: float = LATE) -> list[str]:
    """What gets through of pieces that come so far apart, what a tick says before each and after the last included."""
    guard, now, through = EscapeGuard(DELAY, is_parsed_correctly), 100.0, []
    for piece in pieces:
        through.append(guard.feed(piece, now))
        now += pause
        through.append(guard.tick(now))
    through.append(guard.tick(now + SEQUENCE_TIMEOUT_S + 1))
    assert not guard.is_waiting
    return [each for each in through if each]


def events_of(*pieces: str, pause: float) -> list[str]:
    """What Textual makes of the pieces, in words, a paste in one."""
    parser = XTermParser()
    made: list[object] = []
    for text in passed(*pieces, pause=pause):
        made += [Key("escape", text)] if text == "\x1b" else list(parser.feed(text))
    return [repr(each) for each in [*made, *parser.feed("\x1b")]]


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_a_whole_sequence_gets_through_at_once(sequence: str) -> None:
    guard = EscapeGuard(DELAY, is_parsed_correctly)
    assert guard.feed(f"a{sequence}b", 0.0) == f"a{sequence}b"
    assert not guard.is_waiting


@pytest.mark.parametrize("sequence", SEQUENCES.values(), ids=SEQUENCES)
def test_wherever_it_is_torn_behind_its_second_character_it_is_put_together(sequence: str) -> None:
    for place in range(2, len(sequence)):
        assert passed(sequence[:place], sequence[place:] + "x") == [sequence + "x"]


@pytest.mark.parametrize("sequence", [each for each in SEQUENCES.values() if each[1] in "[O"])
def test_torn_off_the_escape_key_the_rest_does_nothing(sequence: str) -> None:
    for place in range(2, len(sequence) + 1):
        assert passed("\x1b", sequence[1:place], sequence[place:] or " ")[:1] == ["\x1b"]
        assert "".join(passed("\x1b", sequence[1:place], *sequence[place:])).strip() == "\x1b"
    assert passed("\x1b", sequence[1:] + "x") == ["\x1b", "x"]


def test_a_paste_torn_off_the_escape_key_is_a_paste() -> None:
    assert passed("\x1b", "[200~q", "uit\x1b[201~") == ["\x1b", "\x1b[200~q", "uit\x1b[201~"]


@pytest.mark.parametrize("pause", [0.01, LATE, SEQUENCE_TIMEOUT_S - 0.1])
@pytest.mark.parametrize("body", ["qqq", "", "[201~", "日 [O", "O"])
def test_wherever_a_paste_is_torn_it_ends(body: str, pause: float) -> None:
    paste = f"\x1b[200~{body}\x1b[201~"
    for place in range(2, len(paste)):
        assert "".join(passed(paste[:place], paste[place:] + "x", pause=pause)) == paste + "x"
    assert "".join(passed(paste[:2], *paste[2:], "x", pause=pause)) == paste + "x"


def test_escape_is_no_key_inside_a_paste() -> None:
    assert "".join(passed("\x1b[200~a\x1b", "\x1b[Bq", "\x1bOB\x1b\x1b[201~")) == "\x1b[200~a[BqOB\x1b[201~"
    assert "".join(passed("\x1b[200~a\x1b[20", "q\x1b[201~")) == "\x1b[200~a[20q\x1b[201~"


def test_a_paste_without_an_end_is_ended() -> None:
    guard = EscapeGuard(DELAY, is_parsed_correctly)
    assert guard.feed("\x1b[200~abc\x1b", 5.0) == "\x1b[200~abc"
    assert guard.tick(5.0 + SEQUENCE_TIMEOUT_S) == ""
    assert guard.tick(5.1 + SEQUENCE_TIMEOUT_S) == "\x1b[201~"
    assert not guard.is_waiting
    assert guard.feed("[201~", 99.0) == ""
    assert guard.feed("j", 99.1) == "j"


def test_a_paste_that_goes_on_is_not_ended() -> None:
    assert passed("\x1b[200~", *"abc", "\x1b[201~", pause=SEQUENCE_TIMEOUT_S - 1) == ["\x1b[200~", *"abc", "\x1b[201~"]


def test_an_interrupt_ends_a_paste_and_acts() -> None:
    assert passed("\x1b[200~qqq", "\x03") == ["\x1b[200~qqq", "\x1b[201~\x03"]
    assert passed("\x1b[200~qqq\x1b[2", "\x03j") == ["\x1b[200~qqq", "[2\x1b[201~\x03j"]
    # It is no key where the paste holds it.
    assert passed("\x1b[200~q\x03q\x1b[201~") == ["\x1b[200~q\x03q\x1b[201~"]


UNKNOWN = [
    "\x1b[q",
    "\x1b[=q",
    "\x1b[?1;2q",
    "\x1b[1;9q",
    "\x1b[?62;22c",
    "\x1b[>0;276;0c",
    "\x1b[?997;1n",
    "\x1b[0n",
    "\x1b[99~",
    "\x1b[113~",
    "\x1b[32~",
    "\x1b[5$",
    "\x1b[4;600;800t",
    "\x1b[?1u",
    "\x1b[1114112u",
    "\x1b[99999999999999999999u",
    "\x1b[97;1:3u",
    "\x1b[97;1;113:113:113:113:113:113:113:113u",
    "\x1b[12;2$y",
    "\x1b[[q",
    "\x1bO2q",
    "\x1bOz",
    "\x9bq",
    "\x9b?62;22c",
    "\x8fz",
]

STRINGS = [
    "\x1bP>|XTerm(388)q\x1b\\",
    "\x1bP1$r0mq\x1b\\",
    "\x1bP!|00000000\x1b\\",
    "\x1b]11;rgb:1e1e/1e1e/quit\x07",
    "\x1b]11;rgb:1e1e/1e1e/quit\x1b\\",
    "\x1b]52;c;cXVpdA==\x9c",
    "\x1b_Gi=31;OK\x1b\\",
    "\x1b^quit\x1b\\",
    "\x1bXquit 日\x1b\\",
    "\x9d11;q\x07",
    "\x90>|q\x9c",
    "\x98q\x9c",
    "\x9eq\x9c",
    "\x9fq\x1b\\",
]


@pytest.mark.parametrize("sequence", [*UNKNOWN, *STRINGS])
def test_useless_sequences_are_dropped(sequence: str) -> None:
    assert passed(f"a{sequence}q") == ["aq"]
    for place in range(1, len(sequence)):
        assert passed(sequence[:place], sequence[place:] + "j", pause=DELAY / 2) == ["j"]
    first = 1 if sequence[0] != "\x1b" else 2 if sequence[1] in "[O" else 3
    assert passed(sequence[:first], *sequence[first:], "j") == ["j"]


@pytest.mark.parametrize("string", [each for each in STRINGS if each[0] == "\x1b"])
def test_a_string_torn_off_a_key_is_dropped(string: str) -> None:
    assert passed("\x1b", string[1:] + "x") == ["\x1b", "x"]
    assert passed(string[:2], string[2:] + "x") == [string[:2], "x"]


def test_the_start_of_a_reply_torn_off_a_key_is_recognized() -> None:
    assert passed("\x1b", "]", "11;rgb:q", "q\x07x") == ["\x1b", "]", "x"]
    assert passed("\x1b", "P>|XTerm(3", "88)q\x1b", "\\x") == ["\x1b", "x"]


@pytest.mark.parametrize("key", "]PX^_")
def test_alt_and_what_introduces_a_string_is_a_key(key: str) -> None:
    assert passed(f"\x1b{key}") == [f"\x1b{key}"]
    assert passed(f"\x1b{key}", *"jkq") == [f"\x1b{key}", *"jkq"]
    assert passed(f"\x1b{key}\x1b[B") == [f"\x1b{key}\x1b[B"]


@pytest.mark.parametrize("beginning", ["\x1b]11;", "\x1bP>|", "\x1b_G", "\x1b[1", "\x1bO", "\x1b[M", "\x9b", "\x9d1"])
def test_an_interrupt_is_never_kept(beginning: str) -> None:
    assert passed(beginning, "\x03") == ["\x03"]
    assert passed(f"{beginning}\x03") == ["\x03"]


def test_a_string_without_an_end_is_dropped_in_time_and_whatever_its_length() -> None:
    assert passed("\x1b]52;c;q", "j", pause=SEQUENCE_TIMEOUT_S + 1) == ["j"]
    guard = EscapeGuard(DELAY, is_parsed_correctly)
    for _ in range(10):
        assert guard.feed(("\x1b]52;c;" if not guard.is_waiting else "") + "q" * MAX_BUFFERED + "\x1b", 1.0) == ""
        assert len(guard._buffer) <= MAX_BUFFERED + 1
        assert guard.feed("\\j", 1.0) == "j"
    assert passed("\x1b]52;c;" + "q" * MAX_BUFFERED, "q" * MAX_BUFFERED, "\x07j") == ["j"]


def test_eight_bits_say_the_same() -> None:
    assert passed("\x9bB\x8fA") == ["\x1b[B\x1bOA"]
    assert passed("\x9b200~q\x9b201~") == ["\x1b[200~q\x1b[201~"]


def long_after(key: str, *pieces: str) -> list[str]:
    """What gets through of pieces that come a minute after a key has acted, and shortly after each other."""
    guard = EscapeGuard(DELAY, is_parsed_correctly)
    guard.feed(key, 1.0)
    assert guard.tick(2.0) == key
    through = [said for piece in pieces for said in (guard.feed(piece, 60.0), guard.tick(60.0 + LATE))]
    return [each for each in [*through, guard.tick(70.0)] if each]


@pytest.mark.parametrize("torn", ["[<35;10;5M", "[15~", "[99~", "[?62;22c", "]11;rgb:q\x07", "P>|q\x1b\\"])
def test_late_tails_of_sequences_are_dropped(torn: str) -> None:
    assert long_after("\x1b", torn + "x") == ["x"]
    assert long_after("\x1b", "j", torn) != ["j"]


def test_a_paste_is_a_paste_however_late() -> None:
    assert long_after("\x1b", "[200~qqq\x1b[201~x") == ["\x1b[200~qqq\x1b[201~x"]
    assert long_after("\x1b", "[200~q", "q\x1b", "[201~x") == ["\x1b[200~q", "q", "\x1b[201~x"]


@pytest.mark.parametrize("typed", ["[", "[B", "OB", "q", "]1", "]11;", "Pq", "P>|", "日"])
def test_typed_keys_after_a_lone_escape_are_kept(typed: str) -> None:
    assert long_after("\x1b", typed) == [typed]


@given(st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"]))), st.sampled_from([0.01, LATE, 5.0]))
def test_text_is_left_alone(pieces: list[str], pause: float) -> None:
    assert passed(*pieces, pause=pause) == [each for each in pieces if each]


KNOWN = [each for each in ANSI_SEQUENCES_KEYS if each[0] == "\x1b" and len(each) > 1 and is_parsed_correctly(each)]


@given(st.lists(st.sampled_from([*KNOWN, "\x1b[200~q\x1b[201~", "a", "日"])), st.data())
def test_however_known_sequences_are_cut_the_keys_are_the_same(inputs: list[str], data: st.DataObject) -> None:
    text = "".join(inputs)
    places = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    assert events_of(*pieces, pause=DELAY / 2) == events_of(text, pause=DELAY / 2)


def test_every_key_textual_knows_gets_through_as_it_is() -> None:
    for sequence in ANSI_SEQUENCES_KEYS:
        if sequence not in {"\x1b", "\x9b", *MISTAKEN}:
            assert "".join(passed(sequence)) == sequence


def test_escape_is_told_after_the_delay() -> None:
    guard = EscapeGuard(DELAY, is_parsed_correctly)
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
    assert passed("\x1b", key, "j", pause=ESCAPE_TAIL_S + 0.1) == ["\x1b", key, "j"]


def test_unfinished_sequence_is_dropped() -> None:
    assert passed("\x1b[1;", "j", pause=SEQUENCE_TIMEOUT_S + 1) == ["j"]


def test_interrupted_sequence_is_dropped() -> None:
    assert passed("\x1b[<35;1", "\x1b[B") == ["\x1b[B"]
    assert passed("\x1b[1\x1b[2\x1b[B") == ["\x1b[B"]
    assert passed("\x1b", "[1", "\x1b[B") == ["\x1b", "\x1b[B"]


@given(st.lists(st.text("[O\x1b?<;:0129~MABuy$ qxä日", max_size=4)), st.sampled_from([0.01, LATE, 1.0, 5.0]))
def test_nothing_is_invented_or_kept_for_ever(pieces: list[str], pause: float) -> None:
    through = iter("".join(pieces))
    # A paste that has no end is given one.
    kept = "".join(passed(*pieces, pause=pause)).replace("\x1b[201~", "")
    assert all(any(sent == came for came in through) for sent in kept)


@given(st.lists(st.sampled_from([*SEQUENCES.values(), "a", "日", "[", "O", " "])), st.data())
def test_in_time_or_late_whole_input_gets_through_however_it_is_cut(inputs: list[str], data: st.DataObject) -> None:
    text = "".join(inputs)
    places = sorted(data.draw(st.sets(st.integers(0, len(text)))))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    assert "".join(passed(*pieces, pause=DELAY / 2)) == text


ROOT = Path(__file__).parents[3]


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


def test_neither_a_torn_paste_nor_a_reply_acts_or_costs_the_keyboard() -> None:
    environ = {"ESCDELAY": "1", "PYTHONPATH": str(ROOT)}
    with Terminal([sys.executable, "-m", "tests.support.ending_app", "keys"], environ, (100, 10)) as terminal:
        terminal.wait_for("keys:")
        for piece in (b"\x1b[200~qqq", b"\x1b", b"[201~x", b"\x1b[q\x1b[?62;22c\x1b[99~\x1b]11;rgb:q", b"q\x07y"):
            terminal.send(piece)
            terminal.listen(0.05)
        terminal.wait_for("keys: x y.")
        terminal.send(b"\x1b[200~qqq")
        terminal.listen(0.05)
        terminal.send(b"\x03z")
        terminal.wait_for("keys: x y", " z.")
