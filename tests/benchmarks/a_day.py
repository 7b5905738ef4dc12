"""How much more memory a day at the dashboard takes: `python -m tests.benchmarks.a_day` prints bytes.

The dashboard with its screen and its engine, on a clock that is told to move on, over a source that says something
new at each of its 17,280 polls: a runner's tags and a workflow. There are only a few runners, so that a day takes
minutes. What the first hour takes is not counted: by then all is there that is made once.
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from typing import TYPE_CHECKING

from comfytui.engine.protocol import PageKey
from tests.benchmarks.processes import resident_bytes
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.pilot import scripted

if TYPE_CHECKING:
    from tests.support.pilot import Driven
    from tests.support.source import ScriptedSource

__all__ = ["growth"]

INTERVAL = 5.0
A_DAY = 17_280
AN_HOUR = 720
RUNNERS = 2
# The screen draws as it comes to it; now and then it is waited for.
DRAWN_EVERY = 12


async def growth(polls: int, uncounted: int) -> int:
    """Bytes of memory that this process holds more after so many polls than after the first that do not count."""
    runners = [make_runner(f"r{number}") for number in range(RUNNERS)]
    async with scripted(make_page(*runners)) as (driven, source):
        await _watch(driven, source, range(uncounted))
        before = _held()
        await _watch(driven, source, range(uncounted, polls))
        return _held() - before


async def _watch(driven: Driven, source: ScriptedSource, polls: range) -> None:
    for poll in polls:
        runners = [make_runner(f"r{number}", tags=[f"poll-{poll}"]) for number in range(RUNNERS)]
        source.pages[PageKey()] = make_page(*runners)
        source.runners.update((runner.id, runner) for runner in runners)
        history = tuple(make_workflow(f"w{poll - age}") for age in range(10))
        source.histories.update((runner.id, history) for runner in runners)
        await driven.clock.advance(INTERVAL)
        if poll % DRAWN_EVERY == 0:
            source.forget()
            driven.redraw()
            await driven.pilot.pause()


def _held() -> int:
    gc.collect()
    return resident_bytes(os.getpid())


def main() -> int:
    """Print it."""
    print(asyncio.run(growth(A_DAY, AN_HOUR)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
