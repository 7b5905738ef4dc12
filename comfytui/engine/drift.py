"""Time that passed unseen: a suspended machine, or a wall clock that was set."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.clock import Clock

__all__ = ["JUMP", "Drift"]

JUMP = 30.0
"""Seconds by which the wall clock may run away from the monotonic one between two looks before it means anything."""


class Drift:
    """Watches the wall clock from the monotonic one, which stands still while a machine sleeps."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._apart = self._measure()

    def jump(self) -> float:
        """Seconds by which the wall clock has run ahead since the last look, behind where negative; 0.0 up to JUMP."""
        before, self._apart = self._apart, self._measure()
        ahead = self._apart - before
        return ahead if abs(ahead) > JUMP else 0.0

    def _measure(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()
