"""Times at which jobs were queued, as status messages tell them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from comfytui.gateway.comfyui.job_history import QueueArrivals
from tests.support.clock import START, FakeClock


def at(*seconds: float) -> list[datetime]:
    return [START + timedelta(seconds=each) for each in seconds]


async def told(*remaining: int | None) -> QueueArrivals:
    """Arrivals after these messages, a second apart."""
    clock = FakeClock()
    arrivals = QueueArrivals(clock)
    for each in remaining:
        arrivals.note(each)
        await clock.advance(1)
    return arrivals


@pytest.mark.parametrize(
    ("remaining", "grown"),
    [
        ((), []),
        ((4,), []),
        ((0, 1, 1, 0), [1]),
        ((2, 3, 2, 4), [1, 3, 3]),
        ((0, 1, None, 5, 6), [4]),
        ((0, 1, None), []),
    ],
)
async def test_queue_grew_when_more_jobs_were_told_than_before(
    remaining: tuple[int | None, ...], grown: list[int]
) -> None:
    arrivals = await told(*remaining)
    assert arrivals.take(len(grown), START + timedelta(seconds=60)) == at(*grown)
    assert arrivals.take(len(grown), START + timedelta(seconds=60)) == []


@pytest.mark.parametrize(
    ("count", "taken", "left"),
    [(2, [1, 2], [3]), (3, [1, 2, 3], []), (1, [], []), (4, [], [])],
)
async def test_jobs_queued_while_they_are_read_are_listed_or_are_not(
    count: int, taken: list[int], left: list[int]
) -> None:
    arrivals = await told(0, 1, 2, 3)
    assert arrivals.take(count, at(2)[0]) == at(*taken)
    assert arrivals.take(1, at(9)[0]) == at(*left)


async def test_endless_messages_are_bounded() -> None:
    arrivals = await told(0, 10**9)
    assert len(arrivals.take(1_000, at(9)[0])) == 1_000
