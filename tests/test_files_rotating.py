from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from comfytui.files import RotatingAppendFile

WRITE_MANY = """
import sys
from pathlib import Path
from comfytui.files import RotatingAppendFile
log = RotatingAppendFile(Path(sys.argv[1]), max_bytes=int(sys.argv[2]))
for number in range(300):
    log.append(f"{sys.argv[3]} {number:03} {'x' * 20}")
"""


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_lines_are_appended_in_a_private_file_of_a_private_directory(tmp_path: Path) -> None:
    path = tmp_path / "state" / "comfytui" / "requests.log"
    old = os.umask(0)
    try:
        RotatingAppendFile(path).append("first")
        RotatingAppendFile(path).append("zweite – \ud800")
    finally:
        os.umask(old)
    assert path.read_text() == "first\nzweite – ?\n"
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)


def test_log_rotates_to_one_older_file(tmp_path: Path) -> None:
    path = tmp_path / "requests.log"
    log = RotatingAppendFile(path, max_bytes=100)
    for number in range(100):
        log.append(f"{number:09}")
    assert sorted(each.name for each in tmp_path.iterdir()) == ["requests.log", "requests.log.1"]
    older, newer = (tmp_path / "requests.log.1").read_text(), path.read_text()
    assert (older + newer).split() == [f"{number:09}" for number in range(80, 100)]
    assert mode(path) == mode(tmp_path / "requests.log.1") == 0o600


def test_a_line_longer_than_a_file_has_one_of_its_own(tmp_path: Path) -> None:
    log = RotatingAppendFile(tmp_path / "requests.log", max_bytes=10)
    log.append("a" * 50)
    log.append("b" * 50)
    assert (tmp_path / "requests.log.1").read_text() == "a" * 50 + "\n"
    assert (tmp_path / "requests.log").read_text() == "b" * 50 + "\n"


def test_lines_that_are_written_together_stay_together(tmp_path: Path) -> None:
    log = RotatingAppendFile(tmp_path / "requests.log", max_bytes=10)
    log.append("first")
    log.append("second", "third")
    assert (tmp_path / "requests.log.1").read_text() == "first\n"
    assert (tmp_path / "requests.log").read_text() == "second\nthird\n"


def test_removed_log_is_created_again(tmp_path: Path) -> None:
    log = RotatingAppendFile(tmp_path / "requests.log")
    log.append("first")
    log.path.unlink()
    log.append("second")
    assert log.path.read_text() == "second\n"


def test_several_processes_share_it(tmp_path: Path) -> None:
    path = tmp_path / "requests.log"
    command = [sys.executable, "-c", WRITE_MANY, str(path), "1000000"]
    writers = [subprocess.Popen([*command, name]) for name in ("a", "b")]
    assert [writer.wait(30) for writer in writers] == [0, 0]
    lines = path.read_text().splitlines()
    for name in ("a", "b"):
        assert [line for line in lines if line[0] == name] == [f"{name} {n:03} {'x' * 20}" for n in range(300)]


@pytest.mark.parametrize("path", ["/dev/full", "/dev/null/requests.log", "/proc/comfytui/requests.log"])
def test_failed_append_raises_an_os_error(path: str) -> None:
    with pytest.raises(OSError, match=r"\w"):
        RotatingAppendFile(Path(path)).append("line")


def test_unread_pipe_does_not_block_the_log(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(OSError, match="No such device"):
        RotatingAppendFile(pipe).append("line")
