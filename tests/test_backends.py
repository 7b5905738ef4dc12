from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui.api.errors import InvalidArgumentError, UnauthorizedError
from comfytui.api.request_log import RequestLog
from comfytui.backends import Connect, HostedBackend, build_demo_fleet, connect_demo, generate_token
from comfytui.config.credentials import TOKEN_VARIABLE, Token, find_token, save_token
from comfytui.config.settings import Server, Settings, TokenSources
from comfytui.login import LoginResult
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import Priority
from tests.support.clock import FakeClock
from tests.support.scripted import Answer, Exchange, ScriptedServer, error_reply, json_reply


def demo(runners: int, seed: int) -> Connect:
    clock = FakeClock()
    return connect_demo(runners, seed, clock, LocalRateLimiter(clock), RequestLog(clock))


def entrance(settings: Settings) -> HostedBackend:
    clock = FakeClock()
    return HostedBackend(settings, clock, LocalRateLimiter(clock), RequestLog(clock))


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the configuration, which is empty, beside an environment without a token."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)
    return tmp_path / "comfytui"


async def token_sent(settings: Settings) -> str:
    """The token that the API is asked with."""
    async with ScriptedServer() as server:
        server.on("/v1/runner", json_reply({"runners": [], "total": 0}))
        client = await entrance(Settings(settings.source_name, url=server.url, tokens=settings.tokens)).connect()
        try:
            assert (await client.list_runners()).total == 0
        finally:
            await client.aclose()
        return server.requests[0].headers["authorization"].removeprefix("Bearer ")


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
    wanted, other = [await build_demo_fleet(30, seed, FakeClock()).list_runners(1, 100, None) for seed in (7, 8)]
    assert [each.id for each in shown.runners] == [each.id for each in wanted.runners]
    assert [each.id for each in shown.runners] != [each.id for each in other.runners]


async def test_the_api_is_asked_with_the_token_of_the_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, " cfc_later\n")
    assert await token_sent(Settings("somewhere")) == "cfc_later"


async def test_a_profile_is_asked_with_its_own_token_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "cfc_environ")
    monkeypatch.setenv("PROD_TOKEN", "cfc_prod")
    prod = Settings("prod", tokens=TokenSources(environment=False, env_var="PROD_TOKEN", saved_names=("token-prod",)))
    assert await token_sent(prod) == "cfc_prod"
    monkeypatch.delenv("PROD_TOKEN")
    save_token(SecretStr("cfc_usual"), TokenSources())
    with pytest.raises(UnauthorizedError, match="no token yet"):
        await entrance(prod).connect()
    save_token(SecretStr("cfc_kept"), prod.tokens)
    assert await token_sent(prod) == "cfc_kept"
    failing = Settings("prod", tokens=TokenSources(environment=False, command=("/nowhere/program",)))
    with pytest.raises(InvalidArgumentError, match=r"^token_command cannot be run: no such file or directory\.$"):
        await entrance(failing).connect()


async def test_a_token_that_is_typed_is_kept_for_its_profile(home: Path) -> None:
    async with ScriptedServer() as server:
        server.on("/v1/runner", json_reply({"runners": [], "total": 0}))
        settings = Settings("host", url=server.url, tokens=TokenSources(saved_names=("token-prod",)))
        authenticator = entrance(settings)
        assert (authenticator.source, authenticator.token_path) == ("host", str(home / "token-prod"))
        verdict = await authenticator.login(SecretStr("cfc_typed"), save=True)
    assert verdict == LoginResult(accepted=True, message=f"The token is kept in {home / 'token-prod'}.")
    assert find_token({}, TokenSources()) is None
    assert find_token({}, TokenSources(saved_names=("token-prod",))) == Token(
        SecretStr("cfc_typed"), str(home / "token-prod")
    )


def takes(*tokens: str) -> Answer:
    """An API that takes these tokens alone."""

    async def answer(exchange: Exchange) -> None:
        token = exchange.request.headers["authorization"].removeprefix("Bearer ")
        is_taken = token in tokens
        reply = json_reply({"runners": [], "total": 0}) if is_taken else error_reply(401, "Invalid token")
        await reply(exchange)

    return answer


@pytest.mark.parametrize("kind", ["file", "command", "saved"])
async def test_token_that_its_source_renews_is_used_without_asking_the_user(kind: str, tmp_path: Path) -> None:
    file = tmp_path / ("comfytui/token" if kind == "saved" else "token")
    file.parent.mkdir(exist_ok=True)
    file.write_text("cfc_old\n")
    sources = {
        "file": TokenSources(file=file),
        "command": TokenSources(command=("cat", str(file))),
        "saved": TokenSources(),
    }[kind]
    async with ScriptedServer() as server:
        server.on("/v1/runner", takes("cfc_old"))
        authenticator = entrance(Settings("host", url=server.url, tokens=sources))
        client = await authenticator.connect()
        async with contextlib.aclosing(client):
            assert (await client.list_runners()).total == 0
            server.on("/v1/runner", takes("cfc_new"))
            file.write_text("cfc_new\n")
            assert (await client.list_runners()).total == 0
        client = await authenticator.connect()
        async with contextlib.aclosing(client):
            assert (await client.list_runners()).total == 0
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == [f"Bearer cfc_{name}" for name in ("old", "old", "new", "new")]


async def test_source_that_fails_when_it_is_asked_again_leaves_the_refusal(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("cfc_old")
    async with ScriptedServer() as server:
        server.on("/v1/runner", takes())
        authenticator = entrance(Settings("host", url=server.url, tokens=TokenSources(file=file)))
        client = await authenticator.connect()
        async with contextlib.aclosing(client):
            file.write_text("no token at all")
            with pytest.raises(UnauthorizedError, match="Invalid token"):
                await client.list_runners()


async def test_token_of_the_environment_is_never_asked_for_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, "cfc_environ")
    authenticator = entrance(Settings("host", url="http://127.0.0.1:1"))
    assert not authenticator.is_renewable
    assert not await authenticator.renew()


async def test_token_that_appears_while_there_is_none_is_found() -> None:
    clock = FakeClock()
    requests = RequestLog(clock)
    authenticator = HostedBackend(Settings("host", url="http://127.0.0.1:1"), clock, LocalRateLimiter(clock), requests)
    assert not await authenticator.renew()
    assert not [*requests.entries]
    save_token(SecretStr("cfc_saved"), TokenSources())
    looking = asyncio.ensure_future(authenticator.renew())
    await clock.advance(10)
    assert await looking


async def test_the_limits_of_the_api_do_not_count_for_the_runners_of_this_machine() -> None:
    authenticator = entrance(Settings("host", url="http://127.0.0.1:1"))
    for enter in (authenticator.use_demo, authenticator.use_comfyui):
        authenticator.rate_limiter.switch_to(None)
        authenticator.rate_limiter.block_for(60)
        enter()
        assert authenticator.rate_limiter.delay(Priority.USER) == 0.0
        authenticator.rate_limiter.switch_to(None)
        assert authenticator.rate_limiter.delay(Priority.USER) == 60.0


async def test_the_comfyui_of_this_machine_has_its_name_and_headers_of_the_configuration() -> None:
    named = Server("http://127.0.0.1:8188", "mybox", {"X-Key": SecretStr("sesame")})
    authenticator = entrance(Settings("host", url="http://127.0.0.1:1", configured_servers=(named,)))
    authenticator.use_comfyui()
    assert authenticator.source == "mybox"
    client = await authenticator.connect()
    try:
        (runner,) = (await client.list_runners()).runners
    finally:
        await client.aclose()
    assert (runner.name, list(runner.headers)) == ("mybox", ["X-Key"])


def test_made_tokens_are_as_the_api_makes_them_and_never_the_same() -> None:
    tokens = {generate_token().get_secret_value() for _ in range(50)}
    assert len(tokens) == 50
    assert all(token.startswith("cfc_") and len(token) > 30 and token.isascii() for token in tokens)
    assert "cfc_" not in repr(generate_token())
