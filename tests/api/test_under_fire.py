"""The client against the server that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import http.client
import json
import time
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from comfytui.api import errors
from comfytui.api.client import ComfyControlClient
from comfytui.api.request_log import RequestLog, RequestRecord
from comfytui.api.session import Session
from comfytui.clock import SystemClock
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import Priority
from comfytui.text import sanitize
from tests.support.misbehaving import (
    TOKEN,
    Limiter,
    MisbehavingServer,
    Mood,
    always,
    cut,
    dripping,
    echoing,
    in_turn,
    only_on,
    reset_within,
    slow,
)
from tests.support.scripted import ScriptedServer, error_reply, hang, html_reply, raw, reply, reset

if TYPE_CHECKING:
    from comfytui.api.models import Runner, Workflow

RUNNERS = 12


@pytest.fixture
async def server() -> AsyncIterator[MisbehavingServer]:
    async with MisbehavingServer(RUNNERS) as server:
        yield server


@contextlib.asynccontextmanager
async def client_of(
    server: MisbehavingServer, log: RequestLog | None = None, share: int = 1000, seconds: float = 5.0
) -> AsyncIterator[ComfyControlClient]:
    rate_limiter = LocalRateLimiter(SystemClock(), share)
    session = Session(server.url, SecretStr(server.token), timeout=seconds, rate_limiter=rate_limiter, log=log)
    async with contextlib.aclosing(ComfyControlClient(session)) as client:
        yield client


async def failure(client: ComfyControlClient) -> errors.RequestError:
    with pytest.raises(errors.RequestError) as caught:
        await client.list_runners()
    return caught.value


async def test_server_behaves_by_default(server: MisbehavingServer) -> None:
    async with client_of(server) as client:
        page = await client.list_runners(2, per_page=5)
        assert [runner.name for runner in page.runners] == [f"Runner {number:03}" for number in range(5, 10)]
        assert page.total == RUNNERS
        assert (await client.list_runners(status="disabled")).total == 2
        assert await client.get_runner(page.runners[0].id) == page.runners[0]
        assert len(await client.get_history(page.runners[0].id)) == 10
        with pytest.raises(errors.NotFoundError):
            await client.get_runner("nobody")


@pytest.mark.parametrize(
    ("mood", "kind"),
    [
        (always(error_reply(500, "boom")), errors.ServerError),
        (always(html_reply(503)), errors.ServerError),
        (always(html_reply(200)), errors.InvalidResponseError),
        (always(reset()), errors.ConnectionFailedError),
        (always(hang()), errors.RequestTimeoutError),
        (slow(9), errors.RequestTimeoutError),
        (dripping, errors.RequestTimeoutError),
        (cut, errors.InvalidResponseError),
        (reset_within, errors.InvalidResponseError),
        (echoing(), errors.ServerError),
    ],
    ids=["500", "503", "HTML", "reset", "hang", "slow", "dripping", "cut", "reset within", "echoing"],
)
async def test_a_mood_is_an_error_of_its_kind_and_passes(
    server: MisbehavingServer, mood: Mood, kind: type[errors.RequestError]
) -> None:
    log = RequestLog(SystemClock())
    async with client_of(server, log, seconds=0.3) as client:
        server.mood = mood
        error = await failure(client)
        assert type(error) is kind
        assert error.message == sanitize(error.message)
        server.mood = None
        assert (await client.list_runners()).total == RUNNERS
    assert TOKEN not in f"{error!r} {vars(error)} {log.entries}"


async def test_a_mood_may_change_with_each_request_and_path(server: MisbehavingServer) -> None:
    async with client_of(server) as client:
        server.mood = in_turn(None, always(error_reply(500, "boom")), slow(0.01))
        await client.list_runners()
        await failure(client)
        await client.list_runners()
        server.mood = only_on("/v1/runner", always(error_reply(500, "boom")))
        await failure(client)
        assert await client.get_history(server.fleet[0]["id"])


async def test_an_outage_is_over_when_it_listens_again(server: MisbehavingServer) -> None:
    async with client_of(server) as client:
        await client.list_runners()
        await server.refuse()
        assert type(await failure(client)) is errors.ConnectionFailedError
        await server.listen()
        assert (await client.list_runners()).total == RUNNERS


async def test_a_token_expires_and_is_renewed(server: MisbehavingServer) -> None:
    server.expire_after(2)
    async with client_of(server) as client:
        await client.list_runners()
        await client.list_runners()
        error = await failure(client)
        assert (type(error), error.message) == (errors.UnauthorizedError, "Token has expired")
        server.renew("cfc_other")
        assert (await failure(client)).message == "Invalid token"
    async with client_of(server) as client:
        assert (await client.list_runners()).total == RUNNERS
        server.forbid("Managed runners require Pro or Plus tier")
        error = await failure(client)
        assert (type(error), error.message) == (errors.ForbiddenError, "Managed runners require Pro or Plus tier")


async def test_runners_vanish_and_totals_shrink(server: MisbehavingServer) -> None:
    async with client_of(server) as client:
        gone = server.fleet[3]["id"]
        server.vanish(gone)
        with pytest.raises(errors.NotFoundError):
            await client.get_history(gone)
        assert (await client.list_runners()).total == RUNNERS - 1
        server.shrink(3)
        assert (await client.list_runners(2)).runners == ()
        assert (await client.list_runners(2)).total == 3


async def test_hostile_values_hide_no_runner_and_are_clean(server: MisbehavingServer) -> None:
    server.turn_hostile()
    async with client_of(server) as client:
        page = await client.list_runners(per_page=100)
        assert (len(page.runners), page.total, page.invalid_count) == (RUNNERS, RUNNERS + 5, 5)
        for runner in page.runners:
            workflows = await client.get_history(runner.id)
            assert len(workflows) == 10
            assert soiled(await client.get_runner(runner.id)) == []
            assert [text for workflow in workflows for text in soiled(workflow)] == []
            assert [text for text in (await client.get_stats(runner.id)).extensions if text != sanitize(text)] == []


def soiled(item: Runner | Workflow) -> list[str]:
    """Its texts that are not fit for a terminal."""
    texts = (item.name or "", str(item.status), *item.tags, *(text for pair in item.extras for text in pair))
    return [text for text in texts if text != sanitize(text)]


class TestLimiter:
    async def test_forty_are_answered_and_then_none_for_ten_seconds(self, server: MisbehavingServer) -> None:
        log = RequestLog(SystemClock())
        async with client_of(server, log) as client:
            for _ in range(40):
                await client.list_runners(per_page=1)
            assert type(await failure(client)) is errors.RateLimitedError
        assert (server.limiter.busiest, server.limiter.refused) == (41, 1)
        assert [entry.status for entry in log.entries if isinstance(entry, RequestRecord)] == [200] * 40 + [429]

    def test_limiter_window_slides(self) -> None:
        limiter = Limiter(limit=3, window=10, cool_down=10)
        assert [limiter.refuse(at) is None for at in (0, 1, 9, 10, 10.5, 20.4)] == [
            True,
            True,
            True,
            False,
            False,
            True,
        ]
        assert [limiter.refuse(at) is None for at in (20.5, 20.6, 30.7)] == [True, True, True]
        assert limiter.busiest == 4

    async def test_the_allowance_keeps_within_it(self) -> None:
        async with MisbehavingServer(limiter=Limiter(limit=20, window=1.0)) as server:
            rate_limiter = LocalRateLimiter(SystemClock(), 20, window=1.0)
            session = Session(server.url, SecretStr(server.token), rate_limiter=rate_limiter)
            async with contextlib.aclosing(ComfyControlClient(session)) as client:
                for _ in range(50):
                    await client.list_runners(per_page=1, priority=Priority.USER)
            assert server.limiter.refused == 0
            assert len(server.requests) == 50


def status_of(server: MisbehavingServer) -> int:
    connection = http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=5)
    with contextlib.closing(connection):
        connection.request("GET", "/v1/runner", headers={"Authorization": f"Bearer {server.token}"})
        return connection.getresponse().status


def test_server_runs_in_a_thread() -> None:
    with MisbehavingServer().in_a_thread() as server:
        assert status_of(server) == 200
        server.mood = always(error_reply(503, "maintenance"))
        assert status_of(server) == 503
        server.mood = None
        server.run(server.refuse())
        with pytest.raises(ConnectionRefusedError):
            status_of(server)
        server.run(server.listen())
        assert status_of(server) == 200
    assert len(server.requests) == 3


GIANTS = {
    "a bomb of objects": b'{"runners": [{"id": 1}' + b",{}" * 2_600_000 + b"]}",
    "a page of runners": b'{"runners": [{"id": 1}' + b',{"id":1}' * 800_000 + b'], "total": 900000}',
    "tags": b'{"runners": [{"id": 1, "tags": ["a"' + b',"a"' * 1_900_000 + b"]}]}",
    "headers": b'{"runners": [{"id": 1, "headers": {"a": "b"'
    + b"".join(b', "h%d":"v"' % number for number in range(500_000))
    + b"}}]}",
    "a name": b'{"runners": [{"id": 1, "name": "' + b"\xc2\x9b" * 3_900_000 + b'"}]}',
}


@pytest.mark.parametrize("body", GIANTS.values(), ids=GIANTS)
@pytest.mark.parametrize("is_packed", [False, True], ids=["plain", "gzip"])
async def test_giant_page_is_cut_while_the_loop_goes_on(body: bytes, is_packed: bool) -> None:
    headers = {"Content-Encoding": "gzip"} if is_packed else {}
    sent = gzip.compress(body, 1) if is_packed else body
    async with ScriptedServer() as server:
        server.on("/v1/runner", reply(sent, headers=headers))
        session = Session(server.url, SecretStr(TOKEN), timeout=30)
        async with contextlib.aclosing(ComfyControlClient(session)) as client, longest_pause() as pause:
            page = await client.list_runners(per_page=25)
    assert page.runners[0].id == "1"
    assert len(page.runners) <= 25
    assert page.is_cut == (body.count(b"{") > 1000)
    # Far above what a quiet machine needs, far below what it took to decode all of it.
    assert pause.longest < 2.5


@pytest.mark.parametrize("body", [b" " * 8_000_001, b"[" + b" " * 7_999_999 + b"]"], ids=["plain", "bomb"])
async def test_body_of_more_than_8_mb_is_refused(body: bytes) -> None:
    headers = {"Content-Encoding": "gzip"} if body.startswith(b"[") else {}
    async with ScriptedServer() as server:
        server.on("/v1/runner", reply(gzip.compress(body) if headers else body, headers=headers))
        async with contextlib.aclosing(ComfyControlClient(Session(server.url, SecretStr(TOKEN)))) as client:
            error = await failure(client)
    assert (type(error), error.message) == (errors.InvalidResponseError, "more than 8 MB")


async def test_tiny_chunks_leave_the_loop_to_others() -> None:
    body = b'{"runners": [], "total": 0' + b" " * 50_000 + b"}"
    chunked = b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    async with ScriptedServer() as server:
        server.on("/v1/runner", raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked))
        session = Session(server.url, SecretStr(TOKEN), timeout=30)
        async with contextlib.aclosing(ComfyControlClient(session)) as client, longest_pause() as pause:
            assert (await client.list_runners()).total == 0
    assert pause.turns > 300


async def test_large_responses_are_read_one_at_a_time() -> None:
    large = reply(json.dumps({"runners": [{"id": "r", "name": "x" * 600_000}], "total": 1}).encode())
    async with ScriptedServer() as server:
        server.on("/v1/runner", large)
        session = Session(server.url, SecretStr(TOKEN), timeout=30)
        async with contextlib.aclosing(ComfyControlClient(session)) as client:
            pages = await asyncio.gather(*(client.list_runners(per_page=size) for size in range(1, 6)))
    assert [page.total for page in pages] == [1] * 5
    assert not session._large.locked()


class Pause:
    """Counts turns of the event loop, and the longest time between two of them."""

    def __init__(self) -> None:
        self.longest = 0.0
        self.turns = 0

    async def watch(self) -> None:
        before = time.monotonic()
        while True:
            await asyncio.sleep(0)
            now = time.monotonic()
            self.longest, before = max(self.longest, now - before), now
            self.turns += 1


@contextlib.asynccontextmanager
async def longest_pause() -> AsyncIterator[Pause]:
    pause = Pause()
    watching = asyncio.create_task(pause.watch())
    try:
        yield pause
    finally:
        watching.cancel()
