"""Feeds: the latest value of a polled resource, its freshness and its problem."""

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
    """Trustworthiness of a value at a given moment."""

    WAITING = "waiting"
    """No response yet."""
    LIVE = "live"
    """The last try succeeded at most two intervals ago."""
    LATE = "late"
    """The last try succeeded more than two intervals ago."""
    STALE = "stale"
    """The last try failed; the value, if any, is from before."""


class ProblemKind(StrEnum):
    """Cause of a failed try: one for each leaf of `comfytui.api.errors`, two for SilentRunnerError."""

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
    """Reason why a feed is stale.

    Attributes:
        kind: Cause.
        message: Text of the error, sanitized and without secrets.
        status: HTTP status, or None without a response.
        since_at: Time of the first failure in a row, in UTC.
        failures: Number of failures in a row, 1 or more.
        retry_monotonic: Time of the next try, on the engine's monotonic clock.
        failed_monotonic: Time of the last failure, on that clock.
        streak: Number of failures since anything at all last succeeded, as the backoff counts.
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
    """Latest value of one polled resource, its age, and the problem since.

    Attributes:
        value: Latest response, the same object as before if equal; None before the first.
        fetched_at: Time when `value` was last confirmed, in UTC.
        fetched_monotonic: The same on the engine's monotonic clock.
        problem: Problem of the last try, or None after a success.
    """

    value: T_co | None = None
    fetched_at: datetime | None = None
    fetched_monotonic: float | None = None
    problem: Problem | None = None

    @property
    def tried_monotonic(self) -> float | None:
        """Time when the last try ended, on the engine's monotonic clock, or None before the first."""
        return self.problem.failed_monotonic if self.problem is not None else self.fetched_monotonic

    def freshness(self, now: float, interval: float) -> Freshness:
        """Return the freshness at a moment of the monotonic clock, for an interval in seconds."""
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
    """Return the problem of a failed try.

    Args:
        error: The error; a class without a kind of its own counts as its nearest ancestor that has one.
        previous: Problem of the try before, or None if that succeeded or there was none.
        now_utc: Time of the failure, in UTC.
        retry_monotonic: Time of the next try, on the engine's monotonic clock.
        failed_monotonic: Time of the failure, on that clock.
        streak: Number of failures since anything at all last succeeded, 1 for the first.
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
