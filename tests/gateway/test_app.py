"""The routes, asked in-process: parameters, defaults, limits, order of checks, and the form of every error."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from pydantic import SecretStr

from comfytui.gateway.app import create_app
from comfytui.gateway.demo.fleet import DemoFleet
from comfytui.gateway.events import EventHub
from comfytui.gateway.fleet import RunnerUnreachableError
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
    from comfytui.api.statuses import RunnerStatus
    from comfytui.gateway.fleet import Fleet

FIXTURES = Path(__file__).parents[1] / "fixtures"
TOKEN = "cfc_only_for_tests"
RUNNERS = 34
PRODUCTION = "550e8400-e29b-41d4-a716-446655440000"
SUFFIXES = ("", "/history", "/stats")
UNKNOWN = "00000000-0000-0000-0000-000000000000"


def client_of(fleet: Fleet, token: str = TOKEN, headers: dict[str, str] | None = None) -> httpx.AsyncClient:
    app = create_app(fleet, SecretStr(token))
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app, raise_app_exceptions=False), base_url="http://gateway", headers=headers
    )


@pytest.fixture
async def client() -> AsyncIterator[httpx.AsyncClient]:
    fleet = DemoFleet(FakeClock(), RUNNERS)
    async with client_of(fleet, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        yield client


def assert_refused(response: httpx.Response, status: int, *words: str) -> None:
    assert response.status_code == status
    assert response.headers["content-type"] == "application/json"
    body = response.json()
    assert list(body) == ["status", "message"]
    assert body["status"] == status
    assert body["message"]
    for word in words:
        assert word in body["message"]


async def list_runners(client: httpx.AsyncClient, query: str = "") -> dict[str, Any]:
    response = await client.get(f"/v1/runner{query}")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    body: dict[str, Any] = response.json()
    assert list(body) == ["runners", "total"]
    return body


async def test_a_list_starts_with_ten_of_all(client: httpx.AsyncClient) -> None:
    body = await list_runners(client)
    assert len(body["runners"]) == 10
    assert body["total"] == RUNNERS
    assert [runner["name"] for runner in body["runners"][:2]] == ["Production GPU Runner", "Development Runner"]


async def test_a_list_is_ordered_newest_first_over_all_pages(client: httpx.AsyncClient) -> None:
    pages = [(await list_runners(client, f"?page={page}"))["runners"] for page in (1, 2, 3, 4)]
    runners = [runner for page in pages for runner in page]
    created = [runner["created_at"] for runner in runners]
    assert [len(page) for page in pages] == [10, 10, 10, 4]
    assert created == sorted(created, reverse=True)
    assert len({runner["id"] for runner in runners}) == RUNNERS


@pytest.mark.parametrize(
    ("query", "first", "count"),
    [
        ("?page=1&per_page=1", 0, 1),
        ("?page=34&per_page=1", 33, 1),
        ("?page=2&per_page=33", 33, 1),
        ("?per_page=100", 0, 34),
        ("?page=002&per_page=0010", 10, 10),
        ("?page=2&sort=name&q=%FF", 10, 10),
        ("?page=35&per_page=1", 34, 0),
        ("?page=2&per_page=100", 34, 0),
        ("?page=99999999999999999999999", 34, 0),
        ("?page=" + "9" * 5000, 34, 0),
        ("?page=" + "0" * 5000 + "1", 0, 10),
    ],
)
async def test_page_has_its_runners(client: httpx.AsyncClient, query: str, first: int, count: int) -> None:
    everyone = (await list_runners(client, "?per_page=100"))["runners"]
    body = await list_runners(client, query)
    assert body == {"runners": everyone[first : first + count], "total": RUNNERS}


@pytest.mark.parametrize(
    "text", ["0", "-1", "1.5", "abc", "", "1_0", "%2B1", "%201", "1%0A", "%EF%BC%91", "%D9%A1", "1e1", "0x1", "000"]
)
@pytest.mark.parametrize("name", ["page", "per_page"])
async def test_page_numbers_below_one_are_refused(client: httpx.AsyncClient, name: str, text: str) -> None:
    assert_refused(await client.get(f"/v1/runner?{name}={text}"), 400, name)


@pytest.mark.parametrize("text", ["101", "1" + "0" * 18, "1" + "0" * 30, "9" * 5000])
async def test_a_page_holds_a_hundred_at_the_most(client: httpx.AsyncClient, text: str) -> None:
    assert_refused(await client.get(f"/v1/runner?per_page={text}"), 400, "per_page", "100")


@pytest.mark.parametrize("status", ["active", "disabled"])
async def test_a_list_of_one_status(client: httpx.AsyncClient, status: str) -> None:
    everyone = (await list_runners(client, "?per_page=100"))["runners"]
    expected = [runner for runner in everyone if runner["status"] == status]
    assert 0 < len(expected) < RUNNERS
    assert await list_runners(client, f"?per_page=100&status={status}") == {
        "runners": expected,
        "total": len(expected),
    }
    assert await list_runners(client, f"?page=2&per_page=1&status={status}") == {
        "runners": expected[1:2],
        "total": len(expected),
    }


@pytest.mark.parametrize("status", ["Active", "ACTIVE", "inactive", "", "active%20", "completed", "%1B"])
async def test_an_unknown_status_is_refused(client: httpx.AsyncClient, status: str) -> None:
    assert_refused(await client.get(f"/v1/runner?status={status}"), 400, "status")


async def test_a_runner_is_the_example_of_its_page(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/v1/runner/{PRODUCTION}")
    assert response.status_code == 200
    assert json.dumps(response.json()) == json.dumps(json.loads((FIXTURES / "get-runner.json").read_text()))


async def test_an_id_is_found_in_any_case(client: httpx.AsyncClient) -> None:
    lower, upper = [await client.get(f"/v1/runner/{each}") for each in (PRODUCTION, PRODUCTION.upper())]
    assert upper.status_code == 200
    assert upper.json() == lower.json()
    assert (await client.get(f"/v1/runner/{PRODUCTION.upper()}/history")).status_code == 200


async def test_a_history_is_a_bare_list(client: httpx.AsyncClient) -> None:
    response = await client.get(f"/v1/runner/{PRODUCTION}/history")
    assert response.status_code == 200
    workflows = response.json()
    assert len(workflows) == 10
    created = [workflow["created_at"] for workflow in workflows]
    assert created == sorted(created, reverse=True)
    documented = json.loads((FIXTURES / "get-runner-history.json").read_text())
    assert {tuple(workflow) for workflow in workflows} == {tuple(documented[0])}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "runner_id",
    [
        "nope",
        "1",
        PRODUCTION[:-1],
        f"{PRODUCTION}0",
        PRODUCTION.replace("-", ""),
        "{" + PRODUCTION + "}",
        f"urn:uuid:{PRODUCTION}",
        PRODUCTION.replace("5", "g", 1),
        PRODUCTION.replace("5", "%EF%BC%95", 1),
        f"{PRODUCTION}%0A",
        "%FF",
    ],
)
async def test_malformed_uuid_is_refused(client: httpx.AsyncClient, runner_id: str, suffix: str) -> None:
    assert_refused(await client.get(f"/v1/runner/{runner_id}{suffix}"), 400, "UUID")


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize(
    "runner_id", [UNKNOWN, "a1b2c3d4-e5f6-7890-abcd-ef1234567890", "f" * 8 + "-ffff" * 3 + "-ffffffffffff"]
)
async def test_an_unknown_id_is_not_found(client: httpx.AsyncClient, runner_id: str, suffix: str) -> None:
    assert_refused(await client.get(f"/v1/runner/{runner_id}{suffix}"), 404, "requested entity not found")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/v1",
        "/v1/runners",
        "/v1/runner/",
        "/v2/runner",
        "/docs",
        "/openapi.json",
        f"/v1/runner/{PRODUCTION}/",
        f"/v1/runner/{PRODUCTION}/statistics",
        f"/v1/runner/{PRODUCTION}%2Fhistories",
    ],
)
async def test_an_unknown_route_is_not_found(client: httpx.AsyncClient, path: str) -> None:
    assert_refused(await client.get(path), 404)


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ["/v1/runner", *(f"/v1/runner/{PRODUCTION}{suffix}" for suffix in SUFFIXES)])
async def test_another_method_is_not_allowed(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path)
    assert_refused(response, 405)
    assert "GET" in response.headers["allow"]


@pytest.mark.parametrize(
    "sent",
    [
        None,
        "",
        TOKEN,
        "Bearer",
        "Bearer ",
        f"Basic {TOKEN}",
        f"Bearer{TOKEN}",
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
        f"Bearer {TOKEN.upper()}",
        f"Bearer {TOKEN} {TOKEN}",
        "Bearer gäste",
    ],
)
@pytest.mark.parametrize("path", ["/v1/runner", "/v1/runner?page=0", "/v1/runner/nope", f"/v1/runner/{UNKNOWN}", "/no"])
async def test_without_the_token_nothing_is_said(client: httpx.AsyncClient, sent: str | None, path: str) -> None:
    del client.headers["Authorization"]
    headers = {} if sent is None else {b"Authorization": sent.encode()}
    response = await client.get(path, headers=headers)
    assert_refused(response, 401)
    assert TOKEN not in response.text


@pytest.mark.parametrize("sent", [f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Bearer   {TOKEN}", f"Bearer {TOKEN} "])
async def test_the_scheme_may_be_written_in_any_case(client: httpx.AsyncClient, sent: str) -> None:
    assert (await client.get("/v1/runner", headers={"Authorization": sent})).status_code == 200


@pytest.mark.parametrize("token", ["schlüssel-鍵", "\udcff\udcfe"])
async def test_a_token_need_not_be_ascii(token: str) -> None:
    sent = b"Bearer " + token.encode("utf-8", "surrogateescape")
    async with client_of(DemoFleet(FakeClock(), 1), token) as client:
        assert (await client.get("/v1/runner", headers={b"Authorization": sent})).status_code == 200
        assert_refused(await client.get("/v1/runner", headers={b"Authorization": sent[:-1]}), 401, "Invalid token")


def test_empty_token_is_refused() -> None:
    with pytest.raises(ValueError, match="token"):
        create_app(DemoFleet(FakeClock(), 1), SecretStr(""))


class _BrokenFleet:
    def __init__(self) -> None:
        self.events = EventHub(FakeClock())

    async def list_runners(self, page: int, per_page: int, status: RunnerStatus | None) -> RunnerPage:
        raise RuntimeError("the secret of the house")

    async def get_runner(self, runner_id: str) -> Runner:
        raise KeyError(runner_id)

    async def get_history(self, runner_id: str) -> tuple[Workflow, ...]:
        raise ZeroDivisionError

    async def get_stats(self, runner_id: str) -> RunnerStats:
        raise OSError(runner_id)

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize("path", ["/v1/runner", *(f"/v1/runner/{PRODUCTION}{suffix}" for suffix in SUFFIXES)])
async def test_a_fault_of_the_fleet_is_a_500_that_tells_nothing(path: str) -> None:
    async with client_of(_BrokenFleet(), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        response = await client.get(path)
    assert_refused(response, 500)
    assert "secret" not in response.text


class _SilentFleet(_BrokenFleet):
    async def get_history(self, runner_id: str) -> tuple[Workflow, ...]:
        raise RunnerUnreachableError("gpu2:8188 asks for a password")

    async def get_stats(self, runner_id: str) -> RunnerStats:
        raise RunnerUnreachableError("gpu2:8188 accepts connections and does not answer")


@pytest.mark.parametrize(
    ("suffix", "status", "words"),
    [
        ("/history", 503, "gpu2:8188 asks for a password"),
        ("/stats", 500, "gpu2:8188 accepts connections and does not answer"),
    ],
)
async def test_a_machine_that_tells_nothing_is_said_in_its_words(suffix: str, status: int, words: str) -> None:
    async with client_of(_SilentFleet(), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        response = await client.get(f"/v1/runner/{PRODUCTION}{suffix}")
    assert (response.status_code, response.json()) == (status, {"status": status, "message": words})


async def test_gateway_has_no_rate_limit(client: httpx.AsyncClient) -> None:
    answers = [await client.get(f"/v1/runner/{UNKNOWN}") for _ in range(100)]
    assert {answer.status_code for answer in answers} == {404}


async def test_an_empty_fleet(client: httpx.AsyncClient) -> None:
    async with client_of(DemoFleet(FakeClock(), 0), headers=dict(client.headers)) as empty:
        assert await list_runners(empty) == {"runners": [], "total": 0}
        assert_refused(await empty.get(f"/v1/runner/{PRODUCTION}"), 404)
