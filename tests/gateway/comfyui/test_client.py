from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from comfytui import __version__
from comfytui.api.body import MAX_BODY
from comfytui.config.settings import Server
from comfytui.gateway.comfyui.client import ComfyUIClient, is_comfyui
from comfytui.gateway.comfyui.errors import (
    AuthRequiredError,
    ConnectionDroppedError,
    HTTPStatusError,
    ResponseTimeoutError,
    ResponseTooLargeError,
    ServerUnreachableError,
    UnparsableResponseError,
)
from tests.support.comfyui import ScriptedComfyUI, job, replay
from tests.support.comfyui_jobs import queue_of, recording
from tests.support.comfyui_requests import PROMPT, SECRET, answering_at_once, client_of, problem_at
from tests.support.scripted import (
    Exchange,
    ScriptedServer,
    hang,
    hang_up,
    html_reply,
    json_reply,
    raw,
    response,
    truncated,
)


@pytest.fixture
async def box() -> AsyncIterator[ScriptedComfyUI]:
    async with ScriptedComfyUI() as box:
        yield box


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    async with ScriptedServer() as scripted:
        yield scripted


class TestAsking:
    @pytest.mark.parametrize("version", ["0.33.0", "0.3.64"])
    async def test_json_comes_back_as_it_was_recorded(self, version: str) -> None:
        async with replay(version) as box, client_of(box.url) as client:
            assert await client.get("/history") == recording(version, "history-all")
            assert await client.get("/system_stats") == recording(version, "idle-system_stats")
        async with replay(version, is_running=True) as box, client_of(box.url) as client:
            assert await client.get("/queue") == recording(version, "running-queue")

    async def test_jobs_come_back_as_they_were_recorded(self) -> None:
        async with replay("0.33.0") as box, client_of(box.url) as client:
            assert await client.get("/api/jobs") == recording("0.33.0", "jobs-all")

    async def test_request_has_the_server_headers(self, box: ScriptedComfyUI) -> None:
        async with client_of(box.url) as client:
            await client.get("/history", {"max_items": 2, "offset": "1"})
        assert box.requests == [("GET", "/history?max_items=2&offset=1")]
        (headers,) = box.headers
        assert headers["authorization"] == headers["x-door"] == SECRET
        assert headers["user-agent"] == f"comfytui/{__version__}"
        assert headers["accept-encoding"] == "identity"
        assert not {"origin", "cookie", "referer"}.intersection(headers)

    async def test_a_quoted_path_stays_as_it_is_below_the_prefix(self) -> None:
        async with ScriptedComfyUI(prefix="/gpu/two") as box, client_of(box.url) as client:
            box.files = {"my portrait.json": ({"id": "d"}, 1.0)}
            assert await client.get("/userdata/workflows%2Fmy%20portrait.json") == {"id": "d"}
            assert box.paths == ["/gpu/two/userdata/workflows%2Fmy%20portrait.json"]

    async def test_connection_is_reused_and_bodies_are_counted(self, box: ScriptedComfyUI) -> None:
        async with client_of(box.url) as client:
            for _ in range(3):
                assert await client.get("/prompt") == PROMPT
            assert client.received == 3 * 37
        assert box.connections == 1

    async def test_cookies_are_neither_kept_nor_sent(self, scripted: ScriptedServer) -> None:
        scripted.on("/prompt", raw(response(b"{}", headers={"Set-Cookie": "sid=1"})))
        async with client_of(scripted.url) as client:
            await client.get("/prompt")
            await client.get("/prompt")
        assert "cookie" not in scripted.requests[1].headers

    async def test_another_transport_carries_it(self) -> None:
        transport = httpx.MockTransport(lambda request: httpx.Response(200, json=request.url.path))
        async with contextlib.aclosing(
            ComfyUIClient(Server("http://gpu2:8188", "gpu2"), transport=transport)
        ) as client:
            assert await client.get("/prompt") == "/prompt"


class TestDeadConnections:
    async def test_stale_connection_is_replaced_once(self, scripted: ScriptedServer) -> None:
        scripted.on("/prompt", json_reply(1), hang_up(), json_reply(2))
        async with client_of(scripted.url) as client:
            assert [await client.get("/prompt"), await client.get("/prompt")] == [1, 2]
        assert scripted.connections == 2

    async def test_a_new_one_is_not(self) -> None:
        async with answering_at_once(b"") as address:
            problem = await problem_at(f"http://{address}")
        assert (type(problem), str(problem)) == (ConnectionDroppedError, "closed the connection without an answer")

    async def test_a_server_that_was_away_answers_again(self, box: ScriptedComfyUI) -> None:
        async with client_of(box.url) as client:
            await client.get("/prompt")
            await box.stop()
            with pytest.raises(ServerUnreachableError, match="connection refused"):
                await client.get("/prompt")
            await box.start()
            assert await client.get("/prompt") == PROMPT


class TestNoAnswer:
    async def test_no_connection_comes_about(self) -> None:
        async def carry(request: httpx.Request) -> httpx.Response:
            await request.extensions["trace"]("connection.connect_tcp.started", {})
            await asyncio.Event().wait()
            raise AssertionError

        box = Server("http://gpu2:8188", "gpu2")
        async with contextlib.aclosing(ComfyUIClient(box, timeout=0.2, transport=httpx.MockTransport(carry))) as client:
            with pytest.raises(ServerUnreachableError, match=r"^no connection within 0.1 s$"):
                await client.get("/prompt")

    async def test_hanging_server_times_out(self, box: ScriptedComfyUI) -> None:
        box.hang()
        problem = await problem_at(box.url, seconds=0.1)
        assert (type(problem), str(problem)) == (ResponseTimeoutError, "accepts connections and does not answer")

    async def test_stalled_body_times_out(self, scripted: ScriptedServer) -> None:
        async def half(exchange: Exchange) -> None:
            await exchange.send(response(b"{", headers={"Content-Length": "100"}))
            await hang()(exchange)

        scripted.on("/prompt", half)
        problem = await problem_at(scripted.url, seconds=0.1)
        assert (type(problem), str(problem)) == (ResponseTimeoutError, "no whole answer within 0.1 s")

    async def test_dripping_body_times_out(self, scripted: ScriptedServer) -> None:
        async def drip(exchange: Exchange) -> None:
            await exchange.send(response(b"", headers={"Content-Length": "100"}))
            while not exchange.writer.is_closing():
                await exchange.send(b" ")
                await asyncio.sleep(0.01)

        scripted.on("/prompt", drip)
        assert isinstance(await problem_at(scripted.url, seconds=0.1), ResponseTimeoutError)

    async def test_truncated_body_is_refused(self, scripted: ScriptedServer) -> None:
        scripted.on("/prompt", truncated(b"{}"))
        problem = await problem_at(scripted.url)
        assert (type(problem), str(problem)) == (
            ConnectionDroppedError,
            "closed the connection in the middle of its answer",
        )

    async def test_a_hung_server_is_left_when_the_asker_gives_up(self, box: ScriptedComfyUI) -> None:
        box.hang("/queue")
        async with client_of(box.url) as client:
            asking = asyncio.create_task(client.get("/queue"))
            await box.was_asked.wait()
            asking.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asking
            assert await client.get("/prompt") == PROMPT


class TestRefusals:
    @pytest.mark.parametrize("status", [401, 403])
    async def test_a_password_is_asked_for(self, box: ScriptedComfyUI, status: int) -> None:
        box.wall = response(b"no", status)
        problem = await problem_at(box.url)
        assert isinstance(problem, AuthRequiredError)
        assert str(problem) == "asks for a password: give its headers in the configuration"

    async def test_the_password_of_the_configuration_is_taken(self, box: ScriptedComfyUI) -> None:
        box.authorization = SECRET
        async with client_of(box.url) as client:
            assert await client.get("/prompt") == PROMPT
        box.authorization = "Basic other"
        assert isinstance(await problem_at(box.url), AuthRequiredError)

    @pytest.mark.parametrize("location", ["/login?next=%2Fprompt", "https://auth.example.com/start"])
    async def test_a_login_page(self, box: ScriptedComfyUI, location: str) -> None:
        box.wall = response(b"", 302, {"Location": location})
        assert isinstance(await problem_at(box.url), AuthRequiredError)

    async def test_another_redirect_is_not_followed(self, box: ScriptedComfyUI, scripted: ScriptedServer) -> None:
        box.wall = response(b"", 302, {"Location": f"{scripted.url}/prompt?key=hidden"})
        problem = await problem_at(box.url)
        assert str(problem) == "it answered 302 to /prompt, a redirect to 127.0.0.1"
        assert scripted.connections == 0

    async def test_a_status_that_says_no(self, box: ScriptedComfyUI) -> None:
        box.jobs_status = 500
        problem = await problem_at(box.url, "/api/jobs")
        assert isinstance(problem, HTTPStatusError)
        assert (problem.status, str(problem)) == (500, "it answered 500 to /api/jobs")

    async def test_an_old_server_has_no_jobs(self) -> None:
        async with ScriptedComfyUI("0.3.64") as box:
            problem = await problem_at(box.url, "/api/jobs")
        assert isinstance(problem, HTTPStatusError)
        assert problem.status == 404


class TestGarbled:
    @pytest.mark.parametrize("body", [b"", b"<html>", b"{", b"\xff\xfe"])
    async def test_no_json(self, box: ScriptedComfyUI, body: bytes) -> None:
        box.wall = response(body)
        problem = await problem_at(box.url)
        assert (type(problem), str(problem)) == (UnparsableResponseError, "answers, but not as ComfyUI does")

    async def test_no_http(self) -> None:
        async with answering_at_once(b"SSH-2.0-OpenSSH_9.2\r\n\r\n") as address:
            assert isinstance(await problem_at(f"http://{address}"), UnparsableResponseError)

    async def test_a_page_for_people(self, scripted: ScriptedServer) -> None:
        scripted.on("/prompt", html_reply())
        assert isinstance(await problem_at(scripted.url), UnparsableResponseError)


class TestSizes:
    async def test_announced_large_body_is_not_read(self, box: ScriptedComfyUI) -> None:
        box.put(*(job(f"j{number}", number=number, size=58_000) for number in range(500)))
        async with client_of(box.url) as client:
            with pytest.raises(ResponseTooLargeError) as caught:
                await client.get("/history")
            assert client.received == 0
            assert await client.get("/prompt") == PROMPT
        assert str(caught.value) == "the answer to /history is larger than 8 MB and was cut off"
        # What the sockets' buffers hold is under way before anybody can stop it.
        assert box.bytes_out < 16_000_000

    @pytest.mark.parametrize("glimpse", [0, 1, 100_000])
    async def test_prefix_of_a_large_body_is_returned(self, box: ScriptedComfyUI, glimpse: int) -> None:
        box.put(*(job(f"j{number}", "pending", number=number, size=58_000) for number in range(200)))
        async with client_of(box.url) as client:
            with pytest.raises(ResponseTooLargeError) as caught:
                await client.get("/queue", glimpse=glimpse)
            assert glimpse <= client.received <= glimpse + 1_000_000
        expected = json.dumps(queue_of(box.jobs, True)).encode()[:glimpse]
        assert caught.value.beginning == expected

    async def test_answer_of_millions_of_values_is_not_decoded(self, scripted: ScriptedServer) -> None:
        scripted.on("/queue", raw(response(b'{"queue_running": [' + b"[]," * 1_000_000 + b"[]]}")))
        async with client_of(scripted.url) as client:
            with pytest.raises(ResponseTooLargeError) as caught:
                await client.get("/queue", glimpse=20)
        assert caught.value.beginning == b'{"queue_running": [['

    async def test_unannounced_large_body_is_read_up_to_the_limit(self, scripted: ScriptedServer) -> None:
        sent = []

        async def pour(exchange: Exchange) -> None:
            await exchange.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(290):
                await exchange.send(b"%x\r\n%s\r\n" % (100_000, b" " * 100_000))
                sent.append(100_000)

        scripted.on("/history", pour)
        async with client_of(scripted.url) as client:
            with pytest.raises(ResponseTooLargeError):
                await client.get("/history")
            assert MAX_BODY < client.received < MAX_BODY + 1_000_000
        assert sum(sent) < 20_000_000

    async def test_body_just_below_the_limit_is_accepted(self, box: ScriptedComfyUI) -> None:
        box.put(job("large", size=7_900_000))
        async with client_of(box.url) as client:
            answer = await client.get("/history")
        assert isinstance(answer, dict)
        assert list(answer) == ["large"]


class TestRecognising:
    async def test_a_comfyui(self, box: ScriptedComfyUI) -> None:
        assert await is_comfyui(Server(box.url, "here"))
        assert box.paths == ["/prompt"]

    @pytest.mark.parametrize("value", [{}, [], None, {"exec_info": 1}, "ComfyUI"])
    async def test_something_else_that_speaks_json(self, scripted: ScriptedServer, value: object) -> None:
        scripted.on("/prompt", json_reply(value))
        assert not await is_comfyui(Server(scripted.url, "here"))

    async def test_nothing_or_nothing_in_time(self, box: ScriptedComfyUI) -> None:
        box.hang()
        assert not await is_comfyui(Server(box.url, "here"), 0.1)
        await box.stop()
        assert not await is_comfyui(Server(box.url, "here"))


class TestTelling:
    async def test_nothing_gives_the_headers_away(self, box: ScriptedComfyUI, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("DEBUG")
        async with client_of(box.url) as client:
            await client.get("/prompt")
            assert SECRET not in repr(vars(client))
        assert "/prompt" in caplog.text
        assert SECRET not in caplog.text
