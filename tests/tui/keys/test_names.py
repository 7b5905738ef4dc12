"""Spelling keys."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual._xterm_parser import XTermParser
from textual.events import Key
from textual.keys import _character_to_key

from comfytui.tui.keys.commands import COMMANDS
from comfytui.tui.keys.names import display_key, is_printable, parse_key, terminal_equivalents

PRINTABLE = string.ascii_letters + string.digits + string.punctuation


@pytest.mark.parametrize("character", [*PRINTABLE, " ", "ü", "é", "€", "§"])
def test_a_character_is_called_as_textual_calls_it(character: str) -> None:
    assert parse_key(character) == _character_to_key(character)


@pytest.mark.parametrize("character", PRINTABLE)
def test_a_name_is_the_same_key_as_its_character_and_reads_as_it(character: str) -> None:
    key = parse_key(character)
    assert key is not None
    assert parse_key(key) == key
    assert display_key(key) == character


@pytest.mark.parametrize(
    ("written", "key"),
    [
        ("ctrl+p", "ctrl+p"),
        ("shift+ctrl+left", "ctrl+shift+left"),
        ("ctrl+alt+a", "alt+ctrl+a"),
        ("alt+<", "alt+less_than_sign"),
        ("alt+X", "alt+shift+x"),
        ("ctrl++", "ctrl+plus"),
        ("+", "plus"),
        (",", "comma"),
        ("f12", "f12"),
        ("shift+tab", "shift+tab"),
        ("shift+space", "shift+space"),
        ("alt+shift+,", "alt+shift+comma"),
    ],
)
def test_keys_are_read(written: str, key: str) -> None:
    assert parse_key(written) == key


@pytest.mark.parametrize(
    "written",
    [
        "",
        "++",
        "ctrl+",
        "+x",
        "hyper+x",
        "ctrl+ctrl+x",
        "shift+a",
        "shift+/",
        "pgup",
        "xy",
        "f25",
        "\x1b",
        "a,b",
        "<x>",
    ],
)
def test_invalid_keys_are_none(written: str) -> None:
    assert parse_key(written) is None


@given(st.text(max_size=12))
def test_nothing_that_is_written_breaks_it_and_no_key_has_a_comma(written: str) -> None:
    key = parse_key(written)
    assert key is None or (key and "," not in key and parse_key(key) == key)


def test_all_declared_keys_are_keys() -> None:
    assert all(parse_key(key) for declared in COMMANDS if declared.keys for key in declared.keys.split(","))


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("ctrl+i", "\t"),
        ("ctrl+i", "\x1b[105;5u"),
        ("ctrl+m", "\r"),
        ("ctrl+h", "\x08"),
        ("ctrl+space", "\x00"),
        ("ctrl+/", "\x1f"),
        ("ctrl+/", "\x1b[47;5u"),
        ("alt+<", "\x1b<"),
        ("alt+<", "\x1b[60;3u"),
        ("alt+x", "\x1bx"),
        ("alt+X", "\x1bX"),
        ("alt+X", "\x1b[120;4u"),
        ("alt+enter", "\x1b\r"),
        ("alt+up", "\x1b[1;3A"),
        ("alt+space", "\x1b "),
        ("ctrl+s", "\x13"),
        ("ctrl+\\", "\x1c"),
        ("shift+tab", "\x1b[Z"),
        ("shift+up", "\x1b[1;2A"),
        ("pageup", "\x1b[5~"),
        ("f5", "\x1b[15~"),
        ("?", "?"),
    ],
)
def test_terminal_equivalents_include_sent_keys(written: str, sent: str) -> None:
    key = parse_key(written)
    assert key is not None
    parser = XTermParser()
    (event,) = [*parser.feed(sent), *parser.feed("")]
    assert isinstance(event, Key)
    assert event.key in terminal_equivalents(key)
    assert terminal_equivalents(key)[0] == key


@pytest.mark.parametrize(("key", "whether"), [("x", True), ("space", True), ("slash", True), ("enter", False)])
def test_printable_keys(key: str, whether: bool) -> None:
    assert is_printable(key) is whether
    assert not is_printable(f"ctrl+{key}")
