"""The installed program under floods of input: it answers soon, is no larger afterwards, and ends at a key."""

from __future__ import annotations

import pytest

from tests.monkey import answer_seconds, rss_mb
from tests.support.installed import FIRST, dashboard

MOST_MORE_MB = 20.0

SOON = 5.0
"""Seconds, on a machine that is busy with other tests; by itself it takes a hundredth of one."""


@pytest.mark.parametrize(
    "flood",
    [
        b"t" * 5000 + b"o" * 20_000 + b"J" * 5000 + b"K" * 5000,
        b"".join(b"\x1b[<35;%d;%dM" % (number % 120 + 1, number % 40 + 1) for number in range(20_000)),
        b"\xff\xfe" * 100_000,
        b"\0" * 200_000,
        b"abcdefghijklmnoprs" * 16_000,
        b"/" + b"abcdefghijklmnoprs" * 16_000,
    ],
    ids=["commands", "moves", "no UTF-8", "NUL", "typed into the list", "typed into a box"],
)
def test_a_flood_is_over_soon_and_leaves_nothing_behind(flood: bytes) -> None:
    with dashboard("--demo") as terminal:
        terminal.wait_for(FIRST, "● live")
        before = rss_mb(terminal.pid)
        terminal.send(flood)
        assert answer_seconds(terminal) < SOON
        assert rss_mb(terminal.pid) - before < MOST_MORE_MB
        terminal.press("ctrl+c")
        assert terminal.wait_exit() == 0
