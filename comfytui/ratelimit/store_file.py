"""The SQLite file that processes of a user share: found, checked, replaced if unusable, and never trusted.

An unusable file is set aside and created anew. If that is impossible, the next place is used.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from comfytui.files import PRIVATE

if TYPE_CHECKING:
    from comfytui.clock import Clock


_T = TypeVar("_T")

# Seconds that SQLite waits for a lock. After _HANGS_AFTER such waits without a change of the file its holder hangs;
# after _BUSY_AFTER waits in all, this process goes on without the file.
_BUSY_TIMEOUT_S = 0.5
_HANGS_AFTER = 4
_BUSY_AFTER = 16
_ATTEMPTS = 5
# Seconds after which a better place that could not be used is tried again.
_RETRY_S = 60.0
_OTHERS_WRITE = 0o022
_GUARD_TRIES, _GUARD_SECONDS = 100, 0.02

_COMPANIONS = ("-journal", "-wal", "-shm")
_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
# The file is no better after it was begun anew: no room, no memory, not allowed.
_NOT_THE_FILE = {
    *_BUSY,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_INTERRUPT,
}
# These may come from what lies there, or from the disk and the limits of this process.
_UNOPENED = {sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_IOERR}
# Errors of values that were read, whatever was written into the file.
_CONTENT = (ArithmeticError, LookupError, TypeError, ValueError)


class StoreFileError(Exception):
    """The file cannot be used in any place; the text gives the reason for the best one."""


class _LockHeldError(Exception):
    """The lock is held while nothing changes."""


class Opening(NamedTuple):
    """State of the file in a transaction.

    Attributes:
        is_new: Another file than in the last transaction: what this process knows may be missing in it.
        is_made: This process made it just now.
        is_doubtful: A file was lost or set aside just now: what others sent may be missing in it.
        is_elsewhere: The best place cannot be used.
    """

    is_new: bool
    is_made: bool
    is_doubtful: bool
    is_elsewhere: bool


class StoreFile:
    """Runs transactions in the first place of several where the file can be used; all of it blocks.

    Args:
        clock: Clock of the tries of a better place.
        paths: Places of the file, best first. The directory of each belongs to the file alone.
        schema: Statements that make its tables, exactly as SQLite keeps them.
    """

    def __init__(self, clock: Clock, paths: Sequence[Path], schema: Sequence[str]) -> None:
        self._clock = clock
        self._paths = tuple(paths)
        self._schema = sorted(schema)
        self._database: sqlite3.Connection | None = None
        self._rank = 0
        self._retry_at = 0.0
        self._opened: tuple[int, int] | None = None
        # Inode numbers are reused, so each file has a number of its own.
        self._number: int | None = None
        self._known: int | None = None
        self._is_replaced = False

    @property
    def path(self) -> Path:
        """Place of the file in use; the best one if none is."""
        return self._paths[self._rank]

    def run(self, work: Callable[[sqlite3.Connection, Opening], _T]) -> _T:
        """Run a transaction and return what it returns.

        Args:
            work: Reads and writes. It may be called again if the file was lost meanwhile, so it must not keep anything.

        Raises:
            StoreFileError: No place can be used.
        """
        if self._rank and self._clock.monotonic() >= self._retry_at:
            self.close()
        words = ""
        for rank in range(self._rank if self._database is not None else 0, len(self._paths)):
            self._rank = rank
            try:
                return self._run_on_file(work)
            except (sqlite3.Error, OSError, _LockHeldError, *_CONTENT) as error:
                words = words or _error_message(error)
                self.close()
            self._retry_at = self._clock.monotonic() + _RETRY_S
        self._rank = 0
        raise StoreFileError(words)

    def close(self) -> None:
        """Close the file; the next transaction opens it again."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _run_on_file(self, work: Callable[[sqlite3.Connection, Opening], _T]) -> _T:
        for attempt in range(_ATTEMPTS):
            try:
                outcome = self._run_once(work)
                if self._file_unchanged():
                    self._known, self._is_replaced = self._number, False
                    return outcome
            except (sqlite3.Error, _LockHeldError, *_CONTENT) as error:
                if attempt == _ATTEMPTS - 1 or not self._is_damaged(error):
                    raise
                self._quarantine()
            self.close()
        raise OSError(0, "it is removed again and again")

    def _run_once(self, work: Callable[[sqlite3.Connection, Opening], _T]) -> _T:
        is_open = self._database is not None and self._file_unchanged()
        database = self._database if is_open and self._database is not None else self._open()
        self._execute_with_retry(database, "BEGIN IMMEDIATE")
        is_made = False
        if not is_open:
            is_made, self._number = self._check(database)
        is_new = self._known != self._number
        is_doubtful = is_new and (self._known is not None or self._is_replaced)
        outcome = work(database, Opening(is_new, is_made, is_doubtful, self._rank > 0))
        self._execute_with_retry(database, "COMMIT")
        return outcome

    def _open(self) -> sqlite3.Connection:
        self.close()
        _make_private(self.path.parent)
        # Only a new file is touched outside SQLite: to close an old one would drop the locks on it.
        with suppress(FileExistsError):
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        self._opened = _identity(self.path)
        if not _is_our_file(self.path):
            raise ValueError("it is no file of this user")
        self._database = sqlite3.connect(self.path, timeout=_BUSY_TIMEOUT_S, isolation_level=None)
        # It is to survive a process, not the machine.
        self._execute_with_retry(self._database, "PRAGMA synchronous = OFF")
        return self._database

    def _check(self, database: sqlite3.Connection) -> tuple[bool, int]:
        """Return True if the file was empty and had to get its tables, and the number of the file.

        Raises:
            ValueError: It has tables that are not ours.
        """
        made = sorted(str(sql) for (sql,) in database.execute("SELECT sql FROM sqlite_master WHERE sql NOT NULL"))
        if not made:
            for statement in self._schema:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {secrets.randbelow(2**31)}")
        elif made != self._schema:
            raise ValueError("it has other tables")
        return not made, int(database.execute("PRAGMA user_version").fetchone()[0])

    def _execute_with_retry(self, database: sqlite3.Connection, statement: str) -> None:
        """Execute a statement that waits for a lock, as long as those who hold it get on."""
        seen, unchanged = None, 0
        for _ in range(_BUSY_AFTER):
            try:
                database.execute(statement)
            except sqlite3.OperationalError as error:
                if _code(error) not in _BUSY:
                    raise
            else:
                return
            state = _state(self.path)
            unchanged = unchanged + 1 if state == seen else 1
            seen = state
            if unchanged >= _HANGS_AFTER or not self._file_unchanged():
                raise _LockHeldError
        raise OSError(0, "others use it all the time")

    def _is_damaged(self, error: Exception) -> bool:
        """Return True if the file is to be set aside for an error."""
        code = _code(error)
        if code in _NOT_THE_FILE:
            return False
        return code not in _UNOPENED or not _is_our_file(self.path) or any(map(_is_suspect, _companions(self.path)))

    def _file_unchanged(self) -> bool:
        """Return True if the open file was neither removed nor replaced."""
        return _identity(self.path) == self._opened

    def _quarantine(self) -> None:
        """Rename the file that was opened, and what belongs to it, unless another process has done so."""
        with _guard(self.path.parent):
            if _identity(self.path) == self._opened:
                # The rest of a transaction must not be applied to the next file.
                for each in (*_companions(self.path), self.path):
                    _rename_aside(each)
                self._is_replaced = True


def _code(error: Exception) -> int | None:
    """Return SQLite's primary code of an error, or None if it has none."""
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None


def _error_message(error: Exception) -> str:
    if isinstance(error, _LockHeldError):
        return "another process holds it locked"
    words = error.strerror if isinstance(error, OSError) else str(error)
    return words or "no reason given"


def _identity(path: Path) -> tuple[int, int] | None:
    """Return the identity of a file, or None if there is no file."""
    try:
        about = path.lstat()
    except OSError:
        return None
    return about.st_dev, about.st_ino


def _state(path: Path) -> tuple[int, int] | None:
    """Return a state that every transaction changes, or None if there is no file."""
    try:
        about = path.lstat()
    except OSError:
        return None
    return about.st_mtime_ns, about.st_size


def _is_our_file(path: Path) -> bool:
    """Return True if a path is a file of this user that may be read and written."""
    try:
        about = path.lstat()
    except OSError:
        return False
    is_ours = stat.S_ISREG(about.st_mode) and about.st_uid == os.geteuid()
    return is_ours and stat.S_IMODE(about.st_mode) & 0o600 == 0o600


def _companions(path: Path) -> list[Path]:
    return [path.with_name(path.name + suffix) for suffix in _COMPANIONS]


def _is_suspect(companion: Path) -> bool:
    """Return True if a file beside the database exists that SQLite cannot have made."""
    return _identity(companion) is not None and not _is_our_file(companion)


def _make_private(directory: Path) -> None:
    """Make the directory for this user alone; one that is there is used if nobody else may write into it.

    Raises:
        OSError: There is no usable directory.
    """
    with suppress(FileExistsError):
        directory.mkdir(mode=PRIVATE)
    about = directory.lstat()
    is_ours = stat.S_ISDIR(about.st_mode) and about.st_uid == os.geteuid()
    if not is_ours or about.st_mode & _OTHERS_WRITE:
        # Files of others are not touched: the next place is used.
        raise OSError(0, "it is no directory of this user alone")


def _rename_aside(path: Path) -> None:
    """Rename a file or directory, over the one that was set aside before if possible.

    Raises:
        OSError: It cannot be renamed, or is a device, which is never touched.
    """
    with suppress(FileNotFoundError):
        mode = path.lstat().st_mode
        if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
            raise OSError(0, "it is a device")
    aside = path.with_name(f"{path.name}.aside")
    with suppress(FileNotFoundError):
        try:
            path.replace(aside)
        except (IsADirectoryError, NotADirectoryError, FileExistsError, PermissionError):
            path.replace(aside.with_name(f"{aside.name}-{secrets.token_hex(4)}"))


@contextmanager
def _guard(directory: Path) -> Iterator[None]:
    """Let one process at a time set files of a directory aside.

    Raises:
        OSError: Another process holds the lock and makes no progress.
    """
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    for _ in range(_GUARD_TRIES):
        with suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        threading.Event().wait(_GUARD_SECONDS)
    raise OSError(0, "another process is setting it aside")
