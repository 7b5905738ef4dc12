"""Whether this person's processes share one budget of requests, and how it stands."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.cli.checks.check import Check, ok, warn
from comfytui.config.paths import shown
from comfytui.ratelimit.store import Ledger, Trouble
from comfytui.ratelimit.window import LIMIT, SHARE, WINDOW
from comfytui.threads import Worker

if TYPE_CHECKING:
    from comfytui.clock import Clock


_REMEDY = "make it a file and a directory that are yours alone, or remove it"


async def look_at_budget(paths: Sequence[Path], api: str, clock: Clock, seconds: float) -> Check:
    """Whether the file can be used, who shares by way of it, and what they spent; spends nothing itself.

    Args:
        paths: Places of the file, best first.
        api: Address of the API that the budget is for.
        clock: Its monotonic clock is the one that all processes share.
        seconds: How long it may take: the file may be on a disk that hangs.
    """
    worker, ledger = Worker("budget"), Ledger(clock, paths, api, SHARE, WINDOW)
    try:
        async with asyncio.timeout(seconds):
            outcome = await asyncio.wrap_future(worker.submit(partial(_look, ledger)))
    except TimeoutError:
        outcome = Trouble("it does not answer")
    worker.close(0)
    if isinstance(outcome, Trouble):
        return warn("budget", f"not shared, for {shown(ledger.path)} cannot be used: {outcome.words}", _REMEDY)
    processes, spent = outcome
    who = {0: "nobody", 1: "one process"}.get(processes, f"{processes} processes")
    within = f"{spent} of {LIMIT} requests in {WINDOW:g} s spent, {SHARE} may be"
    return ok("budget", f"shared by way of {shown(ledger.path)}: {who} asked lately; {within}")


def _look(ledger: Ledger) -> tuple[int, int] | Trouble:
    lately = ledger.lately()
    ledger.close()
    return lately
