"""Running engine with a full scan, and its progress."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from comfytui.engine.protocol import PageKey, Viewport
from tests.support.builders import make_page, make_runner
from tests.support.engine_harness import Rig, rig, soon

if TYPE_CHECKING:
    from comfytui.api.models import Runner
    from tests.support.source import ScriptedSource

EVERYBODY = [make_runner(f"r{number}") for number in range(10_000)]
PLAIN = Viewport(runner_id="r1", visible_ids=tuple(f"r{number}" for number in range(25)))
WHOLE = PLAIN._replace(all_pages=True)
QUIET = Viewport(all_pages=True)
LONG = 150.0
USUAL_PAGES = 70


def page(number: int) -> PageKey:
    return PageKey(number, 100)


def fill(source: ScriptedSource, runners: list[Runner]) -> None:
    """Let this be the list."""
    source.pages.clear()
    usual = [PageKey(number) for number in range(1, USUAL_PAGES + 1)]
    for key in (*usual, *(page(number) for number in range(1, len(runners) // 100 + 2))):
        start = (key.page - 1) * key.per_page
        source.pages[key] = make_page(*runners[start : start + key.per_page], total=len(runners))


@asynccontextmanager
async def whole_rig(
    runners: int, viewport: Viewport = WHOLE, latency: Callable[[], float] = soon, waits: float = 0.0
) -> AsyncIterator[Rig]:
    """An engine that was looking at a page of so many runners for a while, and now needs all of them."""
    async with rig(viewport._replace(all_pages=False), latency=latency) as at:
        fill(at.source, EVERYBODY[:runners])
        await at.clock.advance(waits)
        at.source.forget()
        await at.attend(viewport)
        yield at


async def load(at: Rig, most: float = LONG) -> float:
    """Let time pass until all is loaded; the seconds that took."""
    began = at.clock.monotonic()
    while any(at.snapshot.page_feed(key).value is None for key in at.snapshot.page_keys):
        assert at.clock.monotonic() - began < most
        await at.clock.advance(0.25)
    return at.clock.monotonic() - began


def loaded(at: Rig) -> list[int]:
    return [key.page for key, feed in at.snapshot.pages.items() if key.per_page == 100 and feed.value is not None]


def pages_asked(at: Rig) -> list[int]:
    return [key.page for key in at.source.asked if isinstance(key, PageKey)]
