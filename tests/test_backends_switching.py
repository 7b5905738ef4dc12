from __future__ import annotations

from comfytui.backends import SwitchableRateLimiter
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import Priority
from tests.support.clock import FakeClock


async def test_the_usual_one_counts_until_another_does_and_again_after_it() -> None:
    clock = FakeClock()
    usual, other = LocalRateLimiter(clock), LocalRateLimiter(clock)
    rate_limiter = SwitchableRateLimiter(usual)
    await rate_limiter.acquire(Priority.USER)
    rate_limiter.block_for(30)
    assert (rate_limiter.delay(Priority.USER), len(usual.usage.sent_monotonic)) == (30, 1)
    rate_limiter.switch_to(other)
    assert rate_limiter.delay(Priority.USER) == 0
    await rate_limiter.acquire(Priority.POLL)
    assert rate_limiter.usage == other.usage
    assert (len(usual.usage.sent_monotonic), len(other.usage.sent_monotonic)) == (1, 1)
    rate_limiter.switch_to(None)
    assert rate_limiter.usage == usual.usage
