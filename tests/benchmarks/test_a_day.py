from __future__ import annotations

from tests.benchmarks.a_day import growth


async def test_a_minute_adds_next_to_nothing() -> None:
    assert await growth(polls=24, uncounted=12) < 2e6
