from __future__ import annotations

import asyncio

import pytest

from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import PERMIT_FRESH_S, SEND_TOLERANCE_S, SHARED_LIMIT, Permit, Priority
from tests.support.clock import FakeClock, settle


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def rate_limiter(clock: FakeClock) -> LocalRateLimiter:
    return LocalRateLimiter(clock)


async def take(rate_limiter: LocalRateLimiter, count: int = 1) -> list[Permit]:
    return [await rate_limiter.acquire(Priority.USER) for _ in range(count)]


async def test_permit_used_at_once_counts_from_its_grant(clock: FakeClock, rate_limiter: LocalRateLimiter) -> None:
    (permit,) = await take(rate_limiter)
    granted = clock.monotonic()
    await clock.advance(SEND_TOLERANCE_S)
    await permit.confirm()
    permit.mark_sent()
    assert rate_limiter.usage.sent_monotonic == (granted,)


async def test_permit_sent_late_counts_from_then(clock: FakeClock, rate_limiter: LocalRateLimiter) -> None:
    first, second = await take(rate_limiter, 2)
    await clock.advance(2 * SEND_TOLERANCE_S)
    second.mark_sent()
    await clock.advance(2 * SEND_TOLERANCE_S)
    first.mark_sent()
    assert list(rate_limiter.usage.sent_monotonic) == pytest.approx(
        [1000.0 + 2 * SEND_TOLERANCE_S, 1000.0 + 4 * SEND_TOLERANCE_S]
    )


async def test_permit_that_aged_is_renewed_before_others(clock: FakeClock, rate_limiter: LocalRateLimiter) -> None:
    (permit, *_) = await take(rate_limiter, SHARED_LIMIT)
    waiting = asyncio.create_task(rate_limiter.acquire(Priority.USER))
    await clock.advance(2 * PERMIT_FRESH_S)
    await asyncio.wait_for(permit.confirm(), 1)
    assert not waiting.done()
    assert rate_limiter.usage.in_window(clock.monotonic()) == SHARED_LIMIT
    waiting.cancel()


async def test_permit_waits_for_a_cool_down(clock: FakeClock, rate_limiter: LocalRateLimiter) -> None:
    (permit,) = await take(rate_limiter)
    rate_limiter.block_for(5)
    confirming = asyncio.create_task(permit.confirm())
    await clock.advance(4.9)
    assert not confirming.done()
    await clock.advance(0.1)
    await settle()
    assert confirming.done()


async def test_permit_released_does_not_count(clock: FakeClock, rate_limiter: LocalRateLimiter) -> None:
    first, *_ = await take(rate_limiter, SHARED_LIMIT)
    first.release()
    first.release()
    first.mark_sent()
    assert rate_limiter.usage.in_window(clock.monotonic()) == SHARED_LIMIT - 1
    await asyncio.wait_for(rate_limiter.acquire(Priority.USER), 1)
