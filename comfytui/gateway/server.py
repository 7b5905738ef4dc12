"""The gateway on a socket: uvicorn around the app that the dashboard uses in-process."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import TYPE_CHECKING

from comfytui.config.settings import MAX_PORT
from comfytui.gateway.app import create_app

if TYPE_CHECKING:
    import uvicorn
    from pydantic import SecretStr

    from comfytui.gateway.fleet import Fleet


# Dashboards poll every few seconds, so a connection must stay open for longer than that.
KEEP_ALIVE_SECONDS = 75
GRACE_SECONDS = 5
# A client of an event stream that takes no more data is gone, or too slow to be of use.
UNREAD_SECONDS = 30


class ServeError(Exception):
    """Serving could not begin; the text is one sentence for the user."""


class ServeExtraMissingError(ServeError):
    """The `serve` extra is not installed."""

    def __init__(self) -> None:
        super().__init__("Serving needs one more package: pip install 'comfytui[serve]'")


class ListenError(ServeError):
    """The address cannot be listened on: in use, forbidden, out of range, or an unknown host."""

    def __init__(self, host: str, port: int, reason: str) -> None:
        super().__init__(f"Cannot listen on {_authority(host, port)}: {reason}")


def serve(fleet: Fleet, host: str, port: int, token: SecretStr, announce: Callable[[str], None]) -> None:
    """Serve a fleet until Ctrl+C or SIGTERM, then close it.

    Args:
        fleet: Source of the runners.
        host: Name or address of this machine; the caller decides if others may reach it.
        port: 0 to 65535, where 0 takes any free port.
        token: The one bearer token that is accepted; never empty.
        announce: Called with a line that holds the URL, real port included, once connections are accepted.

    Raises:
        ServeExtraMissingError: uvicorn is not installed.
        ListenError: The address cannot be listened on.
        ValueError: The token is empty.
    """
    server = _server(fleet, token)
    with _listen(host, port) as listener, _stopped_by_signals(server):
        announce(f"Serving on http://{_authority(host, listener.getsockname()[1])}")
        asyncio.run(_run(server, listener, announce))


async def _run(server: uvicorn.Server, listener: socket.socket, say: Callable[[str], None]) -> None:
    from comfytui.gateway.guard import report_errors

    loop = asyncio.get_running_loop()
    loop.set_exception_handler(report_errors(loop, say))
    await server.serve(sockets=[listener])


def _server(fleet: Fleet, token: SecretStr) -> uvicorn.Server:
    try:
        import uvicorn
    except ImportError as error:
        raise ServeExtraMissingError from error
    from comfytui.gateway.guard import BACKLOG, Connections, guarded

    class _Server(uvicorn.Server):
        async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
            # uvicorn waits for open responses, so event streams have to be ended first.
            fleet.events.close()
            await super().shutdown(sockets)

    config = uvicorn.Config(
        create_app(fleet, token),
        lifespan="on",
        http=guarded(Connections()),
        loop="asyncio",
        backlog=BACKLOG,
        ws="none",
        # uvicorn's own configuration examines standard output, which may be closed.
        log_config=None,
        # At lower levels it logs every request that is not HTTP.
        log_level="error",
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=GRACE_SECONDS,
    )
    return _Server(config)


def _listen(host: str, port: int) -> socket.socket:
    if not 0 <= port <= MAX_PORT:
        raise ListenError(host, port, f"a port is a number from 0 to {MAX_PORT}")
    try:
        family, address = _address(host)
        listener = socket.create_server((address, port), family=family)
    except OSError as error:
        raise ListenError(host, port, _reason(error)) from error
    except ValueError as error:
        raise ListenError(host, port, str(error)) from error
    # asyncio does this itself only for sockets with a protocol number; without it each response waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_SECONDS * 1000)
    return listener


def _reason(error: OSError) -> str:
    """Return the system's message without the address that `create_server` adds."""
    known = error.errno is not None and not isinstance(error, socket.gaierror)
    return os.strerror(error.errno or 0) if known else error.strerror or "unknown"


def _address(host: str) -> tuple[socket.AddressFamily, str]:
    """Return the host's first address, IPv4 if it has both: users type it into another terminal."""
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, str(address[0])


@contextlib.contextmanager
def _stopped_by_signals(server: uvicorn.Server) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a plain return within the context.

    uvicorn handles them while it runs but then raises them again, and it does not yet handle them before that.
    Signals belong to the main thread; on any other this does nothing.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        server.should_exit = True

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _authority(host: str, port: int) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
