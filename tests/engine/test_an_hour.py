"""An hour of a person's whims in bad weather, through the real session and transport, in a moment."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

import pytest

from comfytui.engine.engine import Engine
from comfytui.engine.protocol import EngineCommand, PageKey, Refresh, SetInterval, SetViewport, Viewport
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import API_LIMIT, SHARED_LIMIT, WINDOW_S
from tests.support.clock import FakeClock
from tests.support.engine_harness import at_work
from tests.support.network_conditions import LIST, RUNNERS, Weather

if TYPE_CHECKING:
    from comfytui.engine.snapshot import Snapshot

PER_PAGE = 20
PAGES = RUNNERS // PER_PAGE
KEY_REPEAT = 0.04
STEP = 1.0
QUARTER = 900.0


class Person(Random):
    """Presses keys at random, some of them held down."""

    def does(self, snapshot: Snapshot) -> list[EngineCommand]:
        """What they do next, one key press after another."""
        seen = snapshot.viewport
        if (seen.paused or not seen.focused) and self.random() < 0.8:
            return [SetViewport(seen._replace(paused=False, focused=True))]
        match self.randrange(10):
            case 0:
                return [Refresh()] * self.choice([1, 1, 25])
            case 1:
                return [SetInterval(self.choice([1.0, 2.0, 5.0]))]
            case 2:
                return [SetViewport(seen._replace(focused=not seen.focused))]
            case 3:
                return [SetViewport(seen._replace(paused=not seen.paused))]
            case 4 | 5:
                return self.turns_pages(snapshot)
            case _:
                return self.moves(snapshot)

    def turns_pages(self, snapshot: Snapshot) -> list[EngineCommand]:
        """One page, or the key held down round and round."""
        first = self.randrange(PAGES)
        pages = [(first + turn) % PAGES + 1 for turn in range(self.choice([1, 1, 25]))]
        turned = [snapshot.viewport._replace(page=PageKey(page, PER_PAGE)) for page in pages]
        return [SetViewport(each._replace(runner_id=None, visible_ids=())) for each in turned]

    def moves(self, snapshot: Snapshot) -> list[EngineCommand]:
        """The cursor, one row or all the way down."""
        if snapshot.page.value is None:
            return []
        ids = tuple(runner.id for runner in snapshot.page.value.runners)
        first = self.randrange(len(ids))
        rows = ids[first:] if self.random() < 0.3 else ids[first : first + 1]
        return [SetViewport(snapshot.viewport._replace(runner_id=row, visible_ids=ids)) for row in rows]


class Watch:
    """Looks at the clock whenever the list is asked, and in between.

    Attributes:
        judged: How often there was something to judge.
    """

    def __init__(self, weather: Weather, now: float) -> None:
        self.judged = 0
        self._weather = weather
        self._last = now
        self._seen = 0

    def look(self, snapshot: Snapshot, now: float) -> None:
        """Nothing has gone by, up to now, in which the list should have been asked."""
        asked = [at for at, path in self._weather.sent[self._seen :] if path == LIST]
        self._seen = len(self._weather.sent)
        if self._is_excused(snapshot, now):
            self._last = now
            return
        for at in [*asked, now]:
            assert at - self._last <= WINDOW_S, f"the list was not asked between {self._last} and {at}"
            self.judged += 1
            self._last = at if at in asked else self._last

    def _is_excused(self, snapshot: Snapshot, now: float) -> bool:
        """Nobody looks, nothing may be asked, the answer is awaited, or asking failed again and again."""
        viewport, problem = snapshot.viewport, snapshot.page.problem
        backs_off = problem is not None and problem.streak > 1
        awaited = self._weather.under_way > 0
        return viewport.paused or not viewport.focused or now < self._weather.cooling_until or awaited or backs_off


@pytest.mark.parametrize("seed", [1, 3])
async def test_the_budget_is_never_exceeded_and_the_list_never_forgotten(seed: int) -> None:
    clock, person = FakeClock(), Person(seed)
    weather, rate_limiter = Weather(clock, Person(seed + 100)), LocalRateLimiter(clock)
    engine = Engine(
        lambda: weather.connect(rate_limiter),
        clock,
        viewport=Viewport(PageKey(1, PER_PAGE)),
        interval=5.0,
        rate_limiter=rate_limiter,
    )
    watch, end = Watch(weather, clock.monotonic()), clock.monotonic() + QUARTER
    async with at_work(engine):
        while clock.monotonic() < end:
            for action in person.does(engine.snapshot):
                engine.perform(action)
                await clock.advance(KEY_REPEAT)
            for _ in range(person.choice([1, 3, 10])):
                await clock.advance(STEP)
                watch.look(engine.snapshot, clock.monotonic())
    assert weather.most_in(WINDOW_S) <= SHARED_LIMIT < API_LIMIT
    assert not weather.trespasses
    assert watch.judged > QUARTER / 4
    assert len(weather.sent) > QUARTER / 4
