"""What the API's pages promise, asked of the gateway through the client, over a socket and in-process alike."""

from __future__ import annotations

import contextlib
import re
from datetime import datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from comfytui.api.errors import BadRequestError, NotFoundError, ServerError, UnauthorizedError
from comfytui.api.events import EVENTS_PATH, EXTENSION_NAME, EXTENSIONS_HEADER
from comfytui.api.models import Runner, RunnerPage, Workflow, parse_history, parse_stats
from comfytui.api.statuses import RunnerStatus
from tests.contract.gateways import Gateway, documented
from tests.support.reading import as_sent

if TYPE_CHECKING:
    import httpx

    from comfytui.api.client import ComfyControlClient

FLEET = 120
PRODUCTION = "550e8400-e29b-41d4-a716-446655440000"
NOBODY = "00000000-0000-4000-8000-000000000000"
NO_UUIDS = ["1", "not-a-uuid", PRODUCTION.replace("-", ""), f"{PRODUCTION}0", "g50e8400-e29b-41d4-a716-446655440000"]
BAD_PARAMETERS = [
    ("page", "0"),
    ("page", "-1"),
    ("page", "1.5"),
    ("page", "one"),
    ("page", ""),
    ("per_page", "0"),
    ("per_page", "101"),
    ("per_page", "ten"),
    ("status", "queued"),
    ("status", "Active"),
    ("status", ""),
]
RUNNER_FIELDS = ["id", "user_id", "name", "status", "endpoint", "tags", "headers", "created_at", "updated_at"]
WORKFLOW_FIELDS = ["id", "name", "status", "tags", "created_at", "updated_at", "started_at", "completed_at"]


async def all_runners(client: ComfyControlClient) -> list[Runner]:
    pages = [await client.list_runners(page, per_page=100) for page in (1, 2)]
    return [runner for page in pages for runner in page.runners]


def is_newest_first(items: list[Runner] | tuple[Workflow, ...]) -> bool:
    moments = [item.created_at for item in items]
    assert all(isinstance(moment, datetime) for moment in moments)
    return all(str(newer) >= str(older) for newer, older in pairwise(moments))


class TestListRunners:
    async def test_defaults(self, http: httpx.AsyncClient) -> None:
        bare = await http.get("/v1/runner")
        assert bare.json() == (await http.get("/v1/runner", params={"page": 1, "per_page": 10})).json()
        assert list(bare.json()) == ["runners", "total"]
        assert len(bare.json()["runners"]) == 10
        assert bare.json()["total"] == FLEET

    async def test_a_runner_has_the_documented_fields(self, http: httpx.AsyncClient) -> None:
        for runner in (await http.get("/v1/runner", params={"per_page": 100})).json()["runners"]:
            assert list(runner) == RUNNER_FIELDS
            assert isinstance(runner["tags"], list)
            assert isinstance(runner["headers"], dict)
            assert all(isinstance(runner[name], str) for name in RUNNER_FIELDS if name not in ("tags", "headers"))

    @pytest.mark.parametrize("per_page", [1, 100])
    async def test_limits(self, client: ComfyControlClient, per_page: int) -> None:
        page = await client.list_runners(per_page=per_page)
        assert len(page.runners) == per_page
        assert page.total == FLEET

    async def test_newest_first(self, client: ComfyControlClient) -> None:
        runners = await all_runners(client)
        assert is_newest_first(runners)
        assert [runner.name for runner in runners[:2]] == ["Production GPU Runner", "Development Runner"]

    @pytest.mark.parametrize("per_page", [7, 60])
    async def test_paging_covers_each_runner_once(self, client: ComfyControlClient, per_page: int) -> None:
        count = -(-FLEET // per_page)
        pages = [await client.list_runners(page, per_page) for page in range(1, count + 1)]
        paged = [runner for page in pages for runner in page.runners]
        assert paged == await all_runners(client)
        assert len({runner.id for runner in paged}) == FLEET

    @pytest.mark.parametrize("page", [13, 10**30])
    async def test_beyond_the_end_is_empty(self, client: ComfyControlClient, page: int) -> None:
        assert await client.list_runners(page) == RunnerPage(runners=(), total=FLEET)

    async def test_the_status_filter_parts_the_fleet(self, client: ComfyControlClient) -> None:
        totals = []
        for status in RunnerStatus:
            page = await client.list_runners(per_page=100, status=status)
            assert page.runners
            assert {runner.status for runner in page.runners} == {status}
            totals.append(page.total)
        assert sum(total or 0 for total in totals) == FLEET

    async def test_paging_within_a_filter(self, client: ComfyControlClient) -> None:
        whole = await client.list_runners(per_page=100, status="disabled")
        first = await client.list_runners(per_page=2, status="disabled")
        second = await client.list_runners(2, per_page=2, status="disabled")
        assert first.runners + second.runners == whole.runners[:4]
        assert first.total == second.total == whole.total == len(whole.runners)


class TestGetRunner:
    async def test_runner_equals_its_list_entry(self, client: ComfyControlClient) -> None:
        for runner in (await client.list_runners(per_page=5)).runners:
            assert await client.get_runner(runner.id) == runner

    async def test_an_id_may_be_in_capitals(self, client: ComfyControlClient) -> None:
        assert await client.get_runner(PRODUCTION.upper()) == await client.get_runner(PRODUCTION)


class TestGetRunnerHistory:
    async def test_at_most_ten_newest_first(self, client: ComfyControlClient) -> None:
        lengths = set()
        for runner in (await client.list_runners(per_page=20)).runners:
            history = await client.get_history(runner.id)
            assert is_newest_first(history)
            lengths.add(len(history))
        assert max(lengths) == 10

    async def test_a_workflow_has_the_documented_fields(self, http: httpx.AsyncClient) -> None:
        history = (await http.get(f"/v1/runner/{PRODUCTION}/history")).json()
        assert isinstance(history, list)
        for workflow in history:
            assert list(workflow) == WORKFLOW_FIELDS

    async def test_a_workflow_is_on_one_runner_alone(self, client: ComfyControlClient) -> None:
        runners = (await client.list_runners(per_page=10)).runners
        ids = [workflow.id for runner in runners for workflow in await client.get_history(runner.id)]
        assert len(ids) == len(set(ids))


class TestGetRunnerStats:
    async def test_response_has_the_documented_fields(self, http: httpx.AsyncClient) -> None:
        answer = await http.get(f"/v1/runner/{PRODUCTION}/stats")
        assert answer.status_code == 200
        stats, page = answer.json(), documented("get-runner-stats")
        assert isinstance(page, dict)
        assert list(stats) == list(page)
        assert list(stats["system"]) == list(page["system"])
        assert {tuple(device) for device in stats["devices"]} == {tuple(page["devices"][0])}
        assert isinstance(stats["dev_mode"], bool)
        assert isinstance(stats["extensions"], list)

    async def test_sizes_are_believable(self, client: ComfyControlClient) -> None:
        stats = await client.get_stats(PRODUCTION)
        assert 0 < (stats.system.ram_free or 0) < (stats.system.ram_total or 0)
        assert [device.type for device in stats.devices] == ["cuda"]
        assert all(0 < (device.vram_free or 0) < (device.vram_total or 0) for device in stats.devices)

    async def test_unreachable_runner_is_a_500_with_a_message(self, client: ComfyControlClient) -> None:
        runners = await all_runners(client)
        problems = [await self.problem(client, runner) for runner in runners]
        assert problems[:2] == [None, None]
        said = {(problem.status, problem.message) for problem in problems if problem}
        assert said == {(500, "it does not answer: no connection within 5 s")}

    async def problem(self, client: ComfyControlClient, runner: Runner) -> ServerError | None:
        """What the API says instead of stats; None where it gives them."""
        try:
            await client.get_stats(runner.id)
        except ServerError as error:
            return error
        return None


class TestEvents:
    async def test_a_list_tells_of_the_extension(self, http: httpx.AsyncClient) -> None:
        assert (await http.get("/v1/runner")).headers[EXTENSIONS_HEADER] == EXTENSION_NAME

    async def test_the_first_events_tell_of_the_runners_asked_for(self, client: ComfyControlClient) -> None:
        page = await client.list_runners(per_page=100)
        async with contextlib.aclosing(client.watch_revisions()) as events:
            # One event tells of a hundred at most.
            told = {revisions.id: revisions for _ in range(2) for revisions in await anext(events)}
        assert {runner.id for runner in page.runners} <= told.keys()
        assert all(revisions.is_live for revisions in told.values())

    async def test_events_are_a_server_sent_stream(self, http: httpx.AsyncClient) -> None:
        async with http.stream("GET", EVENTS_PATH) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
            assert answer.headers["cache-control"] == "no-store"
            begin = await anext(answer.aiter_text())
        assert re.match(r"event: (runners|heartbeat)\ndata: [\[{]", begin)

    @pytest.mark.parametrize("authorization", [None, "Bearer cfc_wrong"])
    async def test_events_require_the_token(self, gateway: Gateway, authorization: str | None) -> None:
        async with gateway.http(authorization) as http:
            answer = await http.get(EVENTS_PATH)
        assert (answer.status_code, answer.json()["status"]) == (401, 401)


class TestErrors:
    @pytest.mark.parametrize(("name", "value"), BAD_PARAMETERS)
    async def test_bad_parameters(self, gateway: Gateway, http: httpx.AsyncClient, name: str, value: str) -> None:
        async with contextlib.aclosing(gateway.session()) as session:
            with pytest.raises(BadRequestError, match=name) as caught:
                await session.get("/v1/runner", as_sent(), {name: value})
        answer = await http.get("/v1/runner", params={name: value})
        assert answer.status_code == 400
        assert answer.json() == {"status": 400, "message": caught.value.message}

    @pytest.mark.parametrize("runner_id", NO_UUIDS)
    async def test_an_id_that_is_no_uuid(self, client: ComfyControlClient, runner_id: str) -> None:
        with pytest.raises(BadRequestError, match="UUID"):
            await client.get_runner(runner_id)
        with pytest.raises(BadRequestError, match="UUID"):
            await client.get_history(runner_id)
        with pytest.raises(BadRequestError, match="UUID"):
            await client.get_stats(runner_id)

    async def test_an_unknown_runner(self, client: ComfyControlClient) -> None:
        with pytest.raises(NotFoundError, match="requested entity not found"):
            await client.get_runner(NOBODY)
        with pytest.raises(NotFoundError, match="requested entity not found"):
            await client.get_history(NOBODY)
        with pytest.raises(NotFoundError, match="requested entity not found"):
            await client.get_stats(NOBODY)

    async def test_a_wrong_token(self, gateway: Gateway) -> None:
        async with contextlib.aclosing(gateway.client(SecretStr("cfc_wrong"))) as client:
            with pytest.raises(UnauthorizedError, match="Invalid token"):
                await client.list_runners()
            with pytest.raises(UnauthorizedError):
                await client.get_runner(PRODUCTION)
            with pytest.raises(UnauthorizedError):
                await client.get_history(PRODUCTION)
            with pytest.raises(UnauthorizedError):
                await client.get_stats(PRODUCTION)

    @pytest.mark.parametrize(
        "authorization", [None, "", "Bearer", "Bearer cfc_wrong", "Basic Y2ZjOng=", "cfc_contract"]
    )
    @pytest.mark.parametrize("path", ["/v1/runner", f"/v1/runner/{NOBODY}", "/v1/runner?page=0", "/nowhere"])
    async def test_the_token_comes_before_all_else(
        self, gateway: Gateway, authorization: str | None, path: str
    ) -> None:
        async with gateway.http(authorization) as http:
            answer = await http.get(path)
        assert answer.status_code == 401
        assert set(answer.json()) == {"status", "message"}
        assert answer.json()["status"] == 401
        assert answer.json()["message"]

    async def test_an_unknown_path_is_answered_in_the_same_form(self, http: httpx.AsyncClient) -> None:
        answer = await http.get("/v1/nothing")
        assert answer.status_code == 404
        assert answer.json()["status"] == 404
        assert answer.json()["message"]


class TestDocumentedExamples:
    PATHS = (
        ("list-runners", "/v1/runner"),
        ("get-runner", f"/v1/runner/{PRODUCTION}"),
        ("get-runner-history", f"/v1/runner/{PRODUCTION}/history"),
        ("get-runner-stats", f"/v1/runner/{PRODUCTION}/stats"),
    )

    @pytest.mark.parametrize(("name", "path"), PATHS)
    async def test_responses_are_served_verbatim(self, documented_gateway: Gateway, name: str, path: str) -> None:
        async with documented_gateway.http() as http:
            answer = await http.get(path)
        assert answer.headers["content-type"] == "application/json"
        assert answer.json() == documented(name)

    async def test_responses_are_parsed_back_equal(self, documented_gateway: Gateway) -> None:
        async with contextlib.aclosing(documented_gateway.client()) as client:
            assert await client.list_runners() == RunnerPage.parse(documented("list-runners"))
            assert await client.get_runner(PRODUCTION) == Runner.model_validate(documented("get-runner"))
            assert await client.get_history(PRODUCTION) == parse_history(documented("get-runner-history"))
            assert await client.get_stats(PRODUCTION) == parse_stats(documented("get-runner-stats"))
