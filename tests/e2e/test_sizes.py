"""The installed program on terminals that report no size, several, or another one all the time."""

from __future__ import annotations

import pytest

from tests.support.installed import FIRST, dashboard

TELLS_SIZES = b"\x1b[?2048;2$y"


def told(columns: int, rows: int) -> bytes:
    """What a terminal sends that tells its size itself."""
    return b"\x1b[48;%d;%d;0;0t" % (rows, columns)


@pytest.mark.parametrize("size", [(0, 0), (80, 0), (0, 24)], ids=str)
def test_terminal_without_a_size_has_80_columns_until_it_reports_one(size: tuple[int, int]) -> None:
    with dashboard("--demo", size=size) as terminal:
        terminal.wait_for(FIRST, "● live", "Recent workflows  ")
        assert (len(terminal.lines), max(map(len, terminal.lines))) == (24, 80)
        terminal.wait_quiet(0.5)
        assert len(terminal.raw) < 20_000
        terminal.resize(100, 30)
        terminal.wait_until(lambda: len(terminal.lines[29]) > 90, "to fill 100 columns and 30 lines")
        terminal.resize(*size)
        terminal.wait_until(lambda: len(terminal.lines[1]) == 80, "to fill 80 columns again")
        terminal.press("?")
        terminal.wait_for("In a table")
        terminal.press("ctrl+c")
        assert terminal.wait_exit() == 0


def test_size_that_only_the_terminal_tells_is_taken_until_the_system_has_one() -> None:
    with dashboard("--demo", size=(0, 0)) as terminal:
        terminal.wait_for(FIRST, "● live")
        terminal.send(TELLS_SIZES)
        terminal.wait_until(lambda: b"\x1b[?2048h" in terminal.raw, "to be asked for sizes")
        terminal.reshape(100, 30)
        terminal.send(told(0, 0) + told(100, 30))
        terminal.wait_until(lambda: len(terminal.lines[29]) > 90, "to fill 100 columns")
        terminal.resize(120, 40)
        terminal.send(told(100, 30))
        terminal.wait_until(lambda: len(terminal.lines[39]) > 110, "to fill 120 columns")
        terminal.wait_quiet(0.5)
        terminal.press("q")
        assert terminal.wait_exit() == 0
        assert terminal.unrestored == set()


def test_size_of_65535_is_drawn_in_part() -> None:
    with dashboard("--demo", size=(65535, 65535)) as terminal:
        terminal.wait_until(lambda: b"Production" in terminal.raw, "to see the first runner")
        terminal.resize(80, 24)
        terminal.wait_for(FIRST, "? help")
        terminal.press("q")
        assert terminal.wait_exit() == 0
