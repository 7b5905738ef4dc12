"""Reads server-sent events of a response, within bounds: streams may drip, never end a line, or send too much."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING, cast

import httpx
from httpx_sse import EventSource

from comfytui.api.events import HEARTBEAT_SECONDS

if TYPE_CHECKING:
    from httpx_sse import ServerSentEvent


SILENCE_SECONDS = 3 * HEARTBEAT_SECONDS
"""Seconds without a whole event after which a stream counts as dead, whatever else it sends."""

MAX_EVENT_BYTES = 256_000
"""Bytes from one event to the next."""

MAX_EVENTS_A_SECOND = 500
"""Events of one second; a gateway sends ten, and at first one for each hundred runners."""


class EventStreamError(ValueError):
    """The response is not an event stream, or exceeds a limit."""


async def read_events(response: httpx.Response) -> AsyncGenerator[ServerSentEvent, None]:
    """Yield the events of a response until it ends.

    Raises:
        EventStreamError: It is no event stream, or exceeds a bound.
        TimeoutError: No event came within SILENCE_SECONDS.
        httpx.HTTPError: The connection failed.
    """
    if not _is_event_stream(response.headers):
        raise EventStreamError("the answer is no event stream")
    body = response.stream = _BoundedStream(cast("httpx.AsyncByteStream", response.stream))
    rate = _Rate()
    async with aclosing(EventSource(response).aiter_sse()) as events:
        while (event := await _next(events)) is not None:
            body.received = 0
            rate.count()
            yield event


async def _next(events: AsyncIterator[ServerSentEvent]) -> ServerSentEvent | None:
    async with asyncio.timeout(SILENCE_SECONDS):
        return await anext(events, None)


def _is_event_stream(headers: Mapping[str, str]) -> bool:
    media_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return media_type == "text/event-stream" and headers.get("content-encoding", "identity") == "identity"


class _Rate:
    """Events of the second that is under way."""

    def __init__(self) -> None:
        self._since, self._events = time.monotonic(), 0

    def count(self) -> None:
        now = time.monotonic()
        if now - self._since >= 1.0:
            self._since, self._events = now, 0
        self._events += 1
        if self._events > MAX_EVENTS_A_SECOND:
            raise EventStreamError("the event stream sends too many events")


class _BoundedStream(httpx.AsyncByteStream):
    """Body limited to MAX_EVENT_BYTES an event; `received` is reset after each event."""

    def __init__(self, body: httpx.AsyncByteStream) -> None:
        self._body = body
        self.received = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._body:
            self.received += len(chunk)
            if self.received > MAX_EVENT_BYTES:
                raise EventStreamError("the event stream sends too large an event")
            yield chunk

    async def aclose(self) -> None:
        await self._body.aclose()
