from __future__ import annotations

import asyncio

from comfytui.engine.fetch import MAX_IN_FLIGHT, InFlightRequests
from comfytui.engine.protocol import PageKey
from comfytui.engine.scheduler import Request
from comfytui.ratelimit.window import Priority
from tests.support.clock import settle


class Tower:
    """Flights, and how many have landed."""

    def __init__(self) -> None:
        self.landed = 0
        self.in_flight = InFlightRequests(self._land)
        self.may_land = asyncio.Event()

    def launch(self, group: asyncio.TaskGroup, *pages: int) -> None:
        for page in pages:
            self.in_flight.start(group, Request(PageKey(page), Priority.POLL), self._fly())

    @property
    def pages(self) -> list[int]:
        """The pages under way."""
        return [key.page for key in self.in_flight.priorities if isinstance(key, PageKey)]

    async def _fly(self) -> None:
        await self.may_land.wait()

    def _land(self) -> None:
        self.landed += 1


async def test_request_is_in_flight_until_it_ends() -> None:
    tower = Tower()
    async with asyncio.TaskGroup() as group:
        tower.launch(group, 1, 2)
        assert tower.in_flight.priorities == {PageKey(1): Priority.POLL, PageKey(2): Priority.POLL}
        await settle()
        assert (tower.pages, tower.landed) == ([1, 2], 0)
        tower.may_land.set()
    assert (tower.pages, tower.landed) == ([], 2)


async def test_giving_up_ends_those_too_that_have_not_begun() -> None:
    tower = Tower()
    async with asyncio.TaskGroup() as group:
        tower.launch(group, 1)
        await settle()
        tower.launch(group, 2)
        tower.in_flight.cancel_all()
    assert (tower.pages, tower.landed) == ([], 2)


async def test_oldest_unneeded_request_is_evicted() -> None:
    tower = Tower()
    async with asyncio.TaskGroup() as group:
        for page in range(1, MAX_IN_FLIGHT + 3):
            tower.in_flight.evict_one([PageKey(1), PageKey(3)])
            tower.launch(group, page)
            await settle()
        assert tower.pages == [1, 3, *range(5, MAX_IN_FLIGHT + 3)]
        tower.may_land.set()


async def test_needed_request_is_never_evicted() -> None:
    tower = Tower()
    async with asyncio.TaskGroup() as group:
        tower.launch(group, *range(MAX_IN_FLIGHT + 2))
        tower.in_flight.evict_one([PageKey(page) for page in range(MAX_IN_FLIGHT + 2)])
        await settle()
        assert len(tower.pages) == MAX_IN_FLIGHT + 2
        tower.may_land.set()


async def test_eager_task_does_not_stay_in_flight() -> None:
    tower = Tower()
    tower.may_land.set()
    loop = asyncio.get_running_loop()
    factory = getattr(asyncio, "eager_task_factory", None)
    loop.set_task_factory(factory)
    async with asyncio.TaskGroup() as group:
        tower.launch(group, 1)
    await settle()
    assert (tower.pages, tower.landed) == ([], 1)
