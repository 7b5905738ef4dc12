from __future__ import annotations

import errno
from pathlib import Path

import pytest

from comfytui.files import cause, replace_file


def test_what_is_replaced_is_whole_and_ours_alone(tmp_path: Path) -> None:
    path = tmp_path / "below" / "file"
    replace_file(path, "long " * 1000)
    replace_file(path, "grün\n")
    assert path.read_bytes() == "grün\n".encode()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert list(path.parent.iterdir()) == [path]


def test_what_cannot_be_written_leaves_what_was(tmp_path: Path) -> None:
    path = tmp_path / "file"
    replace_file(path, "before")
    with pytest.raises(UnicodeEncodeError):
        replace_file(path, "\ud800")
    with pytest.raises(NotADirectoryError):
        replace_file(path / "below", "after")
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_why() -> None:
    assert cause(OSError(errno.ENOSPC, "No space left on device")) == "no space left on device"
    assert cause(OSError()) == "unknown cause"
