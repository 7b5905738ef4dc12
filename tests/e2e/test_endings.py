"""The installed program, ended in every way there is: with which status, how soon, and what it leaves."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.installed import FIRST, PROGRAM, client_environ, dashboard
from tests.support.terminal import PATIENCE, Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator

SOON = 1.5
"""Seconds within which it has to be gone."""

DEAF = f"""
import os, signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP])
os.execv("{PROGRAM}", ["comfytui", "--demo"])
"""
"""A start in which no hang-up ever arrives as a signal."""

ADOPTED = f"""
import os, signal, subprocess, sys
code = 'import subprocess, sys; subprocess.run(["{PROGRAM}", "--demo"])'
parent = subprocess.Popen([sys.executable, "-c", code])
print("started by", parent.pid, flush=True)
parent.wait()
signal.pause()
"""
"""A start by a parent that can be killed while the terminal stays."""


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """Where an API listens that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(PATIENCE)
        yield listener


def address_of(listener: socket.socket) -> str:
    return f"http://127.0.0.1:{listener.getsockname()[1]}"


def assert_gone(terminal: Terminal, status: int) -> None:
    """It ends soon with this status, and the terminal is as it was."""
    assert terminal.ends_within(SOON) == status
    assert terminal.wait_exit() == status
    assert terminal.unrestored == set()
    assert b"Traceback" not in terminal.raw


@pytest.mark.parametrize("before", [("enter", "enter"), ("ctrl+p",)], ids="-".join)
def test_ctrl_c_from_everywhere(before: tuple[str, ...]) -> None:
    with dashboard("--demo") as terminal:
        terminal.wait_for(FIRST, "● live", "Recent workflows  ")
        terminal.press(*before, "ctrl+c")
        assert_gone(terminal, 0)


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 0)],
    ids=str,
)
def test_signals(number: signal.Signals, status: int) -> None:
    with dashboard("--demo") as terminal:
        terminal.wait_for(FIRST)
        terminal.signal(number)
        assert_gone(terminal, status)


OTHERS = (
    "SIGQUIT SIGABRT SIGALRM SIGUSR1 SIGUSR2 SIGVTALRM SIGPROF SIGXCPU SIGIO SIGPWR SIGSTKFLT SIGSYS SIGTRAP SIGRTMIN"
)


@pytest.mark.parametrize("name", [name for name in OTHERS.split() if hasattr(signal, name)])
def test_any_signal_that_ends_a_process_restores_the_terminal(name: str) -> None:
    number = signal.Signals[name]
    with dashboard("--demo") as terminal:
        terminal.wait_for(FIRST)
        terminal.signal(number)
        assert_gone(terminal, 128 + number)


def test_a_hang_up_that_the_parent_ignored() -> None:
    ignoring = ["/bin/sh", "-c", f"trap '' HUP; exec '{PROGRAM}' --demo"]
    with Terminal(ignoring) as terminal:
        terminal.wait_for(FIRST)
        terminal.signal(signal.SIGHUP)
        assert_gone(terminal, 129)
    with Terminal(ignoring) as terminal:
        terminal.wait_for(FIRST)
        terminal.hang_up()
        assert terminal.ends_within(SOON) == 129


def test_a_terminal_that_goes() -> None:
    with dashboard("--demo") as terminal:
        terminal.wait_for(FIRST)
        terminal.hang_up()
        assert terminal.ends_within(SOON) == 129


def test_a_terminal_that_goes_without_a_signal() -> None:
    with Terminal([sys.executable, "-c", DEAF]) as terminal:
        terminal.wait_for(FIRST)
        terminal.hang_up()
        assert terminal.ends_within(SOON) == 129


def test_a_parent_that_is_killed_takes_it_along() -> None:
    with Terminal([sys.executable, "-c", ADOPTED]) as terminal:
        terminal.wait_for(FIRST)
        (parent,) = re.findall(rb"started by (\d+)", terminal.raw)
        os.kill(int(parent), signal.SIGKILL)
        terminal.wait_until(lambda: b"\x1b[?1049l" in terminal.raw and not terminal.unrestored, "for it to leave")


def test_silent_api_does_not_delay_quitting(silent: socket.socket) -> None:
    with dashboard(environ=client_environ(address_of(silent))) as terminal:
        terminal.wait_for("127.0.0.1")
        connection, _ = silent.accept()
        with connection:
            assert connection.recv(3) == b"GET"
            terminal.press("q")
            assert_gone(terminal, 0)


@pytest.mark.parametrize("key", ["q", None], ids=["quit", "hang up"])
def test_a_token_command_that_does_not_return_is_not_left_behind(
    tmp_path: Path, silent: socket.socket, key: str | None
) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    config = tmp_path / "config.toml"
    config.write_text(f"""token_command = ["/bin/sh", "-c", "exec 9>'{fifo}'; sleep 60"]""")
    with (
        dashboard("--config", str(config), environ=client_environ(address_of(silent), "")) as terminal,
        fifo.open("rb") as held,
    ):
        terminal.wait_for("127.0.0.1")
        terminal.hang_up() if key is None else terminal.press(key)
        assert terminal.ends_within(SOON) == (129 if key is None else 0)
        assert held.read() == b"", "which comes once nobody holds it any more"


@pytest.mark.parametrize("key", ["", "q"])
def test_a_terminal_that_stops_reading_before_the_first_frame(key: str) -> None:
    with dashboard("--demo", size=(200, 60)) as terminal:
        terminal.wait_until(lambda: b"\x1b[?1049h" in terminal.raw, "for the first byte")
        terminal.press(*key)
        terminal.signal(signal.SIGTERM)
        assert terminal.ends_within(SOON, unread=True) in {0, 143}
        terminal.wait_exit()
        assert terminal.unrestored == set()


def test_unreadable_input_does_nothing() -> None:
    with dashboard("--demo") as terminal:
        terminal.wait_for(FIRST)
        terminal.send(b"\xff\xff")
        terminal.press("enter")
        terminal.wait_for(f"runners / {FIRST}")
        terminal.press("q")
        assert_gone(terminal, 0)


@pytest.mark.parametrize(
    "environ",
    [
        {"TEXTUAL_DRIVER": "nothing:Driver"},
        {"TEXTUAL_PRESS": "q"},
        {"TEXTUAL_SCREENSHOT": "0"},
        {"TEXTUAL": "devtools"},
        {"ESCDELAY": "9" * 400},
    ],
    ids=lambda environ: next(iter(environ)),
)
def test_variables_of_libraries_in_the_environment_end_nothing(environ: dict[str, str]) -> None:
    with dashboard("--demo", environ=environ) as terminal:
        terminal.wait_for(FIRST, "● live")
        terminal.listen(0.3)
        terminal.press("q")
        assert_gone(terminal, 0)


@pytest.mark.parametrize("environ", [{"TERM": "dumb"}, {"TERM": ""}])
def test_without_a_terminal_it_says_so_and_ends(environ: dict[str, str]) -> None:
    with dashboard("--demo", environ=environ) as terminal:
        assert terminal.wait_exit() == 2
        assert bytes(terminal.raw).count(b"\n") == 1
        assert b"\x1b" not in terminal.raw
