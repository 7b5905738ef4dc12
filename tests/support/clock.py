"""A clock that moves only when it is told to."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 21, 14, 0, 0, tzinfo=UTC)


class FakeClock:
    """A Clock whose sleepers wake, in order of their deadlines, while `advance` runs."""

    def __init__(self, start: datetime = START) -> None:
        self._wall = start
        self._monotonic = 1000.0
        self._order = itertools.count()
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []

    def now(self) -> datetime:
        return self._wall

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        if seconds <= 0:
            await asyncio.sleep(0)
            return
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._monotonic + seconds, next(self._order), woken))
        await woken

    def jump(self, seconds: float) -> None:
        """Move the wall clock alone, as a person or NTP does."""
        self._wall += timedelta(seconds=seconds)

    async def advance(self, seconds: float) -> None:
        """Let that much time pass, waking sleepers on the way and letting tasks run after each."""
        end = self._monotonic + seconds
        await settle()
        while self._sleepers and self._sleepers[0][0] <= end:
            deadline, _, woken = heapq.heappop(self._sleepers)
            if woken.cancelled():
                continue
            self._pass(deadline - self._monotonic)
            woken.set_result(None)
            await settle()
        self._pass(end - self._monotonic)

    def _pass(self, seconds: float) -> None:
        self._monotonic += seconds
        self._wall += timedelta(seconds=seconds)


async def settle(turns: int = 50) -> None:
    """Let every task that can run do so, without any time passing."""
    for _ in range(turns):
        await asyncio.sleep(0)
