from __future__ import annotations

import pytest

from comfytui.api import errors

LEAVES = [
    errors.Unreachable,
    errors.TimedOut,
    errors.Unintelligible,
    errors.BadRequest,
    errors.Unauthorized,
    errors.Forbidden,
    errors.NotFound,
    errors.RateLimited,
    errors.ServerError,
    errors.UnexpectedStatus,
]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequest),
        (401, errors.Unauthorized),
        (403, errors.Forbidden),
        (404, errors.NotFound),
        (429, errors.RateLimited),
        (500, errors.ServerError),
        (503, errors.ServerError),
        (599, errors.ServerError),
        (301, errors.UnexpectedStatus),
        (304, errors.UnexpectedStatus),
        (418, errors.UnexpectedStatus),
        (600, errors.UnexpectedStatus),
    ],
)
def test_a_status_has_its_own_type(status: int, kind: type[errors.StatusError]) -> None:
    error = errors.status_error("GET", "/v1/runner", "no", status)
    assert type(error) is kind
    assert (error.method, error.path, error.message, error.status) == ("GET", "/v1/runner", "no", status)
    assert str(error) == "GET /v1/runner: no"


@pytest.mark.parametrize("kind", LEAVES)
def test_every_failed_request_is_a_request_error(kind: type[errors.RequestError]) -> None:
    assert issubclass(kind, errors.RequestError)
    assert issubclass(kind, errors.ComfyControlError)


def test_a_refused_argument_is_no_failed_request() -> None:
    assert issubclass(errors.InvalidArgument, errors.ComfyControlError)
    assert issubclass(errors.InvalidArgument, ValueError)
    assert not issubclass(errors.InvalidArgument, errors.RequestError)


def test_the_tree_has_no_other_leaves() -> None:
    concrete = {each for each in vars(errors).values() if isinstance(each, type) and each.__module__ == errors.__name__}
    inner = {errors.ComfyControlError, errors.RequestError, errors.StatusError}
    assert concrete - inner == {errors.InvalidArgument, errors.SilentRunnerError, *LEAVES}
