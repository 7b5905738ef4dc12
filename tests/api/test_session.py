from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import socket
import traceback
from collections.abc import Callable
from typing import ClassVar

import httpx
import pytest
from pydantic import SecretStr

from comfytui import __version__
from comfytui.api import errors
from comfytui.api.body import MAX_BODY
from comfytui.api.session import Session
from comfytui.clock import SystemClock
from comfytui.ratelimit.local import LocalRateLimiter
from tests.support.reading import as_sent
from tests.support.scripted import (
    Answer,
    ScriptedServer,
    drip,
    error_reply,
    hang,
    hang_up,
    html_reply,
    json_reply,
    raw,
    reply,
    reset,
    response,
    truncated,
)

TOKEN = "cfc_t0ken0123456789"
PATH = "/v1/runner"
SOON = 0.2

OK = json_reply({"ok": True})
CUT_CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[1,2,\r\n"
ECHO = json.dumps({"status": 401, "message": f"Invalid token {TOKEN}"}).encode()


def session_to(url: str, timeout: float = 5.0) -> Session:
    return Session(url, SecretStr(TOKEN), timeout=timeout)


async def ask(session: Session, path: str = PATH) -> object:
    async with contextlib.aclosing(session):
        return await session.get(path, as_sent())


async def failure(session: Session) -> errors.RequestError:
    with pytest.raises(errors.RequestError) as caught:
        await ask(session)
    assert (caught.value.method, caught.value.path) == ("GET", PATH)
    assert_nothing_is_given_away(caught.value)
    return caught.value


def assert_nothing_is_given_away(error: BaseException) -> None:
    shown = traceback.TracebackException.from_exception(error, capture_locals=True)
    assert TOKEN not in "".join(shown.format()) + repr(error) + repr(vars(error))
    assert error.__context__ is None
    assert error.__cause__ is None


def mocked(handler: Callable[[httpx.Request], httpx.Response]) -> Session:
    return Session("https://api.example.com", SecretStr(TOKEN), transport=httpx.MockTransport(handler))


class TestAsking:
    async def test_request_has_the_documented_headers(self, server: ScriptedServer) -> None:
        server.on("/prefix/v1/runner", OK)
        session = session_to(f"{server.url}/prefix/")
        async with contextlib.aclosing(session):
            assert await session.get(PATH, as_sent(), {"page": 2, "status": "a b&c"}) == {"ok": True}
        (request,) = server.requests
        assert (request.method, request.path) == ("GET", "/prefix/v1/runner")
        assert request.query == {"page": "2", "status": "a b&c"}
        assert request.headers["authorization"] == f"Bearer {TOKEN}"
        assert request.headers["user-agent"] == f"comfytui/{__version__}"
        assert request.headers["accept"] == "application/json"
        assert request.headers["host"] == server.url.removeprefix("http://")

    async def test_a_quoted_path_stays_as_it_is(self, server: ScriptedServer) -> None:
        server.on("/v1/runner/a%2Fb%3F%25", OK)
        assert await ask(session_to(server.url), "/v1/runner/a%2Fb%3F%25") == {"ok": True}

    async def test_connections_are_kept(self, server: ScriptedServer) -> None:
        server.on(PATH, OK)
        session = session_to(server.url)
        async with contextlib.aclosing(session):
            for _ in range(3):
                await session.get(PATH, as_sent())
        assert server.connections == 1

    async def test_cookies_are_neither_kept_nor_sent(self, server: ScriptedServer) -> None:
        server.on(PATH, reply(b"{}", headers={"Set-Cookie": "id=1; Path=/; Max-Age=9999"}))
        session = session_to(server.url)
        async with contextlib.aclosing(session):
            await session.get(PATH, as_sent())
            await session.get(PATH, as_sent())
        assert "cookie" not in server.requests[1].headers

    @pytest.mark.parametrize(
        ("body", "headers", "value"),
        [
            (gzip.compress(b'{"a": 1}'), {"Content-Encoding": "gzip"}, {"a": 1}),
            (b'\xef\xbb\xbf{"a": "\xff\\ud800"}', {}, {"a": "\ufffd\ud800"}),
            (b'{"a": NaN}', {"Content-Type": "text/html"}, {"a": "NaN"}),
            (b"null", {}, None),
            (b"[" + b'"x", ' * 200_000 + b'"y"]', {}, ["x"] * 1_000 + ["…"]),
        ],
        ids=["gzip", "not quite UTF-8", "NaN", "null", "large"],
    )
    async def test_response_is_parsed(
        self, server: ScriptedServer, body: bytes, headers: dict[str, str], value: object
    ) -> None:
        server.on(PATH, reply(body, headers=headers))
        assert await ask(session_to(server.url)) == value

    async def test_closing_twice_is_no_mistake(self, server: ScriptedServer) -> None:
        session = session_to(server.url)
        await session.aclose()
        await session.aclose()


class TestStatuses:
    @pytest.mark.parametrize(
        ("answer", "kind", "status", "message"),
        [
            (error_reply(400, "invalid UUID format"), errors.BadRequestError, 400, "invalid UUID format"),
            (error_reply(401, "Token has expired"), errors.UnauthorizedError, 401, "Token has expired"),
            (error_reply(403, "Runner limit\nexceeded"), errors.ForbiddenError, 403, "Runner limit exceeded"),
            (error_reply(404, "requested entity not found"), errors.NotFoundError, 404, "requested entity not found"),
            (error_reply(500, "\x1b[2J"), errors.ServerError, 500, "␛[2J"),
            (html_reply(429), errors.RateLimitedError, 429, "429: too many requests"),
            (reply(b"", 503), errors.ServerError, 503, "503: service unavailable"),
            (reply(b"", 522), errors.ServerError, 522, "522: Scripted"),
            (reply(b"[]", 418), errors.UnexpectedStatusError, 418, "418: i'm a teapot"),
            (error_reply(401, "\u200b  "), errors.UnauthorizedError, 401, "401: unauthorized"),
            (json_reply({"message": {"no": "text"}}, 400), errors.BadRequestError, 400, "400: bad request"),
            (reply(b"", 304), errors.UnexpectedStatusError, 304, "304: not modified"),
            (raw(b"HTTP/1.1 799\r\nContent-Length: 0\r\n\r\n"), errors.UnexpectedStatusError, 799, "799: unknown"),
            (reply(ECHO, 401), errors.UnauthorizedError, 401, "Invalid token ••••••••"),
        ],
    )
    async def test_a_no_has_its_type_and_the_message(
        self, server: ScriptedServer, answer: Answer, kind: type[errors.StatusError], status: int, message: str
    ) -> None:
        server.on(PATH, answer)
        error = await failure(session_to(server.url))
        assert type(error) is kind
        assert isinstance(error, errors.StatusError)
        assert (error.status, error.message) == (status, message)

    async def test_a_no_is_a_no_even_when_its_body_breaks_off(self, server: ScriptedServer) -> None:
        server.on(PATH, hang_up(response(b'{"mess', 401, {"Content-Length": "100"})))
        error = await failure(session_to(server.url))
        assert type(error) is errors.UnauthorizedError
        assert error.message == "401: unauthorized"

    @pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
    async def test_a_redirect_is_not_followed(self, server: ScriptedServer, status: int) -> None:
        async with ScriptedServer() as elsewhere:
            location = f"{elsewhere.url}/login?token={TOKEN}"
            server.on(PATH, reply(b"", status, {"Location": location}))
            error = await failure(session_to(server.url))
            assert elsewhere.connections == 0
        assert type(error) is errors.UnexpectedStatusError
        assert error.message == f"{status}: redirects are not followed; this one leads to 127.0.0.1"
        assert len(server.requests) == 1


class TestUnintelligible:
    ANSWERS: ClassVar[dict[str, tuple[Answer, str]]] = {
        "a page for people": (html_reply(), "HTML instead of JSON, perhaps from a proxy or a login page"),
        "nothing": (reply(b""), "an empty answer"),
        "204": (reply(b"", 204), "an empty answer"),
        "plain text": (reply(b"Hello"), "the answer is not JSON"),
        "half a body": (reply(b'{"runners": ['), "the answer ended early"),
        "half a body with the token": (reply(ECHO[:-3]), "the answer ended early"),
        "less than its length": (truncated(b'{"runners": []}'), "the answer ended early"),
        "chunks without an end": (hang_up(CUT_CHUNKS), "the answer ended early"),
        "a reset within": (reset(response(b"{}", headers={"Content-Length": "9"})), "the answer ended early"),
        "a pit": (reply(b"[" * 100_000), "JSON that is nested too deeply"),
        "too much": (reply(b" " * (MAX_BODY + 1)), "more than 8 MB"),
        "no gzip": (reply(b"{}", headers={"Content-Encoding": "gzip"}), "the answer is damaged"),
        "br": (reply(b"{}", headers={"Content-Encoding": "br"}), "the answer is compressed in a way"),
        "SSH": (raw(b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n"), "an answer that is not HTTP"),
    }

    @pytest.mark.parametrize(("answer", "words"), ANSWERS.values(), ids=ANSWERS)
    async def test_an_answer_that_is_not_what_was_promised(
        self, server: ScriptedServer, answer: Answer, words: str
    ) -> None:
        server.on(PATH, answer)
        error = await failure(session_to(server.url))
        assert type(error) is errors.InvalidResponseError
        assert error.message.startswith(words)
        assert len(server.requests) == 1


class TestTimeouts:
    @pytest.mark.parametrize(
        "answer",
        [hang(), drip(response(b'{"runners": [], "total": 0}')), raw(response(b"{", headers={"Content-Length": "9"}))],
        ids=["nothing comes", "a byte at a time", "the rest never comes"],
    )
    async def test_the_whole_answer_is_bounded(self, server: ScriptedServer, answer: Answer) -> None:
        server.on(PATH, answer)
        async with asyncio.timeout(10 * SOON):
            error = await failure(session_to(server.url, timeout=SOON))
        assert type(error) is errors.RequestTimeoutError
        assert error.message == "no whole answer within 0.2 seconds"

    @pytest.mark.parametrize(
        ("raised", "words"),
        [
            (httpx.ConnectTimeout, "no connection within 5 seconds"),
            (httpx.ReadTimeout, "no whole answer within 10 seconds"),
            (httpx.WriteTimeout, "no whole answer within 10 seconds"),
            (httpx.PoolTimeout, "no whole answer within 10 seconds"),
        ],
    )
    async def test_every_timeout_has_words(self, raised: type[httpx.TimeoutException], words: str) -> None:
        def handler(request: httpx.Request) -> httpx.Response:
            raise raised("", request=request)

        error = await failure(mocked(handler))
        assert type(error) is errors.RequestTimeoutError
        assert error.message == words


class TestUnreachable:
    async def test_refused(self, server: ScriptedServer) -> None:
        await server.refuse()
        error = await failure(session_to(server.url))
        assert type(error) is errors.ConnectionFailedError
        assert error.message == "connection refused: nothing listens there"

    @pytest.mark.parametrize(
        ("answer", "words"),
        [
            (hang_up(), "the server closed the connection without an answer"),
            (hang_up(b"HTTP/1.1 200"), "the server closed the connection without an answer"),
            (reset(), "the connection was lost before an answer came"),
        ],
        ids=["closed", "closed within the head", "reset"],
    )
    async def test_cut_off_before_an_answer(self, server: ScriptedServer, answer: Answer, words: str) -> None:
        server.on(PATH, answer)
        error = await failure(session_to(server.url))
        assert type(error) is errors.ConnectionFailedError
        assert error.message == words
        assert len(server.requests) == 1

    @pytest.mark.parametrize(
        ("raised", "cause", "words"),
        [
            (httpx.ConnectError, socket.gaierror(socket.EAI_NONAME, "unknown"), "no such host"),
            (httpx.ConnectError, None, "no connection could be made"),
            (httpx.WriteError, None, "the connection was lost before an answer came"),
            (httpx.LocalProtocolError, None, "the request could not be made"),
        ],
    )
    async def test_every_failure_has_words(
        self, raised: type[httpx.TransportError], cause: OSError | None, words: str
    ) -> None:
        def handler(request: httpx.Request) -> httpx.Response:
            raise raised("", request=request) from cause

        error = await failure(mocked(handler))
        assert type(error) is errors.ConnectionFailedError
        assert error.message == words


class TestStaleConnections:
    @pytest.mark.parametrize("end", [hang_up(), reset()], ids=["closed", "reset"])
    async def test_a_kept_connection_that_is_dead_is_replaced_once(self, server: ScriptedServer, end: Answer) -> None:
        server.on(PATH, OK, end, OK)
        session = session_to(server.url)
        async with contextlib.aclosing(session):
            await session.get(PATH, as_sent())
            assert await session.get(PATH, as_sent()) == {"ok": True}
        assert [request.connection for request in server.requests] == [1, 1, 2]

    async def test_no_more_than_once(self, server: ScriptedServer) -> None:
        server.on(PATH, OK, hang_up())
        session = session_to(server.url)
        await session.get(PATH, as_sent())
        await failure(session)
        assert len(server.requests) == 3

    @pytest.mark.parametrize(
        "answer",
        [truncated(b"{}"), raw(b"SSH-2.0-OpenSSH\r\n\r\n"), error_reply(500, "no")],
        ids=["cut", "garbage", "500"],
    )
    async def test_an_answer_that_began_is_not_asked_again(self, server: ScriptedServer, answer: Answer) -> None:
        server.on(PATH, OK, answer)
        session = session_to(server.url)
        await session.get(PATH, as_sent())
        await failure(session)
        assert len(server.requests) == 2

    async def test_a_server_that_came_back_is_asked_on_a_new_connection(self, server: ScriptedServer) -> None:
        server.on(PATH, OK)
        session = session_to(server.url)
        async with contextlib.aclosing(session):
            await session.get(PATH, as_sent())
            await server.refuse()
            with pytest.raises(errors.ConnectionFailedError):
                await session.get(PATH, as_sent())
            await server.listen()
            assert await session.get(PATH, as_sent()) == {"ok": True}


class TestPaths:
    async def test_a_path_that_no_url_can_hold(self) -> None:
        session = mocked(lambda request: httpx.Response(200, json={}))
        async with contextlib.aclosing(session):
            with pytest.raises(errors.InvalidArgumentError, match="too long"):
                await session.get("/" + "a" * 70_000, as_sent())


class TestSecrecy:
    def test_the_token_is_in_no_repr(self) -> None:
        session = mocked(lambda request: httpx.Response(200, json={}))
        assert TOKEN not in f"{session!r} {vars(session)!r} {vars(vars(session)['_client'])!r}"


async def test_an_address_asked_again_and_again_stays_what_it_is() -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(200, json={})

    plenty = LocalRateLimiter(SystemClock(), 1000)
    parts = ("https://api.example.com/here/", SecretStr(TOKEN), httpx.MockTransport(answer))
    wanted = [(PATH, {"page": page, "status": "active"}) for page in (*range(1, 140), 1, 139, 2)]
    async with contextlib.aclosing(Session(*parts, rate_limiter=plenty)) as session:
        for path, params in wanted:
            await session.get(path, as_sent(), params)
        await session.get(PATH, as_sent())
    told = [f"https://api.example.com/here{path}?page={params['page']}&status=active" for path, params in wanted]
    assert asked == [*told, f"https://api.example.com/here{PATH}"]
