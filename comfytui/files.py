"""Files of the user: private directories, atomic and new files, a rotating log."""

from __future__ import annotations

import codecs
import contextlib
import errno
import os
import stat
from pathlib import Path
from typing import Literal


def write_atomic(path: Path, text: str) -> None:
    """Replace the text of a file atomically; file and directory are private from the start.

    Raises:
        OSError: It cannot be written; the old content is kept.
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
"""Mode of private directories."""

HOMELESS = Path("/nonexistent/comfytui")
"""Directory of users without a home: nothing is in it, and it is never made."""


def make_private_dir(directory: Path) -> None:
    """Make a private directory with missing parents; existing ones are not changed.

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

    It is opened for each line, so that several processes can share it and a removed file is made again.

    Args:
        path: Where; a missing directory is made, for its owner alone.
        max_bytes: Size at which the file is rotated.
    """

    def __init__(self, path: Path, max_bytes: int = MAX_BYTES) -> None:
        self.path = path
        self._max_bytes = max_bytes

    def append(self, *lines: str) -> None:
        """Write lines together; raises OSError if that fails."""
        data = "".join(f"{line}\n" for line in lines).encode(errors="replace")
        if not self._write(data):
            self.path.replace(self.path.with_name(f"{self.path.name}.1"))
            self._write(data)

    def _write(self, data: bytes) -> bool:
        """Append data. Return False if the file is full; a new file takes any size."""
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
        """Return True if the file is full, unless another process has rotated it."""
        ours = os.fstat(descriptor)
        if not stat.S_ISREG(ours.st_mode) or ours.st_size == 0 or ours.st_size + more <= self._max_bytes:
            return False
        try:
            return self.path.stat().st_ino == ours.st_ino
        except FileNotFoundError:
            return False


def ensure_private_dir(directory: Path) -> Path:
    """Make a directory private, with missing parents, and return it.

    Raises:
        OSError: It cannot be made, or is another user's.
    """
    make_private_dir(directory)
    if stat.S_IMODE(directory.stat().st_mode) != PRIVATE:
        directory.chmod(PRIVATE)
    return directory


_PRIVATE_FILE = 0o600


def write_new(path: Path, text: str) -> None:
    """Write a new private file; a partly written one is removed.

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
