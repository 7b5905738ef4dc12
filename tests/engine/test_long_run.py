"""Hours at the dashboard of somebody restless, in a moment."""

from __future__ import annotations

from itertools import pairwise
from random import Random

import pytest

from comfytui.api.errors import ServerError
from comfytui.engine.protocol import EngineCommand, PageKey, Refresh, SetInterval, SetViewport, Viewport
from comfytui.engine.reducer import MAX_PAGES, MAX_RUNNERS
from tests.support.engine_harness import Rig, rig

HOURS = 1
SLOWEST_ANSWER = 4.0
LEAST_PACE = 2 * SLOWEST_ANSWER
SLACK = 0.001
# What was requested less than half an interval before a cycle waits for the next one.
CYCLES = 1.5
PAGES = 80
RUNNERS = 600


class Restless(Random):
    """Somebody who never stays for long, at a service that is slow and fails now and then."""

    def latency(self) -> float:
        """Seconds until an answer."""
        return self.uniform(0.0, SLOWEST_ANSWER)

    def page(self) -> PageKey:
        return PageKey(self.randint(1, PAGES))

    def wish(self) -> EngineCommand:
        match self.randint(0, 9):
            case 0:
                return Refresh()
            case 1:
                return SetInterval(self.choice([1.0, 2.5, 5.0, 30.0]))
            case _:
                runner_id = self.choice([None, *(f"r{number}" for number in range(RUNNERS))])
                return SetViewport(Viewport(self.page(), runner_id, paused=self.random() < 0.2))

    def meddle(self, at: Rig) -> None:
        """Break a page of the service, mend it if it was broken, and set the wall clock."""
        key = self.page()
        if at.source.pages.pop(key, None) is None:
            at.source.pages[key] = ServerError("GET", "/v1/runner", "down", 503)
        at.clock.jump(self.uniform(-86_400.0, 86_400.0))


@pytest.mark.parametrize("seed", [1, 2])
async def test_nothing_is_asked_twice_at_once_and_the_page_in_view_is_never_forgotten(seed: int) -> None:
    somebody = Restless(seed)
    looked = 0
    async with rig(latency=somebody.latency) as at:
        end = at.clock.monotonic() + HOURS * 3600
        while at.clock.monotonic() < end:
            await at.perform(somebody.wish())
            somebody.meddle(at)
            slowest = max(at.snapshot.interval_s, LEAST_PACE)
            silence = await longest_silence(at, somebody.expovariate(1 / 30.0))
            problem = at.snapshot.page.problem
            if not at.snapshot.viewport.paused and (problem is None or problem.failures == 1):
                assert silence <= CYCLES * max(slowest, at.snapshot.interval_s) + SLOWEST_ANSWER + SLACK
                looked += 1
        assert at.source.most_under_way == 1
        assert len(at.snapshot.pages) <= MAX_PAGES
        assert len(at.snapshot.runners) <= MAX_RUNNERS
    assert looked > 50


async def longest_silence(at: Rig, seconds: float) -> float:
    """Let that much time pass; the longest part of it in which the page in view was not asked."""
    began = at.clock.monotonic()
    at.source.forget()
    await at.clock.advance(seconds)
    asked = [on for on, resource in at.source.log if resource == at.snapshot.viewport.page]
    return max(later - earlier for earlier, later in pairwise([began, *asked, at.clock.monotonic()]))
