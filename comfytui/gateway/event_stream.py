"""Response that streams the events of a hub until the client goes, reads too slowly, or the hub is closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from comfytui.api.events import RUNNERS_EVENT, revisions_body

if TYPE_CHECKING:
    from starlette.types import Message, Send

    from comfytui.api.events import RunnerRevisions
    from comfytui.gateway.events import EventHub

__all__ = ["MEDIA_TYPE", "SEND_SECONDS", "EventStreamResponse"]

MEDIA_TYPE = "text/event-stream"

SEND_SECONDS = 30.0
"""Seconds that a client may take to make room for one event."""

# nginx would hold events back until its buffer is full.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HEARTBEAT = b"event: heartbeat\ndata: {}\n\n"


class EventStreamResponse(StreamingResponse):
    """Event stream of one client.

    Args:
        hub: Announces revisions.
    """

    def __init__(self, hub: EventHub) -> None:
        super().__init__(_frames(hub), headers=_HEADERS, media_type=MEDIA_TYPE)

    async def stream_response(self, send: Send) -> None:
        """Send events; a client that makes no room for one within SEND_SECONDS is dropped."""

        async def send_in_time(message: Message) -> None:
            async with asyncio.timeout(SEND_SECONDS):
                await send(message)

        try:
            await super().stream_response(send_in_time)
        except TimeoutError:
            # The server closes a connection whose response was left incomplete.
            return


async def _frames(hub: EventHub) -> AsyncIterator[bytes]:
    async for revisions in hub.listen():
        yield _frame(revisions) if revisions else _HEARTBEAT


def _frame(revisions: tuple[RunnerRevisions, ...]) -> bytes:
    data = json.dumps([revisions_body(each) for each in revisions], separators=(",", ":"))
    return f"event: {RUNNERS_EVENT}\ndata: {data}\n\n".encode()
