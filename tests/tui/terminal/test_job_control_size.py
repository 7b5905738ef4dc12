from __future__ import annotations

import os
import pty
import termios
from collections.abc import Iterator
from pathlib import Path

import pytest

from comfytui.tui.terminal.job_control import MAX_SIZE, terminal_size, usable_size


@pytest.fixture
def terminal() -> Iterator[int]:
    """The descriptor of a terminal."""
    master, slave = pty.openpty()
    yield slave
    os.close(slave)
    os.close(master)


@pytest.mark.parametrize(
    ("reported", "expected"),
    [
        ((120, 40), (120, 40)),
        ((1, 1), (1, 1)),
        ((0, 0), None),
        ((80, 0), None),
        ((0, 24), None),
        ((65535, 65535), MAX_SIZE),
        ((65535, 24), (MAX_SIZE[0], 24)),
    ],
)
def test_size_is_what_the_terminal_reports(
    terminal: int, reported: tuple[int, int], expected: tuple[int, int] | None
) -> None:
    termios.tcsetwinsize(terminal, reported[::-1])
    assert terminal_size(terminal) == expected


def test_size_of_anything_else_is_unknown() -> None:
    with Path(os.devnull).open() as file:
        assert terminal_size(file.fileno()) is None
    assert terminal_size(10_000) is None
    assert usable_size(-1, 24) is None
