from __future__ import annotations

import pytest

from comfytui.api import errors

LEAVES = [
    errors.ConnectionFailedError,
    errors.RequestTimeoutError,
    errors.InvalidResponseError,
    errors.BadRequestError,
    errors.UnauthorizedError,
    errors.ForbiddenError,
    errors.NotFoundError,
    errors.RateLimitedError,
    errors.ServerError,
    errors.UnexpectedStatusError,
]


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.UnauthorizedError),
        (403, errors.ForbiddenError),
        (404, errors.NotFoundError),
        (429, errors.RateLimitedError),
        (500, errors.ServerError),
        (503, errors.ServerError),
        (599, errors.ServerError),
        (301, errors.UnexpectedStatusError),
        (304, errors.UnexpectedStatusError),
        (418, errors.UnexpectedStatusError),
        (600, errors.UnexpectedStatusError),
    ],
)
def test_a_status_has_its_own_type(status: int, kind: type[errors.StatusError]) -> None:
    error = errors.error_for_status("GET", "/v1/runner", "no", status)
    assert type(error) is kind
    assert (error.method, error.path, error.message, error.status) == ("GET", "/v1/runner", "no", status)
    assert str(error) == "GET /v1/runner: no"


@pytest.mark.parametrize("kind", LEAVES)
def test_every_failed_request_is_a_request_error(kind: type[errors.RequestError]) -> None:
    assert issubclass(kind, errors.RequestError)
    assert issubclass(kind, errors.ComfyControlError)


def test_a_refused_argument_is_no_failed_request() -> None:
    assert issubclass(errors.InvalidArgumentError, errors.ComfyControlError)
    assert issubclass(errors.InvalidArgumentError, ValueError)
    assert not issubclass(errors.InvalidArgumentError, errors.RequestError)


def test_the_tree_has_no_other_leaves() -> None:
    concrete = {each for each in vars(errors).values() if isinstance(each, type) and each.__module__ == errors.__name__}
    inner = {errors.ComfyControlError, errors.RequestError, errors.StatusError}
    assert concrete - inner == {errors.InvalidArgumentError, errors.SilentRunnerError, *LEAVES}
