"""Asking over HTTP: the only user of httpx on the client's side.

One pooled connection set, one bearer token (page api/authentication), one way to ask. What goes wrong comes out as
`comfytui.api.errors` and as nothing else. Every error is raised where no other one is being handled: an exception of
httpx holds the request, the request holds the token, and a crash screen shows what an exception holds.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import TYPE_CHECKING, cast

import httpx

from comfytui import __version__
from comfytui.api.body import ENDED_EARLY, MAX_BODY, TOO_LARGE, as_message, message_in, read_json, unpack
from comfytui.api.causes import target_of, why_not_connected
from comfytui.api.errors import (
    ComfyControlError,
    InvalidArgument,
    RequestError,
    TimedOut,
    Unintelligible,
    Unreachable,
    status_error,
)

if TYPE_CHECKING:
    from pydantic import SecretStr

__all__ = ["Session"]

DEFAULT_TIMEOUT = 10.0

_METHOD = "GET"
_LARGE = 1024 * 1024
_CONNECTIONS = 10
# All three: leaving one out lifts the limit on the others.
_LIMITS = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=60.0)
_HEADERS = {"User-Agent": f"comfytui/{__version__}", "Accept": "application/json", "Accept-Encoding": "gzip"}
_HEADER_VALUE = re.compile(r"[!-~]+")
_HOST = re.compile(r"[A-Za-z0-9._:-]+")


class Session:
    """Connections to one API address, in the name of one token.

    Redirects are not followed, cookies neither kept nor sent, and nothing is tried again: only a kept-alive
    connection that turns out to be dead is replaced, once, at once.

    Args:
        base_url: Scheme, host and perhaps port and a path prefix, with or without a slash at the end.
        token: The bearer token.
        transport: Who carries requests instead of the network.
        timeout: Seconds within which the whole answer must have arrived, a connection within half of them.

    Raises:
        InvalidArgument: The address, the token, or the certificates or proxies that the environment names cannot be
            used.
    """

    def __init__(
        self,
        base_url: str,
        token: SecretStr,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._token = token
        self._timeout = timeout
        client = _connect(base_url, token, transport, timeout)
        if isinstance(client, InvalidArgument):
            raise client
        self._client = client

    async def get_json(self, path: str, params: Mapping[str, str | int] | None = None) -> object:
        """GET a path below the address and decode the JSON that is answered.

        Args:
            path: It begins with one slash and is quoted already.
            params: The query.

        Raises:
            RequestError: The leaf of the tree for what went wrong.
        """
        outcome = await self._outcome(path, params)
        if isinstance(outcome, ComfyControlError):
            raise outcome
        return outcome

    async def aclose(self) -> None:
        """Close all connections; nothing may be asked afterwards."""
        await self._client.aclose()

    async def _outcome(self, path: str, params: Mapping[str, str | int] | None) -> object:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._judge(path, await self._ask(path, params))
        except TimeoutError:
            return TimedOut(_METHOD, path, f"no whole answer within {self._timeout:g} seconds")
        except httpx.InvalidURL:
            return InvalidArgument("this cannot be asked: the path is too long, or is no path")
        except httpx.HTTPError as error:
            kind, words = _explain(error, self._timeout)
            return kind(_METHOD, path, as_message(words, self._token))

    async def _ask(self, path: str, params: Mapping[str, str | int] | None) -> _Answer:
        wire = _Wire()
        try:
            return await self._ask_once(path, params, wire)
        except httpx.HTTPError as error:
            if not (wire.went_stale and _is_hang_up(error)):
                raise
        return await self._ask_once(path, params, _Wire())

    async def _ask_once(self, path: str, params: Mapping[str, str | int] | None, wire: _Wire) -> _Answer:
        extensions = {"trace": wire}
        async with self._client.stream(_METHOD, path, params=params, extensions=extensions) as response:
            if response.has_redirect_location:
                return _Answer(response.status_code, location=response.headers["location"])
            raw, flaw = await _read(cast("httpx.AsyncByteStream", response.stream))
            coding = response.headers.get("content-encoding", "").strip().lower()
            return _Answer(response.status_code, response.reason_phrase, coding=coding, raw=raw, flaw=flaw)

    async def _judge(self, path: str, answer: _Answer) -> object:
        value, flaw = await _decode(answer)
        if not 200 <= answer.status <= 299:
            words = as_message("" if flaw else message_in(value), self._token)
            words = words or as_message(_words_for(answer), self._token)
            return status_error(_METHOD, path, words, answer.status)
        return Unintelligible(_METHOD, path, flaw) if flaw else value


class _Bearer(httpx.Auth):
    """Puts the token into each request as it leaves, so that no client, header set or repr holds it before."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token.get_secret_value()}"
        yield request


class _Wire:
    """What one request met on its way down, as told by the transport's `trace` extension."""

    def __init__(self) -> None:
        self._events: set[str] = set()

    async def __call__(self, event: str, _info: Mapping[str, object]) -> None:
        self._events.add(event)

    @property
    def went_stale(self) -> bool:
        """Whether the request went out on a connection from before and no answer began."""
        connected = any("connect_tcp" in event for event in self._events)
        sent = "http11.send_request_headers.started" in self._events
        return sent and not connected and "http11.receive_response_headers.complete" not in self._events


@dataclass(frozen=True, slots=True)
class _Answer:
    """What came back: `flaw` is why the body is not whole, `location` where a redirect leads."""

    status: int
    reason: str = ""
    location: str | None = None
    coding: str = ""
    raw: bytes = field(default=b"", repr=False)
    flaw: str = ""


def _connect(
    base_url: str, token: SecretStr, transport: httpx.AsyncBaseTransport | None, timeout: float
) -> httpx.AsyncClient | InvalidArgument:
    if not _HEADER_VALUE.fullmatch(token.get_secret_value()):
        return InvalidArgument("the API token is empty, or holds blanks or characters that no token has")
    address = _address(base_url)
    if isinstance(address, InvalidArgument):
        return address
    try:
        return httpx.AsyncClient(
            base_url=address,
            auth=_Bearer(token),
            headers=_HEADERS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            timeout=httpx.Timeout(timeout, connect=timeout / 2),
            limits=_LIMITS,
            follow_redirects=False,
            transport=transport,
            trust_env=not _is_loopback(address.host),
        )
    except OSError:
        return InvalidArgument("SSL_CERT_FILE or SSL_CERT_DIR names no certificates that can be read")
    except (ImportError, ValueError, httpx.InvalidURL):
        return InvalidArgument("HTTP_PROXY, HTTPS_PROXY or ALL_PROXY names no proxy that can be used")


def _address(base_url: str) -> httpx.URL | InvalidArgument:
    """The address as a URL, or the sentence that says what is wrong, which repeats nothing: it may hold a password."""
    try:
        url = httpx.URL(base_url)
        host = url.raw_host.decode("ascii")
        is_host = bool(_HOST.fullmatch(host)) and bool(url.host and host.encode("idna"))
    except (ValueError, httpx.InvalidURL):
        return InvalidArgument("the API address is no URL")
    if url.scheme not in ("http", "https"):
        return InvalidArgument("the API address must begin with http:// or https://")
    if not is_host or not 1 <= (url.port or 80) <= 65535 or url.port == 0:
        return InvalidArgument("the API address must name a host, and a port from 1 to 65535 if any")
    if url.userinfo:
        return InvalidArgument("the API address must not hold a user name or password")
    if "?" in base_url or "#" in base_url:
        return InvalidArgument("the API address must end before any ? or #")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _is_hang_up(error: httpx.HTTPError) -> bool:
    if isinstance(error, httpx.RemoteProtocolError):
        return "disconnected" in str(error)
    return isinstance(error, (httpx.ReadError, httpx.WriteError))


async def _read(stream: httpx.AsyncByteStream) -> tuple[bytes, str]:
    """The bytes of a body, and why they are not all of it."""
    body = bytearray()
    try:
        async for chunk in stream:
            body += chunk
            if len(body) > MAX_BODY:
                return b"", TOO_LARGE
    except (httpx.RemoteProtocolError, httpx.ReadError):
        return b"", ENDED_EARLY
    return bytes(body), ""


async def _decode(answer: _Answer) -> tuple[object, str]:
    """The JSON of an answer, and why there is none."""
    if answer.flaw:
        return None, answer.flaw
    try:
        body = unpack(answer.raw, answer.coding)
        return await asyncio.to_thread(read_json, body) if len(body) > _LARGE else read_json(body), ""
    except ValueError as error:
        return None, str(error)


def _words_for(answer: _Answer) -> str:
    """Words for a status whose body gives none."""
    if answer.location is not None:
        return f"{answer.status}: redirects are not followed; this one leads to {target_of(answer.location)}"
    try:
        phrase = HTTPStatus(answer.status).phrase.lower()
    except ValueError:
        phrase = answer.reason or "unknown"
    return f"{answer.status}: {phrase}"


def _explain(error: httpx.HTTPError, timeout: float) -> tuple[type[RequestError], str]:
    match error:
        case httpx.ConnectTimeout():
            return TimedOut, f"no connection within {timeout / 2:g} seconds"
        case httpx.TimeoutException():
            return TimedOut, f"no whole answer within {timeout:g} seconds"
        case httpx.ProxyError():
            return Unreachable, "the proxy did not let the request through"
        case httpx.ConnectError():
            return Unreachable, why_not_connected(error)
        case httpx.RemoteProtocolError() if not _is_hang_up(error):
            return Unintelligible, "an answer that is not HTTP"
        case httpx.RemoteProtocolError():
            return Unreachable, "the server closed the connection without an answer"
        case httpx.NetworkError():
            return Unreachable, "the connection was lost before an answer came"
        case _:
            return Unreachable, "the request could not be made"
