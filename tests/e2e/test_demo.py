from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.support.installed import FIRST, dashboard

if TYPE_CHECKING:
    from tests.support.terminal import Terminal

UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")

MODES_TO_LEAVE = ("1000", "1002", "1003", "1004", "1006", "1015", "1049", "2004")
"""Mouse in all its spellings, focus reports, the alternate screen, bracketed paste."""


def modes_left_on(raw: bytes) -> set[str]:
    """The private modes of the terminal that were set and not reset afterwards."""
    last = dict(re.findall(r"\x1b\[\?([0-9]+)([hl])", raw.decode("utf-8", "replace")))
    return {mode for mode in MODES_TO_LEAVE if last.get(mode) == "h"}


def assert_left_cleanly(terminal: Terminal) -> None:
    assert terminal.wait_exit() == 0
    assert b"\x1b[?1049h" in terminal.raw
    assert modes_left_on(bytes(terminal.raw)) == set()
    assert terminal.raw.rfind(b"\x1b[?25h") > terminal.raw.rfind(b"\x1b[?25l")
    assert b"Traceback" not in terminal.raw


def test_drilling_to_a_workflow_and_back() -> None:
    with dashboard("--demo", size=(140, 40)) as terminal:
        terminal.wait_for(FIRST, "page 1/5  1–25 of 120", "demo", "● live")
        terminal.press("enter")
        terminal.wait_for(f"runners / {FIRST}", "Recent workflows  ")
        terminal.press("enter")
        terminal.wait_for("Created", "Started", "Completed", "Updated", "Waited", "Took")
        assert UUID.search(terminal.screen)
        assert "Recent workflows" not in terminal.screen
        terminal.press("escape")
        terminal.wait_for("Recent workflows", f"runners / {FIRST}")
        terminal.press("escape")
        terminal.wait_gone("runners / ")
        terminal.press("q")
        assert_left_cleanly(terminal)


@pytest.mark.parametrize("size", [(140, 40), (80, 24), (40, 10), (30, 8)], ids=lambda size: f"{size[0]}x{size[1]}")
def test_every_size_shows_the_first_runner_and_quits(size: tuple[int, int]) -> None:
    with dashboard("--demo", "--runners", "2", size=size) as terminal:
        terminal.wait_for("Production")
        terminal.press("ctrl+c")
        assert_left_cleanly(terminal)


def test_a_resize_is_followed() -> None:
    with dashboard("--demo", size=(140, 40)) as terminal:
        terminal.wait_for("Endpoint", FIRST)
        terminal.resize(30, 8)
        terminal.wait_gone("Endpoint", "Runners")
        terminal.wait_for("Production")
        terminal.resize(140, 40)
        terminal.wait_for("Endpoint", FIRST)
        terminal.press("q")
        assert_left_cleanly(terminal)


def test_ctrl_c_before_anything_was_answered() -> None:
    with dashboard("--demo", "--runners", "10000") as terminal:
        terminal.wait_until(lambda: b"\x1b[?1049h" in terminal.raw, "for the first byte")
        terminal.press("ctrl+c")
        assert_left_cleanly(terminal)


def test_another_fleet_than_the_usual() -> None:
    with dashboard("--demo", "--runners", "0", "--per-page", "7", "--interval", "2.5") as terminal:
        terminal.wait_for("No runners yet", "every 2.5 s", "0 runners")
        terminal.press("q")
        assert_left_cleanly(terminal)


def test_no_dashboard_on_a_dumb_terminal() -> None:
    with dashboard("--demo", environ={"TERM": "dumb"}) as terminal:
        assert terminal.wait_exit() == 2
        assert "needs a terminal" in terminal.screen
        assert b"\x1b" not in terminal.raw
