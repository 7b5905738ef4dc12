from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.cli.commands.config import template
from comfytui.cli.exit_codes import ExitCode
from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.paths import config_dir
from comfytui.files import ensure_private_dir

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def usual() -> Path:
    return config_dir() / "config.toml"


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_path_is_that_of_the_file_that_is_or_would_be_read(run: Run, tmp_path: Path) -> None:
    status, out, err = run("config", "path")
    assert (status, out) == (ExitCode.OK, f"{usual()}\n")
    assert "no such file" in err
    other = tmp_path / "other.toml"
    other.touch()
    assert run("config", "path", "--config", str(other)) == (ExitCode.OK, f"{other}\n", "")


def test_template_is_commented_and_private(run: Run) -> None:
    assert run("config", "init") == (ExitCode.OK, "", "comfytui: wrote ~/comfytui/config.toml\n")
    assert usual().read_text(encoding="utf-8") == template()
    assert (mode(usual()), mode(usual().parent)) == (0o600, 0o700)
    assert run("config", "check") == (ExitCode.OK, "config ok\n", "")


def test_nothing_is_overwritten(run: Run, tmp_path: Path) -> None:
    ensure_private_dir(config_dir())
    usual().write_text("interval = 3")
    assert run("config", "init") == (
        ExitCode.USAGE,
        "",
        "comfytui: ~/comfytui/config.toml is there already; nothing was written.\n",
    )
    assert usual().read_text() == "interval = 3"
    link = tmp_path / "link.toml"
    link.symlink_to(tmp_path / "elsewhere.toml")
    assert run("config", "init", "--config", str(link)).status == ExitCode.USAGE
    assert not (tmp_path / "elsewhere.toml").exists()


def test_a_directory_of_others_stays_as_it_is(run: Run, tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    shared.chmod(0o755)
    file = shared / "new" / "c.toml"
    assert run("config", "init", "--config", str(file)).status == ExitCode.OK
    assert (mode(file), mode(file.parent), mode(shared)) == (0o600, 0o700, 0o755)


def test_unwritable_configuration_is_reported(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    status, out, err = run("config", "init", "--config", str(tmp_path / "file" / "c.toml"))
    assert (status, out) == (ExitCode.USAGE, "")
    assert err == "comfytui: ~/file/c.toml cannot be written: not a directory.\n"


def test_a_configuration_that_is_not_needed(run: Run) -> None:
    status, out, err = run("config", "check")
    assert (status, out) == (ExitCode.OK, "config ok\n")
    assert "there is no ~/comfytui/config.toml, and none is needed" in err


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"plain \xc3\xa9.toml", "plain é.toml"),
        (b"\x1b[31m\n.toml", "\\x1b[31m\\n.toml"),
        (b"\xff.toml", "\\xff.toml"),
    ],
    ids=["text", "controls", "no UTF-8"],
)
def test_a_path_is_shown_without_what_a_terminal_obeys(run: Run, tmp_path: Path, name: bytes, shown: str) -> None:
    status, out, _ = run("config", "path", "--config", str(tmp_path / os.fsdecode(name)))
    assert (status, out) == (ExitCode.OK, f"{tmp_path}/{shown}\n")


def test_files_of_a_configuration_are_checked(run: Run) -> None:
    ensure_private_dir(config_dir())
    usual().write_text("ca_bundle = 'no.pem'\n[profiles.a]\ntoken_file = 'none'")
    usual().chmod(0o600)
    status, out, err = run("config", "check")
    assert (status, out) == (ExitCode.USAGE, "")
    assert [line.removeprefix("comfytui: ~/comfytui/config.toml, ") for line in err.splitlines()] == [
        "line 1: ca_bundle: ~/comfytui/no.pem holds no certificates that can be read.",
        "line 3: profiles.a.token_file: ~/comfytui/none is not there, or cannot be read.",
    ]


def test_a_configuration_that_others_may_read_can_be_used_all_the_same(run: Run) -> None:
    ensure_private_dir(config_dir())
    usual().write_text("[comfyui.a]\nurl = 'gpu2'\nheaders = { X-Key = 'sekret' }")
    usual().chmod(0o644)
    status, out, err = run("config", "check")
    assert (status, out) == (ExitCode.OK, "config ok\n")
    assert err == "comfytui: ~/comfytui/config.toml is open to other users (mode 0644): chmod 600 it.\n"


def test_a_configuration_without_an_end(run: Run) -> None:
    status, out, err = run("config", "check", "--config", "/dev/zero")
    assert (status, out) == (ExitCode.USAGE, "")
    assert err == "comfytui: /dev/zero cannot be read: it is no regular file.\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("intervall = 3", "line 1: there is no setting named 'intervall'"),
        ("\ninterval = 0", "line 2: interval: expected seconds"),
        ("[keys]\nquit = ['sekret']", "line 2: keys.quit: key 1 of quit is unknown"),
        ("[keys]\nquitt = ['x']", "unknown command; similar: quit"),
    ],
)
def test_a_configuration_that_cannot_be_used(run: Run, text: str, words: str) -> None:
    ensure_private_dir(config_dir())
    usual().write_text(text)
    status, out, err = run("config", "check")
    assert (status, out) == (ExitCode.USAGE, "")
    assert words in err
    assert "sekret" not in err


def test_a_profile_that_is_not_there(run: Run) -> None:
    status, _, err = run("config", "check", "--profile", "sekret")
    assert status == ExitCode.USAGE
    assert "there is no profile of that name" in err
    assert "sekret" not in err


def test_every_setting_is_printed_without_secrets(run: Run, environ: pytest.MonkeyPatch) -> None:
    ensure_private_dir(config_dir())
    usual().write_text("interval = 3\n[comfyui.studio]\nurl = 'gpu2'\nheaders = { X-Key = 'sekret' }")
    environ.setenv(TOKEN_VARIABLE, "cfc_sekret")
    status, out, err = run("config", "print", "--url", "https://me:sekret@api.example")
    assert (status, err) == (ExitCode.OK, "")
    told = {line.split()[0]: line.split()[1:] for line in out.splitlines()}
    assert told["interval"] == ["3", "~/comfytui/config.toml:1"]
    assert told["token"] == ["••••••••", TOKEN_VARIABLE]
    assert told["url"] == ["https://••••••••@api.example", "--url"]
    assert "sekret" not in out


def test_every_setting_for_programs(run: Run) -> None:
    status, out, err = run("config", "print", "--json", "--demo")
    assert (status, err) == (ExitCode.OK, "")
    told = json.loads(out)
    assert told["schema"] == 1
    assert {"name": "interval", "value": 5.0, "source": "default"} in told["settings"]
    assert {"name": "url", "value": None, "source": "--demo"} in told["settings"]


def test_unusable_configuration_is_not_printed(run: Run) -> None:
    ensure_private_dir(config_dir())
    usual().write_text("= [")
    status, out, err = run("config", "print")
    assert (status, out) == (ExitCode.USAGE, "")
    assert "config.toml, line 1" in err
