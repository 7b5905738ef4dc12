"""Listening loopback socket whose close() leaves no connection open.

asyncio.start_server() does not tell of a connection before its handshake is done, and before Python 3.12 its
wait_closed() waits for none: what was accepted last would be found by the garbage collector during a later test.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeAlias

Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Serves one connection, which is closed when it returns."""

_CLOSING_STEPS = 10


class Listener:
    """Listening socket on 127.0.0.1 that owns every connection it accepts.

    Args:
        handler: Serves each connection in a task of its own; cancelled by `close`.
        tls: Server certificate, or None for plain TCP.

    Attributes:
        port: Port number, kept when it is opened again; 0 before it is first opened.
    """

    def __init__(self, handler: Handler, tls: ssl.SSLContext | None = None) -> None:
        self.port = 0
        self._handler = handler
        self._tls = tls
        self._listening: socket.socket | None = None
        self._sockets: list[socket.socket] = []
        self._writers: dict[socket.socket, asyncio.StreamWriter] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def open(self) -> None:
        """Accept connections."""
        self._listening = socket.create_server(("127.0.0.1", self.port))
        self._listening.setblocking(False)
        self.port = self._listening.getsockname()[1]
        asyncio.get_running_loop().add_reader(self._listening, self._accept, self._listening)

    async def close(self) -> None:
        """Refuse new connections, drop the open ones and check that none is left."""
        if self._listening is not None:
            asyncio.get_running_loop().remove_reader(self._listening)
            self._listening.close()
            self._listening = None
        for writer in self._writers.values():
            writer.transport.abort()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Transports close their sockets in callbacks.
        for _ in range(_CLOSING_STEPS):
            await asyncio.sleep(0)
        left = [connection for connection in self._sockets if connection.fileno() != -1]
        assert not left, f"still open: {left}"
        self._sockets.clear()
        self._writers.clear()

    def _accept(self, listening: socket.socket) -> None:
        try:
            connection, _ = listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        connection.setblocking(False)
        self._sockets.append(connection)
        task = asyncio.create_task(self._serve(connection))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        # A task cancelled before its first step runs no `finally`.
        task.add_done_callback(lambda _: self._release(connection))

    def _release(self, connection: socket.socket) -> None:
        if writer := self._writers.get(connection):
            writer.close()
        else:
            connection.close()

    async def _serve(self, connection: socket.socket) -> None:
        reader = asyncio.StreamReader()

        def connected(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._writers[connection] = writer

        with contextlib.suppress(OSError):
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: asyncio.StreamReaderProtocol(reader, connected), connection, ssl=self._tls
            )
            await self._handler(reader, self._writers[connection])
