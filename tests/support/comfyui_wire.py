"""HTTP/1.1 and WebSockets on one port of the loopback interface, counted, and silent where a test wants it so."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl

from websockets.http11 import Request
from websockets.server import ServerProtocol

from tests.support.listener import Listener

__all__ = ["AUTHORITY", "Asked", "WireServer"]

TLS = Path(__file__).parent.parent / "fixtures" / "tls"

AUTHORITY = TLS / "authority.pem"
"""Whom to trust where a server speaks TLS."""

_PIECE = 65536


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for a quoted path, with what its query says and its headers, names in lower case."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


@dataclass(eq=False, slots=True)
class _Connection:
    """A client, and the WebSocket that it may have become."""

    reader: asyncio.StreamReader = field(repr=False)
    writer: asyncio.StreamWriter = field(repr=False)
    socket: ServerProtocol | None = None


def _server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "localhost.pem")
    return context


class WireServer:
    """The server; what it answers is for a subclass to say.

    Args:
        tls: Whether it speaks TLS alone, as `localhost`.

    Attributes:
        requests: What it was asked: methods and quoted paths with queries, handshakes of WebSockets included.
        headers: The headers of each of those requests, names in lower case.
        connections: How many TCP connections were made to it.
        bytes_in: Bytes received, those of WebSockets included, without TLS.
        bytes_out: Bytes sent, likewise.
        was_asked: Set by each request.
    """

    def __init__(self, tls: bool) -> None:
        self.requests: list[tuple[str, str]] = []
        self.headers: list[Mapping[str, str]] = []
        self.connections = self.bytes_in = self.bytes_out = 0
        self.was_asked = asyncio.Event()
        self._tls = tls
        self._listener = Listener(self._serve, _server_context() if tls else None)
        self._clients: list[_Connection] = []
        self._hung: tuple[str, ...] = ()
        self._resumed = asyncio.Event()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https://localhost' if self._tls else 'http://127.0.0.1'}:{self._listener.port}"

    @property
    def paths(self) -> list[str]:
        """The quoted paths of the requests, without their queries."""
        return [target.partition("?")[0] for _, target in self.requests]

    @property
    def sockets(self) -> int:
        """How many WebSockets are open."""
        return sum(client.socket is not None for client in self._clients)

    async def say(self, message: Mapping[str, Any] | str | bytes) -> None:
        """Send this to every socket: JSON, text as it is, or a binary preview."""
        for client in list(self._clients):
            match client.socket, message:
                case None, _:
                    continue
                case socket, bytes():
                    socket.send_binary(message)
                case socket, str():
                    socket.send_text(message.encode())
                case socket, _:
                    socket.send_text(json.dumps(message).encode())
            await self._flush(client)

    async def part(self) -> None:
        """Close every socket as the protocol wants it."""
        for client in list(self._clients):
            if client.socket is not None:
                client.socket.send_close(1001)
                await self._flush(client)

    def hang(self, *paths: str) -> None:
        """Answer nothing from now on, or no request whose path and query begin so; connections are still accepted."""
        self._hung = paths or ("",)
        self._resumed.clear()

    def resume(self) -> None:
        """Answer again, beginning with what was asked meanwhile."""
        self._hung = ()
        self._resumed.set()

    async def start(self) -> None:
        """Accept connections, after `stop` on the same port as before."""
        await self._listener.open()

    async def stop(self) -> None:
        """Drop all connections without a word, which a WebSocket calls 1006, and refuse new ones."""
        await self._listener.close()

    def refusal(self, asked: Asked) -> bytes:
        """The response that refuses a request or a WebSocket; empty where none does."""
        raise NotImplementedError

    def answer_to(self, asked: Asked) -> bytes:
        """The response to a request."""
        raise NotImplementedError

    def greeting(self, asked: Asked) -> object:
        """What a new WebSocket is told first, as JSON."""
        raise NotImplementedError

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        client = _Connection(reader, writer)
        self._clients.append(client)
        try:
            await self._talk(client)
        finally:
            self._clients.remove(client)

    async def _talk(self, client: _Connection) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while client.socket is None:
                head = await client.reader.readuntil(b"\r\n\r\n")
                self.bytes_in += len(head)
                asked = self._note(head)
                await self._awake(self.requests[-1][1])
                await self._answer(client, asked, head)
            await self._listen(client, client.socket)

    def _note(self, head: bytes) -> Asked:
        line, *fields = head.decode("latin-1").strip().split("\r\n")
        method, target, _ = line.split(" ")
        path, _, query = target.partition("?")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in fields)}
        self.requests.append((method, target))
        self.headers.append(headers)
        self.was_asked.set()
        return Asked(path, dict(parse_qsl(query, keep_blank_values=True)), headers)

    async def _awake(self, target: str) -> None:
        while any(target.startswith(each) for each in self._hung):
            self._resumed.clear()
            await self._resumed.wait()

    async def _send(self, client: _Connection, data: bytes) -> None:
        # In pieces: one who stops reading is not sent, nor counted, the rest.
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            client.writer.write(piece)
            await client.writer.drain()
            self.bytes_out += len(piece)

    async def _answer(self, client: _Connection, asked: Asked, head: bytes) -> None:
        refusal = self.refusal(asked)
        if refusal or "upgrade" not in asked.headers:
            await self._send(client, refusal or self.answer_to(asked))
            return
        socket = ServerProtocol()
        socket.receive_data(head)
        (request,) = (each for each in socket.events_received() if isinstance(each, Request))
        socket.send_response(socket.accept(request))
        socket.send_text(json.dumps(self.greeting(asked)).encode())
        client.socket = socket
        await self._flush(client)

    async def _listen(self, client: _Connection, socket: ServerProtocol) -> None:
        while data := await client.reader.read(_PIECE):
            self.bytes_in += len(data)
            await self._awake("")
            socket.receive_data(data)
            await self._flush(client)

    async def _flush(self, client: _Connection) -> None:
        for data in client.socket.data_to_send() if client.socket else ():
            if data:
                await self._send(client, data)
            else:
                client.writer.close()
