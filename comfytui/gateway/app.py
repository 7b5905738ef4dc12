"""Routes of the gateway: parameters, defaults, limits, order of checks and errors as the API documents.

A request is checked in this order: the token (401), the route (404, 405), the parameters or the id's form (400), and
existence of the runner (404). A runner whose machine does not answer is a 500 if the request is about the machine
(page get-runner-stats), and a 503 if no other source knows its workflows. Every response is JSON, and every error
has the body of the page api/errors. Nothing is rate-limited.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from comfytui.api.events import EVENTS_PATH, EXTENSION_NAME, EXTENSIONS_HEADER
from comfytui.api.statuses import RunnerState, RunnerStatus
from comfytui.config.settings import MAX_PER_PAGE
from comfytui.gateway.events import MEDIA_TYPE, EventStreamResponse
from comfytui.gateway.fleet import RunnerNotFoundError, RunnerUnreachableError
from comfytui.gateway.serializers import (
    serialize_error,
    serialize_history,
    serialize_page,
    serialize_runner,
    serialize_stats,
    serialize_unreachable,
)

if TYPE_CHECKING:
    from pydantic import SecretStr
    from starlette.requests import Request
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from comfytui.gateway.fleet import Fleet


DEFAULT_PER_PAGE = 10

_UUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_DIGITS = re.compile(r"[0-9]+")
# More than any fleet has, and far below the length at which int() refuses a number.
_MOST_DIGITS = 18


def create_app(fleet: Fleet, token: SecretStr) -> Starlette:
    """Return the API over a fleet as an ASGI application.

    Routes: `GET /v1/runner` (page list-runners), `GET /v1/runner/{id}` (get-runner), `GET /v1/runner/{id}/history`
    (get-runner-history), `GET /v1/runner/{id}/stats` (get-runner-stats), and the extension `GET /v1/events`
    (`comfytui.api.events`). The fleet is closed when a server that speaks ASGI's lifespan shuts down.

    Args:
        fleet: Source of the runners.
        token: The one bearer token that is accepted.

    Raises:
        ValueError: The token is empty.
    """
    if not token.get_secret_value():
        raise ValueError("a gateway needs a token that is not empty")
    endpoints = _Endpoints(fleet)
    app = Starlette(
        routes=[
            Route(EVENTS_PATH, endpoints.stream_events, methods=["GET"]),
            Route("/v1/runner", endpoints.list_runners, methods=["GET"]),
            Route("/v1/runner/{id}", endpoints.get_runner, methods=["GET"]),
            Route("/v1/runner/{id}/history", endpoints.get_history, methods=["GET"]),
            Route("/v1/runner/{id}/stats", endpoints.get_stats, methods=["GET"]),
        ],
        lifespan=endpoints.lifespan,
        middleware=[Middleware(BearerAuthMiddleware, token=token)],
        exception_handlers={
            HTTPException: _error_response,
            RunnerNotFoundError: _error_response,
            Exception: _error_response,
        },
    )
    # A redirect to the path without its last slash would not be JSON.
    app.router.redirect_slashes = False
    return app


@dataclass(frozen=True, slots=True)
class _Endpoints:
    fleet: Fleet

    async def list_runners(self, request: Request) -> JSONResponse:
        page = _whole_number(request, "page", default=1, most=None)
        per_page = _whole_number(request, "per_page", default=DEFAULT_PER_PAGE, most=MAX_PER_PAGE)
        body = serialize_page(await self.fleet.list_runners(page, per_page, _status(request)))
        return JSONResponse(body, headers={EXTENSIONS_HEADER: EXTENSION_NAME})

    async def get_runner(self, request: Request) -> JSONResponse:
        return JSONResponse(serialize_runner(await self.fleet.get_runner(_runner_id(request))))

    async def get_history(self, request: Request) -> JSONResponse:
        with _unreachable_status(503):
            return JSONResponse(serialize_history(await self.fleet.get_history(_runner_id(request))))

    async def get_stats(self, request: Request) -> JSONResponse:
        with _unreachable_status(500):
            return JSONResponse(serialize_stats(await self.fleet.get_stats(_runner_id(request))))

    async def stream_events(self, request: Request) -> Response:
        if request.method == "HEAD":
            return Response(media_type=MEDIA_TYPE)
        if self.fleet.events.is_full:
            raise HTTPException(503, "too many event streams are open; poll instead")
        return EventStreamResponse(self.fleet.events)

    @contextlib.asynccontextmanager
    async def lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        async with contextlib.aclosing(self.fleet):
            yield


class BearerAuthMiddleware:
    """Middleware that answers requests without the token with 401, whatever their path."""

    def __init__(self, app: ASGIApp, token: SecretStr) -> None:
        self._app = app
        self._token = token.get_secret_value().encode("utf-8", "surrogateescape")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with 401."""
        problem = self._problem(scope) if scope["type"] == "http" else None
        if problem is None:
            await self._app(scope, receive, send)
        else:
            await _refusal(401, problem, {"WWW-Authenticate": "Bearer"})(scope, receive, send)

    def _problem(self, scope: Scope) -> str | None:
        sent: bytes | None = dict(scope["headers"]).get(b"authorization")
        if sent is None:
            return "Authorization header is missing"
        scheme, _, token = sent.partition(b" ")
        if scheme.lower() != b"bearer":
            return "Authorization header must be a bearer token"
        return None if hmac.compare_digest(token.strip(b" "), self._token) else "Invalid token"


def _whole_number(request: Request, name: str, *, default: int, most: int | None) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    digits = text.lstrip("0")
    number = int(digits[:_MOST_DIGITS]) if _DIGITS.fullmatch(digits) else 0
    if number < 1 or (most is not None and (number > most or len(digits) > _MOST_DIGITS)):
        limits = "1 or more" if most is None else f"from 1 to {most}"
        raise HTTPException(400, f"{name} must be a whole number, {limits}")
    return number


def _status(request: Request) -> RunnerStatus | None:
    word = request.query_params.get("status")
    if word is None:
        return None
    status = RunnerStatus(word)
    if not status.is_known:
        raise HTTPException(400, f"status must be one of {', '.join(RunnerStatus)}")
    return status


def _runner_id(request: Request) -> str:
    text: str = request.path_params["id"]
    if not _UUID.fullmatch(text):
        raise HTTPException(400, "invalid UUID format")
    return text.lower()


class _Unreachable(HTTPException):
    """HTTP error for a runner whose machine gave no answer."""

    def __init__(self, status: int, problem: RunnerUnreachableError) -> None:
        super().__init__(status, f"{problem.name}: {problem}" if problem.name else str(problem))
        self.problem = problem


@contextlib.contextmanager
def _unreachable_status(status: int) -> Iterator[None]:
    try:
        yield
    except RunnerUnreachableError as problem:
        raise _Unreachable(status, problem) from problem


async def _error_response(_request: Request, error: Exception) -> JSONResponse:
    match error:
        case _Unreachable(problem=RunnerUnreachableError(state=RunnerState() as state) as problem):
            body = serialize_error(error.status_code, error.detail) | serialize_unreachable(state, str(problem))
            return JSONResponse(body, error.status_code)
        case HTTPException():
            return _refusal(error.status_code, error.detail, error.headers)
        case RunnerNotFoundError():
            return _refusal(404, "requested entity not found")
        case _:
            return _refusal(500, "internal server error")


def _refusal(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse(serialize_error(status, message), status, headers)


class StreamingASGITransport(httpx.ASGITransport):
    """httpx transport for an ASGI app that passes on event streams as they are sent.

    httpx's own ASGITransport collects whole bodies.

    Args:
        app: Application that answers the requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        super().__init__(app, raise_app_exceptions=False)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response; for an event stream as soon as its head is there."""
        if request.url.path != EVENTS_PATH:
            return await super().handle_async_request(request)
        body = _StreamedBody(self.app, _scope(request))
        async with AsyncExitStack() as stack:
            stack.push_async_callback(body.aclose)
            head = await body.head()
            stack.pop_all()
        return httpx.Response(head["status"], headers=head["headers"], stream=body)


class InProcessTransport(httpx.AsyncBaseTransport):
    """httpx transport from a client to the gateway of a fleet in this process; closing it closes the fleet.

    Args:
        fleet: Source of the runners; it lives in the event loop of the requests.
        token: The one bearer token that is accepted; never empty.
    """

    def __init__(self, fleet: Fleet, token: SecretStr) -> None:
        self._transport = StreamingASGITransport(create_app(fleet, token))
        self._fleet = fleet

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return the response of the gateway."""
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the fleet."""
        await self._fleet.aclose()


class _StreamedBody(httpx.AsyncByteStream):
    """Response body that an app sends while it is read; the app waits until each part is taken."""

    def __init__(self, app: ASGIApp, scope: Scope) -> None:
        self._sent: asyncio.Queue[Message] = asyncio.Queue(maxsize=1)
        self._is_read = False
        self._task = asyncio.create_task(self._run(app, scope))

    async def head(self) -> Message:
        """Return the message that starts the response, or that of an error if the app failed before."""
        return await self._next() or {"status": 500, "headers": []}

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while message := await self._next():
            if body := message.get("body", b""):
                yield body
            if not message.get("more_body", False):
                return

    async def aclose(self) -> None:
        """Cancel the app: its client has stopped reading."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _next(self) -> Message | None:
        """Return the next message of the app, or None if it ended."""
        taking = asyncio.ensure_future(self._sent.get())
        try:
            await asyncio.wait({taking, self._task}, return_when=asyncio.FIRST_COMPLETED)
            return taking.result() if taking.done() else None
        finally:
            taking.cancel()

    async def _run(self, app: ASGIApp, scope: Scope) -> None:
        await app(scope, self._receive, self._sent.put)

    async def _receive(self) -> Message:
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": b"", "more_body": False}
        # Wait until the task is cancelled: a client that stops reading closes the body.
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}


def _scope(request: httpx.Request) -> Scope:
    """Return the scope of a request without a body."""
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": request.url.raw_path.split(b"?")[0],
        "query_string": request.url.query,
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 123),
        "root_path": "",
    }
