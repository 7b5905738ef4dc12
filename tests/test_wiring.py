from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from comfytui.api.allowance import LocalAllowance
from comfytui.api.request_log import RequestLog
from comfytui.config.secrets import TOKEN_VARIABLE
from comfytui.config.settings import Settings
from comfytui.engine.resources import PageKey
from comfytui.sources import Connect, Entrance, demo_source, made_token, simulated_fleet
from comfytui.tui.door import OpenDoor
from comfytui.wiring import build_dashboard, demo_dashboard
from tests.support.clock import FakeClock
from tests.support.scripted import ScriptedServer, json_reply

if TYPE_CHECKING:
    from comfytui.engine.resources import RunnerSource


def demo(runners: int, seed: int) -> Connect:
    clock = FakeClock()
    return demo_source(runners, seed, clock, LocalAllowance(clock), RequestLog(clock))


async def test_the_demo_answers_in_this_process() -> None:
    client = await demo(runners=3, seed=0)()
    try:
        page = await client.list_runners(page=1, per_page=2)
        assert [runner.name for runner in page.runners] == ["Production GPU Runner", "Development Runner"]
        assert page.total == 3
        runner = page.runners[0]
        assert (await client.get_runner(runner.id)).id == runner.id
        assert len(await client.get_history(runner.id)) == 10
    finally:
        await client.aclose()


async def test_the_demo_is_the_fleet_of_its_seed_and_clock() -> None:
    client = await demo(runners=30, seed=7)()
    try:
        shown = await client.list_runners(page=1, per_page=100)
    finally:
        await client.aclose()
    wanted, other = [await simulated_fleet(30, seed, FakeClock()).list_runners(1, 100, None) for seed in (7, 8)]
    assert [each.id for each in shown.runners] == [each.id for each in wanted.runners]
    assert [each.id for each in shown.runners] != [each.id for each in other.runners]


async def test_the_api_is_asked_with_the_token_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    async with ScriptedServer() as server:
        server.on("/v1/runner", json_reply({"runners": [], "total": 0}))
        clock = FakeClock()
        entrance = Entrance(Settings("somewhere"), server.url, clock, LocalAllowance(clock), RequestLog(clock))
        monkeypatch.setenv(TOKEN_VARIABLE, " cfc_later\n")
        client = await entrance.connect()
        try:
            assert (await client.list_runners()).total == 0
        finally:
            await client.aclose()
        assert server.requests[0].headers["authorization"] == "Bearer cfc_later"


def test_a_dashboard_starts_nothing_before_it_runs() -> None:
    async def connect() -> RunnerSource:
        pytest.fail("nothing is to be asked yet")

    clock = FakeClock()
    settings = Settings("somewhere", interval=2.5, per_page=7)
    app = build_dashboard(settings, connect, clock, OpenDoor("somewhere"), LocalAllowance(clock), RequestLog(clock))
    for each in (app, demo_dashboard(settings, runners=1, seed=0, clock=clock)):
        assert not each.is_running
        assert each.snapshot.attention.page == PageKey(page=1, per_page=7)
        assert each.snapshot.interval == 2.5
        assert not each.snapshot.pages


def test_made_tokens_are_as_the_api_makes_them_and_never_the_same() -> None:
    tokens = {made_token().get_secret_value() for _ in range(50)}
    assert len(tokens) == 50
    assert all(token.startswith("cfc_") and len(token) > 30 and token.isascii() for token in tokens)
    assert "cfc_" not in repr(made_token())
