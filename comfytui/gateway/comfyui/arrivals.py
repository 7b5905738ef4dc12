"""Times at which jobs were queued, from a server's status messages: older servers tell them nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from comfytui.clock import Clock

__all__ = ["Arrivals"]

_MOST = 1_000


class Arrivals:
    """Moments at which the queue of one server grew since its jobs were last read.

    Args:
        clock: Dates the messages.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._remaining: int | None = None
        self._moments: list[datetime] = []

    def note(self, remaining: int | None) -> None:
        """Take in how many jobs wait or run now, or None if messages begin or cease to be heard."""
        if remaining is None or self._remaining is None:
            self._moments.clear()
        else:
            grown = min(remaining - self._remaining, _MOST - len(self._moments))
            self._moments += [self._clock.now()] * grown
        self._remaining = remaining

    def take(self, count: int, began: datetime) -> Sequence[datetime]:
        """Return when that many new jobs were queued, oldest first, or nothing if other numbers were told.

        Args:
            count: How many new jobs a reading lists.
            began: When the reading began: what was queued later may be listed, or not.
        """
        before = [moment for moment in self._moments if moment <= began]
        told = next((moments for moments in (before, list(self._moments)) if len(moments) == count), [])
        self._moments = self._moments[len(before) :] if len(told) == len(before) else []
        return told
