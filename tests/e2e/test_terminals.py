"""The installed program on terminals of all kinds: what it writes to them, and what it makes of what they send."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.installed import FIRST, dashboard

if TYPE_CHECKING:
    from tests.support.terminal import Terminal


SSH = {"SSH_CONNECTION": "10.0.0.1 5000 10.0.0.2 22"}

_SGR = re.compile(rb"\x1b\[([0-9;]*)m")
_COLOURS = re.compile(r"(?:^|;)(?:3[0-9]|4[0-9]|9[0-7]|10[0-7])(?:;|$)")


def tour(terminal: Terminal) -> None:
    """See a bit of everything, and leave."""
    terminal.wait_for(FIRST.split()[0], "live")
    terminal.press("/")
    terminal.wait_gone("? help")
    terminal.press(*"gpu")
    terminal.wait_for("110 of 120")
    terminal.press("enter")
    terminal.wait_for("? help")
    terminal.press("?")
    terminal.wait_for("In a table")
    terminal.press("escape")
    terminal.wait_for("Runners  /gpu")
    terminal.press(":")
    terminal.wait_for("A command, or a runner")
    terminal.press("escape")
    terminal.wait_gone("A command, or a runner")
    terminal.press("enter")
    terminal.wait_for(f"runners / {FIRST}")
    terminal.press("t")
    terminal.wait_for("Theme: light")
    terminal.press("q")
    assert terminal.wait_exit() == 0


def colour_codes(raw: bytes) -> set[str]:
    return {found for code in _SGR.findall(raw) if _COLOURS.search(found := code.decode())}


@pytest.mark.parametrize("how", [{"NO_COLOR": "1"}, {"TERM": "vt220", "NO_COLOR": "1", "COLORTERM": ""}])
def test_without_colours_there_is_none_and_the_cursor_is_reversed(how: dict[str, str]) -> None:
    with dashboard("--demo", environ=how, size=(140, 40)) as terminal:
        tour(terminal)
        assert colour_codes(bytes(terminal.raw)) == set()
        assert any("7" in code.decode().split(";") for code in _SGR.findall(terminal.raw))


def test_a_wish_for_no_colours_is_the_same() -> None:
    with dashboard("--demo", "--color", "none") as terminal:
        tour(terminal)
        assert colour_codes(bytes(terminal.raw)) == set()


@pytest.mark.parametrize(
    ("environ", "args", "deep"),
    [
        ({"TERM": "alacritty", "COLORTERM": "", **SSH}, (), "38;2;"),
        ({"TERM": "xterm-256color", "COLORTERM": "", **SSH}, (), "38;5;"),
        ({"TERM": "xterm-256color", "COLORTERM": "", **SSH}, ("--color", "truecolor"), "38;2;"),
        ({"TERM": "linux", "COLORTERM": ""}, (), ""),
        ({"COLORTERM": "truecolor"}, ("--color", "16"), ""),
    ],
)
def test_colours_are_those_of_the_terminal(environ: dict[str, str], args: tuple[str, ...], deep: str) -> None:
    with dashboard("--demo", *args, environ=environ) as terminal:
        terminal.wait_for(FIRST, "● live")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        codes = colour_codes(bytes(terminal.raw))
    assert codes
    for depth in ("38;2;", "38;5;"):
        assert any(depth in code for code in codes) == (depth == deep)


def test_ascii_is_ascii_to_the_last_byte() -> None:
    with dashboard("--demo", "--ascii") as terminal:
        tour(terminal)
        assert bytes(terminal.raw).isascii()


def test_an_encoding_that_has_no_shapes_is_ascii_too() -> None:
    with dashboard("--demo", environ={"PYTHONIOENCODING": "latin-1"}) as terminal:
        terminal.wait_for(FIRST, "* live")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert bytes(terminal.raw).isascii()


def test_sizes_in_the_environment_freeze_nothing() -> None:
    with dashboard("--demo", environ={"COLUMNS": "50", "LINES": "12"}, size=(140, 40)) as terminal:
        terminal.wait_for("Recent workflows", "page 1/5")
        terminal.resize(80, 24)
        terminal.wait_for("Recent workflows", "page 1/5")
        terminal.wait_until(lambda: len(terminal.lines[1]) == 80, "to fill 80 columns")
        terminal.press("q")
        assert terminal.wait_exit() == 0


@pytest.mark.parametrize(("environ", "is_on"), [({}, True), (SSH, False)])
def test_the_mouse_is_left_alone_over_ssh_until_it_is_asked_for(environ: dict[str, str], is_on: bool) -> None:
    with dashboard("--demo", environ=environ) as terminal:
        terminal.wait_for(FIRST, "● live")
        assert (b"\x1b[?1000h" in terminal.raw) == is_on
        terminal.press("m")
        terminal.wait_for("Mouse off" if is_on else "Mouse on")
        assert b"\x1b[?1000h" in terminal.raw
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert terminal.unrestored == set()


@pytest.mark.parametrize("parts", [(b"\x1b", b"[B"), (b"\x1b[", b"B"), (b"\x1b[<35;1", b"0;5M"), (b"\x1bO", b"B")])
def test_a_key_that_comes_in_two_parts_does_nothing_else(parts: tuple[bytes, bytes]) -> None:
    with dashboard("--demo", environ=SSH) as terminal:
        terminal.wait_for(FIRST, "● live", "Recent workflows  ")
        terminal.press("enter")
        terminal.wait_for(f"runners / {FIRST}")
        terminal.send(parts[0])
        terminal.listen(0.3)
        terminal.send(parts[1])
        terminal.listen(1.0)
        # Neither out of the history, nor to another page, nor sorted, nor gone.
        assert f"runners / {FIRST}" in terminal.screen
        assert "page 1/5" in terminal.screen
        assert "▲" not in terminal.screen
        terminal.press("q")
        assert terminal.wait_exit() == 0


def test_the_title_says_where_one_is_and_is_put_back() -> None:
    with dashboard("--demo") as terminal:
        terminal.wait_for(FIRST, "● live")
        terminal.press("enter")
        terminal.wait_for(f"runners / {FIRST}")
        terminal.press("q")
        assert terminal.wait_exit() == 0
        raw = bytes(terminal.raw)
    titles = re.findall(rb"\x1b\]2;([^\x07]*)\x07", raw)
    assert [each.decode() for each in titles] == ["comfytui / demo / runners", f"comfytui / demo / runners / {FIRST}"]
    assert raw.index(b"\x1b[22;0t") < raw.index(b"\x1b]2;")
    assert raw.rindex(b"\x1b[23;0t") > raw.rindex(b"\x1b]2;")


@pytest.mark.parametrize(
    ("packet", "wanted"),
    [
        (b"/h100\r", ("Runners  /h100", "? help")),
        (b"/gpx\x7fu", (" /gpu ",)),
        (b":request", ("Request log",)),
        (b"P3\r", ("page 3/5",)),
        (b"\t\t", (f"runners / {FIRST}",)),
    ],
)
def test_keys_that_come_in_one_packet_go_where_those_before_them_lead(packet: bytes, wanted: tuple[str, ...]) -> None:
    with dashboard("--demo") as terminal:
        terminal.wait_for(FIRST, "● live", "Recent workflows  ")
        terminal.send(packet)
        terminal.wait_for(*wanted)
        terminal.press("ctrl+c")
        assert terminal.wait_exit() == 0


def test_the_line_under_the_cursor_of_the_palette_is_seen_without_colours() -> None:
    with dashboard("--demo", environ={"NO_COLOR": "1"}) as terminal:
        terminal.wait_for(FIRST, "● live")
        before = len(terminal.raw)
        terminal.press(":")
        terminal.wait_for("Next page of runners")
        assert any({"1", "4"} <= {*code.decode().split(";")} for code in _SGR.findall(terminal.raw[before:]))
        terminal.press("ctrl+c")
        assert terminal.wait_exit() == 0
