"""A little app in every kind of trouble, on a terminal of its own: how it ends, how soon, and what it leaves."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.ending_app import BUSY, HELLO, SECRET, GuardedApp, TroubledApp
from tests.support.terminal import Terminal

SOON = 1.5
"""Seconds within which it has to be gone, whatever the trouble."""

ROOT = Path(__file__).parents[3]

Start = Callable[..., Terminal]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """Where reports go."""
    return tmp_path / "comfytui"


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start the app and wait until it shows itself, unless it has an argument."""
    started: list[Terminal] = []

    def begin(*args: str, **environ: str) -> Terminal:
        environ = {"XDG_STATE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT), **environ}
        terminal = Terminal([sys.executable, "-m", "tests.support.ending_app", *args], environ, (100, 10))
        started.append(terminal.__enter__())
        if not args:
            terminal.wait_for(HELLO)
        return terminal

    yield begin
    for each in started:
        each.__exit__(None, None, None)


def assert_crashed(terminal: Terminal, state: Path, name: str) -> str:
    """It ended with status 1 and a line that says where the report is; the report."""
    assert terminal.wait_exit() == 1
    assert terminal.unrestored == set()
    (report,) = state.iterdir()
    said = bytes(terminal.raw).decode().replace("\r\n", "")
    assert said.endswith(f"comfytui: Crashed ({name}). A report without secrets is in {report}")
    assert "Traceback" not in said
    text = report.read_text()
    assert SECRET not in said + text
    return text


def blocks(terminal: Terminal, key: str) -> None:
    """Press the key, and wait until its action says that it has begun."""
    terminal.press(key)
    terminal.wait_until(lambda: BUSY in terminal.raw, "for it to block")


def test_quitting(start: Start, state: Path) -> None:
    terminal = start()
    terminal.press("q")
    assert terminal.wait_exit() == 0
    assert terminal.unrestored == set()
    assert b"comfytui" not in terminal.raw
    assert not state.exists()


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)])
def test_signals(start: Start, number: signal.Signals, status: int) -> None:
    terminal = start()
    terminal.signal(number)
    assert terminal.wait_exit() == status
    assert terminal.unrestored == set()


def test_the_first_reason_to_end_is_the_status(start: Start) -> None:
    terminal = start()
    blocks(terminal, "l")
    terminal.signal(signal.SIGTERM)
    assert terminal.ends_within(SOON / 3) is None
    terminal.signal(signal.SIGHUP)
    terminal.press("q")
    assert terminal.ends_within(SOON) == 143


def test_a_signal_before_the_first_frame(start: Start) -> None:
    terminal = start("early")
    assert terminal.wait_exit() == 143
    assert b"\x1b[?1049h" not in terminal.raw
    assert terminal.unrestored == set()


def test_hanging_thread_does_not_delay_the_end(start: Start) -> None:
    terminal = start()
    terminal.press("s", "q")
    assert terminal.ends_within(SOON) == 0
    assert terminal.wait_exit() == 0
    assert terminal.unrestored == set()


def test_hanging_handler_does_not_delay_the_end(start: Start) -> None:
    terminal = start()
    blocks(terminal, "l")
    terminal.signal(signal.SIGTERM)
    assert terminal.ends_within(SOON) == 143
    assert terminal.wait_exit() == 143
    assert terminal.unrestored == set()


def test_unread_terminal_does_not_delay_the_end(start: Start) -> None:
    terminal = start()
    blocks(terminal, "f")
    terminal.signal(signal.SIGTERM)
    assert terminal.ends_within(SOON, unread=True) == 143
    assert terminal.wait_exit() == 143
    assert terminal.unrestored == set()


@pytest.mark.parametrize("key", ["", "l", "f", "s"])
def test_a_terminal_that_goes_takes_the_app_along(start: Start, state: Path, key: str) -> None:
    terminal = start()
    terminal.press(*key)
    terminal.hang_up()
    assert terminal.ends_within(SOON) == 129
    assert not state.exists()


@pytest.mark.parametrize(
    ("key", "places"),
    [
        ("h", [":action_crash_in_handler", ":_fail", "caused by: KeyError"]),
        ("w", ["within it: RuntimeError", ":_fail_later", ":_fail", "caused by: KeyError"]),
        ("t", [":_fail", "caused by: KeyError"]),
    ],
)
def test_a_crash_is_recorded_without_secrets(start: Start, state: Path, key: str, places: list[str]) -> None:
    terminal = start()
    terminal.press(key)
    report = assert_crashed(terminal, state, "RuntimeError")
    for place in places:
        assert place in report
    assert "terminal  100x10, TERM=xterm-256color" in report


def test_a_crash_in_a_group_tells_what_is_in_it(start: Start, state: Path) -> None:
    terminal = start()
    terminal.press("g")
    report = assert_crashed(terminal, state, "ExceptionGroup")
    assert "within it: RuntimeError" in report


def test_a_crash_on_what_the_terminal_sends_is_recorded(start: Start, state: Path) -> None:
    terminal = start()
    blocks(terminal, "i")
    terminal.press("x")
    report = assert_crashed(terminal, state, "unknown")
    assert "ValueError" in report
    assert ":run_input_thread" in report


def test_bytes_that_are_no_text_do_nothing(start: Start, state: Path) -> None:
    terminal = start()
    terminal.send(b"\xff\xfe\xe4q")
    assert terminal.wait_exit() == 0
    assert not state.exists()


def test_a_task_that_fails_unseen_is_recorded_and_ends_nothing(start: Start, state: Path) -> None:
    terminal = start()
    terminal.press("u")
    terminal.wait_for("something failed")
    terminal.press("q")
    assert terminal.wait_exit() == 0
    assert SECRET.encode() not in terminal.raw
    (report,) = state.iterdir()
    assert ":_fail_later" in report.read_text()


def test_the_last_words_are_said_though_a_thread_hangs(start: Start, state: Path) -> None:
    terminal = start()
    terminal.press("s", "h")
    assert terminal.ends_within(SOON) == 1
    assert_crashed(terminal, state, "RuntimeError")


def test_a_crash_that_cannot_be_recorded_is_told(start: Start) -> None:
    terminal = start(XDG_STATE_HOME="/dev/null")
    terminal.press("h")
    assert terminal.wait_exit() == 1
    assert b"comfytui: Crashed (RuntimeError), and no report could be written: not a directory." in terminal.raw
    assert SECRET.encode() not in terminal.raw


async def test_under_a_pilot_it_is_an_app_like_any_other() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)]
    app = TroubledApp(early=False)
    with pytest.raises(RuntimeError, match=SECRET):
        async with app.run_test() as pilot:
            await pilot.press("h")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)] == before
    async with GuardedApp().run_test() as pilot:
        pilot.app.exit(return_code=7)
    assert pilot.app.return_code == 7
