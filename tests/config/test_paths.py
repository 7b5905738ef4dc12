from __future__ import annotations

import os
from pathlib import Path

import pytest

from comfytui.config import paths
from comfytui.config.paths import (
    config_dir,
    display_path,
    exists,
    locate_config_file,
    permission_warning,
    rate_limit_files,
    state_dir,
)
from comfytui.files import ensure_private_dir


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and no other place named in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_the_environment_says_where_they_are(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_dir().is_relative_to(home)
    assert state_dir().is_relative_to(home)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "c"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "s"))
    assert config_dir() == home / "c" / "comfytui"
    assert state_dir() == home / "s" / "comfytui"
    assert not config_dir().exists()


@pytest.mark.parametrize("name", ["HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME", "TMPDIR", "USER", "LOGNAME"])
@pytest.mark.parametrize("value", [None, "", "relative", "/nowhere/at/all"])
def test_budget_files_same_whatever_environment(name: str, value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    before = rate_limit_files()
    if value is None:
        monkeypatch.delenv(name, raising=False)
    else:
        monkeypatch.setenv(name, value)
    assert rate_limit_files() == before
    assert len(before) >= 2
    assert all(str(os.geteuid()) in str(path) for path in before)


def test_budget_files_leave_out_places_the_system_has_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(paths, "SHARED_PLACES", (tmp_path / "missing", tmp_path))
    assert rate_limit_files()[0].parent.parent == tmp_path


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_a_private_directory_is_ours_alone_whatever_the_umask(home: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        made = ensure_private_dir(home / "a" / "b" / "c")
    finally:
        os.umask(before)
    assert [mode(each) for each in (made, made.parent, made.parent.parent)] == [0o700] * 3


def test_an_open_directory_is_closed_and_its_parents_are_left(home: Path) -> None:
    (home / "a" / "b").mkdir(parents=True)
    (home / "a").chmod(0o755)
    (home / "a" / "b").chmod(0o777)
    assert mode(ensure_private_dir(home / "a" / "b")) == 0o700
    assert mode(home / "a") == 0o755


def test_a_private_directory_below_a_file_cannot_be(home: Path) -> None:
    (home / "file").touch()
    with pytest.raises(OSError, match=r"Not a directory|exists"):
        ensure_private_dir(home / "file" / "a")


@pytest.mark.parametrize(("wanted", "wider"), [(0o600, 0o640), (0o600, 0o602), (0o400, 0o444)])
def test_an_open_file_is_told(home: Path, wanted: int, wider: int) -> None:
    file = home / "token"
    file.touch()
    file.chmod(wanted)
    assert permission_warning(file) is None
    file.chmod(wider)
    assert permission_warning(file) == f"~/token is open to other users (mode {wider:04o}): chmod 600 it."


def test_an_open_directory_is_told(home: Path) -> None:
    home.chmod(0o700)
    assert permission_warning(home) is None
    home.chmod(0o755)
    assert "(mode 0755): chmod 700 it." in (permission_warning(home) or "")
    assert permission_warning(home / "missing") is None


def test_home_is_a_tilde_and_nothing_reaches_the_terminal_raw(home: Path) -> None:
    assert display_path(home / "a" / "b") == "~/a/b"
    assert display_path(home) == str(home)
    assert display_path(Path(f"{home}er/a")) == f"{home}er/a"
    assert display_path(Path("/etc/x")) == "/etc/x"
    assert "\x1b" not in display_path(home / "\x1b]0;x\x07")


def test_the_configuration_is_the_given_one_or_the_usual_one(home: Path) -> None:
    assert locate_config_file(None) is None
    assert locate_config_file(home / "missing") == home / "missing"
    usual = ensure_private_dir(config_dir()) / "config.toml"
    usual.touch()
    assert locate_config_file(None) == usual
    assert locate_config_file(home / "missing") == home / "missing"
    assert exists(usual)
    assert not exists(usual / "below")
