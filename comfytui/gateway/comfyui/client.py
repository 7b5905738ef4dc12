"""Asking a ComfyUI server over HTTP: with limits to time and size, and words for whatever goes wrong.

Every error is raised where no other one is being handled: an exception of httpx holds the request, and that the
headers that the server is to be sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import httpx

from comfytui.api.answers import Wire, is_hang_up
from comfytui.api.body import read_json
from comfytui.api.causes import target_of, why_not_connected
from comfytui.gateway.comfyui.connection import connect, speaks_tls
from comfytui.gateway.comfyui.problems import (
    BoxProblem,
    Garbled,
    NeedsPassword,
    NotAnswering,
    NotThere,
    Refused,
    SpeaksPlain,
    SpeaksTLS,
    TooLarge,
)

if TYPE_CHECKING:
    from comfytui.config.servers import Server

__all__ = ["MAX_BODY", "BoxClient", "is_comfyui"]

MAX_BODY = 8_000_000
"""Bytes of a body that are taken."""

_HANGS = "accepts connections and does not answer"
_LARGE = 1_000_000
_CUT_OFF = (httpx.RemoteProtocolError, httpx.ReadError)
_LOGIN = ("login", "log-in", "signin", "sign-in", "sign_in", "auth", "sso")
_NOT_TLS = ("wrong version number", "record layer failure")


class BoxClient:
    """Connections to one ComfyUI server.

    Neither Origin nor cookies are sent, redirects not followed, and proxies of the environment not used for hosts of
    the neighbourhood. Nothing is tried again: only a kept-alive connection that turns out to be dead is replaced,
    once, at once. Nothing is connected, nor are certificates read, before the first request.

    Args:
        server: Whom to ask; its headers go along with every request.
        ca_bundle: A file or directory of certificates to trust instead of the public authorities' or those that
            SSL_CERT_FILE or SSL_CERT_DIR name.
        timeout: Seconds within which a whole answer must have arrived, a connection within half of them.
        transport: Who carries requests instead of the network.

    Attributes:
        received: Bytes of bodies that came in so far.
    """

    def __init__(
        self,
        server: Server,
        *,
        ca_bundle: Path | None = None,
        timeout: float = 5.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.received = 0
        self._server = server
        self._ca_bundle = ca_bundle
        self._timeout = timeout
        self._transport = transport
        self._client: httpx.AsyncClient | None = None
        self._opening = asyncio.Lock()

    async def get(self, path: str, params: Mapping[str, str | int] | None = None, glimpse: int = 0) -> object:
        """GET a path below the server's address and decode the JSON that it answers.

        Args:
            path: It begins with one slash and is quoted already.
            params: The query.
            glimpse: How many bytes of an answer that is too large are wanted all the same.

        Raises:
            BoxProblem: The leaf for what went wrong.
        """
        outcome = await self._outcome(_Attempt(path, params, glimpse))
        if isinstance(outcome, BoxProblem):
            raise outcome
        return outcome

    async def aclose(self) -> None:
        """Close all connections; nothing may be asked afterwards."""
        if self._client is not None:
            await self._client.aclose()

    async def _outcome(self, attempt: _Attempt) -> object:
        client = await self._open()
        if isinstance(client, BoxProblem):
            return client
        outcome = await self._in_time(client, attempt)
        if isinstance(outcome, BoxProblem) and attempt.may_want_tls and await self._speaks_tls():
            return SpeaksTLS()
        return outcome

    async def _in_time(self, client: httpx.AsyncClient, attempt: _Attempt) -> object:
        try:
            async with asyncio.timeout(self._timeout):
                outcome = await self._once(client, attempt)
                return await self._once(client, attempt) if attempt.went_stale else outcome
        except TimeoutError:
            begun = f"no whole answer within {self._timeout:g} s"
            return NotAnswering(begun if attempt.status else _HANGS)
        except (httpx.InvalidURL, UnicodeError):
            return NotThere("no such host")

    async def _open(self) -> httpx.AsyncClient | BoxProblem:
        async with self._opening:
            if self._client is None:
                opened = await connect(self._server, self._ca_bundle, self._timeout, self._transport)
                if isinstance(opened, BoxProblem):
                    return opened
                self._client = opened
            return self._client

    async def _once(self, client: httpx.AsyncClient, attempt: _Attempt) -> object:
        wire = Wire()
        request = client.build_request("GET", attempt.path, params=attempt.params, extensions={"trace": wire})
        attempt.went_stale = attempt.may_want_tls = False
        try:
            head = await client.send(request, stream=True)
            async with contextlib.aclosing(head):
                return await self._read(attempt, head)
        except httpx.HTTPError as error:
            attempt.went_stale = wire.went_stale and is_hang_up(error)
            # A server that speaks TLS may drop plain http without a word.
            attempt.may_want_tls = not attempt.status and isinstance(error, _CUT_OFF)
            return _explain(error, attempt.status, self._timeout, wire)

    async def _read(self, attempt: _Attempt, head: httpx.Response) -> object:
        attempt.status = head.status_code
        if not head.is_success:
            # What other servers answer there.
            attempt.may_want_tls = head.status_code == httpx.codes.BAD_REQUEST
            return _refusal(head, attempt.path, self._server.url)
        most = min(attempt.glimpse, MAX_BODY) if _promised(head) > MAX_BODY else MAX_BODY + 1
        body = await self._body(head, most)
        if len(body) < most:
            return await _decode(body)
        return TooLarge(attempt.path, MAX_BODY, body[: attempt.glimpse])

    async def _body(self, head: httpx.Response, most: int) -> bytes:
        """The body; of one that is longer than that, no more than it takes to know."""
        body = bytearray()
        if most > 0:
            async for chunk in cast("httpx.AsyncByteStream", head.stream):
                body += chunk
                self.received += len(chunk)
                if len(body) >= most:
                    break
        return bytes(body)

    async def _speaks_tls(self) -> bool:
        address = urlsplit(self._server.url)
        if address.scheme != "http" or self._transport is not None:
            return False
        return await speaks_tls(address.hostname or "", address.port or 80)


async def is_comfyui(server: Server, seconds: float = 1.0) -> bool:
    """Whether what answers there within so many seconds is a ComfyUI; raises nothing."""
    async with contextlib.aclosing(BoxClient(server, timeout=seconds)) as client:
        try:
            answer = await client.get("/prompt")
        except BoxProblem:
            return False
    return isinstance(answer, dict) and isinstance(answer.get("exec_info"), dict)


@dataclass(slots=True)
class _Attempt:
    """A request and how far it came: `status` is there once the head of its answer is."""

    path: str
    params: Mapping[str, str | int] | None
    glimpse: int = 0
    status: int = 0
    went_stale: bool = False
    may_want_tls: bool = False


def _promised(head: httpx.Response) -> int:
    text = head.headers.get("content-length", "")
    return int(text) if text.isdecimal() and len(text) < 20 else 0


async def _decode(body: bytes) -> object:
    try:
        return await asyncio.to_thread(read_json, body) if len(body) > _LARGE else read_json(body)
    except ValueError:
        return Garbled()


def _refusal(head: httpx.Response, path: str, url: str) -> BoxProblem:
    if head.status_code in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return NeedsPassword()
    location = head.headers.get("location", "")
    if not head.has_redirect_location:
        return Refused(path, head.status_code)
    target = target_of(location)
    if url.startswith("http:") and location.lower().startswith("https:") and target == urlsplit(url).hostname:
        return SpeaksTLS()
    if any(word in location.lower() for word in _LOGIN):
        return NeedsPassword()
    return Refused(path, head.status_code, f", a redirect to {target}")


def _explain(error: httpx.HTTPError, status: int, timeout: float, wire: Wire) -> BoxProblem:
    match error:
        case httpx.ConnectTimeout() if wire.was_accepted:
            # What took so long was TLS.
            return NotAnswering(_HANGS)
        case httpx.ConnectTimeout():
            return NotThere(f"no connection within {timeout / 2:g} s")
        case httpx.ProxyError():
            return NotThere("the proxy did not let the request through")
        case httpx.ConnectError():
            words = why_not_connected(error)
            return SpeaksPlain() if any(each in words for each in _NOT_TLS) else NotThere(words)
        case _ if status and isinstance(error, _CUT_OFF):
            return NotThere("closed the connection in the middle of its answer")
        case httpx.RemoteProtocolError() if not is_hang_up(error):
            return Garbled()
        case httpx.NetworkError() | httpx.RemoteProtocolError():
            return NotThere("closed the connection without an answer")
        case _:
            return NotThere("the request could not be made")
