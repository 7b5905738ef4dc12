from __future__ import annotations

import asyncio
import importlib.metadata
import ipaddress
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from comfytui import __version__
from comfytui.cli.exit_codes import ExitCode
from comfytui.config.credentials import MISSING_TOKEN, TOKEN_VARIABLE, save_token
from comfytui.config.paths import config_dir, state_dir
from comfytui.config.settings import API_URL_VARIABLE, TokenSources
from comfytui.config.state import State, StateFile, state_path
from comfytui.files import ensure_private_dir

if TYPE_CHECKING:
    from tests.cli.conftest import Outcome, Run

HEAVY = ("asyncio", "textual", "rich", "httpx", "pydantic", "starlette", "uvicorn")

SEKRET = "http://somebody:sekret@"


@pytest.fixture
def taken() -> Iterator[int]:
    """A port of the loopback interface that somebody else listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


async def python(*args: str) -> tuple[int | None, str, str]:
    """Exit status, standard output and standard error of a Python of its own."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *args,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


def assert_one_sentence(outcome: Outcome, status: ExitCode, *words: str) -> None:
    """The status, one line on standard error with these words, nothing on standard output."""
    assert outcome.status == status
    assert outcome.out == ""
    line, end = outcome.err.split("\n")
    assert line.startswith("comfytui: ")
    assert end == ""
    for word in words:
        assert word in line


def assert_usage(outcome: Outcome, *words: str) -> None:
    """A usage error: its last line says what was wrong, nothing is on standard output."""
    assert outcome.status == ExitCode.USAGE
    assert outcome.out == ""
    assert outcome.err.startswith("usage: comfytui")
    for word in words:
        assert word in outcome.err.splitlines()[-1]


def test_exit_statuses_match_the_help(run: Run) -> None:
    assert list(ExitCode) == [0, 1, 2, 3, 4, 5, 6, 130]
    told = run("--help").out
    for words in (
        "0 success",
        "1 refused by the API, or the dashboard crashed",
        "2 usage error",
        "3 token",
        "4 unreachable",
        "5 rate limited",
    ):
        assert words in told
    assert "129 terminal closed, 130 interrupted, 143 terminated" in told


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"comfytui {__version__}\n", "")
    assert importlib.metadata.version("comfytui") == __version__


@pytest.mark.parametrize("argv", [["--help"], ["serve", "--help"]], ids=" ".join)
def test_help(run: Run, argv: list[str]) -> None:
    status, out, err = run(*argv)
    assert (status, err) == (0, "")
    assert "--demo" in out
    assert TOKEN_VARIABLE in out


@pytest.mark.parametrize(
    "command", ["runners", "runner", "history", "stats", "serve", "doctor", "config", "completion"]
)
def test_help_of_each_command(run: Run, command: str) -> None:
    status, out, err = run(command, "--help")
    assert (status, err) == (0, "")
    assert "\nexamples:\n  comfytui " in out
    assert "\nexit status: 0 " in out
    assert f"\n    {command} " in run("--help").out


@pytest.mark.parametrize("token", [None, "", "  \t\n"], ids=["unset", "empty", "blank"])
def test_no_token(run: Run, environ: pytest.MonkeyPatch, token: str | None) -> None:
    if token is not None:
        environ.setenv(TOKEN_VARIABLE, token)
    assert_one_sentence(run(), ExitCode.NO_TOKEN, MISSING_TOKEN, "API Tokens", TOKEN_VARIABLE, "--demo")


def test_a_token_may_come_from_elsewhere(run: Run, tmp_path: Path) -> None:
    assert run().status == ExitCode.NO_TOKEN
    config = tmp_path / "other.toml"
    config.write_text("token_command = 'touch ran'")
    assert_one_sentence(run("--config", str(config)), ExitCode.USAGE, "needs a terminal")
    assert not Path("ran").exists()
    save_token(SecretStr("cfc_test"), TokenSources())
    assert_one_sentence(run(), ExitCode.USAGE, "needs a terminal")


def test_the_usual_configuration_is_read_and_a_given_one_instead(run: Run, tmp_path: Path) -> None:
    usual = ensure_private_dir(config_dir()) / "config.toml"
    usual.write_text("wallbord = true")
    for argv in ([], ["--demo"]):
        assert_one_sentence(run(*argv), ExitCode.USAGE, "comfytui/config.toml, line 1: ", "'wallbord'")
    given = tmp_path / "given.toml"
    given.write_text("wallboard = true")
    assert_one_sentence(run("--demo", "--config", str(given)), ExitCode.USAGE, "needs a terminal")
    assert_one_sentence(run("--config", "/nowhere.toml"), ExitCode.USAGE, "/nowhere.toml cannot be read: No such")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("preset = 'vi'", ", line 2: keys.preset: expected one of default, vim, emacs, tmux-safe, in quotes."),
        ("\nsekret = 'x'", ", line 3: keys.sekret: unknown command"),
        ("refresh_now = 'q'\nquit = 'q'", ", line 3: keys.quit: "),
        ("quit = 'q'\n\nrefresh_now = 'q'", ", line 4: keys.refresh_now: "),
        ("refresh_now = 'hyper+sekretkey'", ", line 2: keys.refresh_now: "),
        ("'\u2028' = 'x'", ", line 2: keys.'\\u2028': unknown command"),
    ],
)
def test_keys_that_cannot_be_are_told_with_file_and_line(run: Run, tmp_path: Path, text: str, words: str) -> None:
    config = tmp_path / "given.toml"
    config.write_text(f"[keys]\n{text}", encoding="utf-8")
    outcome = run("--demo", "--config", str(config))
    assert_one_sentence(outcome, ExitCode.USAGE, f"given.toml{words}")
    assert "sekretkey" not in outcome.err


def test_keys_that_can_be(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "given.toml"
    config.write_text("[keys]\npreset = 'emacs'\nrefresh_now = ['f5', 'R']")
    assert_one_sentence(run("--demo", "--config", str(config)), ExitCode.USAGE, "needs a terminal")


def test_a_profile_brings_its_own_token(run: Run, environ: pytest.MonkeyPatch) -> None:
    usual = ensure_private_dir(config_dir()) / "config.toml"
    usual.write_text("[profiles.prod]\nurl = 'http://127.0.0.1:1'\n[profiles.test]\ntoken_env = 'TEST_TOKEN'")
    save_token(SecretStr("cfc_usual"), TokenSources())
    assert_one_sentence(run("--profile", "prod"), ExitCode.NO_TOKEN, MISSING_TOKEN)
    assert_one_sentence(run("--profile", "test"), ExitCode.USAGE, "needs a terminal")
    save_token(SecretStr("cfc_prod"), TokenSources(saved_names=("token-prod",)))
    assert_one_sentence(run("--profile", "prod"), ExitCode.USAGE, "needs a terminal")
    unknown = run("--profile", "sekret")
    assert_one_sentence(unknown, ExitCode.USAGE, "--profile: there is no profile of that name; there are prod, test.")
    assert "sekret" not in unknown.err


def test_the_profile_of_last_time_is_gone_on_with_unless_it_is_to_be_fresh(run: Run) -> None:
    usual = ensure_private_dir(config_dir()) / "config.toml"
    usual.write_text("[profiles.prod]\nurl = 'http://127.0.0.1:1'")
    save_token(SecretStr("cfc_usual"), TokenSources())
    assert StateFile(state_path()).save(State(profile="prod")) is None
    assert run().status == ExitCode.NO_TOKEN
    for argv in (["--fresh"], ["--url", "http://127.0.0.1:1"], ["--demo"]):
        assert_one_sentence(run(*argv), ExitCode.USAGE, "needs a terminal")
    usual.unlink()
    assert_one_sentence(run(), ExitCode.USAGE, "needs a terminal")


def test_fresh_start_leaves_a_broken_state_file_alone(run: Run) -> None:
    ensure_private_dir(state_dir())
    state_path().write_text("{")
    assert_one_sentence(run("--demo", "--fresh"), ExitCode.USAGE, "needs a terminal")
    assert [each.name for each in state_dir().iterdir()] == ["state.json"]
    assert_one_sentence(run("--demo"), ExitCode.USAGE, "needs a terminal")
    assert [each.name for each in state_dir().iterdir()] == ["state.json.broken"]


@pytest.mark.parametrize("term", ["xterm-256color", "dumb", "", None])
def test_no_terminal(run: Run, environ: pytest.MonkeyPatch, term: str | None) -> None:
    environ.setenv(TOKEN_VARIABLE, "cfc_test")
    environ.delenv("TERM") if term is None else environ.setenv("TERM", term)
    assert_one_sentence(run(), ExitCode.USAGE, "needs a terminal")
    assert_one_sentence(run("--demo"), ExitCode.USAGE, "needs a terminal")


@pytest.mark.parametrize("url", ["nonsense", "ftp://host", f"{SEKRET}host:port", "https://", "http://[::1", "//host"])
def test_an_address_that_is_none(run: Run, environ: pytest.MonkeyPatch, url: str) -> None:
    environ.setenv(TOKEN_VARIABLE, "cfc_test")
    by_flag = run("--url", url)
    assert_one_sentence(by_flag, ExitCode.USAGE, "--url is no address")
    environ.setenv(API_URL_VARIABLE, url)
    by_environment = run()
    assert_one_sentence(by_environment, ExitCode.USAGE, f"{API_URL_VARIABLE} is no address")
    assert "sekret" not in by_flag.err + by_environment.err
    assert "somebody" not in by_flag.err + by_environment.err


@pytest.mark.parametrize("argv", [["--comfyui", f"{SEKRET}"], ["serve", "--comfyui", "gpu2,ftp://sekret"]])
def test_servers_that_are_none(run: Run, argv: list[str]) -> None:
    outcome = run(*argv)
    assert_one_sentence(outcome, ExitCode.USAGE, "--comfyui: expected http:// or https:// and a host")
    assert "sekret" not in outcome.err


def test_servers_need_no_token(run: Run) -> None:
    assert_one_sentence(run("--comfyui", "http://127.0.0.1:1, gpu2"), ExitCode.USAGE, "needs a terminal")


def test_servers_are_served_to_others_with_a_chosen_token_only(run: Run) -> None:
    host = str(ipaddress.IPv4Address(0))
    outcome = run("serve", "--comfyui", "gpu2", "--host", host)
    assert_one_sentence(outcome, ExitCode.NO_TOKEN, host, TOKEN_VARIABLE)


def test_user_info_of_an_address_is_not_repeated(run: Run, environ: pytest.MonkeyPatch) -> None:
    for outcome in (run("--url", f"{SEKRET}host"), run("--url", f"{SEKRET}host", "--demo")):
        assert outcome.status != ExitCode.OK
        assert "sekret" not in outcome.out + outcome.err
        assert "somebody" not in outcome.out + outcome.err


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["--interval", "0"], "--interval"),
        (["--interval", "0.5"], "--interval"),
        (["--interval", "0.999"], "1 or more"),
        (["--interval", "-5"], "--interval"),
        (["--interval", "nan"], "--interval"),
        (["--interval", "inf"], "--interval"),
        (["--interval", "x"], "--interval"),
        (["--interval"], "--interval"),
        (["--per-page", "0"], "--per-page"),
        (["--per-page", "101"], "from 1 to 100"),
        (["--per-page", "2.5"], "--per-page"),
        (["--per-page", ""], "--per-page"),
        (["--runners", "5"], "--demo"),
        (["--runners", "0"], "--demo"),
        (["--seed", "0"], "--demo"),
        (["--demo", "--runners", "-1"], "--runners"),
        (["--demo", "--runners", "1000001"], "--runners"),
        (["--demo", "--seed", "x"], "--seed"),
        (["--demo", "--url", "http://127.0.0.1"], "--url"),
        (["--demo", "--profile", "prod"], "--profile"),
        (["--demo", "--comfyui", "gpu2"], "--comfyui"),
        (["--comfyui", "gpu2", "--url", "http://127.0.0.1"], "--url"),
        (["--comfyui", "gpu2", "--profile", "prod"], "--profile"),
        (["--comfyui", "gpu2", "--runners", "5"], "--demo"),
        (["serve", "--comfyui", "gpu2", "--demo"], "exclude"),
        (["--color", "8"], "--color"),
        (["--color", SEKRET], "invalid choice (choose"),
        (["serve"], "--demo"),
        (["serve", "--runners", "5"], "--demo"),
        (["serve", "--demo", "--port", "65536"], "--port"),
        (["serve", "--demo", "--port", "-1"], "--port"),
        (["--port", "1"], "COMMAND"),
        (["--tok", "x"], "COMMAND"),
        (["nonsense"], "invalid choice"),
        (["runners", "--json", "--csv"], "--json"),
        (["runners", "--status", "busy"], "--status"),
        (["runners", "--page", "0"], "--page"),
        (["runners", "--interval", "5"], "--interval goes with --watch"),
        (["--interval", "5", "runners"], "--interval goes with --watch"),
        (["runners", "--watch", "--json"], "--watch and --json"),
        (["runners", "--watch", "--csv"], "--watch and --csv"),
        (["runners", "--watch", "--page", "1"], "--watch and --page"),
        (["--per-page", "9", "runners", "--watch"], "--watch and --per-page"),
        (["runners", "--watch", "--sort", "name"], "--watch and --sort"),
        (["runners", "--watch", "--columns", "id"], "--watch and --columns"),
        (["runners", "--watch", "--no-wait"], "--watch and --no-wait"),
        (["runners", "--watch", "--timeout", "20"], "--watch and --timeout"),
        (["runner"], "ID"),
        (["history", "a", "b"], "unrecognized arguments"),
        (["stats", "a", "--demo", "--url", "http://127.0.0.1"], "exclude"),
        (["--demo", "stats", "a", "--url", "http://127.0.0.1"], "exclude"),
        (["config", "show"], "invalid choice"),
        (["config", "check", "--json"], "--json goes with config print"),
        (["completion", "cmd"], "invalid choice"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_wrong_usage(run: Run, argv: list[str], words: str) -> None:
    assert_usage(run(*argv), words)


@pytest.mark.parametrize("host", [str(ipaddress.IPv4Address(0)), "::", "192.168.1.100", "comfy.example.com"])
def test_others_are_not_served_without_a_chosen_token(run: Run, host: str) -> None:
    assert_one_sentence(run("serve", "--demo", "--host", host), ExitCode.NO_TOKEN, host, TOKEN_VARIABLE)


@pytest.mark.parametrize(
    "argv", [["--demo", "serve"], ["serve", "--demo"], ["--demo", "serve", "--demo"]], ids=" ".join
)
def test_a_port_in_use(run: Run, environ: pytest.MonkeyPatch, taken: int, argv: list[str]) -> None:
    environ.setenv(TOKEN_VARIABLE, "cfc_test")
    outcome = run(*argv, "--port", str(taken))
    assert_one_sentence(outcome, ExitCode.USAGE, f"Cannot listen on 127.0.0.1:{taken}", "in use")
    assert "cfc_test" not in outcome.err


def test_no_token_is_made_known_for_a_server_that_does_not_start(run: Run, taken: int) -> None:
    assert_one_sentence(run("serve", "--demo", "--port", str(taken)), ExitCode.USAGE, "Cannot listen")


@pytest.mark.parametrize(
    "argv",
    [
        f"--token {SEKRET}",
        f"--token={SEKRET}",
        f"serve --demo --url {SEKRET}",
        "--interval cfc_sekret",
        "--per-page cfc_sekret",
        "--seed cfc_sekret",
        "-cfc_sekret",
        "--cfc_sekret",
        "-hcfc_sekret",
        "runners -hcfc_sekret",
        "--demo=cfc_sekret",
        "cfc_sekret'(choose",
        "runners cfc_sekret",
        "runners --page cfc_sekret",
        "runners --status cfc_sekret",
        "runners --json=cfc_sekret",
        "runners --filter foo:cfc_sekret",
        "runners --sort cfc_sekret",
        "runners --columns cfc_sekret",
        "serve --demo --port cfc_sekret",
    ],
)
def test_typed_arguments_are_not_repeated(run: Run, argv: str) -> None:
    outcome = run(*argv.split(" "))
    assert outcome.status == ExitCode.USAGE
    assert "sekret" not in outcome.err


async def test_python_m_comfytui() -> None:
    assert await python("-m", "comfytui", "--version") == (0, f"comfytui {__version__}\n", "")


async def test_serving_without_uvicorn() -> None:
    code = "import sys; sys.modules['uvicorn'] = None; from comfytui.cli.main import main; sys.exit(main(sys.argv[1:]))"
    status, out, err = await python("-c", code, "serve", "--demo", "--port", "0")
    assert (status, out) == (ExitCode.USAGE, "")
    assert err.splitlines()[-1] == "comfytui: Serving needs one more package: pip install 'comfytui[serve]'"
    assert "Traceback" not in err


@pytest.mark.parametrize("flag", ["--version", "--help", "--interval=0"])
async def test_commands_do_not_import_the_dashboard(flag: str) -> None:
    code = f"""
import sys
from comfytui.cli.main import main
try:
    main(["{flag}"])
except SystemExit:
    print("loaded", sorted(set({HEAVY}) & set(sys.modules)))
"""
    status, out, _ = await python("-c", code)
    assert status == 0
    assert out.splitlines()[-1] == "loaded []"


async def test_no_token_is_told_without_loading_the_dashboard() -> None:
    code = f"""
import os, sys
os.environ.pop("{TOKEN_VARIABLE}", None)
from comfytui.cli.main import main
print(int(main([])), sorted(set({HEAVY}) & set(sys.modules)))
"""
    status, out, err = await python("-c", code)
    assert (status, out) == (0, "3 []\n")
    assert MISSING_TOKEN in err


async def test_ctrl_c_while_it_is_loaded() -> None:
    code = """
import sys
class Interrupting:
    def find_spec(self, name, *_):
        if name == "argparse":
            raise KeyboardInterrupt
from comfytui.cli.main import main
sys.meta_path.insert(0, Interrupting())
sys.exit(main(["--version"]))
"""
    assert await python("-c", code) == (ExitCode.INTERRUPTED, "", "")


async def test_the_entry_itself_loads_nothing() -> None:
    code = """
import sys
before = set(sys.modules)
import comfytui.cli.main
print(sorted(set(sys.modules) - before - {"__future__"}))
"""
    assert (await python("-c", code))[1] == "['comfytui', 'comfytui.cli', 'comfytui.cli.main']\n"
