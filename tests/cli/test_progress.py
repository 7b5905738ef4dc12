from __future__ import annotations

import os
import pty
import select
import termios
from contextlib import contextmanager
from typing import TYPE_CHECKING

from comfytui.cli.progress import Progress, print_error
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 40) -> Iterator[int]:
    """Standard error is a terminal of so many columns; what is read from this descriptor is what it is sent."""
    master, slave = pty.openpty()
    os.set_blocking(master, False)
    termios.tcsetwinsize(slave, (24, columns))
    with os.fdopen(slave, "w", encoding="utf-8") as stream:
        monkeypatch.setattr("sys.stderr", stream)
        yield master
    os.close(master)


def assert_sent(screen: int, wanted: str) -> None:
    """The terminal is sent exactly this, all of which may not come at once."""
    data = b""
    while select.select([screen], [], [], 5.0 if len(data) < len(wanted.encode()) else 0.0)[0]:
        data += os.read(screen, 4096)
    assert data.decode() == wanted


def test_progress_writes_only_to_standard_error(capfd: pytest.CaptureFixture[str]) -> None:
    print_error("One sentence.")
    assert capfd.readouterr() == ("", "comfytui: One sentence.\n")


def test_progress_is_silent_without_standard_error(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    print_error("Nobody hears this.")
    with Progress(FakeClock()) as progress:
        progress.update("Nor this.", 5.0)
    assert capfd.readouterr() == ("", "")


async def test_fast_work_shows_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with Progress(clock) as progress:
        progress.update("page 1")
        await clock.advance(0.9)
        progress.update("page 2")
        progress.update("waiting", 0.05)
    assert capsys.readouterr().err == ""


async def test_slow_work_shows_few_lines(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    with Progress(clock) as progress:
        progress.update("waiting 3 s", 3.0)
        await clock.advance(4.9)
        progress.update("page 2")
        await clock.advance(0.1)
        progress.update("page 3")
        progress.print("Something happened.")
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["comfytui: waiting 3 s", "comfytui: page 3", "comfytui: Something happened."]


async def test_a_terminal_has_one_line_that_changes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    with terminal(monkeypatch) as screen:
        with Progress(clock) as progress:
            progress.update("page 1")
            assert_sent(screen, "")
            await clock.advance(1.0)
            progress.update("page 2")
            progress.update("a sentence that is longer than the terminal is wide")
            assert_sent(screen, "\rcomfytui: page 2\x1b[K\rcomfytui: a sentence that is longer tha\x1b[K")
            progress.print("It stays.")
            assert_sent(screen, "\r\x1b[Kcomfytui: It stays.\r\n")
            progress.update("page 3")
            assert_sent(screen, "\rcomfytui: page 3\x1b[K")
        assert_sent(screen, "\r\x1b[K")


async def test_a_dumb_terminal_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "dumb")
    with terminal(monkeypatch) as screen, Progress(FakeClock()) as progress:
        progress.update("waiting", 2.0)
        progress.update("still")
        assert_sent(screen, "comfytui: waiting\r\n")


def test_a_terminal_that_does_not_know_its_size_is_of_the_usual_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with terminal(monkeypatch, 0) as screen:
        progress = Progress(FakeClock())
        progress.update("x" * 100, 5.0)
        assert_sent(screen, f"\rcomfytui: {'x' * 69}\x1b[K")
