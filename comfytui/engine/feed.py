"""One polled thing and the truth about it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, NamedTuple, TypeVar

from comfytui.api import errors

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
        retry_monotonic: When it is asked next, on the engine's monotonic clock.
        failed_monotonic: When the last try failed, on that clock too.
        streak: How many tries in a row have failed since anything at all last succeeded: what the back-off counts.
    """

    kind: ProblemKind
    message: str
    status: int | None
    since_at: datetime
    failures: int
    retry_monotonic: float
    failed_monotonic: float = -math.inf
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
    fetched_monotonic: float | None = None
    problem: Problem | None = None

    @property
    def tried_monotonic(self) -> float | None:
        """When the last try ended, on the engine's monotonic clock; None before the first."""
        return self.problem.failed_monotonic if self.problem is not None else self.fetched_monotonic

    def freshness(self, now: float, interval: float) -> Freshness:
        """Judge the value at a moment of the monotonic clock, for an interval in seconds."""
        if self.problem is not None:
            return Freshness.STALE
        if self.fetched_monotonic is None:
            return Freshness.WAITING
        age = now - self.fetched_monotonic
        return Freshness.LATE if age > LATE_AFTER_INTERVALS * interval else Freshness.LIVE


_KINDS: Mapping[type, ProblemKind] = {
    errors.InvalidArgumentError: ProblemKind.REFUSED,
    errors.ConnectionFailedError: ProblemKind.UNREACHABLE,
    errors.RequestTimeoutError: ProblemKind.TIMED_OUT,
    errors.InvalidResponseError: ProblemKind.UNINTELLIGIBLE,
    errors.BadRequestError: ProblemKind.BAD_REQUEST,
    errors.UnauthorizedError: ProblemKind.UNAUTHORIZED,
    errors.ForbiddenError: ProblemKind.FORBIDDEN,
    errors.NotFoundError: ProblemKind.NOT_FOUND,
    errors.RateLimitedError: ProblemKind.RATE_LIMITED,
    errors.ServerError: ProblemKind.SERVER,
    errors.ComfyControlError: ProblemKind.UNEXPECTED,
}


def problem_from_error(
    error: errors.ComfyControlError,
    previous: Problem | None,
    now_utc: datetime,
    retry_monotonic: float,
    *,
    failed_monotonic: float,
    streak: int,
) -> Problem:
    """Describe a failed try.

    Args:
        error: What was raised; a class the tree does not name counts as its nearest named ancestor.
        previous: The problem of the try before, None if that succeeded or there was none.
        now_utc: When the failure was seen, in UTC.
        retry_monotonic: When the thing is asked next, on the engine's monotonic clock.
        failed_monotonic: When the failure was seen, on that clock.
        streak: Which failure in a row it is since anything at all last succeeded, 1 for the first.
    """
    return Problem(
        kind=_error_kind(error),
        message=error.message if isinstance(error, errors.RequestError) else str(error),
        status=error.status if isinstance(error, errors.StatusError) else None,
        since_at=previous.since_at if previous is not None else now_utc,
        failures=previous.failures + 1 if previous is not None else 1,
        retry_monotonic=retry_monotonic,
        failed_monotonic=failed_monotonic,
        streak=streak,
    )


def _error_kind(error: errors.ComfyControlError) -> ProblemKind:
    if isinstance(error, errors.SilentRunnerError):
        return ProblemKind.RUNNER_SILENT if error.state.is_silent else ProblemKind.RUNNER_PARTIAL
    return next(_KINDS[ancestor] for ancestor in type(error).__mro__ if ancestor in _KINDS)
