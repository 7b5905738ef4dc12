"""Responses and transport failures of httpx, mapped to values, errors and messages."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar, cast
from urllib.parse import urlsplit

import httpx

from comfytui.api.body import BODY_TOO_LARGE, BODY_TRUNCATED, LARGE, MAX_BODY, TooLargeError, decode
from comfytui.api.errors import ConnectionFailedError, InvalidResponseError, RequestError, RequestTimeoutError

if TYPE_CHECKING:
    from comfytui.ratelimit.window import Permit
    from comfytui.threads import DaemonWorker


_CHUNKS_AT_ONCE = 64
_WRITES = "http11.send_request_headers.started"
_WRITTEN = "http11.send_request_headers.complete"
_IS_SENT = "the request itself is sent"

_T = TypeVar("_T")


@dataclass(slots=True)
class Response:
    """Response as it arrives: head first, then body.

    Attributes:
        head: Status and headers.
        raw: The body as far as it came, compressed or not.
        flaw: Why that is not all of it; empty where it is.
    """

    head: httpx.Response = field(repr=False)
    body: bytearray = field(default_factory=bytearray, repr=False)
    error: str = BODY_TRUNCATED

    @property
    def status(self) -> int:
        """HTTP status."""
        return self.head.status_code

    @property
    def is_success(self) -> bool:
        """True if the status is 2xx."""
        return 200 <= self.status <= 299

    @property
    def reason(self) -> str:
        """Message for a status without one in the body."""
        if self.head.has_redirect_location:
            target = redirect_host(self.head.headers["location"])
            return f"{self.status}: redirects are not followed; this one leads to {target}"
        try:
            phrase = HTTPStatus(self.status).phrase.lower()
        except ValueError:
            phrase = self.head.reason_phrase or "unknown"
        return f"{self.status}: {phrase}"

    async def read(self, turn: LargeTurn) -> None:
        """Let the body come in; that of a redirect is of no use."""
        if self.head.has_redirect_location:
            return
        chunks = 0
        try:
            async for chunk in cast("httpx.AsyncByteStream", self.head.stream):
                self.body += chunk
                chunks += 1
                if chunks % _CHUNKS_AT_ONCE == 0:
                    # Thousands of tiny chunks may have come at once, and reading them does not wait for anything.
                    await asyncio.sleep(0)
                if len(self.body) > LARGE:
                    await turn.take()
                if len(self.body) > MAX_BODY:
                    self.error = BODY_TOO_LARGE
                    return
        except (httpx.RemoteProtocolError, httpx.ReadError):
            return
        self.error = ""

    @property
    def content_encoding(self) -> str:
        """Content-Encoding of the body, or empty."""
        coding: str = self.head.headers.get("content-encoding", "")
        return coding.strip().lower()

    async def decode(self, read: Callable[[object], _T], turn: LargeTurn) -> _T | ValueError:
        """Return the parsed body, or the error with a message.

        Args:
            read: As for `comfytui.api.body.decode`; it may be called in a thread.
            turn: Thread for large bodies.
        """
        if self.error:
            return ValueError(self.error)
        said = decode(self.body, self.content_encoding, read, LARGE)
        if isinstance(said, TooLargeError):
            await turn.take()
            said = await turn.run(partial(decode, self.body, self.content_encoding, read))
        return said


class LargeTurn:
    """Turn to decode a large body in a thread: a session does one at a time.

    Several at once would take as many times the memory, and threads that work for long slow the screen down.

    Args:
        lock: Held while it lasts.
        worker: The thread; the process does not wait for it at its end.
    """

    def __init__(self, lock: asyncio.Lock, worker: DaemonWorker) -> None:
        self._lock = lock
        self._worker = worker
        self._is_taken = False

    async def take(self) -> None:
        """Wait for the turn, once."""
        if not self._is_taken:
            await self._lock.acquire()
            self._is_taken = True

    async def run(self, call: Callable[[], _T]) -> _T:
        """Run a call in the thread and return its result; it must not raise."""
        return await asyncio.wrap_future(self._worker.submit(call))

    def end(self) -> None:
        """Let the next turn begin."""
        if self._is_taken:
            self._is_taken = False
            self._lock.release()


class ConnectionTrace:
    """Events of one request by the transport's `trace` extension.

    Attributes:
        permit: Permit of the request, confirmed right before it is written; None if that is not to be waited for.
    """

    def __init__(self) -> None:
        self.permit: Permit | None = None
        self._events: set[str] = set()

    async def __call__(self, event: str, info: Mapping[str, object]) -> None:
        """Note an event, and have the permit confirmed before the request and its moment recorded behind it."""
        if self.permit is not None and event == _WRITES and not _is_for_proxy(info):
            await self.permit.confirm()
            self._events.add(_IS_SENT)
        self._events.add(event)
        if self.permit is not None and event == _WRITTEN and _IS_SENT in self._events:
            self.permit.mark_sent()

    def release(self) -> None:
        """Give the permit back if the request was never written."""
        if self.permit is not None and _IS_SENT not in self._events:
            self.permit.release()
        self.permit = None

    @property
    def stale_keepalive(self) -> bool:
        """True if the request used a kept-alive connection and no response began."""
        connected = any("connect_tcp" in event for event in self._events)
        sent = _WRITES in self._events
        return sent and not connected and "http11.receive_response_headers.complete" not in self._events


def _is_for_proxy(info: Mapping[str, object]) -> bool:
    """Return True if a request is a CONNECT to a proxy, which does not reach the API."""
    return getattr(info.get("request"), "method", b"") == b"CONNECT"


def is_disconnect(error: httpx.HTTPError) -> bool:
    """Return True if the connection ended before a response began."""
    if isinstance(error, httpx.RemoteProtocolError):
        return "disconnected" in str(error)
    return isinstance(error, (httpx.ReadError, httpx.WriteError))


def map_transport_error(error: httpx.HTTPError, timeout: float) -> tuple[type[RequestError], str]:
    """Return the error class and message of a failure; many errors of httpx have no message."""
    match error:
        case httpx.ConnectTimeout():
            return RequestTimeoutError, f"no connection within {timeout / 2:g} seconds"
        case httpx.TimeoutException():
            return RequestTimeoutError, f"no whole answer within {timeout:g} seconds"
        case httpx.ProxyError():
            return ConnectionFailedError, "the proxy did not let the request through"
        case httpx.ConnectError():
            return ConnectionFailedError, describe_connect_error(error)
        case httpx.RemoteProtocolError() if not is_disconnect(error):
            return InvalidResponseError, "an answer that is not HTTP"
        case httpx.RemoteProtocolError():
            return ConnectionFailedError, "the server closed the connection without an answer"
        case httpx.NetworkError():
            return ConnectionFailedError, "the connection was lost before an answer came"
        case _:
            return ConnectionFailedError, "the request could not be made"


def describe_connect_error(error: BaseException) -> str:
    """Return why connecting failed, by the operating system or TLS, found in the chain of causes."""
    for cause in _error_chain(error):
        match cause:
            case ssl.SSLCertVerificationError(verify_message=str(words)):
                return f"TLS: the server's certificate is not trusted ({words})"
            case ssl.SSLError(reason=str(words)):
                return f"TLS: no secure connection ({words.replace('_', ' ').lower()})"
            case ssl.SSLError():
                return "TLS: no secure connection"
            case socket.gaierror(errno=socket.EAI_AGAIN):
                return "the host's name cannot be looked up now"
            case socket.gaierror():
                return "no such host"
            case ConnectionRefusedError():
                return "connection refused: nothing listens there"
            case OSError(strerror=str(words)) if words:
                return words.lower()
    return "no connection could be made"


def redirect_host(location: str) -> str:
    """Return the host of a redirect; the rest of the address may hold secrets."""
    try:
        return urlsplit(location).hostname or "another path"
    except ValueError:
        return "no address"


def _error_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, groups unfolded."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _error_chain(each)
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _error_chain(cause)
