"""Event streams of changed runners, each with a bounded buffer of changes that were not sent yet."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TYPE_CHECKING

from starlette.responses import StreamingResponse

from comfytui.api.events import HEARTBEAT_SECONDS, MAX_RUNNERS_PER_EVENT, RUNNERS_EVENT, revisions_body

if TYPE_CHECKING:
    from starlette.types import Message, Send

    from comfytui.api.events import RunnerRevisions
    from comfytui.clock import Clock


MAX_STREAMS = 64
"""Streams that may be open at once; further clients have to poll."""

COALESCE_SECONDS = 0.1
"""Seconds between two events of a stream; changes in between are sent together."""


class EventHub:
    """Hub that passes the newest revision of each runner to every open stream.

    A stream holds at most one entry for each runner, the newest, however slowly its client reads.
    It belongs to one thread.

    Args:
        clock: Times heartbeats and the distance between events.
        refresh: Called when a stream opens and every HEARTBEAT_SECONDS while one is open, to announce changes that
            caused no event.
    """

    def __init__(self, clock: Clock, refresh: Callable[[], None] = lambda: None) -> None:
        self._clock = clock
        self._refresh = refresh
        self._refreshed_monotonic = -math.inf
        self._newest: dict[str, RunnerRevisions] = {}
        self._streams: set[_Stream] = set()
        self._is_closed = False

    @property
    def has_streams(self) -> bool:
        """True while a stream is open."""
        return bool(self._streams)

    @property
    def is_full(self) -> bool:
        """True if no further stream may be opened."""
        return self._is_closed or len(self._streams) >= MAX_STREAMS

    def announce(self, revisions: RunnerRevisions) -> None:
        """Send revisions to every stream unless they were announced last."""
        if self._newest.get(revisions.id) == revisions:
            return
        self._newest[revisions.id] = revisions
        for stream in self._streams:
            stream.add(revisions)

    async def listen(self) -> AsyncGenerator[tuple[RunnerRevisions, ...], None]:
        """Yield all known revisions, then changes; an empty tuple is a heartbeat.

        It ends when the hub is closed.
        """
        stream = _Stream(self._clock, self._newest)
        self._streams.add(stream)
        try:
            self._refresh_all()
            yield stream.take()
            while not self._is_closed:
                if not stream.has_more:
                    await self._clock.sleep(COALESCE_SECONDS)
                    await stream.wait(HEARTBEAT_SECONDS - COALESCE_SECONDS)
                if self._clock.monotonic() - self._refreshed_monotonic >= HEARTBEAT_SECONDS:
                    self._refresh_all()
                if not self._is_closed:
                    yield stream.take()
        finally:
            self._streams.discard(stream)

    def _refresh_all(self) -> None:
        self._refreshed_monotonic = self._clock.monotonic()
        self._refresh()

    def close(self) -> None:
        """End all streams, and refuse further ones."""
        self._is_closed = True
        for stream in self._streams:
            stream.wake()


class _Stream:
    """Changes that were not sent to one client yet."""

    def __init__(self, clock: Clock, known: dict[str, RunnerRevisions]) -> None:
        self._clock = clock
        self._pending = dict(known)
        self._news = asyncio.Event()

    @property
    def has_more(self) -> bool:
        return bool(self._pending)

    def add(self, revisions: RunnerRevisions) -> None:
        # It goes behind the others, so that none of them waits for ever.
        self._pending.pop(revisions.id, None)
        self._pending[revisions.id] = revisions
        self._news.set()

    def wake(self) -> None:
        self._news.set()

    def take(self) -> tuple[RunnerRevisions, ...]:
        """Remove and return as many changes as fit into one event."""
        taken = tuple(self._pending.values())[:MAX_RUNNERS_PER_EVENT]
        for revisions in taken:
            del self._pending[revisions.id]
        if not self._pending:
            self._news.clear()
        return taken

    async def wait(self, seconds: float) -> None:
        """Wait until there is a change to send, or for a number of seconds."""
        if self._news.is_set():
            return
        news, timer = asyncio.ensure_future(self._news.wait()), asyncio.ensure_future(self._clock.sleep(seconds))
        try:
            await asyncio.wait({news, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            news.cancel()
            timer.cancel()


MEDIA_TYPE = "text/event-stream"

SEND_SECONDS = 30.0
"""Seconds within which a client has to make room for one event."""

# nginx would hold events back until its buffer is full.
_HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
_HEARTBEAT = b"event: heartbeat\ndata: {}\n\n"


class EventStreamResponse(StreamingResponse):
    """Event stream of one client.

    Args:
        hub: Source of revisions.
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
