"""HTTP session of the API client: rate limit, send, decode, error mapping, log.

One pool of connections and one bearer token (page api/authentication). Failures are
`comfytui.api.errors` and as nothing else. Every error is raised where no other one is being handled: an exception of
httpx holds the request, the request holds the token, and a crash screen shows what an exception holds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import httpx

from comfytui.api.body import as_path, error_message, silence_in
from comfytui.api.credentials import Credentials
from comfytui.api.errors import (
    ComfyControlError,
    InvalidArgumentError,
    InvalidResponseError,
    RateLimitedError,
    RequestError,
    RequestTimeoutError,
    SilentRunnerError,
    UnauthorizedError,
    error_for_status,
)
from comfytui.api.events import EXTENSION_NAME, EXTENSIONS_HEADER
from comfytui.api.headers import ClockSkewEstimator, retry_after_in
from comfytui.api.request_log import RequestLog, RequestRecord
from comfytui.api.response import ConnectionTrace, LargeTurn, Response, is_disconnect, map_transport_error
from comfytui.api.statuses import RunnerState
from comfytui.api.transport import Bearer, build_http_client
from comfytui.clock import Clock, SystemClock
from comfytui.config.settings import DEFAULT_TIMEOUT
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import COOLDOWN_S, OnSent, Priority, RateLimiter
from comfytui.threads import DaemonWorker

if TYPE_CHECKING:
    from httpx_sse import ServerSentEvent
    from pydantic import SecretStr

    from comfytui.api.credentials import Renewal
    from comfytui.api.response_cache import ParsedResponseCache
    from comfytui.ratelimit.window import Permit


_METHOD = "GET"
_MAX_URLS = 128
_TOO_MANY_REQUESTS = 429

_T = TypeVar("_T")


class Session:
    """Session with one API address and one token, which its source may renew.

    Redirects are not followed, cookies neither kept nor sent, and little is tried again: a kept-alive connection that
    turns out to be dead is replaced, once, at once, and a refused token is dealt with as by `Credentials`. Nothing is
    sent without the rate limiter, which learns of a 429 as soon as it arrives.

    Args:
        base_url: Scheme, host and perhaps port and a path prefix, with or without a slash at the end.
        token: The bearer token.
        transport: httpx transport in place of the network.
        timeout: Seconds within which the whole answer must have arrived, a connection within half of them; waiting
            for the rate limiter does not count.
        rate_limiter: Rate limiter; without one the session has its own.
        log: Request log.
        clock: Clock of the records.
        ca_bundle: File or directory of certificates to trust instead of the public authorities' or those that
            SSL_CERT_FILE or SSL_CERT_DIR name.
        insecure_http: True if the token may be sent over plain http to another machine.
        renewal: The way to a newer token once this one is refused; None if its source never changes.

    Attributes:
        has_events: True once the API has announced the extension of `comfytui.api.events`.

    Raises:
        InvalidArgumentError: The address, the token, or the certificates or proxies that were named cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        token: SecretStr,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = DEFAULT_TIMEOUT,
        *,
        rate_limiter: RateLimiter | None = None,
        log: RequestLog | None = None,
        clock: Clock | None = None,
        ca_bundle: Path | None = None,
        insecure_http: bool = False,
        renewal: Renewal | None = None,
    ) -> None:
        self._timeout = timeout
        self._clock = clock or SystemClock()
        self._credentials = Credentials(token, self._clock, renewal)
        self._rate_limiter = rate_limiter or LocalRateLimiter(self._clock)
        self._log = log or RequestLog(self._clock)
        client = build_http_client(base_url, token, transport, timeout, ca_bundle, insecure_http)
        if isinstance(client, InvalidArgumentError):
            raise client
        self._client = client
        # A transport within the process does not report when requests are sent: they are sent at once.
        self._is_wired = transport is None
        self._server_clock = ClockSkewEstimator()
        self._large = asyncio.Lock()
        self._worker = DaemonWorker("large answers")
        self._urls: dict[tuple[object, ...], httpx.URL] = {}
        self.has_events = False

    @property
    def clock_skew(self) -> float:
        """Seconds by which the server's clock is ahead of the one here; 0.0 unless they are more than 5 s apart."""
        return self._server_clock.skew

    async def get(
        self,
        path: str,
        reader: ParsedResponseCache[_T],
        params: Mapping[str, str | int] | None = None,
        priority: Priority = Priority.POLL,
        on_sent: OnSent = None,
    ) -> _T:
        """GET a path below the address and read the JSON that is answered.

        Args:
            path: Quoted path with a leading slash.
            reader: Parser of the body.
            params: The query.
            priority: Priority of the request with the rate limiter.
            on_sent: Called when the request is sent, which the rate limiter may delay.

        Raises:
            RequestError: A subclass for the cause.
        """
        outcome = await self._request(path, params, _RequestContext(priority, on_sent), reader)
        if isinstance(outcome, ComfyControlError):
            raise outcome
        return outcome

    def events(self, path: str, priority: Priority) -> AsyncGenerator[ServerSentEvent, None]:
        """GET a path below the address and yield the server-sent events of the answer; it counts as one request.

        Raises:
            RequestError: A subclass for the cause; a stream that ends is ConnectionFailedError.
        """
        from comfytui.api.event_connection import EventConnection

        parts = (self._credentials, self._rate_limiter, self._log, self._clock, self._timeout)
        return EventConnection(self._client, *parts, is_wired=self._is_wired).events(path, priority)

    async def aclose(self) -> None:
        """Close all connections; the session is not used afterwards."""
        self._worker.close(0)
        await self._client.aclose()

    async def _request(
        self,
        path: str,
        params: Mapping[str, str | int] | None,
        errand: _RequestContext,
        reader: ParsedResponseCache[_T],
    ) -> _T | ComfyControlError:
        sent_with = self._credentials.token

        async def send() -> _T | ComfyControlError:
            nonlocal sent_with
            patience, attempt = _TimeoutBudget(self._timeout), self._attempt(path, params)
            outcome = await self._send(attempt, errand, patience, reader)
            if attempt.went_stale:
                attempt = self._attempt(path, params)
                outcome = await self._send(attempt, errand, patience, reader)
            sent_with = attempt.token
            if attempt.answer is not None and attempt.answer.is_success:
                self._credentials.accept(attempt.token, attempt.path)
            return outcome

        try:
            outcome = await send()
            if isinstance(outcome, UnauthorizedError):
                return await self._credentials.after_refusal(outcome, sent_with, send)
        except httpx.InvalidURL:
            return InvalidArgumentError("this cannot be asked: the path is too long, or is no path")
        return outcome

    def _attempt(self, path: str, params: Mapping[str, str | int] | None) -> _Attempt:
        wire = ConnectionTrace()
        url = self._url(path, params)
        request = self._client.build_request(_METHOD, url, extensions={"trace": wire})
        turn = LargeTurn(self._large, self._worker)
        return _Attempt(self._credentials.mask(path), request, wire, self._credentials.token, turn)

    def _url(self, path: str, params: Mapping[str, str | int] | None) -> httpx.URL:
        """Return the whole URL, cached because httpx parses it three times for every request."""
        key = (path, *(params or {}).items())
        if (url := self._urls.get(key)) is None:
            if len(self._urls) >= _MAX_URLS:
                self._urls.clear()
            url = self._urls[key] = self._client.build_request(_METHOD, path, params=params).url
        return url

    async def _send(
        self, attempt: _Attempt, errand: _RequestContext, patience: _TimeoutBudget, reader: ParsedResponseCache[_T]
    ) -> _T | ComfyControlError:
        """Return the result of a request, or its error."""
        permit = await self._rate_limiter.acquire(errand.priority)
        if self._is_wired:
            attempt.wire.permit = _PausingPermit(permit, patience)
        # It may have been renewed meanwhile.
        attempt.token = self._credentials.token
        if errand.on_sent is not None:
            errand.on_sent()
        at, start = self._clock.now(), self._clock.monotonic()
        outcome: _T | ComfyControlError = RequestError(_METHOD, attempt.path, "given up before an answer came")
        try:
            outcome = await self._send_with_timeout(attempt, patience, reader)
        finally:
            attempt.wire.release()
            attempt.turn.end()
            self._record(attempt, outcome, at, round((self._clock.monotonic() - start) * 1000))
        return outcome

    async def _send_with_timeout(
        self, attempt: _Attempt, patience: _TimeoutBudget, reader: ParsedResponseCache[_T]
    ) -> _T | ComfyControlError:
        try:
            async with patience.scope():
                return await self._parse(attempt, await self._round_trip(attempt), reader)
        except TimeoutError:
            failure: RequestError = RequestTimeoutError(
                _METHOD, attempt.path, f"no whole answer within {self._timeout:g} seconds"
            )
        except httpx.HTTPError as error:
            attempt.went_stale = attempt.wire.stale_keepalive and is_disconnect(error)
            kind, words = map_transport_error(error, self._timeout)
            failure = kind(_METHOD, attempt.path, self._credentials.as_message(words))
        # A no is a no, even where the rest of it does not come.
        answer = attempt.answer
        return failure if answer is None or answer.is_success else await self._refusal(attempt, answer)

    async def _round_trip(self, attempt: _Attempt) -> Response:
        start = self._clock.monotonic()
        head = await self._client.send(attempt.request, auth=Bearer(attempt.token), stream=True)
        self._server_clock.update(head.headers, self._clock.monotonic() - start, self._clock.now())
        self.has_events = self.has_events or EXTENSION_NAME in head.headers.get(EXTENSIONS_HEADER, "").split()
        try:
            attempt.answer = Response(head)
            if head.status_code == _TOO_MANY_REQUESTS:
                attempt.retry_after = self._apply_cooldown(head.headers)
            await attempt.answer.read(attempt.turn)
        finally:
            await head.aclose()
        return attempt.answer

    def _apply_cooldown(self, headers: Mapping[str, str]) -> float:
        seconds = retry_after_in(headers, self._clock.now())
        self._rate_limiter.block_for(seconds)
        return seconds

    async def _parse(
        self, attempt: _Attempt, answer: Response, reader: ParsedResponseCache[_T]
    ) -> _T | ComfyControlError:
        if not answer.is_success:
            return await self._refusal(attempt, answer)
        address = attempt.request.url.raw_path
        if not answer.error and (known := reader.get(address, answer.body, answer.content_encoding)) is not None:
            return known
        said = await answer.decode(reader.parse, attempt.turn)
        if isinstance(said, ValueError):
            return InvalidResponseError(_METHOD, attempt.path, str(said))
        reader.keep(address, answer.body, answer.content_encoding, said)
        return said

    async def _refusal(self, attempt: _Attempt, answer: Response) -> RequestError:
        value = await answer.decode(_as_sent, attempt.turn)
        words = self._credentials.as_message(error_message(value)) or self._credentials.as_message(answer.reason)
        if answer.status == _TOO_MANY_REQUESTS:
            return RateLimitedError(_METHOD, attempt.path, words, answer.status, attempt.retry_after)
        silence = silence_in(value)
        if silence is not None and (state := RunnerState(silence[0])).is_known and 500 <= answer.status <= 599:
            reason = self._credentials.as_message(silence[1])
            return SilentRunnerError(_METHOD, attempt.path, words, answer.status, state, reason)
        return error_for_status(_METHOD, attempt.path, words, answer.status)

    def _record(self, attempt: _Attempt, outcome: object, at: datetime, ms: int) -> None:
        answer = attempt.answer
        self._log.add(
            RequestRecord(
                at=at,
                method=_METHOD,
                path=as_path(self._credentials.mask(attempt.target), self._credentials.token),
                status=answer.status if answer else None,
                error=outcome.message if isinstance(outcome, RequestError) else "",
                ms=ms,
                size=len(answer.body) if answer else 0,
            )
        )


def _as_sent(value: object) -> object:
    return value


class _RequestContext(NamedTuple):
    """Priority of a request and the callback for the time it is sent."""

    priority: Priority
    on_sent: OnSent


@dataclass(slots=True)
class _Attempt:
    """State of a request: `answer` is set by the head of its response."""

    path: str
    request: httpx.Request = field(repr=False)
    wire: ConnectionTrace
    token: SecretStr
    turn: LargeTurn
    answer: Response | None = None
    retry_after: float = COOLDOWN_S
    went_stale: bool = False

    @property
    def target(self) -> str:
        """Path with query."""
        query = self.request.url.query.decode("ascii")
        return f"{self.path}?{query}" if query else self.path


class _TimeoutBudget:
    """Time budget of a request, its repetition included."""

    def __init__(self, seconds: float) -> None:
        self._left = seconds
        self._timeout: asyncio.Timeout | None = None

    @asynccontextmanager
    async def scope(self) -> AsyncIterator[None]:
        """Raise TimeoutError when they are spent; they are spent within this block alone."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._left) as self._timeout:
                yield
        finally:
            if self._timeout is not None and (end := self._timeout.when()) is not None:
                self._left = end - loop.time()

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let no time count within this block."""
        loop, timeout = asyncio.get_running_loop(), self._timeout
        if timeout is None or timeout.expired() or (end := timeout.when()) is None:
            yield
            return
        left = end - loop.time()
        timeout.reschedule(None)
        try:
            yield
        finally:
            timeout.reschedule(loop.time() + left)


class _PausingPermit:
    """Permit whose renewal does not count as time of the request."""

    def __init__(self, permit: Permit, patience: _TimeoutBudget) -> None:
        self._permit = permit
        self._patience = patience
        self.mark_sent = permit.mark_sent
        self.release = permit.release

    async def confirm(self) -> None:
        """Wait until the request may be sent now."""
        with self._patience.paused():
            await self._permit.confirm()
