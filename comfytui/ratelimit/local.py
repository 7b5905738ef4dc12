"""Rate limiter of one process, and its priority wait queue."""

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
"""Rank of requests that are renewed: they go before all others."""


@dataclass(order=True, slots=True)
class Waiter:
    """Request waiting in a `WaitQueue`.

    Attributes:
        rank: 0 for the most urgent.
        number: Order of arrival.
        line: All waiters of the queue.
        request: Number of the request, or 0 if it gets one with its grant.
        turn: Set when it may be this waiter's turn.
        grant: Grant that it got, by itself or from a waiter before it, or None.
    """

    rank: int
    number: int
    line: list[Waiter] = field(compare=False, repr=False)
    request: int = field(compare=False, default=0)
    turn: asyncio.Event = field(compare=False, repr=False, default_factory=asyncio.Event)
    grant: Grant | None = field(compare=False, default=None)

    @property
    def has_left(self) -> bool:
        """True if the waiter has left the queue."""
        return self not in self.line

    @property
    def waiting_behind(self) -> list[Waiter]:
        """Waiters behind this one without a grant."""
        return [other for other in self.line[self.line.index(self) + 1 :] if other.grant is None]

    async def wait_turn(self) -> None:
        """Wait until no waiter is ahead."""
        while self.line[0] is not self:
            self.turn.clear()
            await self.turn.wait()


class WaitQueue:
    """Queue of the waiters of this process, by rank, then by arrival."""

    def __init__(self) -> None:
        self._places: list[Waiter] = []
        self._numbers = itertools.count()

    @contextmanager
    def enter(self, rank: int, request: int = 0) -> Iterator[Waiter]:
        """Enter the queue; leaving the context wakes the next waiter."""
        place = Waiter(rank, next(self._numbers), self._places, request)
        insort(self._places, place)
        try:
            yield place
        finally:
            self._places.remove(place)
            if self._places:
                self._places[0].turn.set()

    async def settle(self) -> None:
        """Wait until no more requests join, for a batch of requests comes one by one."""
        stood = 0
        while stood != len(self._places):
            stood = len(self._places)
            # One turn of the loop for the caller to decide on its next request, one for that to get here.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def __len__(self) -> int:
        """Number of waiters."""
        return len(self._places)

    def ahead_of(self, rank: int) -> int:
        """Return the number of waiters ahead of a new one of this rank."""
        return sum(place.rank <= rank for place in self._places)


class LocalRateLimiter:
    """Sliding-window rate limiter of one process, kept in memory.

    Args:
        clock: Clock of send times and waits.
        limit: Requests that a window may hold.
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
        """Requests that this process sent."""
        now = self._clock.monotonic()
        self._prune(now)
        until = self._cooling_until if self._cooling_until > now else None
        return Usage(tuple(send.monotonic for send in self._sends), until, self._share, len(self._line))

    def delay(self, priority: Priority) -> float:
        """Return the seconds until a request may be sent unless a more urgent one comes; 0.0 is now."""
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
        """Block all requests for these seconds, at most MAX_COOLDOWN_S; the longer of two cooldowns counts."""
        until = self._clock.monotonic() + min(seconds, MAX_COOLDOWN_S)
        self._cooling_until = max(self._cooling_until, until)

    def record(self, send: SentRequest) -> None:
        """Count a request that was sent without `acquire`, no older than the last one."""
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
