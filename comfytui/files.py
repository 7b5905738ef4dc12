"""Small files of ours, written whole or not at all."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Literal


def write_atomic(path: Path, text: str) -> None:
    """Put this text in place of what the file holds; both it and its directory are this user's alone from the start.

    Raises:
        OSError: It cannot be written; what was there before is still there then.
    """
    import tempfile

    ensure_private_dir(path.parent)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}-", dir=path.parent)
    written = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        written.replace(path)
    finally:
        written.unlink(missing_ok=True)


def decode_text(data: bytes | bytearray, errors: Literal["strict", "replace"] = "strict") -> str:
    """Return text in UTF-8, or in UTF-16 with a byte order mark; the mark is left out.

    Args:
        data: The content of a file, or the output of a program.
        errors: Handling of bytes that are neither: `replace` makes them characters that nothing expects.

    Raises:
        UnicodeDecodeError: The data is neither, and `errors` is `strict`.
    """
    return data.decode("utf-16" if data.startswith(UTF16_MARKS) else "utf-8-sig", errors)


def os_error_message(error: OSError) -> str:
    """Why it cannot be read or written, to put behind a colon."""
    return (error.strerror or "unknown cause").lower()


UTF16_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""Byte order marks that a text in UTF-16 begins with."""

PRIVATE = 0o700
"""The mode of a directory that nobody else may look into."""

HOMELESS = Path("/nonexistent/comfytui")
"""Directory of users without a home: nothing is in it, and it is never made."""


def make_private_dir(directory: Path) -> None:
    """Make the directory, and those above it that are missing, for this user alone; what is there stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    if directory.is_relative_to(HOMELESS):
        raise FileNotFoundError(errno.ENOENT, "no home directory is known")
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=PRIVATE, exist_ok=True)


MAX_BYTES = 1024 * 1024

_APPEND = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK


class RotatingAppendFile:
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
            make_private_dir(self.path.parent)
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


def ensure_private_dir(directory: Path) -> Path:
    """Make the directory, and those above it that are missing, for this user alone, and return it.

    Raises:
        OSError: It cannot be made, or is another user's.
    """
    make_private_dir(directory)
    if stat.S_IMODE(directory.stat().st_mode) != PRIVATE:
        directory.chmod(PRIVATE)
    return directory


_PRIVATE_FILE = 0o600


def write_new(path: Path, text: str) -> None:
    """Write a new file that only this user may read; one that cannot be written whole is not left behind.

    Raises:
        FileExistsError: There is a file or link of this name; it stays as it is.
        OSError: It cannot be written.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE_FILE)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
    except OSError:
        with contextlib.suppress(OSError):
            path.unlink()
        raise
