from __future__ import annotations

import platform
import stat
from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui import __version__
from comfytui.cli.doctor.check import Result
from comfytui.cli.doctor.local import (
    TerminalInfo,
    TmuxInfo,
    check_clipboard,
    check_configuration,
    check_permissions,
    check_terminal,
    check_versions,
    current_terminal,
    describe_clipboard,
    find_broken_references,
    query_tmux,
)
from comfytui.config.credentials import TOKEN_VARIABLE, save_token
from comfytui.config.paths import config_dir, state_dir
from comfytui.config.precedence import CliOptions, ConfigFile, ConfigSources, Profile, resolve_settings
from comfytui.config.settings import API_URL, TokenSources
from comfytui.files import ensure_private_dir


def test_versions_installed_are_listed() -> None:
    check = check_versions()
    assert check.result is Result.OK
    for words in (f"comfytui {__version__}, textual ", ", httpx ", ", pydantic ", platform.python_version()):
        assert words in check.detail


def test_versions_missing_package_fails() -> None:
    check = check_versions(("httpx", "no-such-package"))
    assert check.result is Result.FAIL
    assert check.detail.startswith("no-such-package not installed; httpx ")


@pytest.mark.parametrize(
    ("file", "flaw", "result", "found"),
    [
        (None, "", Result.OK, "there is no file, and none is needed"),
        (Path("/etc/c.toml"), "", Result.OK, "/etc/c.toml can be used"),
        (Path("/etc/c.toml"), "/etc/c.toml, line 3: no.", Result.FAIL, "/etc/c.toml, line 3: no."),
        (None, "--url is no address of an API.", Result.FAIL, "--url is no address of an API."),
    ],
)
def test_configuration_problem_fails(file: Path | None, flaw: str, result: Result, found: str) -> None:
    check = check_configuration(file, flaw)
    assert (check.result, check.detail) == (result, found)


def test_permissions_private_files_are_ok(tmp_path: Path) -> None:
    assert [each.result for each in check_permissions(TokenSources(), tmp_path / "none.toml")] == [Result.OK]
    file = ensure_private_dir(config_dir()) / "config.toml"
    file.touch(0o600)
    save_token(SecretStr("cfc_test"), TokenSources())
    ensure_private_dir(state_dir())
    assert [each.result for each in check_permissions(TokenSources(), file)] == [Result.OK]


def test_permissions_open_files_are_named_with_hint(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environ.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = ensure_private_dir(config_dir()) / "config.toml"
    file.touch()
    file.chmod(0o640)
    token = save_token(SecretStr("cfc_test"), TokenSources())
    token.chmod(0o644)
    state_dir().mkdir(parents=True)
    state_dir().chmod(0o755)
    found = check_permissions(TokenSources(), file)
    assert {each.result for each in found} == {Result.WARN}
    assert {each.name for each in found} == {"permissions"}
    assert [(each.detail.rsplit("/", 1)[-1], each.hint) for each in found] == [
        ("token is open to other users (mode 0644)", "chmod 600 it"),
        ("config.toml is open to other users (mode 0640)", "chmod 600 it"),
        ("comfytui is open to other users (mode 0755)", "chmod 700 it"),
    ]


AUTHORITY = Path(__file__).parents[2] / "fixtures" / "tls" / "authority.pem"
FILE = Path("/etc/c.toml")
MISSING = Path("/nowhere/s")
PATH = {"PATH": "/usr/bin:/bin"}
LINES = {("profiles", "a"): 3, ("token_command",): 1, ("ca_bundle",): 2}


def find(config: ConfigFile, **environ: str) -> list[str]:
    choices = ConfigSources(CliOptions(), PATH | environ, config, FILE)
    return list(find_broken_references(choices, resolve_settings(choices), LINES))


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (ConfigFile(ca_bundle=MISSING), "2: ca_bundle: /nowhere/s holds no certificates that can be read."),
        (ConfigFile(token_command=("s3cret",)), "1: token_command: its program is not there, or may not be run."),
        (ConfigFile(token_command=("/etc/passwd",)), "1: token_command: its program is not there, or may not be run."),
        (
            ConfigFile(profiles={"a": Profile(token_file=MISSING)}),
            "3: profiles.a.token_file: /nowhere/s is not there, or cannot be read.",
        ),
        (
            ConfigFile(profiles={"a": Profile(token_file=Path("/"))}),
            "3: profiles.a.token_file: / is not there, or cannot be read.",
        ),
        (
            ConfigFile(profiles={"a": Profile(url="https://me:s3cret@h")}),
            "3: profiles.a.url: expected no user name or password in it: the API takes a token only.",
        ),
        (
            ConfigFile(profiles={"a": Profile(ca_bundle=FILE)}),
            "3: profiles.a.ca_bundle: /etc/c.toml holds no certificates that can be read.",
        ),
    ],
    ids=["ca_bundle", "program", "no program", "token_file", "directory", "url", "ca_bundle of a profile"],
)
def test_broken_reference_is_named_with_its_line(config: ConfigFile, sentence: str) -> None:
    assert find(config) == [f"/etc/c.toml, line {sentence}"]


def test_working_references_are_not_named() -> None:
    profile = Profile(url=API_URL, token_file=AUTHORITY, ca_bundle=AUTHORITY)
    config = ConfigFile(
        url=API_URL, ca_bundle=AUTHORITY, token_command=("sh", "-c", "nowhere"), profiles={"a": profile}
    )
    assert find(config, SSL_CERT_FILE="/nowhere.pem") == []
    assert find(ConfigFile()) == []


def test_broken_reference_of_environment_is_named() -> None:
    assert find(ConfigFile(), SSL_CERT_FILE="/nowhere.pem") == ["SSL_CERT_FILE names no certificates that can be read."]


def test_broken_references_are_all_named() -> None:
    config = ConfigFile(ca_bundle=MISSING, profiles={"a": Profile(token_file=MISSING), "b": Profile(ca_bundle=MISSING)})
    assert len(find(config)) == 3


GOOD = TerminalInfo(True, (120, 40), "utf-8")
XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        (XTERM, "xterm-256color, 256 colors, 120x40, mouse on, Unicode"),
        ({**XTERM, "COLORTERM": "truecolor"}, "xterm-256color, 16 million colors, 120x40, mouse on, Unicode"),
        ({**XTERM, "NO_COLOR": "1"}, "xterm-256color, no colors, 120x40, mouse on, Unicode"),
        ({"TERM": "vt100"}, "vt100, 16 colors, 120x40, mouse on, Unicode"),
        (
            {**XTERM, "SSH_TTY": "/dev/pts/1"},
            "xterm-256color, 256 colors, 120x40, mouse off (SSH), Unicode, Escape waits 500 ms",
        ),
        (
            {**XTERM, "SSH_TTY": "/dev/pts/1", "ESCDELAY": "20"},
            "xterm-256color, 256 colors, 120x40, mouse off (SSH), Unicode, Escape waits 20 ms",
        ),
    ],
)
def test_terminal_good_is_described(environ: dict[str, str], found: str) -> None:
    check = check_terminal(GOOD, environ, "auto", False)
    assert (check.result, check.detail, check.hint) == (Result.OK, found, "")


@pytest.mark.parametrize(
    ("terminal", "environ", "result", "words"),
    [
        (GOOD, {"TERM": "dumb"}, Result.FAIL, "dumb"),
        (GOOD, {}, Result.FAIL, "TERM is not set"),
        (TerminalInfo(False, None, "utf-8"), {"TERM": "dumb"}, Result.WARN, "which the dashboard needs"),
        (TerminalInfo(True, (39, 40), "utf-8"), XTERM, Result.WARN, "39x40"),
        (TerminalInfo(True, (120, 9), "utf-8"), XTERM, Result.WARN, "120x9"),
        (TerminalInfo(True, None, "utf-8"), XTERM, Result.OK, "size unknown, so 80x24"),
        (TerminalInfo(True, (120, 40), "iso8859-1"), XTERM, Result.WARN, "ASCII, as its encoding is iso8859-1"),
    ],
)
def test_terminal_fault_is_reported(
    terminal: TerminalInfo, environ: dict[str, str], result: Result, words: str
) -> None:
    check = check_terminal(terminal, environ, "auto", False)
    assert check.result is result
    assert words in check.detail


def test_terminal_ascii_on_request_is_ok() -> None:
    check = check_terminal(TerminalInfo(True, (120, 40), "ascii"), XTERM, "none", True)
    assert (check.result, check.detail) == (Result.OK, "xterm-256color, no colors, 120x40, mouse on, ASCII")


def test_current_terminal_without_terminal_is_none() -> None:
    terminal = current_terminal()
    assert (terminal.is_terminal, terminal.size) == (False, None)


@pytest.mark.parametrize(
    ("environ", "tmux", "result", "words"),
    [
        (XTERM, None, Result.OK, "OSC 52"),
        ({"TERM": "screen", "STY": "1.pts"}, None, Result.WARN, "to a file"),
        ({"TERM": "linux"}, None, Result.WARN, "to a file"),
        (XTERM, TmuxInfo("3.3a", "external"), Result.OK, "through tmux 3.3a, set-clipboard external"),
        (XTERM, TmuxInfo("3.4", "on"), Result.OK, "set-clipboard on"),
        (XTERM, TmuxInfo("next-3.6", "on"), Result.OK, "tmux next-3.6"),
        (XTERM, TmuxInfo("master", "on"), Result.OK, "tmux master"),
        (XTERM, TmuxInfo("3.3a", "off"), Result.WARN, "text stays inside tmux"),
        (XTERM, TmuxInfo("3.1c", "on"), Result.WARN, "too old"),
        (XTERM, TmuxInfo("", ""), Result.WARN, "does not answer"),
    ],
)
def test_clipboard_route_is_described(
    environ: dict[str, str], tmux: TmuxInfo | None, result: Result, words: str
) -> None:
    check = describe_clipboard(environ, tmux)
    assert check.result is result
    assert words in check.detail
    assert bool(check.hint) is (result is Result.WARN)


def put_tmux(directory: Path, script: str) -> dict[str, str]:
    """Return an environment with a script as the surrounding tmux."""
    program = directory / "tmux"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{directory}:/usr/bin:/bin", "TMUX": "/run/tmux,1,0", TOKEN_VARIABLE: "cfc_s3cret"}


async def test_clipboard_tmux_query_hides_the_token(tmp_path: Path) -> None:
    script = f"""env >>{tmp_path}/environ
case "$*" in
-V) echo tmux 3.3a ;;
'show-options -gv set-clipboard') echo external ;;
esac"""
    environ = put_tmux(tmp_path, script)
    assert (await check_clipboard(environ, 5.0)).detail == "through tmux 3.3a, set-clipboard external"
    assert "TMUX=" in (tmp_path / "environ").read_text()
    assert "s3cret" not in (tmp_path / "environ").read_text()


@pytest.mark.parametrize("script", ["exit 1", "exec sleep 60"])
async def test_query_tmux_failure_is_empty(tmp_path: Path, script: str) -> None:
    assert await query_tmux(put_tmux(tmp_path, script), 0.2) == TmuxInfo("", "")


async def test_query_tmux_missing_is_empty(tmp_path: Path) -> None:
    assert await query_tmux({"PATH": str(tmp_path)}, 5.0) == TmuxInfo("", "")
    (tmp_path / "tmux").write_text("no program")
    (tmp_path / "tmux").chmod(0o700)
    assert await query_tmux({"PATH": str(tmp_path)}, 5.0) == TmuxInfo("", "")


async def test_clipboard_outside_tmux_queries_nothing(tmp_path: Path) -> None:
    environ = put_tmux(tmp_path, f"touch {tmp_path}/asked")
    del environ["TMUX"]
    assert (await check_clipboard({**environ, **XTERM}, 5.0)).result is Result.OK
    assert not (tmp_path / "asked").exists()
