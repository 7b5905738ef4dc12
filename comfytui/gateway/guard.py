"""Limits of the gateway's socket: connections in all and per address, and time for a request to arrive.

uvicorn has no limit on connections that send nothing or half a request, and such connections cost a descriptor each.
"""

from __future__ import annotations

import asyncio
import errno
import resource
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    from uvicorn.config import Config
    from uvicorn.server import ServerState


BACKLOG = 64
"""Connections that are accepted at once at most, and may need a descriptor beyond the limit for a moment."""

MAX_CONNECTIONS = 512
REQUEST_SECONDS = 10.0
STALLED_SECONDS = 30.0
REPORT_SECONDS = 60.0

_RESERVED = 32
_NO_DESCRIPTORS = (errno.EMFILE, errno.ENFILE)
_SHARE = 4


class Connections:
    """Open connections of a server; decides which one gives way to a new one.

    One address has at most a quarter of all. A new connection beyond a limit closes the oldest one that has no request
    in progress, of the same address if that is at its limit; if there is none, it is closed itself.

    Args:
        most: Connections in all; as many as descriptors allow if not given.
    """

    def __init__(self, most: int | None = None) -> None:
        self._most = most or _affordable()
        self._most_of_one = max(2, self._most // _SHARE)
        self._open: dict[GuardedProtocol, str] = {}

    def admit(self, new: GuardedProtocol, address: str) -> bool:
        """Return True if a new connection may stay; an old one may be closed for it."""
        of_address = [other for other, theirs in self._open.items() if theirs == address]
        if len(of_address) >= self._most_of_one and not self._close_oldest(of_address):
            return False
        if len(self._open) >= self._most and not self._close_oldest(list(self._open)):
            return False
        self._open[new] = address
        return True

    def remove(self, connection: GuardedProtocol) -> None:
        """Remove a closed connection."""
        self._open.pop(connection, None)

    def _close_oldest(self, connections: list[GuardedProtocol]) -> bool:
        waiting = [connection for connection in connections if not connection.is_answering]
        # A connection that was answered before is more likely a client than one without a whole request.
        oldest = next((each for each in waiting if not each.was_answered), waiting[0] if waiting else None)
        if oldest is None:
            return False
        self.remove(oldest)
        oldest.drop()
        return True


class GuardedProtocol(H11Protocol):
    """HTTP connection whose requests must arrive, and whose responses must be read, in time.

    Attributes:
        guard: The connections of the server.
        was_answered: True once a request was answered.
    """

    guard: Connections

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.was_answered = False
        self._arriving: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None

    @property
    def is_answering(self) -> bool:
        """True while a whole request waits for its answer."""
        return self._is_in_progress and self.conn.their_state is not h11.SEND_BODY

    @property
    def _is_in_progress(self) -> bool:
        # uvicorn's attribute is None before the first request, although its type is not optional.
        cycle = vars(self)["cycle"]
        return cycle is not None and not cycle.response_complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start the timer of the first request, unless there are too many connections."""
        if not isinstance(transport, asyncio.Transport):
            return
        super().connection_made(transport)
        self._arriving = self.loop.call_later(REQUEST_SECONDS, self.drop)
        address = self.client[0] if self.client else ""
        if not self.guard.admit(self, address):
            self.drop()

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room for another connection."""
        self.guard.remove(self)
        self._arriving = _cancel(self._arriving)
        self._stalled = _cancel(self._stalled)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Process a part of a request; what is not HTTP is refused."""
        if self.transport.is_closing():
            return
        try:
            super().data_received(data)
        except (ValueError, h11.LocalProtocolError):
            # uvicorn fails at paths with bytes that are not allowed in URLs.
            self.drop()
        self._wait_for_rest()

    def send_400_response(self, msg: str) -> None:
        """Refuse a request that is not HTTP; one that was being answered is over."""
        if self._is_in_progress:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self.drop()
        else:
            super().send_400_response(msg)

    def on_response_complete(self) -> None:
        """Record that the client was answered."""
        self.was_answered = True
        super().on_response_complete()
        self._wait_for_rest()

    def pause_writing(self) -> None:
        """Start the timer of a client that does not read its response."""
        super().pause_writing()
        self._stalled = self._stalled or self.loop.call_later(STALLED_SECONDS, self.drop)

    def resume_writing(self) -> None:
        """Stop the timer: the client has read."""
        self._stalled = _cancel(self._stalled)
        super().resume_writing()

    def drop(self) -> None:
        """Close the connection at once, without sending the rest."""
        self.transport.abort()

    def _wait_for_rest(self) -> None:
        """Start or stop the timer of a request that has arrived in part."""
        has_begun = bool(self.conn.trailing_data[0]) or self.conn.their_state is h11.SEND_BODY
        if self.is_answering or (self.was_answered and not has_begun):
            self._arriving = _cancel(self._arriving)
        elif self._arriving is None and not self.transport.is_closing():
            self._arriving = self.loop.call_later(REQUEST_SECONDS, self.drop)


def guarded(connections: Connections) -> type[GuardedProtocol]:
    """Return the protocol for one server's connections."""
    return type("Guarded", (GuardedProtocol,), {"guard": connections})


def report_errors(
    loop: asyncio.AbstractEventLoop, say: Callable[[str], None]
) -> Callable[[asyncio.AbstractEventLoop, dict[str, Any]], None]:
    """Return an error handler for the event loop that prints one line an error, at most one a minute.

    A loop without free descriptors reports that thousands of times a second.
    """
    said_at = -REPORT_SECONDS

    def handle(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        nonlocal said_at
        if loop.time() - said_at < REPORT_SECONDS:
            return
        said_at = loop.time()
        cause = context.get("exception")
        if isinstance(cause, OSError) and cause.errno in _NO_DESCRIPTORS:
            say("Too many open files: new connections wait. A larger ulimit -n helps.")
        else:
            say(f"{context.get('message', 'an error')}: {cause!r}")

    return handle


def _affordable() -> int:
    """Return the number of connections that the limit of open files allows."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(4, min(MAX_CONNECTIONS, soft - _RESERVED - 2 * BACKLOG))


def _cancel(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancel a timer, if any, and return None to store in its place."""
    if timer is not None:
        timer.cancel()
    return None
