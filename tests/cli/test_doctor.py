from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.cli.doctor import situation_of
from comfytui.cli.exit_codes import ExitStatus
from comfytui.cli.parser import make_parser
from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.paths import config_dir
from comfytui.config.settings import API_URL, API_URL_VARIABLE
from comfytui.files import make_private

if TYPE_CHECKING:
    from comfytui.cli.doctor import Situation
    from tests.cli.conftest import Run

LOCAL = ["versions", "config", "permissions"]
HERE = ["terminal", "clipboard"]
API = ["token", "dns", "proxy", "tls", "api", "clock", "budget"]


@pytest.fixture(autouse=True)
def _no_tmux(environ: pytest.MonkeyPatch) -> None:
    for name in ("TMUX", "STY", "XDG_RUNTIME_DIR"):
        environ.delenv(name, raising=False)


def write_config(text: str) -> Path:
    file = make_private(config_dir()) / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    return file


def situation(*argv: str) -> Situation:
    return situation_of(make_parser().parse_args(["doctor", *argv]))


def test_a_line_for_each_thing(run: Run) -> None:
    status, out, err = run("doctor", "--demo")
    assert (status, err) == (ExitStatus.OK, "")
    assert [line.split()[1] for line in out.splitlines()] == [*LOCAL, "api", *HERE]
    assert {line.split()[0] for line in out.splitlines()} == {"ok", "warn"}


def test_for_programs(run: Run) -> None:
    status, out, err = run("--demo", "doctor", "--json")
    assert (status, err) == (ExitStatus.OK, "")
    told = json.loads(out)
    assert told["schema"] == 1
    assert [each["name"] for each in told["checks"]] == [*LOCAL, "api", *HERE]
    assert all(set(each) == {"name", "result", "found", "remedy"} for each in told["checks"])


def test_no_token(run: Run) -> None:
    status, out, _ = run("doctor", "--url", "http://127.0.0.1:1")
    assert status == ExitStatus.NO_TOKEN
    assert [line.split()[1] for line in out.splitlines()] == [*LOCAL, *API, *HERE]
    assert "fail  token" in out


def test_nothing_listens(run: Run, environ: pytest.MonkeyPatch) -> None:
    environ.setenv(TOKEN_VARIABLE, "cfc_s3cret")
    status, out, _ = run("doctor", "--url", "http://127.0.0.1:1")
    assert status == ExitStatus.UNREACHABLE
    assert "fail  api " in out
    assert "s3cret" not in out


def test_a_configuration_that_cannot_be_used_keeps_nothing_from_being_looked_at(
    run: Run, environ: pytest.MonkeyPatch
) -> None:
    write_config("intervall = 3")
    environ.setenv(TOKEN_VARIABLE, "cfc_s3cret")
    status, out, err = run("doctor", "--url", "http://127.0.0.1:1", "--profile", "prod")
    assert (status, err) == (ExitStatus.UNREACHABLE, "")
    assert [line.split()[1] for line in out.splitlines()] == [*LOCAL, *API, *HERE]
    assert "fail  config       ~/comfytui/config.toml, line 1: there is no setting named 'intervall'" in out


def test_an_address_that_is_none(run: Run) -> None:
    status, out, _ = run("doctor", "--url", "ftp://me:s3cret@host")
    assert status == ExitStatus.FAILED
    assert [line.split()[1] for line in out.splitlines()] == [*LOCAL, *HERE]
    assert "fail  config       --url is no address of an API" in out
    assert "s3cret" not in out


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("interval = 'sekret'", "line 1: interval: expected"),
        ("profile = 'prod'", "line 1: profile: expected the name of a profile"),
        ("[keys]\nquit = ['sekretkey']", "line 2: keys.quit: key 1 of quit is no key"),
        ("= [", "line 1"),
    ],
)
def test_each_flaw_of_a_configuration_is_told(text: str, words: str) -> None:
    file = write_config(text)
    found = situation()
    assert words in found.flaw
    assert "sekret" not in found.flaw
    assert found.file == file
    assert found.settings is not None
    assert found.settings.url == API_URL
    assert not found.is_sure


def test_an_address_that_was_named_is_sure_whatever_the_configuration_says(environ: pytest.MonkeyPatch) -> None:
    write_config("= [")
    assert situation("--url", "http://127.0.0.1:1").is_sure
    environ.setenv(API_URL_VARIABLE, "http://127.0.0.1:1")
    assert situation().is_sure


def test_a_profile_that_is_not_there() -> None:
    write_config("[profiles.prod]")
    found = situation("--profile", "sekret")
    assert "there is no profile of that name; there are prod" in found.flaw
    assert not found.is_sure


def test_what_can_be_used_is_used() -> None:
    file = write_config("profile = 'prod'\n[profiles.prod]\nurl = 'http://127.0.0.1:1'")
    found = situation()
    assert (found.file, found.flaw, found.is_sure) == (file, "", True)
    assert found.settings is not None
    assert (found.settings.url, found.settings.profile) == ("http://127.0.0.1:1", "prod")


async def test_no_dashboard_is_loaded() -> None:
    code = "import sys; from comfytui.cli.main import main; main(['doctor', '--demo']); print('textual' in sys.modules)"
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    assert out.decode().splitlines()[-1] == "False"
    assert "textual" in out.decode().splitlines()[0]
