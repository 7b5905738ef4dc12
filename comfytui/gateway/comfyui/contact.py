"""Contact with a server: its newest answer or failure, of any request."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfytui.api.statuses import RunnerState
from comfytui.gateway.comfyui.errors import HANGS

if TYPE_CHECKING:
    from comfytui.clock import Clock


LATE_SECONDS = 5.5
"""Seconds that a question may be unanswered, with nothing else answered meanwhile, before the box is called late.

Longer than between two heartbeats: one request may hang while heartbeats are answered.
"""
SLOW_SECONDS = 30.0
"""Seconds after its last answer, or the first question, during which a late box is slow; then it does not answer."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Reason why a server gives no answer at present, to follow its name and a colon.

    Attributes:
        state: Slow, waiting for a first answer, hanging, or unreachable.
        reason: The message.
    """

    state: RunnerState
    reason: str


class Contact:
    """Newest contact with one server, good or bad; it counts for all its data.

    Args:
        clock: Dates answers and measures how long requests wait.

    Attributes:
        answered_monotonic: Monotonic time of the newest answer, or None before the first.
    """

    def __init__(self, clock: Clock) -> None:
        self.answered_monotonic: float | None = None
        self._clock = clock
        self._problem = ""
        self._unanswered: dict[object, float] = {}

    @contextmanager
    def question(self) -> Iterator[None]:
        """Count a request as unanswered within the context."""
        key = object()
        self._unanswered[key] = self._clock.monotonic()
        try:
            yield
        finally:
            del self._unanswered[key]

    def answered(self) -> None:
        """Record an answer of the server."""
        self._problem = ""
        self.answered_monotonic = self._clock.monotonic()

    def failed(self, reason: str) -> None:
        """Record a failed connection, or an answer that did not come in time."""
        self._problem = reason

    def has_answered_since(self, moment: float) -> bool:
        """Return True if the server answered since a monotonic time."""
        return self.answered_monotonic is not None and self.answered_monotonic >= moment

    @property
    def silence(self) -> Silence | None:
        """Reason why the server does not answer, or None if it does."""
        if self._problem:
            return Silence(RunnerState.UNREACHABLE, self._problem)
        now = self._clock.monotonic()
        asked = min(self._unanswered.values(), default=now)
        answered = self.answered_monotonic
        if now - asked < LATE_SECONDS or (answered is not None and now - answered < LATE_SECONDS):
            return None
        if answered is not None and now - answered < SLOW_SECONDS:
            return Silence(RunnerState.SLOW, f"slow, last answered {now - answered:.0f} s ago")
        if (answered is None or asked - answered >= SLOW_SECONDS) and now - asked < SLOW_SECONDS:
            # No request has been waiting for long, so the server may still answer.
            return Silence(RunnerState.WAITING, f"slow, no answer for {now - asked:.0f} s")
        return Silence(RunnerState.HANGING, HANGS)
