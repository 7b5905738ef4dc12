"""Time as a parameter: nothing else in the package reads a clock or sleeps."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Beginning of Unix time."""


class Clock(Protocol):
    """Source of time, injected everywhere."""

    def now(self) -> datetime:
        """Return the wall-clock time: an aware datetime in UTC, which may jump."""
        ...

    def monotonic(self) -> float:
        """Seconds from an arbitrary start that never run backwards: for ages, intervals and deadlines."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Return after that many seconds of `monotonic`, at once when they are zero or negative."""
        ...


class SystemClock:
    """Clocks of this machine."""

    def now(self) -> datetime:
        """Return this machine's wall-clock time in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Return this machine's monotonic time in seconds."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Let other tasks run for that many seconds."""
        await asyncio.sleep(max(0.0, seconds))


SUSPEND_THRESHOLD_S = 30.0
"""Seconds by which wall clock and monotonic clock may drift apart before it counts as a suspension."""


class SuspendDetector:
    """Watches the wall clock from the monotonic one, which stands still while a machine sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._apart = self._measure()

    def elapsed(self) -> float:
        """Seconds by which the wall clock has run ahead since the last look, behind where negative; 0.0 up to JUMP."""
        before, self._apart = self._apart, self._measure()
        ahead = self._apart - before
        return ahead if abs(ahead) > SUSPEND_THRESHOLD_S else 0.0

    def _measure(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
