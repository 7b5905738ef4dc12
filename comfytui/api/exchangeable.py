"""An allowance that another can take the place of, for a dashboard that goes over to somebody else's runners."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.api.allowance import Allowance, Permit, Spending, Use

__all__ = ["ExchangeableAllowance"]


class ExchangeableAllowance:
    """What one allowance says, until another is to count.

    Args:
        usual: Which counts at first.
    """

    def __init__(self, usual: Allowance) -> None:
        self._usual = usual
        self._counts = usual

    def exchange(self, other: Allowance | None) -> None:
        """Have this one count from now on; None for the usual one."""
        self._counts = self._usual if other is None else other

    @property
    def spending(self) -> Spending:
        """What was spent, as last known; asks nobody."""
        return self._counts.spending

    def wait_for(self, use: Use) -> float:
        """Seconds until a request for this use may be sent, as far as known; 0.0 is now; asks nobody."""
        return self._counts.wait_for(use)

    async def take(self, use: Use) -> Permit:
        """Return once one request may be sent, which is recorded as sent by then."""
        return await self._counts.take(use)

    def cool_down(self, seconds: float) -> None:
        """Send nothing for so long; of two, the longer one wins."""
        self._counts.cool_down(seconds)
