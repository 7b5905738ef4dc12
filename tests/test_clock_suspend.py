from __future__ import annotations

import pytest

from comfytui.clock import JUMP, Drift
from tests.support.clock import FakeClock


async def test_time_that_passes_on_both_clocks_is_no_jump() -> None:
    clock = FakeClock()
    drift = Drift(clock)
    await clock.advance(10_000)
    assert drift.jump() == 0.0


@pytest.mark.parametrize("seconds", [JUMP + 1, 8 * 3600.0, -JUMP - 1])
def test_a_jump_is_told_once(seconds: float) -> None:
    clock = FakeClock()
    drift = Drift(clock)
    clock.jump(seconds)
    assert drift.jump() == pytest.approx(seconds)
    assert drift.jump() == 0.0


def test_small_corrections_do_not_add_up() -> None:
    clock = FakeClock()
    drift = Drift(clock)
    for _ in range(10):
        clock.jump(JUMP - 1)
        assert drift.jump() == 0.0
