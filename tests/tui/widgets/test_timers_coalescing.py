"""A short rest."""

from __future__ import annotations

import asyncio
import math

import pytest

from comfytui.tui.widgets.timers import CoalescingDelay


async def test_delay_ends_by_itself() -> None:
    await CoalescingDelay(0.001).wait()


async def test_flush_ends_the_delay() -> None:
    lull = CoalescingDelay(3600.0)
    lull.flush()
    for _ in range(2):
        rest = asyncio.create_task(lull.wait())
        await asyncio.sleep(0)
        assert not rest.done(), "what was ended before does not count"
        lull.flush()
        lull.flush()
        await rest


async def test_delay_can_be_cancelled() -> None:
    rest = asyncio.create_task(CoalescingDelay(math.inf).wait())
    await asyncio.sleep(0)
    rest.cancel()
    with pytest.raises(asyncio.CancelledError):
        await rest
