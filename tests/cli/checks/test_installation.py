from __future__ import annotations

import platform
from pathlib import Path

import pytest
from pydantic import SecretStr

from comfytui import __version__
from comfytui.cli.checks.check import Result
from comfytui.cli.checks.installation import configuration, permissions, versions
from comfytui.config.credentials import save_token
from comfytui.config.paths import config_dir, state_dir
from comfytui.config.settings import TokenSources
from comfytui.files import make_private


def test_versions() -> None:
    check = versions()
    assert check.result is Result.OK
    for words in (f"comfytui {__version__}, textual ", ", httpx ", ", pydantic ", platform.python_version()):
        assert words in check.found


def test_what_is_not_installed() -> None:
    check = versions(("httpx", "no-such-package"))
    assert check.result is Result.FAIL
    assert check.found.startswith("no-such-package not installed; httpx ")


@pytest.mark.parametrize(
    ("file", "flaw", "result", "found"),
    [
        (None, "", Result.OK, "there is no file, and none is needed"),
        (Path("/etc/c.toml"), "", Result.OK, "/etc/c.toml can be used"),
        (Path("/etc/c.toml"), "/etc/c.toml, line 3: no.", Result.FAIL, "/etc/c.toml, line 3: no."),
        (None, "--url is no address of an API.", Result.FAIL, "--url is no address of an API."),
    ],
)
def test_the_configuration(file: Path | None, flaw: str, result: Result, found: str) -> None:
    check = configuration(file, flaw)
    assert (check.result, check.found) == (result, found)


def test_files_that_nobody_else_may_look_into(tmp_path: Path) -> None:
    assert [each.result for each in permissions(TokenSources(), tmp_path / "none.toml")] == [Result.OK]
    file = make_private(config_dir()) / "config.toml"
    file.touch(0o600)
    save_token(SecretStr("cfc_test"), TokenSources())
    make_private(state_dir())
    assert [each.result for each in permissions(TokenSources(), file)] == [Result.OK]


def test_each_that_others_may_look_into_is_told_with_what_helps(environ: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environ.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    file = make_private(config_dir()) / "config.toml"
    file.touch()
    file.chmod(0o640)
    token = save_token(SecretStr("cfc_test"), TokenSources())
    token.chmod(0o644)
    state_dir().mkdir(parents=True)
    state_dir().chmod(0o755)
    found = permissions(TokenSources(), file)
    assert {each.result for each in found} == {Result.WARN}
    assert {each.name for each in found} == {"permissions"}
    assert [(each.found.rsplit("/", 1)[-1], each.remedy) for each in found] == [
        ("token is open to other users (mode 0644)", "chmod 600 it"),
        ("config.toml is open to other users (mode 0640)", "chmod 600 it"),
        ("comfytui is open to other users (mode 0755)", "chmod 700 it"),
    ]
