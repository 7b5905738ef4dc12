"""Hearing that something changed at a ComfyUI server, over a WebSocket that says nothing else that is used."""

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
"""How long after a connection ended or failed the next one is tried."""
FLOOD_RETRY_S = 300.0
"""The same after one that was a flood; its box is read by time alone until then."""
MOST_MESSAGES = 1_000
"""Messages a second that are taken: five times as many as an old box sends of a job's progress."""
MOST_BYTES = 16_000_000
"""The same for their bytes: previews are large."""
DEBOUNCE_S = 0.5
"""How long after a change was told the next one is, with all that came meanwhile."""

_CLOSE_SECONDS = 0.5
# Previews of images come along, to whoever is connected.
_MAX_MESSAGE = 8 * 1024 * 1024
_MAX_EVENT = 64_000
_MAX_STATUS = 1_000
# At its most talkative the library would log the headers that are sent.
_SILENCE = logging.getLogger(__name__)
_SILENCE.setLevel(logging.CRITICAL)


def _ignore(_remaining: int | None) -> None:
    """Do nothing."""


class EventListener:
    """A WebSocket to one server, under a client id of its own: another's would take that one's events away.

    Args:
        server: Whom to listen to; its headers go along with the handshake.
        on_change: Called whenever its jobs may have changed, at once and then every CALM_SECONDS at most; as also when
            listening begins or ends: what happened meanwhile was not heard.
        clock: What measures the time between attempts, and between changes.
        ca_bundle: As for BoxClient.
        on_remaining: Called at once with the number of jobs that wait or run, each time it is told; with None when
            listening begins or ends.

    Attributes:
        is_open: Whether changes are being heard of now.
        changed_monotonic: Moment of the last message that may have told of a change.
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
        """Listen until cancelled; whatever fails is tried again after RETRY_SECONDS, or FLOODED_SECONDS."""
        while True:
            self._rest = RETRY_SECONDS
            if await self._listened():
                self._note_change()
                self._on_change()
            await self._clock.sleep(self._rest)

    async def _listened(self) -> bool:
        """Listen until the connection ends; whether there was one."""
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
            # ValueError: a header or host that cannot be sent, or a redirect to where the headers must not go.
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
        # The library makes this header from the URL, and would send one of ours as a second.
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
            # Named apart from the URL, they keep redirects from leading to another host.
            host=address.hostname,
            server_hostname=address.hostname if is_tls else None,
            port=address.port or (443 if is_tls else 80),
        )

    async def _hear(self, socket: ClientConnection) -> None:
        news, flow = asyncio.Event(), _RateMeter(self._clock)
        telling = asyncio.create_task(self._tell(news))
        try:
            # A box waits for those that listen, so everything is taken from it at once, and most of it dropped.
            async for message in socket:
                if flow.exceeds(len(message)):
                    # Neither we nor the box have to bear it, and a farewell would be answered behind all of it.
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
    """How much came within the second that is under way."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._since = clock.monotonic()
        self._messages = self._bytes = 0

    def exceeds(self, size: int) -> bool:
        """Whether one more message of that many bytes or characters is too much."""
        now = self._clock.monotonic()
        if now - self._since >= 1.0:
            self._since, self._messages, self._bytes = now, 0, 0
        self._messages += 1
        self._bytes += size
        return self._messages > MOST_MESSAGES or self._bytes > MOST_BYTES


def is_job_event(message: str | bytes) -> bool:
    """Whether a message tells that the queue changed or a job began or ended; large ones, and bytes, are not looked at.

    What tells that takes a few hundred characters.
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
    """Return how many jobs wait or run according to a status message, or None if it is none."""
    if isinstance(message, bytes) or len(message) > _MAX_STATUS or '"exec_info"' not in message:
        return None
    try:
        event = as_mapping(decode_json(message.encode()))
    except ValueError:
        return None
    info = as_mapping(as_mapping(as_mapping(event.get("data")).get("status")).get("exec_info"))
    return as_count(info.get("queue_remaining")) if event.get("type") == "status" else None
