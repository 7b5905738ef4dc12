"""An HTTP/1.1 server on a loopback socket that does, request by request, what a test wrote down.

    async with ScriptedServer() as server:
        server.on("/v1/runner", json_reply({"runners": [], "total": 0}), hang_up())
        ...  # ask server.url
        assert server.requests[0].query == {"page": "1"}

A path's answers are given in order and the last one again and again; a path without answers gets the API's 404.
An answer is any coroutine function of an `Exchange`, so a test can write its own.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self, TypeAlias
from urllib.parse import parse_qsl

from tests.support.listener import Listener

DRIP_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it came in: `path` still quoted, header names in lower case, connections counted from 1."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    connection: int


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and the connection that waits for its answer."""

    request: Request
    writer: asyncio.StreamWriter

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()


Answer: TypeAlias = Callable[[Exchange], Awaitable[None]]


def response(body: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None) -> bytes:
    """A whole response in bytes; Content-Length is the body's unless `headers` say otherwise."""
    fields = {"Content-Length": str(len(body)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"HTTP/1.1 {status} Scripted\r\n{head}\r\n".encode() + body


def raw(data: bytes) -> Answer:
    """Send exactly these bytes and keep the connection open."""
    return lambda exchange: exchange.send(data)


def reply(body: bytes = b"", status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    """A whole answer; the connection stays open."""
    return raw(response(body, status, headers))


def json_reply(value: object, status: int = 200) -> Answer:
    """A JSON body."""
    return reply(json.dumps(value).encode(), status, {"Content-Type": "application/json"})


def error_reply(status: int, message: str) -> Answer:
    """An error in the API's form."""
    return json_reply({"status": status, "message": message}, status)


def html_reply(status: int = 200) -> Answer:
    """A page for people, as a proxy or a login wall sends it."""
    return reply(b"<!doctype html><title>Sign in</title>", status, {"Content-Type": "text/html"})


def hang() -> Answer:
    """Never answer."""
    return lambda _exchange: asyncio.Future[None]()


def hang_up(first: bytes = b"") -> Answer:
    """Close the connection after these bytes, as an idle timeout of the server or a cut does."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(first)
        exchange.writer.close()

    return answer


def reset(first: bytes = b"") -> Answer:
    """Send these bytes, then tear the connection down with a TCP reset."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(first)
        connection = exchange.writer.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        exchange.writer.transport.abort()

    return answer


def truncated(body: bytes, missing: int = 10) -> Answer:
    """Promise more bytes than come, then close the connection."""
    return hang_up(response(body, headers={"Content-Length": str(len(body) + missing)}))


def drip(data: bytes) -> Answer:
    """Send a byte every DRIP_SECONDS: each read succeeds soon, the whole takes long."""

    async def answer(exchange: Exchange) -> None:
        for byte in data:
            await exchange.send(bytes([byte]))
            await asyncio.sleep(DRIP_SECONDS)

    return answer


class ScriptedServer:
    """The server; `requests` are what it was asked, `connections` how many were made to it.

    Args:
        tls: The certificate that it shows, where it speaks https as `localhost`.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._scripts: dict[str, list[Answer]] = {}
        self._tls = tls
        self._listener = Listener(self._serve, tls)

    @property
    def url(self) -> str:
        port = self._listener.port
        return f"http://127.0.0.1:{port}" if self._tls is None else f"https://localhost:{port}"

    def on(self, path: str, *answers: Answer) -> None:
        """What to answer to requests for this quoted path from now on."""
        self._scripts[path] = list(answers)

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.refuse()

    async def listen(self) -> None:
        """Accept connections, after `refuse` on the same port as before."""
        await self._listener.open()

    async def refuse(self) -> None:
        """Drop all connections and refuse new ones."""
        await self._listener.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        connection = self.connections
        with contextlib.suppress(asyncio.IncompleteReadError):
            while not writer.is_closing():
                request = _parse(await reader.readuntil(b"\r\n\r\n"), connection)
                self.requests.append(request)
                await self.answer_to(request)(Exchange(request, writer))

    def answer_to(self, request: Request) -> Answer:
        """What the next request is answered, this one."""
        answers = self._scripts.get(request.path) or [error_reply(404, "requested entity not found")]
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _parse(head: bytes, connection: int) -> Request:
    line, *fields = head.decode("latin-1").strip().split("\r\n")
    method, target, _ = line.split(" ")
    path, _, query = target.partition("?")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
    return Request(method, path, dict(parse_qsl(query)), headers, connection)
