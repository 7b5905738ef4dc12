from __future__ import annotations

import os
import select
import subprocess
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui.config.credentials import (
    MISSING_TOKEN,
    TOKEN_VARIABLE,
    Token,
    child_env,
    env_has_token,
    find_token,
    has_token_source,
    hide_from_children,
    kill_token_commands,
    missing_token_message,
    permission_warnings,
    save_token,
    token_file,
    token_from_env,
)
from comfytui.config.settings import SettingsError, TokenSources


@pytest.mark.parametrize(
    ("environ", "token"),
    [
        ({}, ""),
        ({TOKEN_VARIABLE: ""}, ""),
        ({TOKEN_VARIABLE: " \t\r\n"}, ""),
        ({TOKEN_VARIABLE.lower(): "cfc_lower"}, ""),
        ({TOKEN_VARIABLE: "cfc_abc"}, "cfc_abc"),
        ({TOKEN_VARIABLE: "  cfc_abc\n"}, "cfc_abc"),
        ({TOKEN_VARIABLE: "\ufeff"}, ""),
        ({TOKEN_VARIABLE: "\ufeffcfc_abc\r\n"}, "cfc_abc"),
        ({TOKEN_VARIABLE: "no prefix"}, "no prefix"),
    ],
)
def test_the_token_of_an_environment(environ: dict[str, str], token: str) -> None:
    assert token_from_env(environ).get_secret_value() == token
    assert env_has_token(environ) is bool(token)


def test_a_token_does_not_show() -> None:
    secret = token_from_env({TOKEN_VARIABLE: "cfc_abc"})
    assert "cfc_abc" not in f"{secret} {secret!r}"


def test_without_one_it_is_said_where_tokens_are_made_and_what_works_without() -> None:
    assert "API Tokens" in MISSING_TOKEN
    assert TOKEN_VARIABLE == "COMFYCONTROL_API_TOKEN"
    assert TOKEN_VARIABLE in MISSING_TOKEN
    assert "comfytui --demo" in MISSING_TOKEN


@pytest.fixture(autouse=True)
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a token is saved, in a directory that is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path / "config" / "comfytui" / "token"


def printing(text: str) -> list[str]:
    """A command that prints this, and complains on standard error."""
    return [sys.executable, "-c", f"import sys; sys.stderr.write('sekret'); sys.stdout.write({text!r})"]


def keep(text: str) -> Path:
    return save_token(SecretStr(text), TokenSources())


def found(environ: dict[str, str], command: Sequence[str] = ()) -> tuple[str, str] | None:
    return found_in(environ, TokenSources(command=tuple(command)))


def found_in(environ: dict[str, str], sources: TokenSources) -> tuple[str, str] | None:
    token = find_token(environ, sources)
    return None if token is None else (token.secret.get_secret_value(), token.source)


def refusal(command: Sequence[str] = (), timeout: float = 10.0) -> str:
    """The sentence that says why no token was found."""
    with pytest.raises(SettingsError) as caught:
        find_token({}, TokenSources(command=tuple(command)), timeout)
    assert caught.value.__cause__ is None
    assert "sekret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_environment_comes_before_the_command_before_the_file(saved: Path) -> None:
    command = printing("cfc_command\nsecond line\n")
    assert not has_token_source({}, TokenSources())
    assert found({}) is None
    keep("cfc_saved")
    assert has_token_source({}, TokenSources())
    assert found({}) == ("cfc_saved", str(saved))
    assert found({}, command) == ("cfc_command", "token_command")
    assert found({TOKEN_VARIABLE: " \n"}, command) == ("cfc_command", "token_command")
    assert found({TOKEN_VARIABLE: " cfc_environ\n"}, command) == ("cfc_environ", TOKEN_VARIABLE)
    assert has_token_source({TOKEN_VARIABLE: "cfc_environ"}, TokenSources())
    assert has_token_source({}, TokenSources(command=tuple(command)))


def test_a_found_token_does_not_show() -> None:
    assert "cfc_abc" not in repr(find_token({TOKEN_VARIABLE: "cfc_abc"}, TokenSources()))


def test_a_command_that_fails_is_not_passed_over(saved: Path) -> None:
    keep("cfc_saved")
    fails = [sys.executable, "-c", "import sys; print('sekret'); sys.exit('sekret')"]
    assert refusal(fails) == "token_command failed with status 1."
    killed = [sys.executable, "-c", "import os; print('sekret', flush=True); os.kill(os.getpid(), 9)"]
    assert refusal(killed) == "token_command was ended by signal 9."
    assert refusal(["/nowhere/sekret"]) == "token_command cannot be run: no such file or directory."
    assert refusal([str(saved.parent)]) == "token_command cannot be run: permission denied."


@pytest.mark.parametrize("text", ["", "\n", "  \n", "\ncfc_second_line\n"])
def test_a_command_that_prints_nothing(text: str) -> None:
    assert refusal(printing(text)).startswith("token_command printed nothing; its first line")


@pytest.mark.parametrize("text", ["sekret two", "sekret\ttwo", "sekrét", "sekret\x1b[0m", "sekret\x7f", "\u202esekret"])
def test_token_unfit_for_a_header_is_refused(saved: Path, text: str) -> None:
    assert "no HTTP header takes" in refusal(printing(text))
    keep(text)
    assert f"What {saved} holds is no token" in refusal()
    with pytest.raises(SettingsError, match=f"^What {TOKEN_VARIABLE} holds is no token") as caught:
        find_token({TOKEN_VARIABLE: text}, TokenSources())
    assert "sekret" not in str(caught.value)


class Pipe:
    """A pipe that a shell command and all that it starts hold open once it runs `holds`."""

    def __init__(self, path: Path) -> None:
        os.mkfifo(path)
        self.holds = f"exec 9>'{path}'; echo held >&9"
        self.reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def is_held(self) -> bool:
        return self._read() == b"held\n"

    def is_let_go(self) -> bool:
        return self._read() == b""

    def _read(self) -> bytes:
        assert select.select([self.reader], [], [], 10)[0]
        return os.read(self.reader, 5)


@pytest.fixture
def pipe(tmp_path: Path) -> Iterator[Pipe]:
    made = Pipe(tmp_path / "fifo")
    yield made
    os.close(made.reader)


@pytest.mark.parametrize("then", ["wait", "exit"])
def test_a_command_that_hangs_is_ended_with_all_it_started(pipe: Pipe, then: str) -> None:
    command = ["/bin/sh", "-c", f"{pipe.holds}; sleep 60 & echo sekret; {then}"]
    assert refusal(command, timeout=0.5) == "token_command took longer than 0.5 seconds."
    assert pipe.is_held()
    assert pipe.is_let_go()


def test_a_command_ends_when_it_is_told_to(pipe: Pipe) -> None:
    with ThreadPoolExecutor() as pool:
        asking = pool.submit(refusal, ["/bin/sh", "-c", f"{pipe.holds}; sleep 60"])
        assert pipe.is_held()
        kill_token_commands()
        assert asking.result() == "token_command was ended by signal 9."
    assert pipe.is_let_go()
    kill_token_commands()


def test_a_command_has_no_terminal_no_input_and_no_token() -> None:
    code = f"""
import os, sys
assert sys.stdin.read() == ""
assert os.getsid(0) == os.getpid()
print("_".join([os.environ.get("{TOKEN_VARIABLE}", "none"), os.environ["OTHER"]]))
"""
    environ = {TOKEN_VARIABLE: "", "OTHER": "kept"}
    assert found(environ, [sys.executable, "-c", code]) == ("none_kept", "token_command")
    assert child_env({TOKEN_VARIABLE: "cfc_abc", "OTHER": "kept"}) == {"OTHER": "kept"}


def test_no_shell_runs_the_command() -> None:
    assert found({}, ["/bin/echo", "$(id)"]) == ("$(id)", "token_command")


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_saved_token_is_ours_alone_whatever_the_umask(saved: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        assert keep("cfc_first") == saved
        saved.chmod(0o644)
        keep("cfc_second")
    finally:
        os.umask(before)
    assert saved.read_text() == "cfc_second\n"
    assert saved.stat().st_mode & 0o777 == 0o600
    assert saved.parent.stat().st_mode & 0o777 == 0o700
    assert list(saved.parent.iterdir()) == [saved]


def test_a_token_is_private_before_it_is_written(saved: Path) -> None:
    # Whoever may open a file at any moment of its life may read it later: every file that ever was there is watched.
    code = f"""
import os, sys
from pathlib import Path
from pydantic import SecretStr
from comfytui.config.credentials import save_token
from comfytui.config.settings import TokenSources
modes = []
def look(event, args):
    if event in ("open", "os.chmod", "os.rename") and "{saved.parent.name}" in str(args[0]):
        modes.extend(each.stat().st_mode & 0o077 for each in Path("{saved.parent}").glob("*"))
        modes.append(Path("{saved.parent}").stat().st_mode & 0o077)
os.umask(0)
sys.addaudithook(look)
save_token(SecretStr("cfc_abc"), TokenSources())
print(len(modes) > 1, any(modes))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"True False\n"


def test_failed_save_keeps_the_old_token(saved: Path) -> None:
    keep("cfc_first")
    with pytest.raises(SettingsError, match=r"^The token cannot be saved in .*: not a directory\.$") as caught:
        save_token(SecretStr("cfc_second"), TokenSources(saved_names=("token/below",)))
    assert "cfc_second" not in str(caught.value)
    (saved.parent / "taken").mkdir()
    with pytest.raises(SettingsError, match=r": is a directory\.$"):
        save_token(SecretStr("cfc_second"), TokenSources(saved_names=("taken",)))
    assert saved.read_text() == "cfc_first\n"
    assert {each.name for each in saved.parent.iterdir()} == {"token", "taken"}


def test_a_saved_token_that_cannot_be_read(saved: Path) -> None:
    saved.mkdir(parents=True)
    assert refusal() == f"{saved} cannot be read: is a directory."
    (saved.parent / "empty").write_text(" \n")
    assert found_in({}, TokenSources(saved_names=("empty",))) is None


def test_wider_permissions_are_told(saved: Path, tmp_path: Path) -> None:
    config, sources = (
        tmp_path / "config.toml",
        TokenSources(file=tmp_path / "held", saved_names=("token-prod", "token")),
    )
    config.touch(mode=0o600)
    assert permission_warnings(sources, config) == ()
    (tmp_path / "held").touch(mode=0o600)
    keep("cfc_abc")
    assert permission_warnings(sources, config) == ()
    wider = {saved.parent: 0o750, tmp_path / "held": 0o640, saved: 0o604, config: 0o660}
    for each, mode in wider.items():
        each.chmod(mode)
    told = permission_warnings(sources, config)
    assert [sentence.partition(" is open to other users (mode ")[0] for sentence in told] == list(map(str, wider))
    assert permission_warnings(sources) == told[:3]
    # Where a token file is kept is not ours to narrow.
    assert permission_warnings(TokenSources(file=tmp_path / "held", saved_names=("none",))) == told[1:2]


def test_a_token_is_saved_beside_the_configuration(saved: Path) -> None:
    assert token_file(TokenSources()) == saved
    assert keep("cfc_abc") == saved
    assert saved.read_text() == "cfc_abc\n"
    assert has_token_source({}, TokenSources())
    assert find_token({}, TokenSources()) == Token(SecretStr("cfc_abc"), str(saved))


def test_a_profile_has_a_file_of_its_own_and_the_usual_one_behind_it(saved: Path) -> None:
    alone, both = TokenSources(saved_names=("token-prod",)), TokenSources(saved_names=("token-prod", "token"))
    keep("cfc_usual")
    assert not has_token_source({}, alone)
    assert found_in({}, alone) is None
    assert found_in({}, both) == ("cfc_usual", str(saved))
    assert save_token(SecretStr("cfc_prod"), both) == token_file(alone) == saved.with_name("token-prod")
    assert found_in({}, alone) == found_in({}, both) == ("cfc_prod", str(saved.with_name("token-prod")))
    assert found({}) == ("cfc_usual", str(saved))


def test_the_sources_of_a_profile_come_before_what_was_saved(saved: Path, tmp_path: Path) -> None:
    keep("cfc_saved")
    file = tmp_path / "held"
    by_file, by_variable = TokenSources(file=file), TokenSources(env_var="PROD_TOKEN")
    assert found_in({}, by_file) == ("cfc_saved", str(saved))
    file.write_text("cfc_held\n")
    assert found_in({}, by_file) == ("cfc_held", str(file))
    assert has_token_source({}, TokenSources(file=file, saved_names=("none",)))
    assert found_in({"PROD_TOKEN": " cfc_prod\n"}, by_variable) == ("cfc_prod", "PROD_TOKEN")
    assert found_in({"PROD_TOKEN": " \n"}, by_variable) == ("cfc_saved", str(saved))
    assert found_in({"PROD_TOKEN": "cfc_prod"}, by_file) == ("cfc_held", str(file))
    both = {"PROD_TOKEN": "cfc_prod", TOKEN_VARIABLE: "cfc_environ"}
    assert found_in(both, by_variable) == ("cfc_environ", TOKEN_VARIABLE)
    assert found_in(both, TokenSources(environment=False, env_var="PROD_TOKEN")) == ("cfc_prod", "PROD_TOKEN")
    assert found_in(both, TokenSources(environment=False)) == ("cfc_saved", str(saved))
    assert not has_token_source(both, TokenSources(environment=False, saved_names=("none",)))


def test_the_variable_of_a_profile_is_kept_from_children_too() -> None:
    environ = {TOKEN_VARIABLE: "cfc_abc", "COMFYTUI_TEST_TOKEN": "cfc_prod", "OTHER": "kept"}
    hide_from_children(["COMFYTUI_TEST_TOKEN"])
    assert child_env(environ) == {"OTHER": "kept"}


@pytest.mark.parametrize(
    ("sources", "words"),
    [
        (TokenSources(), MISSING_TOKEN),
        (TokenSources(env_var="PROD_TOKEN"), "No token, for PROD_TOKEN, which token_env names, is not set: "),
        (TokenSources(file=Path("/nowhere/t")), "No token, for /nowhere/t, which token_file names, is not there: "),
        (TokenSources(file=Path("/dev/null")), "No token, for /dev/null, which token_file names, holds nothing: "),
    ],
)
def test_a_missing_token_is_told_with_where_it_was_looked_for(sources: TokenSources, words: str) -> None:
    assert find_token({}, sources) is None
    assert missing_token_message(sources).startswith(words)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_token_with_byte_order_mark_is_read(saved: Path, tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "token"
    file.write_bytes("cfc_marked\r\n".encode(encoding))
    found = find_token({}, TokenSources(environment=False, file=file))
    assert found is not None
    assert found.secret.get_secret_value() == "cfc_marked"
    printed = find_token({}, TokenSources(environment=False, command=("cat", str(file))))
    assert printed is not None
    assert printed.secret.get_secret_value() == "cfc_marked"
