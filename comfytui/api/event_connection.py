"""Opens event streams over the connections of a session: one request each, however long it lasts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from datetime import datetime
from http import HTTPStatus
from typing import TYPE_CHECKING

import httpx

from comfytui.api.errors import (
    ConnectionFailedError,
    InvalidResponseError,
    RequestError,
    RequestTimeoutError,
    error_for_status,
)
from comfytui.api.event_reader import EventStreamError, read_events
from comfytui.api.headers import retry_after_in
from comfytui.api.request_log import RequestRecord
from comfytui.api.response import ConnectionTrace, Response, map_transport_error
from comfytui.api.transport import Bearer

if TYPE_CHECKING:
    from httpx_sse import ServerSentEvent

    from comfytui.api.credentials import Credentials
    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.ratelimit.window import Priority, RateLimiter


_METHOD = "GET"
# A compressed stream could not be bounded by its bytes.
_HEADERS = {"Accept": "text/event-stream", "Accept-Encoding": "identity"}


class EventConnection:
    """Event streams that share client, credentials and rate limit with a session's requests.

    Args:
        client: Sends the request, with the token.
        credentials: Token of each request, which is masked in messages.
        rate_limiter: Rate limiter.
        log: Keeps a record of it.
        clock: Dates that record.
        timeout: Seconds until the response must begin; a connection has half of them.
        is_wired: True if the client reports when a request is sent; otherwise it is sent at once.
    """

    def __init__(
        self,
        client: httpx.AsyncClient,
        credentials: Credentials,
        rate_limiter: RateLimiter,
        log: RequestLog,
        clock: Clock,
        timeout: float,
        *,
        is_wired: bool,
    ) -> None:
        self._client = client
        self._credentials = credentials
        self._rate_limiter = rate_limiter
        self._log = log
        self._clock = clock
        self._timeout = timeout
        self._is_wired = is_wired

    async def events(self, path: str, priority: Priority) -> AsyncGenerator[ServerSentEvent, None]:
        """Yield the server-sent events that a path answers.

        Raises:
            RequestError: A subclass for the cause; a stream that ends is ConnectionFailedError.
        """
        wire = ConnectionTrace()
        permit = await self._rate_limiter.acquire(priority)
        if self._is_wired:
            wire.permit = permit
        try:
            opened = await self._open(path, wire)
        finally:
            wire.release()
        if isinstance(opened, RequestError):
            raise opened
        async with aclosing(opened), aclosing(read_events(opened)) as events:
            while not isinstance(event := await self._next(path, events), RequestError):
                yield event
        raise event

    async def _open(self, path: str, wire: ConnectionTrace) -> httpx.Response | RequestError:
        at, start = self._clock.now(), self._clock.monotonic()
        outcome: httpx.Response | RequestError = RequestError(_METHOD, path, "given up before an answer came")
        try:
            outcome = await self._head(path, wire)
        finally:
            self._record(path, outcome, at, round((self._clock.monotonic() - start) * 1000))
        if isinstance(outcome, RequestError) or outcome.is_success:
            return outcome
        await outcome.aclose()
        if outcome.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            self._rate_limiter.block_for(retry_after_in(outcome.headers, self._clock.now()))
        words = self._credentials.as_message(Response(outcome).reason)
        return error_for_status(_METHOD, path, words, outcome.status_code)

    async def _head(self, path: str, wire: ConnectionTrace) -> httpx.Response | RequestError:
        timeout = httpx.Timeout(None, connect=self._timeout / 2)
        extensions = {"timeout": timeout.as_dict(), "trace": wire}
        request = self._client.build_request(_METHOD, path, headers=_HEADERS, extensions=extensions)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._client.send(request, stream=True, auth=Bearer(self._credentials.token))
        except TimeoutError:
            return RequestTimeoutError(_METHOD, path, f"no answer within {self._timeout:g} seconds")
        except httpx.HTTPError as error:
            return self._explain(path, error)

    async def _next(self, path: str, events: AsyncIterator[ServerSentEvent]) -> ServerSentEvent | RequestError:
        try:
            return await anext(events)
        except StopAsyncIteration:
            return ConnectionFailedError(_METHOD, path, "the event stream ended")
        except TimeoutError:
            return RequestTimeoutError(_METHOD, path, "the event stream fell silent")
        except EventStreamError as error:
            return InvalidResponseError(_METHOD, path, str(error))
        except httpx.HTTPError as error:
            return self._explain(path, error)

    def _explain(self, path: str, error: httpx.HTTPError) -> RequestError:
        kind, words = map_transport_error(error, self._timeout)
        return kind(_METHOD, path, self._credentials.as_message(words))

    def _record(self, path: str, outcome: httpx.Response | RequestError, at: datetime, ms: int) -> None:
        status = None if isinstance(outcome, RequestError) else outcome.status_code
        words = outcome.message if isinstance(outcome, RequestError) else ""
        self._log.add(RequestRecord(at, _METHOD, path, status, words, ms, size=0))
