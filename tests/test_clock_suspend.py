from __future__ import annotations

import pytest

from comfytui.clock import SUSPEND_THRESHOLD_S, SuspendDetector
from tests.support.clock import FakeClock


async def test_time_that_passes_on_both_clocks_is_no_jump() -> None:
    clock = FakeClock()
    drift = SuspendDetector(clock)
    await clock.advance(10_000)
    assert drift.elapsed() == 0.0


@pytest.mark.parametrize("seconds", [SUSPEND_THRESHOLD_S + 1, 8 * 3600.0, -SUSPEND_THRESHOLD_S - 1])
def test_a_jump_is_told_once(seconds: float) -> None:
    clock = FakeClock()
    drift = SuspendDetector(clock)
    clock.jump(seconds)
    assert drift.elapsed() == pytest.approx(seconds)
    assert drift.elapsed() == 0.0


def test_small_corrections_do_not_add_up() -> None:
    clock = FakeClock()
    drift = SuspendDetector(clock)
    for _ in range(10):
        clock.jump(SUSPEND_THRESHOLD_S - 1)
        assert drift.elapsed() == 0.0
