"""A file of lines that stays small and private."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from comfytui.private import make_directory

__all__ = ["LogFile"]

MAX_BYTES = 1024 * 1024

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK


class LogFile:
    """Lines in a file that only its owner may read, and in one older file beside it with `.1` behind its name.

    It is opened for each line, so that several processes can share it and whoever removes it gets a new one.

    Args:
        path: Where; a missing directory is made, for its owner alone.
        max_bytes: What the file may hold before it becomes the older one.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes

    def append(self, *lines: str) -> None:
        """Write lines, which stay together; OSError where that cannot be done."""
        data = "".join(f"{line}\n" for line in lines).encode(errors="replace")
        if not self._write(data):
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            self._write(data)

    def _write(self, data: bytes) -> bool:
        """Whether there was room, which a new file has for anything."""
        descriptor = self._open()
        try:
            if self._is_full(descriptor, len(data)):
                return False
            os.write(descriptor, data)
        finally:
            os.close(descriptor)
        return True

    def _open(self) -> int:
        try:
            return os.open(self.path, _APPEND | os.O_CREAT, 0o600)
        except FileNotFoundError:
            make_directory(self.path.parent)
            return os.open(self.path, _APPEND | os.O_CREAT, 0o600)

    def _is_full(self, descriptor: int, more: int) -> bool:
        """Whether these bytes would be too much, unless another process has put the file aside meanwhile."""
        ours = os.fstat(descriptor)
        if not stat.S_ISREG(ours.st_mode) or ours.st_size == 0 or ours.st_size + more <= self._max_bytes:
            return False
        try:
            return self.path.stat().st_ino == ours.st_ino
        except FileNotFoundError:
            return False
