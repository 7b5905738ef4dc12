from __future__ import annotations

import asyncio

import pytest

from comfytui.ratelimit.local import LocalAllowance
from comfytui.ratelimit.window import FRESH, LATE, SHARE, Permit, Use
from tests.support.clock import FakeClock, settle


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def allowance(clock: FakeClock) -> LocalAllowance:
    return LocalAllowance(clock)


async def take(allowance: LocalAllowance, count: int = 1) -> list[Permit]:
    return [await allowance.take(Use.WISH) for _ in range(count)]


async def test_permit_used_at_once_counts_from_its_grant(clock: FakeClock, allowance: LocalAllowance) -> None:
    (permit,) = await take(allowance)
    granted = clock.monotonic()
    await clock.advance(LATE)
    await permit.confirm()
    permit.mark_sent()
    assert allowance.spending.sent == (granted,)


async def test_permit_sent_late_counts_from_then(clock: FakeClock, allowance: LocalAllowance) -> None:
    first, second = await take(allowance, 2)
    await clock.advance(2 * LATE)
    second.mark_sent()
    await clock.advance(2 * LATE)
    first.mark_sent()
    assert list(allowance.spending.sent) == pytest.approx([1000.0 + 2 * LATE, 1000.0 + 4 * LATE])


async def test_permit_that_aged_is_renewed_before_others(clock: FakeClock, allowance: LocalAllowance) -> None:
    (permit, *_) = await take(allowance, SHARE)
    waiting = asyncio.create_task(allowance.take(Use.WISH))
    await clock.advance(2 * FRESH)
    await asyncio.wait_for(permit.confirm(), 1)
    assert not waiting.done()
    assert allowance.spending.count(clock.monotonic()) == SHARE
    waiting.cancel()


async def test_permit_waits_for_a_cool_down(clock: FakeClock, allowance: LocalAllowance) -> None:
    (permit,) = await take(allowance)
    allowance.cool_down(5)
    confirming = asyncio.create_task(permit.confirm())
    await clock.advance(4.9)
    assert not confirming.done()
    await clock.advance(0.1)
    await settle()
    assert confirming.done()


async def test_permit_released_does_not_count(clock: FakeClock, allowance: LocalAllowance) -> None:
    first, *_ = await take(allowance, SHARE)
    first.release()
    first.release()
    first.mark_sent()
    assert allowance.spending.count(clock.monotonic()) == SHARE - 1
    await asyncio.wait_for(allowance.take(Use.WISH), 1)
