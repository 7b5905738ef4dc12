"""Event streams through the client: what servers may send instead of them, and how each ends."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import pytest
from pydantic import SecretStr

from comfytui.api import errors, event_reader
from comfytui.api.client import ComfyControlClient
from comfytui.api.event_reader import MAX_EVENT_BYTES, MAX_EVENTS_A_SECOND
from comfytui.api.events import EVENTS_PATH, EXTENSIONS_HEADER, RunnerRevisions, revisions_body
from comfytui.api.request_log import RequestLog, RequestRecord
from comfytui.api.session import Session
from comfytui.clock import SystemClock
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import Priority
from tests.support.scripted import (
    Answer,
    Exchange,
    ScriptedServer,
    drip,
    error_reply,
    hang,
    hang_up,
    html_reply,
    json_reply,
    raw,
    reply,
)

TOKEN = SecretStr("cfc_only_for_tests")
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
REVISIONS = RunnerRevisions("r1", runner=1, history=2, stats=1, is_live=True)
EVENT = f"event: runners\ndata: {json.dumps([revisions_body(REVISIONS)])}\n\n".encode()
HEARTBEAT = b"event: heartbeat\ndata: {}\n\n"


@contextlib.asynccontextmanager
async def client_of(
    server: ScriptedServer, log: RequestLog | None = None, seconds: float = 5.0
) -> AsyncIterator[ComfyControlClient]:
    rate_limiter = LocalRateLimiter(SystemClock(), 1_000)
    session = Session(server.url, TOKEN, timeout=seconds, rate_limiter=rate_limiter, log=log)
    async with contextlib.aclosing(ComfyControlClient(session)) as client:
        yield client


async def heard(client: ComfyControlClient) -> tuple[list[tuple[RunnerRevisions, ...]], errors.RequestError]:
    """What a stream tells, and what it fails with."""
    events: list[tuple[RunnerRevisions, ...]] = []
    with pytest.raises(errors.RequestError) as caught:
        await _collect(client, events)
    return events, caught.value


async def _collect(client: ComfyControlClient, events: list[tuple[RunnerRevisions, ...]]) -> None:
    # Event by event: what came before a failure is to be seen.
    async with contextlib.aclosing(client.watch_revisions()) as stream:
        while (revisions := await anext(stream, None)) is not None:
            events.append(revisions)


def flood() -> Answer:
    """Heartbeats without end."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(HEAD)
        while True:
            await exchange.send(HEARTBEAT * 100)

    return answer


def endless(data: bytes) -> Answer:
    """An event without end."""

    async def answer(exchange: Exchange) -> None:
        await exchange.send(HEAD)
        while True:
            await exchange.send(data)

    return answer


async def test_events_are_told_until_the_stream_ends(server: ScriptedServer) -> None:
    server.on(EVENTS_PATH, hang_up(HEAD + EVENT + b": a comment\n\n" + HEARTBEAT + b"data: other\n\n" + EVENT))
    async with client_of(server) as client:
        events, error = await heard(client)
    assert events == [(REVISIONS,), (), (), (REVISIONS,)]
    assert isinstance(error, errors.ConnectionFailedError)
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN.get_secret_value()}"
    assert server.requests[0].headers["accept"] == "text/event-stream"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(error_reply(404, "no"), errors.NotFoundError, id="404"),
        pytest.param(error_reply(405, "no"), errors.UnexpectedStatusError, id="405"),
        pytest.param(error_reply(401, "no"), errors.UnauthorizedError, id="401"),
        pytest.param(error_reply(503, "full"), errors.ServerError, id="503"),
        pytest.param(html_reply(), errors.InvalidResponseError, id="HTML"),
        pytest.param(json_reply({}), errors.InvalidResponseError, id="JSON"),
        pytest.param(
            reply(EVENT, headers={"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}),
            errors.InvalidResponseError,
            id="compressed",
        ),
        pytest.param(hang_up(), errors.ConnectionFailedError, id="dropped"),
        pytest.param(
            hang_up(HEAD + b"event: runners\ndata: {not a list}\n\n"), errors.InvalidResponseError, id="no list"
        ),
        pytest.param(raw(b"not HTTP at all\r\n\r\n"), errors.InvalidResponseError, id="no HTTP"),
    ],
)
async def test_answer_that_is_no_stream_is_an_error_of_the_tree(
    server: ScriptedServer, answer: Answer, kind: type[errors.RequestError]
) -> None:
    server.on(EVENTS_PATH, answer)
    async with client_of(server) as client:
        events, error = await heard(client)
    assert (events, type(error)) == ([], kind)


async def test_answer_that_does_not_begin_times_out(server: ScriptedServer) -> None:
    server.on(EVENTS_PATH, hang())
    async with client_of(server, seconds=0.1) as client:
        _, error = await heard(client)
    assert isinstance(error, errors.RequestTimeoutError)


async def test_dripping_stream_without_whole_events_times_out(
    server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_reader, "SILENCE_SECONDS", 0.2)
    server.on(EVENTS_PATH, drip(HEAD + b":" * 10_000))
    async with client_of(server) as client:
        _, error = await heard(client)
    assert isinstance(error, errors.RequestTimeoutError)


@pytest.mark.parametrize("data", [b"x" * 10_000, b"data: x\n" * 1_000, b": comment\n\n" * 1_000])
async def test_event_that_never_ends_is_given_up(server: ScriptedServer, data: bytes) -> None:
    server.on(EVENTS_PATH, endless(data))
    async with client_of(server) as client:
        _, error = await heard(client)
    assert isinstance(error, errors.InvalidResponseError)
    assert "too large" in error.message
    assert MAX_EVENT_BYTES < 10_000_000


async def test_flood_of_events_is_given_up(server: ScriptedServer) -> None:
    server.on(EVENTS_PATH, flood())
    async with client_of(server) as client:
        events, error = await heard(client)
    assert isinstance(error, errors.InvalidResponseError)
    assert len(events) >= MAX_EVENTS_A_SECOND


async def test_stream_counts_as_one_request_and_is_logged_once(server: ScriptedServer) -> None:
    clock = SystemClock()
    rate_limiter, log = LocalRateLimiter(clock), RequestLog(clock)
    server.on(EVENTS_PATH, hang_up(HEAD + EVENT * 50))
    session = Session(server.url, TOKEN, rate_limiter=rate_limiter, log=log)
    async with contextlib.aclosing(ComfyControlClient(session)) as client:
        await heard(client)
    assert len(rate_limiter.usage.sent_monotonic) == 1
    (record,) = log.entries
    assert isinstance(record, RequestRecord)
    assert (record.path, record.status, record.error) == (EVENTS_PATH, 200, "")


async def test_refused_for_being_asked_too_often_cools_down(server: ScriptedServer) -> None:
    rate_limiter = LocalRateLimiter(SystemClock())
    server.on(EVENTS_PATH, reply(b"{}", 429, {"Retry-After": "60"}))
    async with contextlib.aclosing(ComfyControlClient(Session(server.url, TOKEN, rate_limiter=rate_limiter))) as client:
        _, error = await heard(client)
    assert isinstance(error, errors.RateLimitedError)
    assert rate_limiter.delay(Priority.USER) > 50


@pytest.mark.parametrize(
    ("headers", "has_events"),
    [({}, False), ({EXTENSIONS_HEADER: "events"}, True), ({EXTENSIONS_HEADER: "acts events"}, True)],
)
async def test_extension_is_known_by_the_header_of_a_list(
    server: ScriptedServer, headers: dict[str, str], has_events: bool
) -> None:
    server.on("/v1/runner", reply(b'{"runners": [], "total": 0}', headers=headers))
    async with client_of(server) as client:
        assert not client.has_events
        await client.list_runners()
        assert client.has_events is has_events


async def test_stream_ends_with_the_task_that_reads_it(server: ScriptedServer) -> None:
    told = asyncio.Event()

    async def read(client: ComfyControlClient) -> None:
        async for _ in client.watch_revisions():
            told.set()

    async def answer(exchange: Exchange) -> None:
        await exchange.send(HEAD + EVENT)
        await asyncio.Future[None]()

    server.on(EVENTS_PATH, answer)
    async with client_of(server) as client:
        reading = asyncio.create_task(read(client))
        await told.wait()
        reading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await reading
