from __future__ import annotations

import errno
from pathlib import Path

import pytest

from comfytui.files import os_error_message, write_atomic


def test_atomic_write_is_whole_and_private(tmp_path: Path) -> None:
    path = tmp_path / "below" / "file"
    write_atomic(path, "long " * 1000)
    write_atomic(path, "grün\n")
    assert path.read_bytes() == "grün\n".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_failed_write_keeps_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_atomic(path, "before")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(path, "\ud800")
    with pytest.raises(NotADirectoryError):
        write_atomic(path / "below", "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_why() -> None:
    assert os_error_message(OSError(errno.ENOSPC, "No space left on device")) == "no space left on device"
    assert os_error_message(OSError()) == "unknown cause"
