"""The terminal's title and mouse: what is written, and that nothing of it stays behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from comfytui.tui.terminal.driver import MAX_TITLE, TerminalControl, sanitize_title
from comfytui.tui.terminal.input_reader import is_parsed_correctly
from tests.support.ending_app import BUSY, HELLO, TITLE, TroubledApp
from tests.support.terminal import Terminal as PseudoTerminal

ROOT = Path(__file__).parents[3]

SAVED, PUT_BACK = b"\x1b[22;0t", b"\x1b[23;0t"
NAMED = f"\x1b]2;{TITLE}\x07".encode()
MOUSE = {"1000", "1003", "1006", "1015"}

Start = Callable[..., PseudoTerminal]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the little app and wait until it shows itself."""
    started: list[PseudoTerminal] = []

    def begin(*args: str, **environ: str) -> PseudoTerminal:
        environ = {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **environ}
        terminal = PseudoTerminal([sys.executable, "-m", "tests.support.ending_app", *args], environ, (100, 10))
        started.append(terminal.__enter__())
        terminal.wait_for(HELLO)
        return terminal

    yield begin
    for each in started:
        each.__exit__(None, None, None)


def wait_for_bytes(terminal: PseudoTerminal, wanted: bytes, times: int = 1) -> None:
    """Read until the app has written this so often."""
    terminal.wait_until(lambda: terminal.raw.count(wanted) >= times, f"to see {wanted!r} {times} times")


def assert_put_back(terminal: PseudoTerminal) -> None:
    """The title was put back as often as it was kept, and the last thing done to it."""
    raw = bytes(terminal.raw)
    assert raw.count(PUT_BACK) == raw.count(SAVED) > 0
    assert raw.rfind(PUT_BACK) > raw.rfind(b"\x1b]2;")


def times_woken(process: int) -> int:
    """How often threads of it went to sleep so far."""
    statuses = [each.read_text() for each in Path(f"/proc/{process}/task").glob("*/status")]
    return sum(int(line.split()[1]) for text in statuses for line in text.splitlines() if line.startswith("voluntary"))


def test_a_title_has_no_control_characters_and_an_end() -> None:
    assert sanitize_title("runners / gpu-07") == "runners / gpu-07"
    assert sanitize_title("a\x1b]0;b\x07c\x9dd\n\x7fe\u202ef") == "a]0;bcdef"
    assert sanitize_title("名" * 300) == "名" * MAX_TITLE


def test_the_title_is_written_once_and_put_back(start: Start) -> None:
    terminal = start()
    terminal.press("n", "n", "q")
    assert terminal.wait_exit() == 0
    assert terminal.raw.count(NAMED) == 1
    assert_put_back(terminal)


@pytest.mark.parametrize("key", ["h", "w"])
def test_the_title_is_put_back_after_a_crash(start: Start, key: str) -> None:
    terminal = start()
    terminal.press("n", key)
    assert terminal.wait_exit() == 1
    assert_put_back(terminal)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_the_title_is_put_back_after_a_signal(start: Start, number: signal.Signals) -> None:
    terminal = start()
    terminal.press("n")
    wait_for_bytes(terminal, NAMED)
    terminal.signal(number)
    terminal.wait_exit()
    assert_put_back(terminal)


def test_title_is_restored_by_the_watchdog(start: Start) -> None:
    terminal = start()
    terminal.press("n", "l")
    wait_for_bytes(terminal, BUSY)
    terminal.signal(signal.SIGTERM)
    assert terminal.wait_exit() == 143
    assert_put_back(terminal)


def test_suspended_app_gives_the_title_back(start: Start) -> None:
    terminal = start()
    terminal.press("n")
    wait_for_bytes(terminal, NAMED)
    # What stops it without a word, and what takes the terminal anew.
    terminal.signal(signal.SIGSTOP)
    os.waitid(os.P_PID, terminal.pid, os.WSTOPPED)
    terminal.signal(signal.SIGCONT)
    wait_for_bytes(terminal, NAMED, 2)
    assert terminal.raw.count(SAVED) == 2
    assert terminal.raw.count(b"\x1b[?2026$p") == 1, "whose answer could come when the shell reads it"
    terminal.press("q")
    assert terminal.wait_exit() == 0
    assert_put_back(terminal)


def test_keys_typed_as_the_terminal_is_taken_anew_are_kept(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    with PseudoTerminal([sys.executable, "-m", "tests.support.ending_app", "keys"], environ, (100, 10)) as terminal:
        terminal.wait_for("keys:")
        for times, key in enumerate("abcdefghijklmnop", 2):
            terminal.signal(signal.SIGSTOP)
            os.waitid(os.P_PID, terminal.pid, os.WSTOPPED)
            terminal.signal(signal.SIGCONT)
            terminal.press(key)
            wait_for_bytes(terminal, SAVED, times)
        terminal.wait_for("keys: a b c d e f g h i j k l m n o p.")
        terminal.signal(signal.SIGTERM)
        assert terminal.wait_exit() == 143


@pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="the system does not tell of the end of a parent")
def test_while_nothing_is_sent_no_thread_is_woken(start: Start) -> None:
    terminal = start()
    terminal.listen(1.5)
    before = times_woken(terminal.pid)
    terminal.listen(3.0)
    # Textual looks for keys ten times a second.
    assert times_woken(terminal.pid) - before < 15
    terminal.press("q")
    assert terminal.wait_exit() == 0


def test_a_console_without_titles_is_sent_none(start: Start) -> None:
    terminal = start(TERM="linux")
    terminal.press("n", "q")
    assert terminal.wait_exit() == 0
    assert b"\x1b]2;" not in terminal.raw


def test_the_mouse_is_switched(start: Start) -> None:
    terminal = start("mouseless")
    terminal.wait_quiet(0.1)
    assert not terminal.unrestored & MOUSE
    terminal.press("m")
    wait_for_bytes(terminal, b"\x1b[?1006h")
    assert terminal.unrestored >= MOUSE
    terminal.press("m")
    wait_for_bytes(terminal, b"\x1b[?1006l")
    assert not terminal.unrestored & MOUSE
    terminal.press("q")
    assert terminal.wait_exit() == 0
    assert terminal.unrestored == set()


def test_terminal_that_tells_its_sizes_counts_the_mouse_in_cells(start: Start) -> None:
    terminal = start()
    terminal.send(b"\x1b[?2048;2$y")
    wait_for_bytes(terminal, b"\x1b[?2048h")
    # Sizes of nothing, in cells and in pixels, and a mouse after each of them.
    for told in (b"0;0;0;0", b"10;100;0;0", b"10;100;200;1000", b"0;100;0;1000"):
        terminal.send(b"\x1b[48;" + told + b"t\x1b[<0;5;5M\x1b[<0;5;5m")
    terminal.press("q")
    assert terminal.wait_exit() == 0
    assert b"\x1b[?1016h" not in terminal.raw
    assert terminal.unrestored == set()


@pytest.mark.parametrize(
    "sequence",
    ["\x1b[B", "\x1b[1;9A", "\x1b[97;5u", "\x1b[27;5;113~", "\x1b[24;80R", "\x1b[I", "\x1b[?2026;2$y", "\x1b[201~"],
)
def test_sequences_that_the_parser_understands(sequence: str) -> None:
    assert is_parsed_correctly(sequence)


@pytest.mark.parametrize(
    "sequence", ["\x1b[q", "\x1b[113~", "\x1b[32~", "\x1b[1114112u", "\x1b[97;1:3u", f"\x1b[97;1;{'9' * 40}u"]
)
def test_sequences_that_the_parser_misreads(sequence: str) -> None:
    assert not is_parsed_correctly(sequence)


async def test_without_a_terminal_nothing_happens() -> None:
    app = TroubledApp()
    terminal = TerminalControl(app)
    terminal.set_title("before")
    async with app.run_test():
        terminal.set_title("while")
        terminal.set_mouse(on=True)
        assert not terminal.has_mouse
