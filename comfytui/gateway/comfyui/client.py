"""HTTP client of a ComfyUI server, with limits of time and size and a message for every failure.

Errors are raised outside of except blocks: an exception of httpx holds the request and with it secret headers.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import httpx

from comfytui.api.body import LARGE, MAX_BODY, decode_json
from comfytui.api.headers import ClockSkewEstimator
from comfytui.api.request_log import RequestRecord
from comfytui.api.response import ConnectionTrace, describe_connect_error, is_disconnect, redirect_host
from comfytui.clock import SystemClock
from comfytui.gateway.comfyui.contact import Contact
from comfytui.gateway.comfyui.errors import (
    HANGS,
    NOT_TLS,
    AuthRequiredError,
    ComfyUIError,
    ConnectionDroppedError,
    HTTPStatusError,
    ResponseTimeoutError,
    ResponseTooLargeError,
    ServerUnreachableError,
    TLSNotSupportedError,
    TLSRequiredError,
    UnparsableResponseError,
)
from comfytui.gateway.comfyui.transport import build_http_client, probe_tls
from comfytui.text import sanitize

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from datetime import datetime

    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.config.settings import Server


ANSWER_SECONDS = 30.0
"""Seconds for a whole response: a server that loads models, or whose node holds the interpreter, is slow."""
CONNECT_SECONDS = 2.5
"""Seconds that a TCP connection may take: it is the kernel that accepts it, however busy the box is."""

GIVEN_UP = ResponseTimeoutError("given up before an answer came")
"""The outcome of a request that was cancelled."""

_SHORTEST = "/prompt"
# A queue of 8 MB holds half as many values; a million decoded values take 100 MB.
_MAX_VALUES = 800_000
_CUT_OFF = (httpx.RemoteProtocolError, httpx.ReadError)
_LOGIN = ("login", "log-in", "signin", "sign-in", "sign_in", "auth", "sso")


class ComfyUIClient:
    """Client of one ComfyUI server.

    Origin and cookies are not sent, redirects not followed, and proxies of the environment not used for hosts of
    the local network. Requests are not repeated, but a kept-alive connection that turns out to be dead is replaced
    once. Connections are made, and certificates read, at the first request.

    Args:
        server: The server; its headers are sent with every request.
        ca_bundle: File or directory of certificates to trust instead of those of the public authorities or of
            SSL_CERT_FILE or SSL_CERT_DIR.
        timeout: Seconds for a whole answer; a TCP connection has CONNECT_SECONDS, or half of the timeout.
        transport: httpx transport in place of the network.
        contact: Notified of each answer and each failure to connect.
        log: Request log.
        clock: Clock of the records.

    Attributes:
        received: Bytes of bodies received so far.
        server_clock: Estimate of the server's clock skew.
    """

    def __init__(
        self,
        server: Server,
        *,
        ca_bundle: Path | None = None,
        timeout: float = ANSWER_SECONDS,
        transport: httpx.AsyncBaseTransport | None = None,
        contact: Contact | None = None,
        log: RequestLog | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.received = 0
        self.server_clock = ClockSkewEstimator()
        self._server = server
        self._ca_bundle = ca_bundle
        self._timeout = timeout
        self._connect_timeout = min(CONNECT_SECONDS, timeout / 2)
        self._transport = transport
        self._clock = clock or SystemClock()
        self._contact = contact or Contact(self._clock)
        self._log = log
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def get(self, path: str, params: Mapping[str, str | int] | None = None, glimpse: int = 0) -> object:
        """GET a path below the server's address and return the decoded JSON.

        Args:
            path: Quoted path with a leading slash.
            params: Query parameters.
            glimpse: Bytes to keep of the beginning of an answer that is too large.

        Raises:
            ComfyUIError: A subclass for the cause.
        """
        attempt = _Attempt(path, params, glimpse)
        with self._contact.question():
            async with self._recorded(attempt):
                began = self._clock.monotonic()
                attempt.outcome = outcome = await self._outcome(attempt)
        if not isinstance(outcome, ComfyUIError):
            self._contact.answered()
            return outcome
        # One route that hangs or ends connections says nothing about the server.
        if not (outcome.is_answer or self._contact.has_answered_since(began) or await self._answers_else(attempt)):
            self._contact.failed(str(outcome))
        raise outcome

    async def _answers_else(self, dropped: _Attempt) -> bool:
        """Return True if the server answers another request than the one it dropped."""
        if not isinstance(dropped.outcome, ConnectionDroppedError) or dropped.path == _SHORTEST:
            return False
        with contextlib.suppress(ComfyUIError):
            await self.get(_SHORTEST)
            return True
        return False

    @contextlib.asynccontextmanager
    async def _recorded(self, attempt: _Attempt) -> AsyncIterator[None]:
        """Log a request, however it ends."""
        at, began = self._clock.now(), self._clock.monotonic()
        try:
            yield
        finally:
            if self._log is not None:
                self._log.add(self._record(attempt, at, self._clock.monotonic() - began))

    def _record(self, attempt: _Attempt, at: datetime, took: float) -> RequestRecord:
        outcome = attempt.outcome
        return RequestRecord(
            at=at,
            method="GET",
            path=sanitize(str(httpx.URL(attempt.path, params=attempt.params or None))),
            status=attempt.status or None,
            error=sanitize(str(outcome)) if isinstance(outcome, ComfyUIError) else "",
            ms=round(took * 1000),
            size=attempt.received,
            server=self._server.name,
        )

    async def aclose(self) -> None:
        """Close all connections; the client is not used afterwards."""
        if self._client is not None:
            await self._client.aclose()

    async def _outcome(self, attempt: _Attempt) -> object:
        client = await self._open()
        if isinstance(client, ComfyUIError):
            return client
        outcome = await self._in_time(client, attempt)
        if isinstance(outcome, ComfyUIError) and attempt.may_want_tls and await self._speaks_tls():
            return TLSRequiredError()
        return outcome

    async def _in_time(self, client: httpx.AsyncClient, attempt: _Attempt) -> object:
        try:
            async with asyncio.timeout(self._timeout) as deadline:
                outcome = await self._once(client, attempt, deadline)
                return await self._once(client, attempt, deadline) if attempt.went_stale else outcome
        except TimeoutError:
            if attempt.is_connecting:
                return ServerUnreachableError(f"no connection within {self._connect_timeout:g} s")
            begun = f"no whole answer within {self._timeout:g} s"
            return ResponseTimeoutError(begun if attempt.status else HANGS)
        except (httpx.InvalidURL, UnicodeError):
            return ServerUnreachableError("no such host")

    async def _open(self) -> httpx.AsyncClient | ComfyUIError:
        async with self._opening:
            if self._client is None:
                opened = await build_http_client(self._server, self._ca_bundle, self._timeout, self._transport)
                if isinstance(opened, ComfyUIError):
                    return opened
                self._client = opened
            return self._client

    async def _once(self, client: httpx.AsyncClient, attempt: _Attempt, deadline: asyncio.Timeout) -> object:
        wire, end = ConnectionTrace(), deadline.when() or math.inf
        is_tls = self._server.url.startswith("https:")

        async def trace(event: str, info: Mapping[str, object]) -> None:
            await wire(event, info)
            if event.endswith("connect_tcp.started"):
                attempt.is_connecting = True
                deadline.reschedule(min(end, asyncio.get_running_loop().time() + self._connect_timeout))
            elif event.endswith("connect_tcp.complete") and not deadline.expired():
                attempt.is_connecting = False
                # httpcore leaks a connection whose handshake is cancelled, so its own limit must come first.
                deadline.reschedule(end + 2 * self._connect_timeout if is_tls else end)
            elif event.endswith("start_tls.complete"):
                deadline.reschedule(end)

        request = client.build_request("GET", attempt.path, params=attempt.params, extensions={"trace": trace})
        attempt.went_stale = attempt.may_want_tls = False
        try:
            attempt.sent_monotonic = self._clock.monotonic()
            head = await client.send(request, stream=True)
            async with contextlib.aclosing(head):
                return await self._read(attempt, head)
        except httpx.HTTPError as error:
            attempt.went_stale = wire.stale_keepalive and is_disconnect(error)
            # A server that speaks TLS may drop plain http without a word.
            attempt.may_want_tls = not attempt.status and isinstance(error, _CUT_OFF)
            return _explain(error, attempt.status)

    async def _read(self, attempt: _Attempt, head: httpx.Response) -> object:
        attempt.status = head.status_code
        if not head.is_success:
            # Other servers answer something else here.
            attempt.may_want_tls = head.status_code == httpx.codes.BAD_REQUEST
            return _refusal(head, attempt.path, self._server.url)
        self.server_clock.update(head.headers, self._clock.monotonic() - attempt.sent_monotonic, self._clock.now())
        most = min(attempt.glimpse, MAX_BODY) if _content_length(head) > MAX_BODY else MAX_BODY + 1
        body = await self._body(attempt, head, most)
        if len(body) < most and _values(body) <= _MAX_VALUES:
            return await _decode(body)
        return ResponseTooLargeError(attempt.path, MAX_BODY, body[: attempt.glimpse])

    async def _body(self, attempt: _Attempt, head: httpx.Response, most: int) -> bytes:
        """Return the body; reading ends soon after the limit."""
        body = bytearray()
        if most > 0:
            async for chunk in cast("httpx.AsyncByteStream", head.stream):
                body += chunk
                self.received += len(chunk)
                attempt.received += len(chunk)
                if len(body) >= most:
                    break
        return bytes(body)

    async def _speaks_tls(self) -> bool:
        address = urlsplit(self._server.url)
        if address.scheme != "http" or self._transport is not None:
            return False
        return await probe_tls(address.hostname or "", address.port or 80)


async def is_comfyui(server: Server, seconds: float = 1.0) -> bool:
    """Return True if a ComfyUI server answers within a number of seconds; never raises."""
    async with contextlib.aclosing(ComfyUIClient(server, timeout=seconds)) as client:
        try:
            answer = await client.get("/prompt")
        except ComfyUIError:
            return False
    return isinstance(answer, dict) and isinstance(answer.get("exec_info"), dict)


@dataclass(slots=True)
class _Attempt:
    """State of a request: `status` is set by the head of its response, `outcome` at its end."""

    path: str
    params: Mapping[str, str | int] | None
    glimpse: int = 0
    status: int = 0
    sent_monotonic: float = 0.0
    went_stale: bool = False
    may_want_tls: bool = False
    is_connecting: bool = False
    received: int = 0
    outcome: object = GIVEN_UP


def _content_length(head: httpx.Response) -> int:
    text = head.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 20 else 0


def _values(body: bytes) -> int:
    """Return the approximate number of values of a JSON text; small texts count as 0."""
    return sum(map(body.count, (b",", b"[", b"{"))) if len(body) > LARGE else 0


async def _decode(body: bytes) -> object:
    try:
        return await asyncio.to_thread(decode_json, body) if len(body) > LARGE else decode_json(body)
    except ValueError:
        return UnparsableResponseError()


def _refusal(head: httpx.Response, path: str, url: str) -> ComfyUIError:
    if head.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return AuthRequiredError()
    location = head.headers.get("location", "")
    if not head.has_redirect_location:
        return HTTPStatusError(path, head.status_code)
    target = redirect_host(location)
    if url.startswith("http:") and location.lower().startswith("https:") and target == urlsplit(url).hostname:
        return TLSRequiredError()
    if any(word in location.lower() for word in _LOGIN):
        return AuthRequiredError()
    return HTTPStatusError(path, head.status_code, f", a redirect to {target}")


def _explain(error: httpx.HTTPError, status: int) -> ComfyUIError:
    match error:
        case httpx.ConnectTimeout():
            # The TLS handshake took so long.
            return ResponseTimeoutError(HANGS)
        case httpx.ProxyError():
            return ServerUnreachableError("the proxy did not let the request through")
        case httpx.ConnectError():
            words = describe_connect_error(error)
            return TLSNotSupportedError() if any(each in words for each in NOT_TLS) else ServerUnreachableError(words)
        case _ if status and isinstance(error, _CUT_OFF):
            return ConnectionDroppedError("closed the connection in the middle of its answer")
        case httpx.RemoteProtocolError() if not is_disconnect(error):
            return UnparsableResponseError()
        case httpx.NetworkError() | httpx.RemoteProtocolError():
            return ConnectionDroppedError("closed the connection without an answer")
        case _:
            return ServerUnreachableError("the request could not be made")
