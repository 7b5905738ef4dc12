"""Rate limiter of one process, and the queue of those who wait for it."""

from __future__ import annotations

import asyncio
import itertools
import math
from bisect import insort
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfytui.ratelimit.permit import IssuedPermit
from comfytui.ratelimit.window import (
    HISTORY_S,
    MAX_COOLDOWN_S,
    SHARED_LIMIT,
    WINDOW_S,
    Grant,
    Permit,
    Priority,
    SentRequest,
    Usage,
    available_at,
)

if TYPE_CHECKING:
    from comfytui.clock import Clock

RENEWED = -1
"""Rank of requests that had a grant before: they stand before all others."""


@dataclass(order=True, slots=True)
class Waiter:
    """A place in a Line; made by it.

    Attributes:
        rank: 0 for the most urgent.
        number: In order of arrival.
        line: All places.
        request: Number of the request that waits there, 0 if it gets one with its grant.
        turn: Set when it may be this one's turn.
        granted: Grant that it got, by itself or from one before it; None if it has none yet.
    """

    rank: int
    number: int
    line: list[Waiter] = field(compare=False, repr=False)
    request: int = field(compare=False, default=0)
    turn: asyncio.Event = field(compare=False, repr=False, default_factory=asyncio.Event)
    grant: Grant | None = field(compare=False, default=None)

    @property
    def has_left(self) -> bool:
        """Whether nobody stands there any more."""
        return self not in self.line

    @property
    def waiting_behind(self) -> list[Waiter]:
        """Those behind it for whom nobody got anything yet."""
        return [other for other in self.line[self.line.index(self) + 1 :] if other.grant is None]

    async def wait_turn(self) -> None:
        """Return once nobody stands before this place."""
        while self.line[0] is not self:
            self.turn.clear()
            await self.turn.wait()


class WaitQueue:
    """Those who wait within this process: by rank, 0 first, and within a rank in order of arrival."""

    def __init__(self) -> None:
        self._places: list[Waiter] = []
        self._numbers = itertools.count()

    @contextmanager
    def enter(self, rank: int, request: int = 0) -> Iterator[Waiter]:
        """Stand in line; leaving, for whatever reason, makes room for the next."""
        place = Waiter(rank, next(self._numbers), self._places, request)
        insort(self._places, place)
        try:
            yield place
        finally:
            self._places.remove(place)
            if self._places:
                self._places[0].turn.set()

    async def settle(self) -> None:
        """Return once nobody joins any more: who has much to ask comes with one thing after another."""
        stood = 0
        while stood != len(self._places):
            stood = len(self._places)
            # One to decide on the next thing, one for that to come here.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def __len__(self) -> int:
        """Number of those who wait."""
        return len(self._places)

    def ahead_of(self, rank: int) -> int:
        """How many stand before a newcomer of this rank."""
        return sum(place.rank <= rank for place in self._places)


class LocalRateLimiter:
    """An allowance that one process spends alone, kept in memory.

    Args:
        clock: Its monotonic clock dates what is sent; waiting is its sleep.
        share: How many requests a window may hold.
        window: Seconds.
    """

    def __init__(self, clock: Clock, limit: int = SHARED_LIMIT, *, window: float = WINDOW_S) -> None:
        self._clock = clock
        self._share = limit
        self._window = window
        self._numbers = itertools.count(1)
        self._sends: deque[SentRequest] = deque()
        self._cooling_until = -math.inf
        self._line = WaitQueue()

    @property
    def usage(self) -> Usage:
        """What this process spent."""
        now = self._clock.monotonic()
        self._prune(now)
        until = self._cooling_until if self._cooling_until > now else None
        return Usage(tuple(send.monotonic for send in self._sends), until, self._share, len(self._line))

    def delay(self, priority: Priority) -> float:
        """Seconds until a request for this use may be sent if nobody more urgent comes; 0.0 is now."""
        return self._delay(priority, self._line.ahead_of(priority.rank))

    async def acquire(self, priority: Priority) -> Permit:
        """Return once one request may be sent, which is recorded as sent by then."""
        return IssuedPermit(self, self._clock, priority, await self._granted(priority, priority.rank))

    async def renew(self, number: int, priority: Priority) -> Grant:
        """Wait until a granted request may be sent after all and record it as sent then."""
        self.withdraw(number, priority)
        return await self._granted(priority, RENEWED)

    async def _granted(self, priority: Priority, rank: int) -> Grant:
        with self._line.enter(rank) as place:
            await place.wait_turn()
            while (delay := self._delay(priority)) > 0:
                await self._clock.sleep(delay)
                await place.wait_turn()
            grant = Grant(next(self._numbers), self._clock.monotonic())
            self.record(SentRequest(grant.at, priority, number=grant.number))
            return grant

    def block_for(self, seconds: float) -> None:
        """Send nothing for so long, at most MAX_COOLDOWN_S; of two, the longer one wins."""
        until = self._clock.monotonic() + min(seconds, MAX_COOLDOWN_S)
        self._cooling_until = max(self._cooling_until, until)

    def record(self, send: SentRequest) -> None:
        """Count a request that was sent without being taken here, no older than the last one."""
        self._sends.append(send)
        self._prune(send.monotonic)

    def move(self, number: int, priority: Priority, at: float) -> None:
        """Count a granted request as sent at another moment, no earlier than the last one."""
        self.withdraw(number, priority)
        self.record(SentRequest(at, priority, number=number))

    def withdraw(self, number: int, _use: Priority) -> None:
        """Stop counting a granted request: it was not sent."""
        self._sends = deque(send for send in self._sends if send.number != number)

    def _delay(self, priority: Priority, ahead: int = 0) -> float:
        ready = available_at(
            priority, tuple(self._sends), limit=self._share, quota=self._share, window=self._window, ahead=ahead
        )
        return max(0.0, max(ready, self._cooling_until) - self._clock.monotonic())

    def _prune(self, now: float) -> None:
        while self._sends and now - self._sends[0].monotonic > HISTORY_S:
            self._sends.popleft()
