"""Waiting in line, the most urgent first."""

from __future__ import annotations

import asyncio
import itertools
from bisect import insort
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

__all__ = ["Line", "Place"]


@dataclass(order=True, slots=True)
class Place:
    """A place in a Line; made by it.

    Attributes:
        rank: 0 for the most urgent.
        number: In order of arrival.
        line: All places.
        turn: Set when it may be this one's turn.
        granted: What somebody before it got for it as well, None where nobody did.
    """

    rank: int
    number: int
    line: list[Place] = field(compare=False, repr=False)
    turn: asyncio.Event = field(compare=False, repr=False, default_factory=asyncio.Event)
    granted: int | None = field(compare=False, default=None)

    @property
    def peers(self) -> list[Place]:
        """Those right behind it, of the same rank, for whom nobody got anything yet."""
        behind = self.line[self.line.index(self) + 1 :]
        alike = itertools.takewhile(lambda other: other.rank == self.rank, behind)
        return [other for other in alike if other.granted is None]

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
    def place(self, rank: int) -> Iterator[Place]:
        """Stand in line; leaving, for whatever reason, makes room for the next."""
        place = Place(rank, next(self._numbers), self._places)
        insort(self._places, place)
        try:
            yield place
        finally:
            self._places.remove(place)
            if self._places:
                self._places[0].turn.set()

    def before(self, rank: int) -> int:
        """How many stand before a newcomer of this rank."""
        return sum(place.rank <= rank for place in self._places)
