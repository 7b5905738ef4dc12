from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from pydantic import SecretStr

from comfytui.api import errors
from comfytui.api.client import ComfyControlClient
from comfytui.api.models import RunnerPage
from comfytui.api.session import Session
from comfytui.cli.checks.api import Asked, ask, clock_skew, verdict
from comfytui.cli.checks.check import Result
from comfytui.cli.exit_codes import ExitStatus
from comfytui.ratelimit.local import LocalAllowance
from tests.support.clock import FakeClock
from tests.support.scripted import Answer, ScriptedServer, error_reply, hang, html_reply, json_reply, reply

WHERE = ("GET", "/v1/runner")
PAGE = json_reply({"runners": [], "total": 120})
REFUSED = "connection refused: nothing listens there"


@pytest.mark.parametrize(
    ("total", "found"),
    [(120, "120 runners"), (1, "1 runner"), (0, "0 runners"), (None, "an unknown number of runners")],
)
def test_an_answer(total: int | None, found: str) -> None:
    check = verdict(RunnerPage(runners=(), total=total), 42.4)
    assert (check.result, check.found) == (Result.OK, f"answered in 42 ms and took the token; {found}")


@pytest.mark.parametrize(
    ("error", "result", "status", "found"),
    [
        (errors.Unauthorized(*WHERE, "Invalid token", 401), Result.FAIL, ExitStatus.NO_TOKEN, "401: Invalid token"),
        (errors.Forbidden(*WHERE, "no", 403), Result.FAIL, ExitStatus.FAILED, "answered 403: no"),
        (errors.NotFound(*WHERE, "no", 404), Result.FAIL, ExitStatus.FAILED, "answered 404: no"),
        (errors.ServerError(*WHERE, "oh", 503), Result.FAIL, ExitStatus.FAILED, "answered 503: oh"),
        (errors.UnexpectedStatus(*WHERE, "to x", 302), Result.FAIL, ExitStatus.FAILED, "answered 302: to x"),
        (errors.UnexpectedStatus(*WHERE, "302: to x", 302), Result.FAIL, ExitStatus.FAILED, "answered 302: to x"),
        (errors.Unintelligible(*WHERE, "HTML"), Result.FAIL, ExitStatus.FAILED, "something else than the API does"),
        (errors.Unreachable(*WHERE, "refused"), Result.FAIL, ExitStatus.UNREACHABLE, "refused"),
        (errors.TimedOut(*WHERE, "too late"), Result.FAIL, ExitStatus.UNREACHABLE, "too late"),
        (errors.InvalidArgument("no host"), Result.FAIL, ExitStatus.FAILED, "not asked: no host"),
        (errors.RateLimited(*WHERE, "slow down"), Result.WARN, ExitStatus.FAILED, "answered 429: slow down"),
    ],
)
def test_no_answer(error: errors.ComfyControlError, result: Result, status: ExitStatus, found: str) -> None:
    check = verdict(error, 1.0)
    assert (check.result, check.status) == (result, status)
    assert found in check.found
    assert check.remedy


@pytest.mark.parametrize(
    ("error", "proxy", "found", "remedy"),
    [
        (errors.InvalidArgument("no http: use https://"), "", "not asked: no http", "use https://"),
        (errors.Unreachable(*WHERE, REFUSED), "", REFUSED, "is it running, and is the port right?"),
        (errors.Unreachable(*WHERE, REFUSED), "ALL_PROXY", f"the proxy that ALL_PROXY names: {REFUSED}", "ALL_PROXY"),
        (errors.TimedOut(*WHERE, "too late"), "https_proxy", "the proxy that https_proxy names: too late", "NO_PROXY"),
        (errors.Unreachable(*WHERE, "TLS: no"), "ALL_PROXY", "TLS: no", "ca_bundle"),
    ],
)
def test_who_is_to_blame_and_what_helps(error: errors.ComfyControlError, proxy: str, found: str, remedy: str) -> None:
    check = verdict(error, 1.0, proxy)
    assert found in check.found
    assert remedy in check.remedy


@pytest.mark.parametrize(
    ("ahead", "result", "words"),
    [
        (None, Result.WARN, "did not answer"),
        (0.0, Result.OK, "agree"),
        (3600.0, Result.WARN, "1h00 ahead of this machine's"),
        (-90.0, Result.WARN, "1m30 behind this machine's"),
    ],
)
def test_clocks(ahead: float | None, result: Result, words: str) -> None:
    check = clock_skew(ahead)
    assert check.result is result
    assert words in check.found


@dataclass
class Line:
    """A server, and what asks it."""

    server: ScriptedServer
    clock: FakeClock = field(default_factory=FakeClock)

    async def ask(self, answer: Answer, seconds: float = 5.0, *, cooling: float = 0.0) -> Asked:
        self.server.on("/v1/runner", answer)
        allowance = LocalAllowance(self.clock)
        allowance.cool_down(cooling)
        token = SecretStr("cfc_s3cret")
        session = Session(self.server.url, token, timeout=seconds, allowance=allowance, clock=self.clock)
        client = ComfyControlClient(session)
        try:
            return await ask(client, allowance, self.clock, seconds)
        finally:
            await client.aclose()


async def test_one_request_tells_of_the_api_and_of_its_clock() -> None:
    async with ScriptedServer() as server:
        line = Line(server)
        asked = await line.ask(PAGE)
        assert asked.check.result is Result.OK
        assert asked.ahead == 0.0
        (request,) = server.requests
        assert request.query == {"page": "1", "per_page": "1"}
        date = {"Date": "Sat, 21 Nov 2026 15:00:00 GMT"}
        assert clock_skew((await line.ask(reply(b'{"runners": []}', 200, date))).ahead).result is Result.WARN


async def test_who_says_no_has_a_clock_too() -> None:
    async with ScriptedServer() as server:
        line = Line(server)
        assert await line.ask(error_reply(401, "Invalid token")) == (
            verdict(errors.Unauthorized(*WHERE, "Invalid token", 401), 0.0),
            0.0,
        )
        assert (await line.ask(html_reply())).ahead == 0.0


async def test_a_server_that_hangs() -> None:
    async with ScriptedServer() as server:
        asked = await Line(server).ask(hang(), 0.2)
    assert asked.check.result is Result.FAIL
    assert asked.check.status is ExitStatus.UNREACHABLE
    assert asked.ahead is None


async def test_nothing_is_asked_while_the_api_wants_to_be_left_alone() -> None:
    async with ScriptedServer() as server:
        asked = await Line(server).ask(PAGE, 0.05, cooling=7.0)
        assert server.requests == []
    assert asked.check.result is Result.WARN
    assert "left alone for another 7s" in asked.check.found


async def test_waiting_for_the_budget_is_not_the_apis_slowness() -> None:
    clock = FakeClock()
    allowance = LocalAllowance(clock, share=1)
    async with ScriptedServer() as server:
        server.on("/v1/runner", PAGE)
        client = ComfyControlClient(Session(server.url, SecretStr("cfc_s3cret"), allowance=allowance, clock=clock))
        await ask(client, allowance, clock, 5.0)
        second = asyncio.create_task(ask(client, allowance, clock, 5.0))
        await clock.advance(11)
        asked = await second
        await client.aclose()
    assert "answered in 0 ms" in asked.check.found


async def test_nothing_is_asked_while_the_budget_is_spent() -> None:
    clock = FakeClock()
    allowance = LocalAllowance(clock, share=1)
    async with ScriptedServer() as server:
        server.on("/v1/runner", PAGE)
        session = Session(server.url, SecretStr("cfc_s3cret"), allowance=allowance, clock=clock)
        client = ComfyControlClient(session)
        first, second = [await ask(client, allowance, clock, 0.5) for _ in range(2)]
        await client.aclose()
        assert len(server.requests) == 1
    assert first.check.result is Result.OK
    assert second.check.result is Result.WARN
    assert "budget" in second.check.found
