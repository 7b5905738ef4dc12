from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from comfytui.cli.checks.certificate import PROBE_SECONDS
from comfytui.cli.checks.check import Check, Result, lines, status_of
from comfytui.cli.checks.fleet import Patience, look_at_fleet
from comfytui.cli.exit_codes import ExitStatus
from comfytui.clock import SystemClock
from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.paths import state_dir
from comfytui.config.settings import Server, Settings, TokenSources, host_of
from tests.support.comfyui import AUTHORITY, ScriptedComfyUI
from tests.support.listener import Listener
from tests.support.scripted import Answer, ScriptedServer, error_reply, hang, json_reply

NAMES = ["token", "dns", "proxy", "tls", "api", "clock", "budget"]
TOKEN = {TOKEN_VARIABLE: "cfc_s3cretToken"}
PAGE = json_reply({"runners": [], "total": 7})
QUICK = Patience(name=0.3, token=0.3, handshake=0.3, api=0.3, servers=0.3)
TLS = Path(__file__).parents[2] / "fixtures" / "tls"


@pytest.fixture(autouse=True)
def _plain_environment(environ: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        environ.delenv(name, raising=False)
        environ.delenv(name.lower(), raising=False)


def settings_for(url: str) -> Settings:
    return Settings(source=host_of(url), url=url)


async def look(
    settings: Settings, environ: dict[str, str] | None = None, patience: Patience | None = None, *, is_sure: bool = True
) -> dict[str, Check]:
    checks = await look_at_fleet(
        settings, TOKEN if environ is None else environ, SystemClock(), patience or Patience(), is_sure=is_sure
    )
    assert "s3cret" not in "".join(lines(checks))
    assert "s3cret" not in repr(checks)
    return {check.name: check for check in checks}


async def look_by(answer: Answer, patience: Patience | None = None) -> tuple[dict[str, Check], ScriptedServer]:
    async with ScriptedServer() as server:
        server.on("/v1/runner", answer)
        return await look(settings_for(server.url), patience=patience), server


def wrong(checks: dict[str, Check]) -> dict[str, Result]:
    return {name: check.result for name, check in checks.items() if check.result is not Result.OK}


async def test_all_is_well() -> None:
    checks, server = await look_by(PAGE)
    assert list(checks) == NAMES
    assert wrong(checks) == {}
    assert checks["api"].found.endswith("took the token; 7 runners")
    assert "one process asked lately; 1 of 40" in checks["budget"].found
    (request,) = server.requests
    assert request.headers["authorization"] == "Bearer cfc_s3cretToken"
    assert "GET /v1/runner" in (state_dir() / "requests.log").read_text()


async def test_by_tls_all_is_well_too() -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(TLS / "localhost.pem")
    async with ScriptedServer(tls) as server:
        server.on("/v1/runner", PAGE)
        settings = settings_for(server.url)._replace(ca_bundle=AUTHORITY)
        trusted = await look(settings)
        stranger = await look(settings._replace(ca_bundle=None))
        assert len(server.requests) == 1
    assert wrong(trusted) == {}
    assert wrong(stranger) == {"tls": Result.FAIL, "api": Result.FAIL, "clock": Result.WARN}
    assert status_of([*stranger.values()]) == ExitStatus.UNREACHABLE


@pytest.mark.parametrize(
    ("answer", "patience", "trouble", "status"),
    [
        (error_reply(401, "Invalid token"), None, {"api": Result.FAIL}, ExitStatus.NO_TOKEN),
        (error_reply(500, "oh"), None, {"api": Result.FAIL}, ExitStatus.FAILED),
        (error_reply(429, "slow down"), None, {"api": Result.WARN}, ExitStatus.OK),
        (hang(), QUICK, {"api": Result.FAIL, "clock": Result.WARN}, ExitStatus.UNREACHABLE),
    ],
    ids=["401", "500", "429", "hung"],
)
async def test_an_api_in_trouble(
    answer: Answer, patience: Patience | None, trouble: dict[str, Result], status: ExitStatus
) -> None:
    checks, _ = await look_by(answer, patience)
    assert wrong(checks) == trouble
    assert status_of([*checks.values()]) == status


async def test_a_port_where_nothing_listens() -> None:
    async with ScriptedServer() as server:
        url = server.url
    checks = await look(settings_for(url))
    assert wrong(checks) == {"api": Result.FAIL, "clock": Result.WARN}
    assert "nothing listens there" in checks["api"].found


async def test_without_a_token_nobody_is_asked() -> None:
    async with ScriptedServer() as server:
        checks = await look(settings_for(server.url), {})
        assert server.connections == 0
    assert wrong(checks) == {"token": Result.FAIL, "api": Result.WARN, "clock": Result.WARN}
    assert status_of([*checks.values()]) == ExitStatus.NO_TOKEN


async def test_a_host_that_is_not_there_is_not_asked() -> None:
    def nowhere(_host: str, _port: int) -> Sequence[str]:
        return ()

    settings = settings_for("https://api.example.com")
    checks = await look_at_fleet(settings, TOKEN, SystemClock(), Patience(), resolver=nowhere)
    assert status_of(checks) == ExitStatus.UNREACHABLE
    assert wrong({check.name: check for check in checks}) == {
        "dns": Result.FAIL,
        "tls": Result.WARN,
        "api": Result.WARN,
        "clock": Result.WARN,
    }


async def test_by_a_proxy_the_host_need_not_be_found_here(environ: pytest.MonkeyPatch) -> None:
    def nowhere(_host: str, _port: int) -> Sequence[str]:
        return ()

    async with ScriptedServer() as proxy:
        proxied = {"HTTPS_PROXY": proxy.url.replace("//", "//me:s3cret@")}
        environ.setenv("HTTPS_PROXY", proxied["HTTPS_PROXY"])
        settings = settings_for("https://api.example.com")
        checks = await look_at_fleet(settings, TOKEN | proxied, SystemClock(), Patience(), resolver=nowhere)
        assert [request.method for request in proxy.requests] == ["CONNECT"]
    assert "s3cret" not in "".join(lines(checks))
    assert wrong({check.name: check for check in checks}) == {"api": Result.FAIL, "clock": Result.WARN}


async def test_no_token_goes_where_nobody_may_have_meant_it() -> None:
    async with ScriptedServer() as server:
        checks = await look(settings_for(server.url), is_sure=False)
        assert server.connections == 0
    assert wrong(checks) == {"api": Result.WARN, "clock": Result.WARN}


async def test_an_address_that_would_give_the_token_away() -> None:
    checks = await look(settings_for("http://192.0.2.1"))
    assert wrong(checks) == {"tls": Result.WARN, "api": Result.FAIL, "clock": Result.WARN}
    assert "--insecure-http" in checks["api"].remedy


async def test_the_simulated_fleet_needs_nothing() -> None:
    checks = await look(Settings(source="demo"), {})
    assert list(checks) == ["api"]
    assert wrong(checks) == {}


async def test_servers_are_looked_at_instead() -> None:
    async with ScriptedComfyUI() as box:
        checks = await look(Settings(source="gpu2", servers=(Server(box.url, "gpu2"),)), {})
    assert list(checks) == ["comfyui gpu2"]
    assert wrong(checks) == {}


def test_a_dead_network_takes_less_than_ten_seconds() -> None:
    patience = Patience()
    assert patience.token < patience.whole
    assert patience.name + patience.handshake + PROBE_SECONDS < patience.whole
    assert patience.whole + patience.budget <= 10
    assert max(patience.servers, patience.tmux) < 10


async def test_a_token_that_takes_long_is_waited_for_and_the_rest_looked_at_meanwhile(tmp_path: Path) -> None:
    async def greeted(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        (tmp_path / "greeted").touch()

    waiting = f"until [ -e '{tmp_path}/greeted' ]; do :; done; echo cfc_s3cretToken"
    async with Listener(greeted) as server:
        url = f"https://127.0.0.1:{server.port}"
        settings = settings_for(url)._replace(tokens=TokenSources(command=("sh", "-c", waiting)))
        checks = await look(settings, {"PATH": os.environ["PATH"]}, replace(QUICK, token=5.0, whole=6.0))
    assert wrong(checks) == {"tls": Result.FAIL, "api": Result.FAIL, "clock": Result.WARN}


async def test_a_token_that_does_not_come_is_a_failure() -> None:
    tokens = TokenSources(command=("sleep", "60"))
    settings = settings_for("http://127.0.0.1:1")._replace(tokens=tokens)
    checks = await look(settings, {"PATH": os.environ["PATH"]}, replace(QUICK, token=0.05))
    assert wrong(checks) == {"token": Result.FAIL, "api": Result.WARN, "clock": Result.WARN}


async def test_what_is_left_of_the_whole_is_what_the_api_gets() -> None:
    async with ScriptedServer() as server:
        server.on("/v1/runner", hang())
        checks = await look(settings_for(server.url), patience=replace(Patience(), whole=0.2))
    assert wrong(checks) == {"api": Result.FAIL, "clock": Result.WARN}


@pytest.mark.parametrize("proxy", ["socks5://me:s3cret@h:1", "http://me:s3cret@[bad", "ftp://h"])
async def test_nobody_is_asked_by_a_proxy_that_cannot_be_used(environ: pytest.MonkeyPatch, proxy: str) -> None:
    environ.setenv("HTTPS_PROXY", proxy)
    checks = await look(settings_for("https://192.0.2.1"), TOKEN | {"HTTPS_PROXY": proxy})
    assert wrong(checks) == {"proxy": Result.FAIL, "tls": Result.WARN, "api": Result.WARN, "clock": Result.WARN}


async def test_a_proxy_that_is_not_there_is_the_cause(environ: pytest.MonkeyPatch) -> None:
    async with ScriptedServer() as gone:
        proxy = gone.url
    environ.setenv("HTTPS_PROXY", proxy)
    checks = await look(settings_for("https://192.0.2.1"), TOKEN | {"HTTPS_PROXY": proxy})
    assert wrong(checks) == {"api": Result.FAIL, "clock": Result.WARN}
    assert checks["api"].found.startswith("by way of the proxy that HTTPS_PROXY names: connection refused")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_nobody_is_asked_where_trust_cannot_be_read(scheme: str) -> None:
    settings = settings_for(f"{scheme}://127.0.0.1:1")._replace(ca_bundle=Path("/nowhere.pem"))
    checks = await look(settings)
    assert wrong(checks) == {"tls": Result.FAIL, "api": Result.WARN, "clock": Result.WARN}
    assert checks["tls"].remedy


async def test_an_address_with_a_password() -> None:
    checks = await look(settings_for("http://me:s3cret@127.0.0.1:1"))
    assert wrong(checks) == {"api": Result.FAIL, "clock": Result.WARN}
    assert "user name or password" in checks["api"].found
    assert "correct the address" in checks["api"].remedy
