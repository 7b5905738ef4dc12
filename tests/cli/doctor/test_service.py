from __future__ import annotations

import asyncio
import socket
import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NoReturn

import pytest
from pydantic import SecretStr

from comfytui.api import errors
from comfytui.api.client import ComfyControlClient
from comfytui.api.models import RunnerPage
from comfytui.api.session import Session
from comfytui.cli.doctor.check import Check, Result
from comfytui.cli.doctor.command import CheckTimeouts
from comfytui.cli.doctor.service import (
    ApiCheckResult,
    TokenCheck,
    check_clock_skew,
    check_from_outcome,
    check_rate_limit,
    check_servers,
    check_token,
    request_page,
)
from comfytui.cli.exit_codes import ExitCode
from comfytui.clock import SystemClock
from comfytui.config.credentials import TOKEN_VARIABLE, save_token
from comfytui.config.settings import Server, TokenSources
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.store import AcquireResult, RateLimitStore, RequestedSlot
from comfytui.ratelimit.window import SHARED_LIMIT, WINDOW_S, Priority
from tests.support.clock import FakeClock
from tests.support.comfyui import AUTHORITY, ScriptedComfyUI
from tests.support.scripted import Answer, ScriptedServer, error_reply, hang, html_reply, json_reply, reply, response

WHERE = ("GET", "/v1/runner")
PAGE = json_reply({"runners": [], "total": 120})
REFUSED = "connection refused: nothing listens there"


@pytest.mark.parametrize(
    ("total", "found"),
    [(120, "120 runners"), (1, "1 runner"), (0, "0 runners"), (None, "an unknown number of runners")],
)
def test_api_answer_counts_runners(total: int | None, found: str) -> None:
    check = check_from_outcome(RunnerPage(runners=(), total=total), 42.4)
    assert (check.result, check.detail) == (Result.OK, f"answered in 42 ms and accepted the token; {found}")


@pytest.mark.parametrize(
    ("error", "result", "status", "found"),
    [
        (
            errors.UnauthorizedError(*WHERE, "Invalid token", 401),
            Result.FAIL,
            ExitCode.NO_TOKEN,
            "401: Invalid token",
        ),
        (errors.ForbiddenError(*WHERE, "no", 403), Result.FAIL, ExitCode.FAILED, "answered 403: no"),
        (errors.NotFoundError(*WHERE, "no", 404), Result.FAIL, ExitCode.FAILED, "answered 404: no"),
        (errors.ServerError(*WHERE, "oh", 503), Result.FAIL, ExitCode.FAILED, "answered 503: oh"),
        (errors.UnexpectedStatusError(*WHERE, "to x", 302), Result.FAIL, ExitCode.FAILED, "answered 302: to x"),
        (errors.UnexpectedStatusError(*WHERE, "302: to x", 302), Result.FAIL, ExitCode.FAILED, "answered 302: to x"),
        (errors.InvalidResponseError(*WHERE, "HTML"), Result.FAIL, ExitCode.FAILED, "not an answer of ComfyControl"),
        (errors.ConnectionFailedError(*WHERE, "refused"), Result.FAIL, ExitCode.UNREACHABLE, "refused"),
        (errors.RequestTimeoutError(*WHERE, "too late"), Result.FAIL, ExitCode.UNREACHABLE, "too late"),
        (errors.InvalidArgumentError("no host"), Result.FAIL, ExitCode.FAILED, "skipped: no host"),
        (errors.RateLimitedError(*WHERE, "slow down"), Result.WARN, ExitCode.FAILED, "answered 429: slow down"),
    ],
)
def test_api_error_is_described(error: errors.ComfyControlError, result: Result, status: ExitCode, found: str) -> None:
    check = check_from_outcome(error, 1.0)
    assert (check.result, check.status) == (result, status)
    assert found in check.detail
    assert check.hint


@pytest.mark.parametrize(
    ("error", "proxy", "found", "remedy"),
    [
        (errors.InvalidArgumentError("no http: use https://"), "", "skipped: no http", "use https://"),
        (errors.ConnectionFailedError(*WHERE, REFUSED), "", REFUSED, "is it running, and is the port right?"),
        (
            errors.ConnectionFailedError(*WHERE, REFUSED),
            "ALL_PROXY",
            f"through the proxy of ALL_PROXY: {REFUSED}",
            "ALL_PROXY",
        ),
        (
            errors.RequestTimeoutError(*WHERE, "too late"),
            "https_proxy",
            "through the proxy of https_proxy: too late",
            "NO_PROXY",
        ),
        (errors.ConnectionFailedError(*WHERE, "TLS: no"), "ALL_PROXY", "TLS: no", "ca_bundle"),
    ],
)
def test_api_connection_failure_names_cause_and_hint(
    error: errors.ComfyControlError, proxy: str, found: str, remedy: str
) -> None:
    check = check_from_outcome(error, 1.0, proxy)
    assert found in check.detail
    assert remedy in check.hint


@pytest.mark.parametrize(
    ("clock_skew", "result", "words"),
    [
        (None, Result.WARN, "did not answer"),
        (0.0, Result.OK, "agree"),
        (3600.0, Result.WARN, "1h00 ahead of this machine's"),
        (-90.0, Result.WARN, "1m30 behind this machine's"),
    ],
)
def test_clock_skew_is_described(clock_skew: float | None, result: Result, words: str) -> None:
    check = check_clock_skew(clock_skew)
    assert check.result is result
    assert words in check.detail


@dataclass
class ApiRig:
    """Server with a client of its own."""

    server: ScriptedServer
    clock: FakeClock = field(default_factory=FakeClock)

    async def ask(self, answer: Answer, timeout_s: float = 5.0, *, cooling: float = 0.0) -> ApiCheckResult:
        self.server.on("/v1/runner", answer)
        rate_limiter = LocalRateLimiter(self.clock)
        rate_limiter.block_for(cooling)
        token = SecretStr("cfc_s3cret")
        session = Session(self.server.url, token, timeout=timeout_s, rate_limiter=rate_limiter, clock=self.clock)
        client = ComfyControlClient(session)
        try:
            return await request_page(client, rate_limiter, self.clock, timeout_s)
        finally:
            await client.aclose()


async def test_api_is_sent_one_request() -> None:
    async with ScriptedServer() as server:
        rig = ApiRig(server)
        asked = await rig.ask(PAGE)
        assert asked.check.result is Result.OK
        assert asked.clock_skew == 0.0
        (request,) = server.requests
        assert request.query == {"page": "1", "per_page": "1"}
        date = {"Date": "Sat, 21 Nov 2026 15:00:00 GMT"}
        assert check_clock_skew((await rig.ask(reply(b'{"runners": []}', 200, date))).clock_skew).result is Result.WARN


async def test_api_refusal_gives_clock_skew() -> None:
    async with ScriptedServer() as server:
        rig = ApiRig(server)
        assert await rig.ask(error_reply(401, "Invalid token")) == (
            check_from_outcome(errors.UnauthorizedError(*WHERE, "Invalid token", 401), 0.0),
            0.0,
        )
        assert (await rig.ask(html_reply())).clock_skew == 0.0


async def test_api_hanging_server_fails() -> None:
    async with ScriptedServer() as server:
        asked = await ApiRig(server).ask(hang(), 0.2)
    assert asked.check.result is Result.FAIL
    assert asked.check.status is ExitCode.UNREACHABLE
    assert asked.clock_skew is None


async def test_api_is_skipped_while_rate_limited() -> None:
    async with ScriptedServer() as server:
        asked = await ApiRig(server).ask(PAGE, 0.05, cooling=7.0)
        assert server.requests == []
    assert asked.check.result is Result.WARN
    assert "rate limited for 7 s" in asked.check.detail


async def test_api_duration_leaves_out_wait_for_rate_limit() -> None:
    clock = FakeClock()
    rate_limiter = LocalRateLimiter(clock, limit=1)
    async with ScriptedServer() as server:
        server.on("/v1/runner", PAGE)
        client = ComfyControlClient(
            Session(server.url, SecretStr("cfc_s3cret"), rate_limiter=rate_limiter, clock=clock)
        )
        await request_page(client, rate_limiter, clock, 5.0)
        second = asyncio.create_task(request_page(client, rate_limiter, clock, 5.0))
        await clock.advance(11)
        asked = await second
        await client.aclose()
    assert "answered in 0 ms" in asked.check.detail


async def test_api_is_skipped_without_free_requests() -> None:
    clock = FakeClock()
    rate_limiter = LocalRateLimiter(clock, limit=1)
    async with ScriptedServer() as server:
        server.on("/v1/runner", PAGE)
        session = Session(server.url, SecretStr("cfc_s3cret"), rate_limiter=rate_limiter, clock=clock)
        client = ComfyControlClient(session)
        first, second = [await request_page(client, rate_limiter, clock, 0.5) for _ in range(2)]
        await client.aclose()
        assert len(server.requests) == 1
    assert first.check.result is Result.OK
    assert second.check.result is Result.WARN
    assert "budget" in second.check.detail


API_URL = "https://api.example.com"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run" / "allowance.sqlite"


async def check_file(path: Path, clock: FakeClock, timeout_s: float = 5.0) -> Check:
    return await check_rate_limit([path], API_URL, clock, timeout_s)


def spend(path: Path, clock: FakeClock, count: int, api: str = API_URL) -> None:
    """Use the rate limit as another process does."""
    ledger = RateLimitStore(clock, [path], api, SHARED_LIMIT, WINDOW_S)
    for number in range(count):
        assert isinstance(ledger.acquire((RequestedSlot(number, Priority.USER),), (), 0.0), AcquireResult)
    ledger.close()


def scribble(path: Path) -> None:
    path.write_text("this is no database, " * 100)


async def test_rate_limit_check_uses_nothing(path: Path) -> None:
    for _ in range(2):
        check = await check_file(path, FakeClock())
        assert check.result is Result.OK
        assert "no processes sent requests lately; 0 of 40 requests in 10 s used, 20 may be" in check.detail


async def test_rate_limit_processes_of_one_api_count(path: Path) -> None:
    clock = FakeClock()
    spend(path, clock, 2)
    assert "1 process sent requests lately; 2 of 40" in (await check_file(path, clock)).detail
    await clock.advance(WINDOW_S + 1)
    spend(path, clock, 3)
    spend(path, clock, 5, "https://elsewhere.example.com")
    assert "2 processes sent requests lately; 3 of 40" in (await check_file(path, clock)).detail


async def test_rate_limit_cooldown_is_kept(path: Path) -> None:
    clock = FakeClock()
    ledger = RateLimitStore(clock, [path], API_URL, SHARED_LIMIT, WINDOW_S)
    assert isinstance(ledger.acquire((), (), clock.monotonic() + 8.0), AcquireResult)
    await check_file(path, clock)
    claim = ledger.acquire((RequestedSlot(1, Priority.USER),), (), 0.0)
    ledger.close()
    assert isinstance(claim, AcquireResult)
    assert claim.delay == 8.0


async def test_rate_limit_unusable_file_is_set_aside(path: Path) -> None:
    path.parent.mkdir()
    scribble(path)
    check = await check_file(path, FakeClock())
    assert check.result is Result.OK
    assert path.with_name(f"{path.name}.aside").exists()


async def test_rate_limit_missing_directory_warns(tmp_path: Path) -> None:
    check = await check_file(tmp_path / "missing" / "run" / "allowance.sqlite", FakeClock())
    assert check.result is Result.WARN
    assert "cannot be used: No such file or directory" in check.detail


async def test_rate_limit_file_is_read_though_name_server_hangs(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    end = threading.Event()

    def getaddrinfo(*_place: object, flags: int = 0, **_hints: object) -> NoReturn:
        if not flags & socket.AI_NUMERICHOST:
            end.wait()
        raise socket.gaierror

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    check = await check_rate_limit([path], "https://api.example.com:8443", FakeClock(), CheckTimeouts().rate_limit)
    end.set()
    assert check.result is Result.OK


async def test_rate_limit_locked_file_warns(path: Path) -> None:
    clock = FakeClock()
    await check_file(path, clock)
    with closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        check = await check_file(path, clock, 0.05)
    assert check.result is Result.WARN
    assert "cannot be used: it does not answer" in check.detail


async def check_all(*servers: Server, timeout_s: float = 5.0) -> list[Check]:
    return await check_servers(servers, AUTHORITY, SystemClock(), timeout_s)


async def check_one(url: str, timeout_s: float = 5.0) -> Check:
    (check,) = await check_all(Server(url, "gpu2"), timeout_s=timeout_s)
    assert check.name == "comfyui gpu2"
    return check


async def test_servers_are_checked_in_order() -> None:
    async with ScriptedComfyUI() as new, ScriptedComfyUI("0.3.64", tls=True) as old:
        checks = await check_all(Server(old.url, "old"), Server(new.url, "new"))
        assert old.paths == new.paths == ["/system_stats"]
    assert [each.name for each in checks] == ["comfyui old", "comfyui new"]
    assert [each.result for each in checks] == [Result.OK, Result.OK]
    assert checks[0].detail.startswith("ComfyUI 0.3.64 answered in ")
    assert checks[1].detail.startswith("ComfyUI 0.33.0 answered in ")


async def test_server_not_running_fails() -> None:
    async with ScriptedComfyUI() as box:
        url = box.url
    check = await check_one(url)
    assert (check.result, check.status) == (Result.FAIL, ExitCode.UNREACHABLE)
    assert "nothing listens there" in check.detail


async def test_server_untrusted_certificate_names_settings() -> None:
    async with ScriptedComfyUI(tls=True) as box:
        (check,) = await check_servers([Server(box.url, "gpu2")], None, SystemClock(), 5.0)
    assert (check.result, check.status) == (Result.FAIL, ExitCode.UNREACHABLE)
    assert "certificate is not trusted" in check.detail
    assert "ca_bundle" in check.hint
    assert "SSL_CERT_FILE" in check.hint


@pytest.mark.parametrize(("minutes", "words"), [(5, "5m00 ahead"), (-5, "5m00 behind")])
async def test_server_clock_skew_warns(minutes: int, words: str) -> None:
    async with ScriptedComfyUI() as box:
        box.date = lambda: datetime.now(UTC) + timedelta(minutes=minutes, seconds=0.5)
        check = await check_one(box.url)
    assert check.result is Result.WARN
    found = check.detail.partition("its clock is ")[2]
    # Date has whole seconds.
    assert found in {words, words.replace("5m00", "5m01"), words.replace("5m00", "4m59")}


async def test_server_hanging_fails() -> None:
    async with ScriptedComfyUI() as box:
        box.hang()
        check = await check_one(box.url, 0.2)
    assert (check.result, check.status) == (Result.FAIL, ExitCode.UNREACHABLE)
    assert check.detail == "accepts connections and does not answer"


async def test_server_with_password_needs_headers() -> None:
    async with ScriptedComfyUI() as box:
        box.authorization = "Basic c2VrcmV0"
        check = await check_one(box.url)
        assert (check.result, check.status) == (Result.FAIL, ExitCode.NO_TOKEN)
        assert check.detail == "asks for a password"
        (check,) = await check_all(Server(box.url, "gpu2", {"Authorization": SecretStr(box.authorization)}))
    assert check.result is Result.OK
    assert check.detail.endswith(" and accepted the configured headers")
    assert "c2VrcmV0" not in repr(check)


async def test_server_with_tls_only_fails() -> None:
    async with ScriptedComfyUI(tls=True) as box:
        check = await check_one(box.url.replace("https:", "http:"))
    assert (check.result, check.status) == (Result.FAIL, ExitCode.FAILED)
    assert (check.detail, check.hint) == ("it speaks TLS only", "use https://")


async def test_server_local_problem_has_its_own_hint(monkeypatch: pytest.MonkeyPatch) -> None:
    (untrusted,) = await check_servers([Server("https://gpu2", "gpu2")], Path("/nowhere.pem"), SystemClock(), 5.0)
    assert (untrusted.result, untrusted.status) == (Result.FAIL, ExitCode.FAILED)
    assert untrusted.hint == "set it to a file of certificates that can be read, or unset it"
    monkeypatch.setenv("HTTP_PROXY", "ftp://me:s3cret@h")
    check = await check_one("http://gpu2.example.com")
    assert check.hint == "set it to http://HOST:PORT, or unset it"
    assert "s3cret" not in repr(check)


async def test_server_of_another_kind_is_reported() -> None:
    async with ScriptedComfyUI() as box:
        for wall in (response(b"<html>"), response(b"[]")):
            box.wall = wall
            check = await check_one(box.url)
            assert check.result is Result.FAIL
            assert check.detail == "answers, but not as ComfyUI does"
        box.wall = response(b'{"system": {}}')
        assert (await check_one(box.url)).result is Result.WARN


TOKEN = "cfc_s3cretTokenOf26Chars00"


async def find(
    variables: dict[str, str], sources: TokenSources | None = None, *, is_complete: bool = True
) -> TokenCheck:
    found = await check_token(variables, sources or TokenSources(), 5.0, is_complete=is_complete)
    assert "s3cret" not in repr(found)
    return found


def revealed(found: TokenCheck) -> str | None:
    return None if found.secret is None else found.secret.get_secret_value()


async def test_token_source_and_shape_are_described() -> None:
    found = await find({TOKEN_VARIABLE: f" {TOKEN}\n"})
    assert revealed(found) == TOKEN
    assert found.check.result is Result.OK
    assert found.check.detail == f"from {TOKEN_VARIABLE}, 26 characters, begins with cfc_"


async def test_token_from_file_is_found() -> None:
    save_token(SecretStr(TOKEN), TokenSources())
    found = await find({})
    assert revealed(found) == TOKEN
    assert found.check.detail.startswith("from ~/comfytui/token, 26 characters")


@pytest.mark.parametrize("odd", ["s3cret", "cfc_", "Bearer:cfc_s3cret"])
async def test_token_of_odd_shape_warns(odd: str) -> None:
    found = await find({TOKEN_VARIABLE: odd})
    assert revealed(found) == odd
    assert found.check.result is Result.WARN
    assert "does not look like a token of ComfyControl" in found.check.detail
    assert "cfc_" in found.check.hint


@pytest.mark.parametrize(
    ("variables", "sources", "words"),
    [
        ({}, TokenSources(), "No token"),
        ({TOKEN_VARIABLE: "s3cret s3cret"}, TokenSources(), f"What {TOKEN_VARIABLE} holds is no token"),
        ({}, TokenSources(command=("false",)), "token_command failed with status 1"),
        ({}, TokenSources(command=("/nowhere/s3cret",)), "token_command cannot be run"),
        ({}, TokenSources(file=Path("/")), "cannot be read"),
    ],
    ids=["none", "no token", "failing", "no program", "unreadable"],
)
async def test_token_missing_or_unusable_fails(variables: dict[str, str], sources: TokenSources, words: str) -> None:
    found = await find(variables, sources)
    assert found.secret is None
    assert found.check.result is Result.FAIL
    assert found.check.status is ExitCode.NO_TOKEN
    assert words in found.check.detail
    assert TOKEN_VARIABLE in found.check.hint


async def test_token_command_hanging_fails() -> None:
    found = await check_token({"PATH": "/usr/bin:/bin"}, TokenSources(command=("sleep", "60")), 0.05)
    assert (found.secret, found.check.result) == (None, Result.FAIL)
    assert found.check.status == ExitCode.NO_TOKEN
    assert found.check.detail == "none within 0.05 s"
    assert "it has 10 s in all" in found.check.hint


@pytest.mark.parametrize(
    ("sources", "name"),
    [(TokenSources(file=Path("/nowhere/t")), "/nowhere/t"), (TokenSources(env_var="PROD_TOKEN"), "PROD_TOKEN")],
)
async def test_token_source_of_profile_without_token_is_named(sources: TokenSources, name: str) -> None:
    found = await find({}, sources)
    assert (found.check.result, found.check.hint) == (Result.FAIL, "put the token into it")
    assert name in found.check.detail
    save_token(SecretStr(TOKEN), sources)
    instead = await find({}, sources)
    assert revealed(instead) == TOKEN
    assert (instead.check.result, instead.check.hint) == (Result.WARN, "put the token into it")
    assert name in instead.check.detail
    own = {TOKEN_VARIABLE: TOKEN}
    assert (await find(own, sources)).check.result is Result.OK


async def test_token_without_usable_configuration_is_unknown() -> None:
    found = await find({}, is_complete=False)
    assert found.secret is None
    assert found.check.result is Result.WARN
