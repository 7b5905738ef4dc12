"""Exceptions of the API client, as one tree.

    ComfyControlError
    ├── InvalidArgumentError          refused before a request was made
    └── RequestError             carries method and path
        ├── ConnectionFailedError          no connection: refused, reset, unknown host, TLS
        ├── TimedOut             no whole answer in time
        ├── InvalidResponseError       a response that is not what the API documents
        └── StatusError          an error response: carries status and the API's message
            ├── BadRequestError       400
            ├── UnauthorizedError     401
            ├── Forbidden        403
            ├── NotFound         404
            ├── RateLimitedError      429
            ├── ServerError      5xx
            │   └── SilentRunnerError    the same, from a gateway whose runner gave no usable answer
            └── UnexpectedStatusError any other, redirects among them

Statuses and the form of the message: the API's page api/errors. No error carries a token, a header value or a query
string, and every text in them is clean.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.ratelimit.window import COOLDOWN_S

if TYPE_CHECKING:
    from comfytui.api.statuses import RunnerState


class ComfyControlError(Exception):
    """Base class of all errors of the client."""


class InvalidArgumentError(ComfyControlError, ValueError):
    """An argument is out of the documented range; no request was sent."""


class RequestError(ComfyControlError):
    """A request without a usable response.

    Attributes:
        method: The HTTP method.
        path: Requested path, without host and query.
        message: Cause, never empty.
    """

    def __init__(self, method: str, path: str, message: str) -> None:
        super().__init__(f"{method} {path}: {message}")
        self.method = method
        self.path = path
        self.message = message


class ConnectionFailedError(RequestError):
    """No connection could be made or kept."""


class RequestTimeoutError(RequestError):
    """The whole response did not arrive in time."""


class InvalidResponseError(RequestError):
    """A 2xx response that is HTML, truncated, not JSON, or JSON of another shape."""


class StatusError(RequestError):
    """An error response.

    Attributes:
        status: The HTTP status code.
        message: The API's message, or words for the status where it gave none.
    """

    def __init__(self, method: str, path: str, message: str, status: int) -> None:
        super().__init__(method, path, message)
        self.status = status


class BadRequestError(StatusError):
    """400: a parameter or an id was refused."""


class UnauthorizedError(StatusError):
    """401: the token is missing, malformed, expired or revoked."""


class ForbiddenError(StatusError):
    """403: the tier or the permissions do not allow it."""


class NotFoundError(StatusError):
    """404: unknown, deleted, or someone else's."""


class RateLimitedError(StatusError):
    """429: too many requests from this address (page api/authentication).

    Attributes:
        retry_after: Seconds during which no request may be sent.
    """

    def __init__(
        self, method: str, path: str, message: str, status: int = 429, retry_after: float = COOLDOWN_S
    ) -> None:
        super().__init__(method, path, message, status)
        self.retry_after = retry_after


class ServerError(StatusError):
    """5xx: the service failed."""


class SilentRunnerError(ServerError):
    """5xx of our gateway: a runner's machine gave no usable answer, and the service works.

    Attributes:
        state: State of the runner.
        reason: Cause without the runner's name, with which the message begins.
    """

    def __init__(self, method: str, path: str, message: str, status: int, state: RunnerState, reason: str) -> None:
        super().__init__(method, path, message, status)
        self.state = state
        self.reason = reason


class UnexpectedStatusError(StatusError):
    """Any other status that is not 2xx, redirects among them: following one would carry the token elsewhere."""


_BY_STATUS: dict[int, type[StatusError]] = {
    400: BadRequestError,
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    429: RateLimitedError,
}


def error_for_status(method: str, path: str, message: str, status: int) -> StatusError:
    """Return the error for an HTTP status."""
    kind = _BY_STATUS.get(status, ServerError if 500 <= status <= 599 else UnexpectedStatusError)
    return kind(method, path, message, status)
