from __future__ import annotations

from comfytui.backends import ExchangeableAllowance
from comfytui.ratelimit.local import LocalAllowance
from comfytui.ratelimit.window import Use
from tests.support.clock import FakeClock


async def test_the_usual_one_counts_until_another_does_and_again_after_it() -> None:
    clock = FakeClock()
    usual, other = LocalAllowance(clock), LocalAllowance(clock)
    allowance = ExchangeableAllowance(usual)
    await allowance.take(Use.WISH)
    allowance.cool_down(30)
    assert (allowance.wait_for(Use.WISH), len(usual.spending.sent)) == (30, 1)
    allowance.exchange(other)
    assert allowance.wait_for(Use.WISH) == 0
    await allowance.take(Use.POLL)
    assert allowance.spending == other.spending
    assert (len(usual.spending.sent), len(other.spending.sent)) == (1, 1)
    allowance.exchange(None)
    assert allowance.spending == usual.spending
