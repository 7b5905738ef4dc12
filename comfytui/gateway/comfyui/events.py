"""Change notifications of a ComfyUI server over its WebSocket; its other messages are ignored."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from uuid import uuid4

from comfytui import __version__
from comfytui.api.body import decode_json
from comfytui.gateway.comfyui.models import as_count, as_mapping
from comfytui.gateway.comfyui.transport import server_headers, ssl_context

if TYPE_CHECKING:
    from websockets.asyncio.client import ClientConnection

    from comfytui.clock import Clock
    from comfytui.config.settings import Server


RETRY_SECONDS = 30.0
"""Seconds from the end or failure of a connection to the next attempt."""
FLOOD_RETRY_S = 300.0
"""The same after a flood; until then the server is only polled."""
MOST_MESSAGES = 1_000
"""Messages a second that are taken: five times as many as an old box sends of a job's progress."""
MOST_BYTES = 16_000_000
"""The same for their bytes: previews are large."""
DEBOUNCE_S = 0.5
"""Seconds between two notifications of changes; changes in between count as one."""

_CLOSE_SECONDS = 0.5
# Previews of images are sent to every client.
_MAX_MESSAGE = 8 * 1024 * 1024
_MAX_EVENT = 64_000
_MAX_STATUS = 1_000
# At level DEBUG the library logs the headers that are sent.
_SILENCE = logging.getLogger(__name__)
_SILENCE.setLevel(logging.CRITICAL)


def _ignore(_remaining: int | None) -> None:
    """Do nothing."""


class EventListener:
    """WebSocket to one server under its own client id: sharing an id would steal events.

    Args:
        server: The server; its headers are sent with the handshake.
        on_change: Called when its jobs may have changed, at once and then every DEBOUNCE_S at most; and when
            listening begins or ends, since changes in between were missed.
        clock: Measures the time between attempts and between changes.
        ca_bundle: As for ComfyUIClient.
        on_remaining: Called with the number of jobs that wait or run as each message tells it; with None when
            listening begins or ends.

    Attributes:
        is_open: True while the WebSocket is open.
        changed_monotonic: Monotonic time of the last message about a change.
    """

    def __init__(
        self,
        server: Server,
        on_change: Callable[[], None],
        clock: Clock,
        *,
        ca_bundle: Path | None = None,
        on_remaining: Callable[[int | None], None] = _ignore,
    ) -> None:
        self.is_open = False
        self.changed_monotonic = clock.monotonic()
        self._on_remaining = on_remaining
        self._server = server
        self._on_change = on_change
        self._clock = clock
        self._ca_bundle = ca_bundle
        self._rest = RETRY_SECONDS

    async def run(self) -> None:
        """Listen until cancelled; failures are retried after RETRY_SECONDS or FLOOD_RETRY_S."""
        while True:
            self._rest = RETRY_SECONDS
            if await self._listened():
                self._note_change()
                self._on_change()
            await self._clock.sleep(self._rest)

    async def _listened(self) -> bool:
        """Listen until the connection ends. Return True if there was one."""
        from websockets.exceptions import WebSocketException

        was_open = False
        try:
            socket = await self._connect()
            was_open = self.is_open = True
            self._on_remaining(None)
            self._note_change()
            self._on_change()
            await self._hear(socket)
        except (OSError, ValueError, WebSocketException):
            # ValueError: a header or host that cannot be sent, or a redirect that must not get the headers.
            pass
        finally:
            self.is_open = False
            self._on_remaining(None)
        return was_open

    async def _connect(self) -> ClientConnection:
        from websockets.asyncio.client import connect

        address = urlsplit(self._server.url)
        is_tls = address.scheme == "https"
        headers = dict(server_headers(self._server))
        # The library makes this header from the URL and would send ours as a second one.
        called = next((headers.pop(name) for name in list(headers) if name.lower() == "host"), address.netloc)
        return await connect(
            f"{'wss' if is_tls else 'ws'}://{called}{address.path}/ws?clientId={uuid4()}",
            additional_headers=headers,
            user_agent_header=f"comfytui/{__version__}",
            compression=None,
            proxy=None,
            close_timeout=_CLOSE_SECONDS,
            max_size=_MAX_MESSAGE,
            logger=_SILENCE,
            ssl=await ssl_context(self._server.url, self._ca_bundle) if is_tls else None,
            # Host and port apart from the URL keep redirects from leading to another host.
            host=address.hostname,
            server_hostname=address.hostname if is_tls else None,
            port=address.port or (443 if is_tls else 80),
        )

    async def _hear(self, socket: ClientConnection) -> None:
        news, flow = asyncio.Event(), _RateMeter(self._clock)
        telling = asyncio.create_task(self._tell(news))
        try:
            # A server waits for its listeners, so messages are read at once and most of them dropped.
            async for message in socket:
                if flow.exceeds(len(message)):
                    # During a flood the connection is cut: a close frame would be answered behind all messages.
                    self._rest = FLOOD_RETRY_S
                    socket.transport.abort()
                    break
                if (remaining := parse_remaining(message)) is not None:
                    self._on_remaining(remaining)
                if news.is_set() or is_job_event(message):
                    self._note_change()
                    news.set()
        finally:
            telling.cancel()
            await socket.close()

    def _note_change(self) -> None:
        self.changed_monotonic = self._clock.monotonic()

    async def _tell(self, news: asyncio.Event) -> None:
        while True:
            await news.wait()
            news.clear()
            self._on_change()
            await self._clock.sleep(DEBOUNCE_S)


class _RateMeter:
    """Amount received within the current second."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self._messages = self._bytes = 0

    def exceeds(self, size: int) -> bool:
        """Return True if one more message of a size exceeds the limits."""
        now = self._clock.monotonic()
        if now - self._since >= 1.0:
            self._since, self._messages, self._bytes = now, 0, 0
        self._messages += 1
        self._bytes += size
        return self._messages > MOST_MESSAGES or self._bytes > MOST_BYTES


def is_job_event(message: str | bytes) -> bool:
    """Return True if a message reports a change of queue or jobs; large messages and bytes are ignored.

    Such messages have a few hundred characters.
    """
    if isinstance(message, bytes) or len(message) > _MAX_EVENT:
        return False
    try:
        event = decode_json(message.encode())
    except ValueError:
        return False
    kind = event.get("type") if isinstance(event, dict) else None
    return isinstance(kind, str) and (kind == "status" or kind.startswith("execution_"))


def parse_remaining(message: str | bytes) -> int | None:
    """Return the number of jobs in a status message, or None if it is another message."""
    if isinstance(message, bytes) or len(message) > _MAX_STATUS or '"exec_info"' not in message:
        return None
    try:
        event = as_mapping(decode_json(message.encode()))
    except ValueError:
        return None
    info = as_mapping(as_mapping(as_mapping(event.get("data")).get("status")).get("exec_info"))
    return as_count(info.get("queue_remaining")) if event.get("type") == "status" else None
