from __future__ import annotations

from comfytui.backends import SwitchableRateLimiter
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import Priority
from tests.support.clock import FakeClock


async def test_the_usual_one_counts_until_another_does_and_again_after_it() -> None:
    clock = FakeClock()
    usual, other = LocalRateLimiter(clock), LocalRateLimiter(clock)
    allowance = SwitchableRateLimiter(usual)
    await allowance.acquire(Priority.USER)
    allowance.block_for(30)
    assert (allowance.delay(Priority.USER), len(usual.usage.sent_monotonic)) == (30, 1)
    allowance.switch_to(other)
    assert allowance.delay(Priority.USER) == 0
    await allowance.acquire(Priority.POLL)
    assert allowance.usage == other.usage
    assert (len(usual.usage.sent_monotonic), len(other.usage.sent_monotonic)) == (1, 1)
    allowance.switch_to(None)
    assert allowance.usage == usual.usage
