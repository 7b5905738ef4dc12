"""From an exception of the API's client to a value beside old data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from comfytui.api import errors
from comfytui.engine.feed import Problem, ProblemKind

__all__ = ["problem_of"]

_KINDS: Mapping[type, ProblemKind] = {
    errors.InvalidArgument: ProblemKind.REFUSED,
    errors.Unreachable: ProblemKind.UNREACHABLE,
    errors.TimedOut: ProblemKind.TIMED_OUT,
    errors.Unintelligible: ProblemKind.UNINTELLIGIBLE,
    errors.BadRequest: ProblemKind.BAD_REQUEST,
    errors.Unauthorized: ProblemKind.UNAUTHORIZED,
    errors.Forbidden: ProblemKind.FORBIDDEN,
    errors.NotFound: ProblemKind.NOT_FOUND,
    errors.RateLimited: ProblemKind.RATE_LIMITED,
    errors.ServerError: ProblemKind.SERVER,
    errors.ComfyControlError: ProblemKind.UNEXPECTED,
}


def problem_of(
    error: errors.ComfyControlError,
    previous: Problem | None,
    now_utc: datetime,
    next_try: float,
    *,
    tried_on: float,
    streak: int,
) -> Problem:
    """Describe a failed try.

    Args:
        error: What was raised; a class the tree does not name counts as its nearest named ancestor.
        previous: The problem of the try before, None if that succeeded or there was none.
        now_utc: When the failure was seen, in UTC.
        next_try: When the thing is asked next, on the engine's monotonic clock.
        tried_on: When the failure was seen, on that clock.
        streak: Which failure in a row it is since anything at all last succeeded, 1 for the first.
    """
    return Problem(
        kind=_kind_of(error),
        message=error.message if isinstance(error, errors.RequestError) else str(error),
        status=error.status if isinstance(error, errors.StatusError) else None,
        since=previous.since if previous is not None else now_utc,
        failures=previous.failures + 1 if previous is not None else 1,
        next_try=next_try,
        tried_on=tried_on,
        streak=streak,
    )


def _kind_of(error: errors.ComfyControlError) -> ProblemKind:
    if isinstance(error, errors.SilentRunnerError):
        return ProblemKind.RUNNER_SILENT if error.state.is_silent else ProblemKind.RUNNER_PARTIAL
    return next(_KINDS[ancestor] for ancestor in type(error).__mro__ if ancestor in _KINDS)
