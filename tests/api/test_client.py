from __future__ import annotations

import contextlib
import json
import traceback
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from comfytui.api.client import ComfyControlClient
from comfytui.api.errors import InvalidArgumentError, InvalidResponseError, NotFoundError, ServerError
from comfytui.api.session import Session
from comfytui.api.statuses import RunnerStatus
from comfytui.ratelimit.window import OnSent, Priority
from tests.support.scripted import ScriptedServer, error_reply, json_reply

if TYPE_CHECKING:
    from comfytui.api.response_cache import ParsedResponseCache

FIXTURES = Path(__file__).parent.parent / "fixtures"
RUNNER = "/v1/runner/r1"
HISTORY = "/v1/runner/r1/history"
STATS = "/v1/runner/r1/stats"
T = TypeVar("T")
EMPTY = json_reply({"runners": [], "total": 0})


class PathKeeper(Session):
    """A session that asks nobody and remembers what for, and the paths."""

    def __init__(self, answer: object = None) -> None:
        self.paths: list[str] = []
        self.priorities: list[Priority] = []
        self._answer = answer or {"id": "r"}

    async def get(
        self,
        path: str,
        reader: ParsedResponseCache[T],
        params: object = None,
        priority: Priority = Priority.POLL,
        on_sent: OnSent = None,
    ) -> T:
        self.paths.append(path)
        self.priorities.append(priority)
        return reader.parse(self._answer)


@pytest.fixture
async def client(server: ScriptedServer) -> AsyncIterator[ComfyControlClient]:
    client = ComfyControlClient(Session(server.url, SecretStr("cfc_x")))
    async with contextlib.aclosing(client):
        yield client


def fixture(name: str) -> object:
    body: object = json.loads((FIXTURES / f"{name}.json").read_text())
    return body


class TestAnswers:
    async def test_list_runners(self, server: ScriptedServer, client: ComfyControlClient) -> None:
        server.on("/v1/runner", json_reply(fixture("list-runners")))
        page = await client.list_runners()
        assert [runner.name for runner in page.runners] == ["Production GPU Runner", "Development Runner"]
        assert page.total == 2
        assert server.requests[0].query == {"page": "1", "per_page": "10"}

    async def test_the_same_answer_is_read_once(self, server: ScriptedServer, client: ComfyControlClient) -> None:
        server.on(RUNNER, json_reply({"id": "r1", "name": "first"}))
        first = await client.get_runner("r1")
        assert await client.get_runner("r1") is first
        server.on(RUNNER, json_reply({"id": "r1", "name": "second"}))
        assert (await client.get_runner("r1")).name == "second"

    @pytest.mark.parametrize("status", [RunnerStatus.DISABLED, "disabled"], ids=["member", "word"])
    async def test_list_runners_as_asked(
        self, server: ScriptedServer, client: ComfyControlClient, status: RunnerStatus | str
    ) -> None:
        server.on("/v1/runner", EMPTY)
        await client.list_runners(page=3, per_page=100, status=status)
        assert server.requests[0].query == {"page": "3", "per_page": "100", "status": "disabled"}

    async def test_get_runner(self, server: ScriptedServer, client: ComfyControlClient) -> None:
        server.on(RUNNER, json_reply(fixture("get-runner")))
        assert (await client.get_runner("r1")).name == "Production GPU Runner"
        assert server.requests[0].query == {}

    async def test_get_history(self, server: ScriptedServer, client: ComfyControlClient) -> None:
        server.on(HISTORY, json_reply(fixture("get-runner-history")))
        assert [workflow.name for workflow in await client.get_history("r1")] == [
            "Text to Image Generation",
            "Image Upscaling",
            "ControlNet Test",
        ]

    async def test_get_stats(self, server: ScriptedServer, client: ComfyControlClient) -> None:
        server.on(STATS, json_reply(fixture("get-runner-stats")))
        stats = await client.get_stats("r1")
        assert (stats.system.comfyui_version, len(stats.devices)) == ("0.3.77", 1)
        assert server.requests[0].query == {}

    async def test_stats_of_a_runner_that_does_not_answer(
        self, server: ScriptedServer, client: ComfyControlClient
    ) -> None:
        server.on(STATS, error_reply(500, "could not connect to the runner"))
        with pytest.raises(ServerError) as caught:
            await client.get_stats("r1")
        assert (caught.value.status, caught.value.message) == (500, "could not connect to the runner")

    async def test_errors_of_the_session_come_through(self, client: ComfyControlClient) -> None:
        with pytest.raises(NotFoundError, match=r"^GET /v1/runner/r1/history: requested entity not found$"):
            await client.get_history("r1")


class TestRefusals:
    @pytest.mark.parametrize("page", [0, -1, True, 1.0, "1", None])
    async def test_page(self, server: ScriptedServer, client: ComfyControlClient, page: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=r"^page must be"):
            await client.list_runners(page=page)
        assert server.connections == 0

    @pytest.mark.parametrize("per_page", [0, -1, 101, True, 10.0, "10", None])
    async def test_per_page(self, server: ScriptedServer, client: ComfyControlClient, per_page: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=r"^per_page must be"):
            await client.list_runners(per_page=per_page)
        assert server.connections == 0

    @pytest.mark.parametrize("status", ["", "Active", "inactive", "queued", RunnerStatus("draining"), 1, True])
    async def test_status(self, server: ScriptedServer, client: ComfyControlClient, status: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=r"^status must be active or disabled$"):
            await client.list_runners(status=status)
        assert server.connections == 0

    @pytest.mark.parametrize("runner_id", ["", ".", "..", None, 7, b"r1", "\ud800"])
    async def test_runner_id(self, server: ScriptedServer, client: ComfyControlClient, runner_id: Any) -> None:
        with pytest.raises(InvalidArgumentError, match=r"^a runner's id must be"):
            await client.get_runner(runner_id)
        with pytest.raises(InvalidArgumentError, match=r"^a runner's id must be"):
            await client.get_history(runner_id)
        with pytest.raises(InvalidArgumentError, match=r"^a runner's id must be"):
            await client.get_stats(runner_id)
        assert server.connections == 0

    @pytest.mark.parametrize("per_page", [1, 100])
    async def test_the_limits_themselves_are_fine(
        self, server: ScriptedServer, client: ComfyControlClient, per_page: int
    ) -> None:
        server.on("/v1/runner", EMPTY)
        assert (await client.list_runners(per_page=per_page)).runners == ()


class TestIds:
    @pytest.mark.parametrize(
        ("runner_id", "path"),
        [
            ("a/b", "/v1/runner/a%2Fb"),
            ("../user", "/v1/runner/..%2Fuser"),
            ("a?b=c#d", "/v1/runner/a%3Fb%3Dc%23d"),
            ("50%41", "/v1/runner/50%2541"),
            ("ü ", "/v1/runner/%C3%BC%20"),
            ("...", "/v1/runner/..."),
            ("a\r\nb", "/v1/runner/a%0D%0Ab"),
        ],
    )
    async def test_an_id_is_one_segment_on_the_wire(
        self, server: ScriptedServer, client: ComfyControlClient, runner_id: str, path: str
    ) -> None:
        server.on(path, json_reply({"id": runner_id}))
        await client.get_runner(runner_id)
        assert server.requests[0].path == path

    @given(st.text(min_size=1).filter(lambda text: text not in (".", "..")))
    async def test_any_id_is_one_segment(self, runner_id: str) -> None:
        keeper = PathKeeper()
        await ComfyControlClient(keeper).get_runner(runner_id)
        (path,) = keeper.paths
        assert path.isascii()
        assert path.isprintable()
        assert path.count("/") == 3
        assert unquote(path.rpartition("/")[2]) == runner_id


class TestUses:
    async def test_the_session_hears_what_a_request_is_for(self) -> None:
        for priority in Priority:
            runners, runner, history = PathKeeper({"runners": []}), PathKeeper(), PathKeeper([{"id": "w"}])
            stats = PathKeeper()
            await ComfyControlClient(runners).list_runners(priority=priority)
            await ComfyControlClient(runner).get_runner("r", priority=priority)
            await ComfyControlClient(history).get_history("r", priority=priority)
            await ComfyControlClient(stats).get_stats("r", priority=priority)
            assert [*runners.priorities, *runner.priorities, *history.priorities, *stats.priorities] == [priority] * 4

    async def test_without_a_word_it_is_a_poll(self) -> None:
        keeper = PathKeeper()
        await ComfyControlClient(keeper).get_runner("r")
        assert keeper.priorities == [Priority.POLL]


class TestWrongShapes:
    @pytest.mark.parametrize("body", [None, [], {}, {"runners": {}}, "runners"])
    async def test_list_runners(self, server: ScriptedServer, client: ComfyControlClient, body: object) -> None:
        server.on("/v1/runner", json_reply(body))
        with pytest.raises(InvalidResponseError, match=r"^GET /v1/runner: expected an object with a list of runners$"):
            await client.list_runners()

    @pytest.mark.parametrize("body", [None, [], {}, {"id": None}, {"name": "r1"}, "r1", [{"id": "r1"}]])
    async def test_get_runner(self, server: ScriptedServer, client: ComfyControlClient, body: object) -> None:
        server.on(RUNNER, json_reply(body))
        with pytest.raises(InvalidResponseError, match=r"^GET /v1/runner/r1: expected an object with an id$"):
            await client.get_runner("r1")

    @pytest.mark.parametrize("body", [{}, {"workflows": []}, "r1"])
    async def test_get_history(self, server: ScriptedServer, client: ComfyControlClient, body: object) -> None:
        server.on(HISTORY, json_reply(body))
        with pytest.raises(InvalidResponseError, match=r"^GET /v1/runner/r1/history: expected a list of workflows$"):
            await client.get_history("r1")

    @pytest.mark.parametrize("body", [None, [], "r1", 7])
    async def test_get_stats(self, server: ScriptedServer, client: ComfyControlClient, body: object) -> None:
        server.on(STATS, json_reply(body))
        with pytest.raises(InvalidResponseError, match=r"^GET /v1/runner/r1/stats: expected an object with system and"):
            await client.get_stats("r1")

    async def test_a_body_stays_out_of_tracebacks(self, server: ScriptedServer, client: ComfyControlClient) -> None:
        server.on(RUNNER, json_reply({"headers": {"Authorization": "hunter2"}}))
        with pytest.raises(InvalidResponseError) as caught:
            await client.get_runner("r1")
        shown = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
        assert "hunter2" not in "".join(shown.format())
        assert caught.value.__context__ is None
