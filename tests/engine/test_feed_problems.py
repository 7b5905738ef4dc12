from __future__ import annotations

from datetime import timedelta

import pytest

from comfytui.api import errors
from comfytui.api.statuses import RunnerState
from comfytui.engine.feed import Problem, ProblemKind, problem_from_error
from tests.support.clock import START

WHERE = ("GET", "/v1/runner")


class Unforeseen(errors.StatusError):
    """A status error that the tree of today does not have."""


class Teapot(errors.NotFoundError):
    """A kind of NotFoundError."""


def silent(state: RunnerState) -> errors.SilentRunnerError:
    return errors.SilentRunnerError(*WHERE, f"gpu: {state}", 503, state, str(state))


@pytest.mark.parametrize(
    ("error", "kind", "message", "status"),
    [
        (errors.InvalidArgumentError("page is 1 or more"), ProblemKind.REFUSED, "page is 1 or more", None),
        (errors.ConnectionFailedError(*WHERE, "refused"), ProblemKind.UNREACHABLE, "refused", None),
        (errors.RequestTimeoutError(*WHERE, "no answer"), ProblemKind.TIMED_OUT, "no answer", None),
        (errors.InvalidResponseError(*WHERE, "HTML"), ProblemKind.UNINTELLIGIBLE, "HTML", None),
        (errors.error_for_status(*WHERE, "bad id", 400), ProblemKind.BAD_REQUEST, "bad id", 400),
        (errors.error_for_status(*WHERE, "Invalid token", 401), ProblemKind.UNAUTHORIZED, "Invalid token", 401),
        (errors.error_for_status(*WHERE, "tier", 403), ProblemKind.FORBIDDEN, "tier", 403),
        (errors.error_for_status(*WHERE, "gone", 404), ProblemKind.NOT_FOUND, "gone", 404),
        (errors.error_for_status(*WHERE, "slow down", 429), ProblemKind.RATE_LIMITED, "slow down", 429),
        (errors.error_for_status(*WHERE, "down", 503), ProblemKind.SERVER, "down", 503),
        (silent(RunnerState.SLOW), ProblemKind.RUNNER_SILENT, f"gpu: {RunnerState.SLOW}", 503),
        (silent(RunnerState.WAITING), ProblemKind.RUNNER_SILENT, f"gpu: {RunnerState.WAITING}", 503),
        (silent(RunnerState.UNREACHABLE), ProblemKind.RUNNER_SILENT, f"gpu: {RunnerState.UNREACHABLE}", 503),
        (silent(RunnerState.LATE), ProblemKind.RUNNER_PARTIAL, f"gpu: {RunnerState.LATE}", 503),
        (silent(RunnerState.PARTIAL), ProblemKind.RUNNER_PARTIAL, f"gpu: {RunnerState.PARTIAL}", 503),
        (errors.error_for_status(*WHERE, "moved", 302), ProblemKind.UNEXPECTED, "moved", 302),
        (Unforeseen(*WHERE, "odd", 299), ProblemKind.UNEXPECTED, "odd", 299),
        (Teapot(*WHERE, "short and stout", 404), ProblemKind.NOT_FOUND, "short and stout", 404),
        (errors.ComfyControlError("who knows"), ProblemKind.UNEXPECTED, "who knows", None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_each_error_has_its_kind(
    error: errors.ComfyControlError, kind: ProblemKind, message: str, status: int | None
) -> None:
    assert problem_from_error(error, None, START, 105.0, failed_monotonic=100.0, streak=1) == Problem(
        kind, message, status, START, 1, 105.0, 100.0, 1
    )


def test_a_further_failure_is_counted_and_keeps_the_beginning() -> None:
    first = problem_from_error(
        errors.ConnectionFailedError(*WHERE, "refused"), None, START, 105.0, failed_monotonic=100.0, streak=1
    )
    down = errors.ServerError(*WHERE, "down", 500)
    later = problem_from_error(down, first, START + timedelta(seconds=5), 110.0, failed_monotonic=105.0, streak=2)
    assert later == Problem(ProblemKind.SERVER, "down", 500, START, 2, 110.0, 105.0, 2)


def test_every_kind_is_made_of_some_error() -> None:
    leaves = [
        errors.InvalidArgumentError("x"),
        errors.ConnectionFailedError(*WHERE, "x"),
        errors.RequestTimeoutError(*WHERE, "x"),
    ]
    unread = [errors.InvalidResponseError(*WHERE, "x"), silent(RunnerState.SLOW), silent(RunnerState.PARTIAL)]
    statuses = [errors.error_for_status(*WHERE, "x", status) for status in (302, 400, 401, 403, 404, 429, 500)]
    made = [
        problem_from_error(error, None, START, 0.0, failed_monotonic=0.0, streak=1)
        for error in [*leaves, *unread, *statuses]
    ]
    assert {problem.kind for problem in made} == set(ProblemKind)
