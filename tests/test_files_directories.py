"""Directories for one user alone."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from comfytui.files import PRIVATE, make_private_dir


@pytest.fixture(autouse=True)
def _lax() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_missing_directory_is_created_private(tmp_path: Path) -> None:
    make_private_dir(tmp_path / "a" / "b" / "c")
    assert [mode(tmp_path / each) for each in ("a", "a/b", "a/b/c")] == [PRIVATE] * 3


def test_existing_directory_is_unchanged(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir(mode=0o755)
    make_private_dir(tmp_path / "a" / "b")
    make_private_dir(tmp_path / "a")
    assert (mode(tmp_path / "a"), mode(tmp_path / "a" / "b")) == (0o755, PRIVATE)


def test_failed_directory_creation_raises(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match="file"):
        make_private_dir(tmp_path / "file" / "a")
