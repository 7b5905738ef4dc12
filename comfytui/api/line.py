"""Waiting in line, the most urgent first."""

from __future__ import annotations

import asyncio
import itertools
from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.api.allowance import Grant

__all__ = ["RENEWED", "Line", "Place"]

RENEWED = -1
"""Rank of requests that had a grant before: they stand before all others."""


@dataclass(order=True, slots=True)
class Place:
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
    line: list[Place] = field(compare=False, repr=False)
    request: int = field(compare=False, default=0)
    turn: asyncio.Event = field(compare=False, repr=False, default_factory=asyncio.Event)
    granted: Grant | None = field(compare=False, default=None)

    @property
    def is_left(self) -> bool:
        """Whether nobody stands there any more."""
        return self not in self.line

    @property
    def behind(self) -> list[Place]:
        """Those behind it for whom nobody got anything yet."""
        return [other for other in self.line[self.line.index(self) + 1 :] if other.granted is None]

    async def reached(self) -> None:
        """Return once nobody stands before this place."""
        while self.line[0] is not self:
            self.turn.clear()
            await self.turn.wait()


class Line:
    """Those who wait within this process: by rank, 0 first, and within a rank in order of arrival."""

    def __init__(self) -> None:
        self._places: list[Place] = []
        self._numbers = itertools.count()

    @contextmanager
    def place(self, rank: int, request: int = 0) -> Iterator[Place]:
        """Stand in line; leaving, for whatever reason, makes room for the next."""
        place = Place(rank, next(self._numbers), self._places, request)
        insort(self._places, place)
        try:
            yield place
        finally:
            self._places.remove(place)
            if self._places:
                self._places[0].turn.set()

    async def grown(self) -> None:
        """Return once nobody joins any more: who has much to ask comes with one thing after another."""
        stood = 0
        while stood != len(self._places):
            stood = len(self._places)
            # One to decide on the next thing, one for that to come here.
            await asyncio.sleep(0)
            await asyncio.sleep(0)

    def before(self, rank: int) -> int:
        """How many stand before a newcomer of this rank."""
        return sum(place.rank <= rank for place in self._places)
