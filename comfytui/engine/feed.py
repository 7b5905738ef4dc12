"""One polled thing and the truth about it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

__all__ = ["Feed", "Freshness", "Problem", "ProblemKind"]

T_co = TypeVar("T_co", covariant=True)

LATE_AFTER_INTERVALS = 2


class Freshness(StrEnum):
    """How far a value may be trusted at a given moment."""

    WAITING = "waiting"
    """Nothing has been answered yet."""
    LIVE = "live"
    """The last try succeeded, no longer ago than two intervals."""
    LATE = "late"
    """The last try succeeded, but longer ago than that."""
    STALE = "stale"
    """The last try failed; what is shown, if anything, is from before."""


class ProblemKind(StrEnum):
    """The cause of a failed try: one for each leaf of `comfytui.api.errors`, two for SilentRunnerError."""

    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    TIMED_OUT = "timed out"
    UNINTELLIGIBLE = "unintelligible"
    BAD_REQUEST = "bad request"
    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    NOT_FOUND = "not found"
    RATE_LIMITED = "rate limited"
    SERVER = "server"
    RUNNER_SILENT = "runner silent"
    RUNNER_PARTIAL = "runner partial"
    UNEXPECTED = "unexpected"


class Problem(NamedTuple):
    """Why a feed is stale.

    Attributes:
        kind: The cause.
        message: What the error said; clean, without secrets.
        status: The HTTP status where there was one.
        since: When the first of the failures in a row was seen, in UTC.
        failures: How many tries in a row have failed, 1 or more.
        next_try: When it is asked next, on the engine's monotonic clock.
        tried_on: When the last try failed, on that clock too.
        streak: How many tries in a row have failed since anything at all last succeeded: what the back-off counts.
    """

    kind: ProblemKind
    message: str
    status: int | None
    since: datetime
    failures: int
    next_try: float
    tried_on: float = -math.inf
    streak: int = 1


@dataclass(frozen=True, slots=True)
class Feed(Generic[T_co]):
    """The newest value of one polled thing, how old it is, and what went wrong since.

    Attributes:
        value: The newest answer, the same object as before where the answer was equal; None before the first.
        fetched_at: When `value` was last confirmed, in UTC.
        fetched_on: The same on the engine's monotonic clock.
        problem: Why the last try failed; None after a success.
    """

    value: T_co | None = None
    fetched_at: datetime | None = None
    fetched_on: float | None = None
    problem: Problem | None = None

    @property
    def tried_on(self) -> float | None:
        """When the last try ended, on the engine's monotonic clock; None before the first."""
        return self.problem.tried_on if self.problem is not None else self.fetched_on

    def freshness(self, now: float, interval: float) -> Freshness:
        """Judge the value at a moment of the monotonic clock, for an interval in seconds."""
        if self.problem is not None:
            return Freshness.STALE
        if self.fetched_on is None:
            return Freshness.WAITING
        age = now - self.fetched_on
        return Freshness.LATE if age > LATE_AFTER_INTERVALS * interval else Freshness.LIVE
