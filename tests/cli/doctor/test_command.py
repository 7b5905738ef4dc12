from __future__ import annotations

import asyncio
import json
import os
import ssl
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.cli.doctor.check import Check, Result, exit_code, to_lines
from comfytui.cli.doctor.command import RATE_LIMIT_RESERVE_S, CheckTimeouts, DoctorInput, check_fleet, load_input
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.parser import build_parser
from comfytui.clock import SystemClock
from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.paths import config_dir, state_dir
from comfytui.config.settings import API_URL, API_URL_VARIABLE, Server, Settings, TokenSources, host_and_port
from comfytui.files import ensure_private_dir
from tests.support.comfyui import AUTHORITY, ScriptedComfyUI
from tests.support.listener import Listener
from tests.support.scripted import Answer, ScriptedServer, error_reply, hang, json_reply

if TYPE_CHECKING:
    from tests.cli.conftest import Run

NAMES = ["token", "dns", "proxy", "tls", "api", "clock", "budget"]
TOKEN = {TOKEN_VARIABLE: "cfc_s3cretToken"}
PAGE = json_reply({"runners": [], "total": 7})
USUAL = CheckTimeouts()
QUICK = CheckTimeouts(dns=0.3, token=0.3, handshake=0.3, api=0.3, servers=0.3)
TLS = Path(__file__).parents[2] / "fixtures" / "tls"


@pytest.fixture(autouse=True)
def _plain_environment(environ: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        environ.delenv(name, raising=False)
        environ.delenv(name.lower(), raising=False)


def settings_for(url: str) -> Settings:
    return Settings(source_name=host_and_port(url), url=url)


def certain(settings: Settings) -> DoctorInput:
    return DoctorInput(None, "", settings, is_address_certain=True)


async def check(
    settings: Settings,
    environ: dict[str, str] | None = None,
    timeouts: CheckTimeouts = USUAL,
    *,
    is_certain: bool = True,
) -> dict[str, Check]:
    given = DoctorInput(None, "", settings, is_certain)
    checks = await check_fleet(given, TOKEN if environ is None else environ, SystemClock(), timeouts)
    assert "s3cret" not in "".join(to_lines(checks))
    assert "s3cret" not in repr(checks)
    return {check.name: check for check in checks}


async def check_against(answer: Answer, timeouts: CheckTimeouts = USUAL) -> tuple[dict[str, Check], ScriptedServer]:
    async with ScriptedServer() as server:
        server.on("/v1/runner", answer)
        return await check(settings_for(server.url), timeouts=timeouts), server


def faults(checks: dict[str, Check]) -> dict[str, Result]:
    return {name: check.result for name, check in checks.items() if check.result is not Result.OK}


async def test_fleet_without_fault_is_ok() -> None:
    checks, server = await check_against(PAGE)
    assert list(checks) == NAMES
    assert faults(checks) == {}
    assert checks["api"].detail.endswith("accepted the token; 7 runners")
    assert "1 process sent requests lately; 1 of 40" in checks["budget"].detail
    (request,) = server.requests
    assert request.headers["authorization"] == "Bearer cfc_s3cretToken"
    assert "GET /v1/runner" in (state_dir() / "requests.log").read_text()


async def test_fleet_with_tls_needs_trust() -> None:
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(TLS / "localhost.pem")
    async with ScriptedServer(tls) as server:
        server.on("/v1/runner", PAGE)
        settings = settings_for(server.url)._replace(ca_bundle=AUTHORITY)
        trusted = await check(settings)
        stranger = await check(settings._replace(ca_bundle=None))
        assert len(server.requests) == 1
    assert faults(trusted) == {}
    assert faults(stranger) == {"tls": Result.FAIL, "api": Result.FAIL, "clock": Result.WARN}
    assert exit_code([*stranger.values()]) == ExitCode.UNREACHABLE


@pytest.mark.parametrize(
    ("answer", "timeouts", "trouble", "status"),
    [
        (error_reply(401, "Invalid token"), USUAL, {"api": Result.FAIL}, ExitCode.NO_TOKEN),
        (error_reply(500, "oh"), USUAL, {"api": Result.FAIL}, ExitCode.FAILED),
        (error_reply(429, "slow down"), USUAL, {"api": Result.WARN}, ExitCode.OK),
        (hang(), QUICK, {"api": Result.FAIL, "clock": Result.WARN}, ExitCode.UNREACHABLE),
    ],
    ids=["401", "500", "429", "hung"],
)
async def test_fleet_api_failure_sets_status(
    answer: Answer, timeouts: CheckTimeouts, trouble: dict[str, Result], status: ExitCode
) -> None:
    checks, _ = await check_against(answer, timeouts)
    assert faults(checks) == trouble
    assert exit_code([*checks.values()]) == status


async def test_fleet_refused_connection_fails() -> None:
    async with ScriptedServer() as server:
        url = server.url
    checks = await check(settings_for(url))
    assert faults(checks) == {"api": Result.FAIL, "clock": Result.WARN}
    assert "nothing listens there" in checks["api"].detail


async def test_fleet_without_token_sends_nothing() -> None:
    async with ScriptedServer() as server:
        checks = await check(settings_for(server.url), {})
        assert server.connections == 0
    assert faults(checks) == {"token": Result.FAIL, "api": Result.WARN, "clock": Result.WARN}
    assert exit_code([*checks.values()]) == ExitCode.NO_TOKEN


async def test_fleet_unknown_host_skips_api() -> None:
    def nowhere(_host: str, _port: int) -> Sequence[str]:
        return ()

    settings = settings_for("https://api.example.com")
    checks = await check_fleet(certain(settings), TOKEN, SystemClock(), USUAL, resolver=nowhere)
    assert exit_code(checks) == ExitCode.UNREACHABLE
    assert faults({check.name: check for check in checks}) == {
        "dns": Result.FAIL,
        "tls": Result.WARN,
        "api": Result.WARN,
        "clock": Result.WARN,
    }


async def test_fleet_unknown_host_is_left_to_proxy(environ: pytest.MonkeyPatch) -> None:
    def nowhere(_host: str, _port: int) -> Sequence[str]:
        return ()

    async with ScriptedServer() as proxy:
        proxied = {"HTTPS_PROXY": proxy.url.replace("//", "//me:s3cret@")}
        environ.setenv("HTTPS_PROXY", proxied["HTTPS_PROXY"])
        settings = settings_for("https://api.example.com")
        checks = await check_fleet(certain(settings), TOKEN | proxied, SystemClock(), USUAL, resolver=nowhere)
        assert [request.method for request in proxy.requests] == ["CONNECT"]
    assert "s3cret" not in "".join(to_lines(checks))
    assert faults({check.name: check for check in checks}) == {"api": Result.FAIL, "clock": Result.WARN}


async def test_fleet_uncertain_address_gets_no_token() -> None:
    async with ScriptedServer() as server:
        checks = await check(settings_for(server.url), is_certain=False)
        assert server.connections == 0
    assert faults(checks) == {"api": Result.WARN, "clock": Result.WARN}


async def test_fleet_plain_http_to_another_host_fails() -> None:
    checks = await check(settings_for("http://192.0.2.1"))
    assert faults(checks) == {"tls": Result.WARN, "api": Result.FAIL, "clock": Result.WARN}
    assert "--insecure-http" in checks["api"].hint


async def test_fleet_simulated_needs_nothing() -> None:
    checks = await check(Settings(source_name="demo"), {})
    assert list(checks) == ["api"]
    assert faults(checks) == {}


async def test_fleet_of_servers_checks_servers() -> None:
    async with ScriptedComfyUI() as box:
        checks = await check(Settings(source_name="gpu2", servers=(Server(box.url, "gpu2"),)), {})
    assert list(checks) == ["comfyui gpu2"]
    assert faults(checks) == {}


def test_timeouts_add_up_to_ten_seconds() -> None:
    assert USUAL.total <= 10
    assert USUAL.token < USUAL.total - RATE_LIMIT_RESERVE_S
    assert USUAL.dns + USUAL.handshake < USUAL.total - RATE_LIMIT_RESERVE_S
    assert max(USUAL.servers, USUAL.tmux) < USUAL.total


async def test_fleet_slow_token_does_not_delay_tls(tmp_path: Path) -> None:
    async def greeted(_reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        (tmp_path / "greeted").touch()

    waiting = f"until [ -e '{tmp_path}/greeted' ]; do :; done; echo cfc_s3cretToken"
    async with Listener(greeted) as server:
        url = f"https://127.0.0.1:{server.port}"
        settings = settings_for(url)._replace(tokens=TokenSources(command=("sh", "-c", waiting)))
        checks = await check(settings, {"PATH": os.environ["PATH"]}, replace(QUICK, token=5.0, total=6.0))
    assert faults(checks) == {"tls": Result.FAIL, "api": Result.FAIL, "clock": Result.WARN}


async def test_fleet_token_timeout_fails() -> None:
    tokens = TokenSources(command=("sleep", "60"))
    settings = settings_for("http://127.0.0.1:1")._replace(tokens=tokens)
    checks = await check(settings, {"PATH": os.environ["PATH"]}, replace(QUICK, token=0.05))
    assert faults(checks) == {"token": Result.FAIL, "api": Result.WARN, "clock": Result.WARN}


async def test_fleet_api_gets_the_rest_of_the_total() -> None:
    async with ScriptedServer() as server:
        server.on("/v1/runner", hang())
        checks = await check(settings_for(server.url), timeouts=replace(USUAL, total=RATE_LIMIT_RESERVE_S + 0.2))
    assert faults(checks) == {"api": Result.FAIL, "clock": Result.WARN}


@pytest.mark.parametrize("proxy", ["socks5://me:s3cret@h:1", "http://me:s3cret@[bad", "ftp://h"])
async def test_fleet_unusable_proxy_skips_api(environ: pytest.MonkeyPatch, proxy: str) -> None:
    environ.setenv("HTTPS_PROXY", proxy)
    checks = await check(settings_for("https://192.0.2.1"), TOKEN | {"HTTPS_PROXY": proxy})
    assert faults(checks) == {"proxy": Result.FAIL, "tls": Result.WARN, "api": Result.WARN, "clock": Result.WARN}


async def test_fleet_dead_proxy_is_named(environ: pytest.MonkeyPatch) -> None:
    async with ScriptedServer() as gone:
        proxy = gone.url
    environ.setenv("HTTPS_PROXY", proxy)
    checks = await check(settings_for("https://192.0.2.1"), TOKEN | {"HTTPS_PROXY": proxy})
    assert faults(checks) == {"api": Result.FAIL, "clock": Result.WARN}
    assert checks["api"].detail.startswith("through the proxy of HTTPS_PROXY: connection refused")


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_fleet_unreadable_ca_bundle_skips_api(scheme: str) -> None:
    settings = settings_for(f"{scheme}://127.0.0.1:1")._replace(ca_bundle=Path("/nowhere.pem"))
    checks = await check(settings)
    assert faults(checks) == {"tls": Result.FAIL, "api": Result.WARN, "clock": Result.WARN}
    assert checks["tls"].hint


async def test_fleet_url_with_password_fails() -> None:
    checks = await check(settings_for("http://me:s3cret@127.0.0.1:1"))
    assert faults(checks) == {"api": Result.FAIL, "clock": Result.WARN}
    assert "user name or password" in checks["api"].detail
    assert "correct the address" in checks["api"].hint


LOCAL = ["versions", "config", "permissions"]
HERE = ["terminal", "clipboard"]
API = ["token", "dns", "proxy", "tls", "api", "clock", "budget"]


@pytest.fixture(autouse=True)
def _no_tmux(environ: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "STY", "XDG_RUNTIME_DIR"):
        environ.delenv(name, raising=False)


def write_config(text: str) -> Path:
    file = ensure_private_dir(config_dir()) / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


def load(*argv: str) -> DoctorInput:
    return load_input(build_parser().parse_args(["doctor", *argv]))


def test_doctor_prints_a_line_per_check(run: Run) -> None:
    status, out, err = run("doctor", "--demo")
    assert (status, err) == (ExitCode.OK, "")
    assert [line.split()[1] for line in out.splitlines()] == [*LOCAL, "api", *HERE]
    assert {line.split()[0] for line in out.splitlines()} == {"ok", "warn"}


def test_doctor_json_lists_the_checks(run: Run) -> None:
    status, out, err = run("--demo", "doctor", "--json")
    assert (status, err) == (ExitCode.OK, "")
    document = json.loads(out)
    assert document["schema"] == 1
    assert [each["name"] for each in document["checks"]] == [*LOCAL, "api", *HERE]
    assert all(set(each) == {"name", "result", "found", "remedy"} for each in document["checks"])


def test_doctor_without_token_exits_3(run: Run) -> None:
    status, out, _ = run("doctor", "--url", "http://127.0.0.1:1")
    assert status == ExitCode.NO_TOKEN
    assert [line.split()[1] for line in out.splitlines()] == [*LOCAL, *API, *HERE]
    assert "fail  token" in out


def test_doctor_refused_connection_exits_4(run: Run, environ: pytest.MonkeyPatch) -> None:
    environ.setenv(TOKEN_VARIABLE, "cfc_s3cret")
    status, out, _ = run("doctor", "--url", "http://127.0.0.1:1")
    assert status == ExitCode.UNREACHABLE
    assert "fail  api " in out
    assert "s3cret" not in out


def test_doctor_broken_configuration_runs_all_checks(run: Run, environ: pytest.MonkeyPatch) -> None:
    write_config("intervall = 3")
    environ.setenv(TOKEN_VARIABLE, "cfc_s3cret")
    status, out, err = run("doctor", "--url", "http://127.0.0.1:1", "--profile", "prod")
    assert (status, err) == (ExitCode.UNREACHABLE, "")
    assert [line.split()[1] for line in out.splitlines()] == [*LOCAL, *API, *HERE]
    assert "fail  config       ~/comfytui/config.toml, line 1: there is no setting named 'intervall'" in out


def test_doctor_unusable_url_skips_the_fleet(run: Run) -> None:
    status, out, _ = run("doctor", "--url", "ftp://me:s3cret@host")
    assert status == ExitCode.FAILED
    assert [line.split()[1] for line in out.splitlines()] == [*LOCAL, *HERE]
    assert "fail  config       --url is no address of an API" in out
    assert "s3cret" not in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("interval = 'sekret'", "line 1: interval: expected"),
        ("profile = 'prod'", "line 1: profile: expected the name of a profile"),
        ("[keys]\nquit = ['sekretkey']", "line 2: keys.quit: key 1 of quit is unknown"),
        ("= [", "line 1"),
    ],
)
def test_input_names_problem_of_configuration(text: str, words: str) -> None:
    file = write_config(text)
    given = load()
    assert words in given.problem
    assert "sekret" not in given.problem
    assert given.config_file == file
    assert given.settings is not None
    assert given.settings.url == API_URL
    assert not given.is_address_certain


def test_input_named_address_is_certain(environ: pytest.MonkeyPatch) -> None:
    write_config("= [")
    assert load("--url", "http://127.0.0.1:1").is_address_certain
    environ.setenv(API_URL_VARIABLE, "http://127.0.0.1:1")
    assert load().is_address_certain


def test_input_unknown_profile_is_a_problem() -> None:
    write_config("[profiles.prod]")
    given = load("--profile", "sekret")
    assert "there is no profile of that name; there are prod" in given.problem
    assert not given.is_address_certain


def test_input_usable_configuration_is_resolved() -> None:
    file = write_config("profile = 'prod'\n[profiles.prod]\nurl = 'http://127.0.0.1:1'")
    given = load()
    assert (given.config_file, given.problem, given.is_address_certain) == (file, "", True)
    assert given.settings is not None
    assert (given.settings.url, given.settings.profile) == ("http://127.0.0.1:1", "prod")


async def test_doctor_imports_no_textual() -> None:
    code = "import sys; from comfytui.cli.main import main; main(['doctor', '--demo']); print('textual' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().splitlines()[-1] == "False"
    assert "textual" in out.decode().splitlines()[0]
