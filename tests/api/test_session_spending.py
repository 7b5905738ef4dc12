"""The session before its allowance and its log."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, ClassVar

import httpx
import pytest
from pydantic import SecretStr

from comfytui.api import errors
from comfytui.api.request_log import RequestLog, RequestRecord
from comfytui.api.session import Session
from comfytui.ratelimit.window import API_LIMIT, Priority, Usage
from tests.support.clock import START, FakeClock, settle
from tests.support.permits import NotedPermit
from tests.support.reading import as_sent
from tests.support.scripted import (
    Answer,
    Exchange,
    ScriptedServer,
    drip,
    error_reply,
    hang,
    hang_up,
    json_reply,
    raw,
    reply,
    response,
    truncated,
)

if TYPE_CHECKING:
    from comfytui.ratelimit.local import LocalRateLimiter

TOKEN = "cfc_t0ken/0123456789"
PATH = "/v1/runner"
OK = json_reply({"ok": True})
SOON = 0.2


class Gate:
    """An allowance that lets through whom it is told to."""

    def __init__(self, places: int = 100) -> None:
        self.taken: list[Priority] = []
        self.permits: list[NotedPermit] = []
        self.cooled: list[float] = []
        self.may_send = asyncio.Event()
        self.may_send.set()
        self._places = asyncio.Semaphore(places)

    @property
    def usage(self) -> Usage:
        return Usage()

    def delay(self, priority: Priority) -> float:
        return 0.0

    async def acquire(self, priority: Priority) -> NotedPermit:
        await self._places.acquire()
        self.taken.append(priority)
        self.permits.append(NotedPermit(self.may_send))
        return self.permits[-1]

    def block_for(self, seconds: float) -> None:
        self.cooled.append(seconds)

    def let_in(self) -> None:
        self._places.release()


@contextlib.asynccontextmanager
async def asking(
    url: str, gate: Gate | LocalRateLimiter, log: RequestLog | None = None, seconds: float = 5.0
) -> AsyncIterator[Session]:
    session = Session(url, SecretStr(TOKEN), timeout=seconds, rate_limiter=gate, log=log, clock=FakeClock())
    async with contextlib.aclosing(session):
        yield session


async def failure(session: Session, path: str = PATH) -> errors.RequestError:
    with pytest.raises(errors.RequestError) as caught:
        await session.get(path, as_sent())
    assert TOKEN not in repr(vars(caught.value))
    return caught.value


async def arrived(server: ScriptedServer, count: int) -> None:
    """Return once the server was asked that often."""
    async with asyncio.timeout(5):
        while len(server.requests) < count:
            await settle(1)


class TestAllowance:
    @pytest.mark.parametrize("priority", Priority)
    async def test_nothing_is_sent_before_it_is_taken(self, server: ScriptedServer, priority: Priority) -> None:
        gate = Gate(places=0)
        server.on(PATH, OK)
        async with asking(server.url, gate) as session:
            asked = asyncio.create_task(session.get(PATH, as_sent(), priority=priority))
            await settle()
            assert server.connections == 0
            gate.let_in()
            assert await asked == {"ok": True}
        assert gate.taken == [priority]

    async def test_on_sent_is_called_when_the_request_is_sent(self, server: ScriptedServer) -> None:
        gate, told = Gate(places=0), asyncio.Event()
        server.on(PATH, OK)
        async with asking(server.url, gate) as session:
            asked = asyncio.create_task(session.get(PATH, as_sent(), on_sent=told.set))
            await settle()
            assert not told.is_set()
            gate.let_in()
            await told.wait()
            assert len(server.requests) == 0, "to the moment, not afterwards"
            assert await asked == {"ok": True}

    async def test_the_repeat_on_a_new_connection_is_taken_too(self, server: ScriptedServer) -> None:
        gate = Gate(places=2)
        server.on(PATH, OK, hang_up(), OK)
        async with asking(server.url, gate) as session:
            await session.get(PATH, as_sent())
            asked = asyncio.create_task(session.get(PATH, as_sent(), priority=Priority.USER))
            await arrived(server, 2)
            await settle()
            assert len(server.requests) == 2
            gate.let_in()
            assert await asked == {"ok": True}
        assert gate.taken == [Priority.POLL, Priority.USER, Priority.USER]
        assert len(server.requests) == 3

    async def test_waiting_is_no_part_of_the_timeout(self, server: ScriptedServer) -> None:
        gate = Gate(places=0)
        server.on(PATH, OK)
        async with asking(server.url, gate, seconds=SOON) as session:
            asked = asyncio.create_task(session.get(PATH, as_sent()))
            await asyncio.sleep(2 * SOON)
            gate.let_in()
            assert await asked == {"ok": True}

    async def test_a_repeat_has_what_time_the_first_one_left(self, server: ScriptedServer) -> None:
        async def dies_late(exchange: Exchange) -> None:
            await asyncio.sleep(0.8 * SOON)
            exchange.writer.close()

        server.on(PATH, OK, dies_late, hang())
        async with asking(server.url, Gate(), seconds=SOON) as session:
            await session.get(PATH, as_sent())
            async with asyncio.timeout(1.6 * SOON):
                assert isinstance(await failure(session), errors.RequestTimeoutError)
        assert len(server.requests) == 3

    async def test_invalid_request_uses_no_budget(self, server: ScriptedServer) -> None:
        gate = Gate()
        async with asking(server.url, gate) as session:
            with pytest.raises(errors.InvalidArgumentError):
                await session.get("/" + "a" * 70_000, as_sent())
        assert gate.taken == []

    async def test_without_one_the_session_keeps_to_half_the_limit_by_itself(self, server: ScriptedServer) -> None:
        server.on(PATH, OK)
        clock = FakeClock()
        session = Session(server.url, SecretStr(TOKEN), clock=clock)
        async with contextlib.aclosing(session):
            asked = [
                asyncio.create_task(session.get(PATH, as_sent(), priority=Priority.USER)) for _ in range(API_LIMIT)
            ]
            while len([task for task in asked if task.done()]) < API_LIMIT / 2:
                await asyncio.wait([task for task in asked if not task.done()], return_when=asyncio.FIRST_COMPLETED)
            done, _ = await asyncio.wait(asked, timeout=0.1)
            assert len(done) == API_LIMIT / 2
            await clock.advance(10.05)
            await asyncio.gather(*asked)
        assert len(server.requests) == API_LIMIT


class TestPermits:
    async def test_request_is_confirmed_before_it_is_sent_and_dated_behind(self, server: ScriptedServer) -> None:
        gate = Gate()
        server.on(PATH, OK)
        async with asking(server.url, gate) as session:
            await session.get(PATH, as_sent())
            await session.get(PATH, as_sent())
        assert [permit.events for permit in gate.permits] == [["confirm", "sent"]] * 2

    async def test_nothing_is_sent_before_it_is_confirmed_and_no_time_counts(self, server: ScriptedServer) -> None:
        gate = Gate()
        server.on(PATH, OK)
        async with asking(server.url, gate, seconds=SOON) as session:
            await session.get(PATH, as_sent())
            gate.may_send.clear()
            asked = asyncio.create_task(session.get(PATH, as_sent()))
            await asyncio.sleep(2 * SOON)
            assert len(server.requests) == 1
            gate.may_send.set()
            assert await asked == {"ok": True}

    async def test_server_that_is_not_reached_costs_nothing(self, server: ScriptedServer) -> None:
        gate = Gate()
        async with asking("http://127.0.0.1:9", gate) as session:
            assert isinstance(await failure(session), errors.ConnectionFailedError)
        assert [permit.events for permit in gate.permits] == [["release"]]

    async def test_request_that_is_cancelled_before_it_is_sent_costs_nothing(self, server: ScriptedServer) -> None:
        gate = Gate()
        server.on(PATH, hang())
        async with asking(server.url, gate) as session:
            asked = [asyncio.create_task(session.get(PATH, as_sent())) for _ in range(11)]
            await arrived(server, 10)
            for each in asked:
                each.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        assert sorted(permit.events[-1] for permit in gate.permits) == ["release", *["sent"] * 10]

    async def test_connection_that_had_died_costs_what_was_sent_on_it(self, server: ScriptedServer) -> None:
        gate = Gate()
        server.on(PATH, OK, hang_up(), OK)
        async with asking(server.url, gate) as session:
            await session.get(PATH, as_sent())
            await session.get(PATH, as_sent())
        assert all("release" not in permit.events for permit in gate.permits)

    async def test_proxy_that_lets_nothing_through_costs_nothing(
        self, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        gate = Gate()
        monkeypatch.setenv("HTTPS_PROXY", server.url)
        monkeypatch.delenv("NO_PROXY", raising=False)
        async with asking("https://api.example.com", gate) as session:
            await failure(session)
        assert [permit.events for permit in gate.permits] == [["release"]]

    async def test_transport_within_the_process_sends_at_once(self) -> None:
        gate = Gate()
        transport = httpx.MockTransport(lambda _request: httpx.Response(200, json=[]))
        session = Session("http://made-up", SecretStr(TOKEN), transport, rate_limiter=gate, clock=FakeClock())
        async with contextlib.aclosing(session):
            await session.get(PATH, as_sent())
        assert [permit.events for permit in gate.permits] == [[]]


HTML = b"<!doctype html><title>Error 1015</title>"
JSON = b'{"status": 429, "message": "slow down"}'
IN_A_MINUTE = "Sat, 21 Nov 2026 14:01:00 GMT"
HALF_BEFORE = "Sat, 21 Nov 2026 14:00:30 GMT"
BY_STATUS = "429: too many requests"


async def drips_its_body(exchange: Exchange) -> None:
    await exchange.send(response(b"", 429, {"Retry-After": "20", "Content-Length": "9999"}))
    await drip(JSON)(exchange)


class TestRateLimit:
    CASES: ClassVar[dict[str, tuple[bytes, dict[str, str], float, str]]] = {
        "nothing said": (b"", {}, 10, BY_STATUS),
        "HTML and seconds": (HTML, {"Content-Type": "text/html", "Retry-After": "30"}, 30, BY_STATUS),
        "JSON and too few seconds": (JSON, {"Retry-After": "3"}, 10, "slow down"),
        "absurd": (JSON, {"Retry-After": "86400"}, 120, "slow down"),
        "negative": (b"", {"Retry-After": "-5"}, 10, BY_STATUS),
        "nonsense": (b"", {"Retry-After": "soon"}, 10, BY_STATUS),
        "a date": (b"", {"Retry-After": IN_A_MINUTE}, 60, BY_STATUS),
        "a date and the server's": (b"", {"Retry-After": IN_A_MINUTE, "Date": HALF_BEFORE}, 30, BY_STATUS),
    }

    @pytest.mark.parametrize(("body", "headers", "seconds", "message"), CASES.values(), ids=CASES)
    async def test_cooldown_is_passed_to_the_rate_limiter(
        self, server: ScriptedServer, body: bytes, headers: dict[str, str], seconds: float, message: str
    ) -> None:
        gate = Gate()
        server.on(PATH, reply(body, 429, headers))
        async with asking(server.url, gate) as session:
            error = await failure(session)
        assert isinstance(error, errors.RateLimitedError)
        assert (error.retry_after, error.message) == (seconds, message)
        assert gate.cooled == [seconds]

    @pytest.mark.parametrize(
        "answer",
        [
            raw(response(b"", 429, {"Content-Length": "9", "Retry-After": "20"})),
            drips_its_body,
            hang_up(response(b"", 429, {"Content-Length": "9", "Retry-After": "20"})),
        ],
        ids=["the body never comes", "the body drips", "the body is cut"],
    )
    async def test_429_counts_without_its_body(self, server: ScriptedServer, answer: Answer) -> None:
        gate = Gate()
        server.on(PATH, answer)
        async with asking(server.url, gate, seconds=SOON) as session:
            error = await failure(session)
        assert isinstance(error, errors.RateLimitedError)
        assert gate.cooled == [20]

    async def test_no_other_no_cools_down(self, server: ScriptedServer) -> None:
        gate = Gate()
        server.on(PATH, reply(b"", 503, {"Retry-After": "30"}), error_reply(401, "Token has expired"))
        async with asking(server.url, gate) as session:
            await failure(session)
            await failure(session)
        assert gate.cooled == []


async def recorded(server: ScriptedServer, answer: Answer, seconds: float = 5.0) -> RequestRecord:
    """What the log holds after one request that was answered so."""
    log = RequestLog(FakeClock())
    server.on(PATH, answer)
    async with asking(server.url, Gate(), log, seconds) as session:
        with contextlib.suppress(errors.RequestError):
            await session.get(PATH, as_sent())
    (entry,) = log.entries
    assert isinstance(entry, RequestRecord)
    return entry


class TestLog:
    async def test_each_request_is_kept(self, server: ScriptedServer) -> None:
        record = await recorded(server, reply(b'{"ok": true}'))
        assert record == RequestRecord(START, "GET", PATH, 200, "", 0, 12)

    async def test_a_query_is_kept(self, server: ScriptedServer) -> None:
        log = RequestLog(FakeClock())
        server.on(PATH, OK)
        async with asking(server.url, Gate(), log) as session:
            await session.get(PATH, as_sent(), {"page": 2, "status": "a b"})
        (entry,) = log.entries
        assert isinstance(entry, RequestRecord)
        assert entry.path == f"{PATH}?page=2&status=a+b"

    @pytest.mark.parametrize(
        ("answer", "status", "words", "size"),
        [
            (error_reply(404, "requested entity not found"), 404, "requested entity not found", 56),
            (reply(b"<html>", 502), 502, "502: bad gateway", 6),
            (reply(b"<html>"), 200, "HTML instead of JSON, perhaps from a proxy or a login page", 6),
            (truncated(b"[1, 2"), 200, "the answer ended early", 5),
            (hang_up(), None, "the server closed the connection without an answer", 0),
            (error_reply(401, f"\x1b[2J{TOKEN}[/x]"), 401, "␛[2J••••••••[/x]", 63),
        ],
    )
    async def test_outcome_of_a_request_is_logged(
        self, server: ScriptedServer, answer: Answer, status: int | None, words: str, size: int
    ) -> None:
        record = await recorded(server, answer)
        assert (record.status, record.error, record.size) == (status, words, size)

    async def test_a_timeout_is_kept(self, server: ScriptedServer) -> None:
        record = await recorded(server, raw(response(b"[1", headers={"Content-Length": "9"})), SOON)
        assert (record.status, record.error, record.size) == (200, "no whole answer within 0.2 seconds", 2)

    async def test_cancelled_request_is_logged(self, server: ScriptedServer) -> None:
        log = RequestLog(FakeClock())
        server.on(PATH, hang())
        async with asking(server.url, Gate(), log) as session:
            asked = asyncio.create_task(session.get(PATH, as_sent()))
            await arrived(server, 1)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        (entry,) = log.entries
        assert isinstance(entry, RequestRecord)
        assert (entry.status, entry.error) == (None, "given up before an answer came")

    async def test_both_requests_are_kept_when_a_connection_had_died(self, server: ScriptedServer) -> None:
        log = RequestLog(FakeClock())
        server.on(PATH, OK, hang_up(), OK)
        async with asking(server.url, Gate(), log) as session:
            await session.get(PATH, as_sent())
            await session.get(PATH, as_sent())
        assert [entry.status for entry in log.entries if isinstance(entry, RequestRecord)] == [200, None, 200]

    async def test_unsent_request_is_not_logged(self, server: ScriptedServer) -> None:
        log = RequestLog(FakeClock())
        async with asking(server.url, Gate(places=0), log) as session:
            asked = asyncio.create_task(session.get(PATH, as_sent()))
            await settle()
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
        assert log.entries == ()

    @pytest.mark.parametrize("path", [f"/v1/runner/{TOKEN}", "/v1/runner/cfc_t0ken%2F0123456789"])
    async def test_a_path_never_holds_the_token(self, server: ScriptedServer, path: str) -> None:
        log = RequestLog(FakeClock())
        async with asking(server.url, Gate(), log) as session:
            error = await failure(session, path)
            await failure(session, f"{PATH}?x={TOKEN}")
        assert error.path == "/v1/runner/••••••••"
        assert "0123456789" not in repr(log.entries) + str(error)

    async def test_the_time_it_took_is_kept(self) -> None:
        clock, log = FakeClock(), RequestLog(FakeClock())

        async def handler(_request: httpx.Request) -> httpx.Response:
            await clock.advance(1.25)
            return httpx.Response(200, json=[])

        session = Session(
            "http://made-up", SecretStr(TOKEN), httpx.MockTransport(handler), rate_limiter=Gate(), log=log, clock=clock
        )
        async with contextlib.aclosing(session):
            await session.get(PATH, as_sent())
        assert log.entries == (RequestRecord(START, "GET", PATH, 200, "", 1250, 2),)
