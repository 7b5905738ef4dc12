"""The file in which processes tell each other what they sent: a small SQLite database.

Times in it are of the system-wide monotonic clock. A process that dies in the middle of something leaves nothing
half done, and nothing that it holds outlives it.
"""

from __future__ import annotations

import math
import os
import secrets
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.allowance import MAX_COOL_DOWN, REMEMBERED, Send, Use, ready_at
from comfytui.private import make_directory

if TYPE_CHECKING:
    from comfytui.clock import Clock

__all__ = ["Claim", "Ledger", "Standing", "Trouble"]

LEAST_PART = 4
"""Requests in a window that a process may send, however many others there are."""

_BUSY_SECONDS = 0.5
# How far apart two readings of the clock may seem, taken by two processes.
_SKEW = 1.0
_WANTED = 0.25
# Seconds from one time that what is over is dropped to the next: it does no harm, and is much to look through.
_FORGET_EVERY = 10.0
_USES = {str(use): use for use in Use}
_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS sends (host TEXT NOT NULL, process TEXT NOT NULL, at REAL NOT NULL, use TEXT NOT NULL)",
    "CREATE TABLE IF NOT EXISTS wants (host TEXT, process TEXT, until REAL NOT NULL, PRIMARY KEY (host, process))",
    "CREATE TABLE IF NOT EXISTS cooling (host TEXT PRIMARY KEY, until REAL NOT NULL)",
)

_SENT = "SELECT at, use, process FROM sends WHERE host = ? AND at >= ? ORDER BY at"
# In one, for whoever comes back from the database may have to wait for the interpreter.
_WANTED_OR_COOLING = (
    "SELECT process, until FROM wants WHERE host = ? AND until >= ? "
    "UNION ALL SELECT NULL, until FROM cooling WHERE host = ?"
)
_LATELY = "SELECT count(DISTINCT process), count(CASE WHEN at >= ? THEN 1 END) FROM sends WHERE host = ? AND at >= ?"


class Standing(NamedTuple):
    """How things stood when somebody last looked.

    Attributes:
        sends: What all who share sent in the last REMEMBERED seconds, oldest first.
        share: How many of them a window may hold.
        part: How many of those may be this process's.
        cooling_until: Until when nothing is sent, in seconds of the monotonic clock.
    """

    sends: tuple[Send, ...]
    share: int
    part: int
    cooling_until: float

    def wait(self, use: Use, now: float, window: float, ahead: int = 0) -> float:
        """Seconds until a request for this use may be sent, when `ahead` others of this process go first."""
        ready = ready_at(use, self.sends, share=self.share, part=self.part, window=window, ahead=ahead)
        return max(0.0, max(ready, self.cooling_until) - now)


class Claim(NamedTuple):
    """An answer of the ledger: the rows that record what was granted, none where `wait` seconds are to pass first."""

    standing: Standing
    wait: float
    rows: tuple[int, ...] = ()


class Trouble(NamedTuple):
    """Why the ledger cannot be kept, in words."""

    words: str


class Ledger:
    """Access to the file for one process; all of it blocks and belongs into one thread.

    Args:
        clock: Its monotonic clock dates the rows.
        path: The file; a missing directory is made, both for their owner alone.
        host: Which API host this is about: the file can serve several.
        share: How many requests a window may hold.
        window: Seconds.
    """

    def __init__(self, clock: Clock, path: Path, host: str, share: int, window: float) -> None:
        self._clock = clock
        self._path = path
        self._host = host
        self._share = share
        self._window = window
        self._process = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._database: sqlite3.Connection | None = None
        self._inode = 0
        self._sends: tuple[Send, ...] = ()
        self._forgets_on = -math.inf
        self._wants = False

    def claim(self, uses: Sequence[Use], unsaved: Sequence[Send], cooling_until: float) -> Claim | Trouble:
        """Ask for one request or more, and record as sent those that may be, up to the first that may not.

        Args:
            uses: What for, one each.
            unsaved: What this process sent without the ledger.
            cooling_until: Until when it knows that nothing may be sent.
        """
        try:
            with self._transaction() as database:
                now = self._clock.monotonic()
                self._tell(database, now, unsaved, cooling_until)
                if now >= self._forgets_on:
                    self._forget(database, now)
                return self._decide(database, uses, now)
        except (sqlite3.Error, OSError, ValueError) as error:
            return self._give_up(error)

    def tell(self, cooling_until: float) -> Trouble | None:
        """Let the others know of a cool-down."""
        try:
            with self._transaction() as database:
                self._tell(database, self._clock.monotonic(), (), cooling_until)
        except (sqlite3.Error, OSError) as error:
            return self._give_up(error)
        return None

    def lately(self) -> tuple[int, int] | Trouble:
        """How many processes asked in the last REMEMBERED seconds, and what all sent within the last window."""
        try:
            with self._transaction() as database:
                now = self._clock.monotonic()
                processes, sent = database.execute(
                    _LATELY, (now - self._window, self._host, now - REMEMBERED)
                ).fetchone()
                return processes, sent
        except (sqlite3.Error, OSError) as error:
            return self._give_up(error)

    def give_back(self, row: int) -> Trouble | None:
        """Take back what was granted and not sent."""
        try:
            with self._transaction() as database:
                database.execute("DELETE FROM sends WHERE rowid = ? AND process = ?", (row, self._process))
        except (sqlite3.Error, OSError) as error:
            return self._give_up(error)
        return None

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        if self._database is not None:
            with suppress(sqlite3.Error):
                self._database.close()
            self._database = None

    def _decide(self, database: sqlite3.Connection, uses: Sequence[Use], now: float) -> Claim:
        standing = self._read(database, now)
        rows: list[int] = []
        for use in uses:
            if standing.wait(use, now, self._window) > 0:
                break
            made = database.execute("INSERT INTO sends VALUES (?, ?, ?, ?)", (self._host, self._process, now, use))
            rows.append(made.lastrowid or 0)
            self._sends = (*self._sends, Send(now, use))
            standing = standing._replace(sends=self._sends)
        self._want(database, uses[0], now, is_granted=bool(rows))
        return Claim(standing, 0.0 if rows else standing.wait(uses[0], now, self._window), tuple(rows))

    def _want(self, database: sqlite3.Connection, use: Use, now: float, *, is_granted: bool) -> None:
        """Let the others know whether this process waits for what somebody looks at."""
        if is_granted and self._wants:
            database.execute("DELETE FROM wants WHERE host = ? AND process = ?", (self._host, self._process))
            self._wants = False
        elif not is_granted and use is not Use.ROTATION:
            until = now + _WANTED * self._window
            database.execute("INSERT OR REPLACE INTO wants VALUES (?, ?, ?)", (self._host, self._process, until))
            self._wants = True

    def _read(self, database: sqlite3.Connection, now: float) -> Standing:
        # What is older decides nothing: it is shown, and known from before.
        since = now - self._window - _SKEW if self._sends else -math.inf
        rows = database.execute(_SENT, (self._host, since)).fetchall()
        mine = self._process
        newest = [Send(at, _USES.get(use) or Use(use), process == mine) for at, use, process in rows]
        older = [send for send in self._sends if now - REMEMBERED <= send.at < since]
        self._sends = (*older, *newest)
        others = database.execute(_WANTED_OR_COOLING, (self._host, now, self._host)).fetchall()
        wanting = {process for process, _ in others if process is not None} - {mine}
        seen = wanting | {mine} | {process for at, _, process in rows if now - at <= self._window}
        part = max(LEAST_PART, self._share // len(seen)) if wanting else self._share
        until = max((until for process, until in others if process is None), default=0.0)
        return Standing(self._sends, self._share, part, until)

    def _tell(self, database: sqlite3.Connection, now: float, unsaved: Sequence[Send], cooling_until: float) -> None:
        if unsaved:
            rows = [(self._host, self._process, send.at, send.use) for send in unsaved]
            database.executemany("INSERT INTO sends VALUES (?, ?, ?, ?)", rows)
        # Else now and then, for a file that cannot be told of a cool-down is none that can be shared.
        if cooling_until > now or now >= self._forgets_on:
            database.execute(
                "INSERT INTO cooling VALUES (?, ?) ON CONFLICT (host) DO UPDATE SET until = max(until, excluded.until)",
                (self._host, cooling_until),
            )

    def _forget(self, database: sqlite3.Connection, now: float) -> None:
        """Drop what is over, and what is yet to come: that was written before the machine started again."""
        soon = now + _SKEW
        database.execute("DELETE FROM sends WHERE at NOT BETWEEN ? AND ?", (now - REMEMBERED, soon))
        database.execute("DELETE FROM wants WHERE until NOT BETWEEN ? AND ?", (now, soon + self._window))
        database.execute("DELETE FROM cooling WHERE until NOT BETWEEN ? AND ?", (now, soon + MAX_COOL_DOWN))
        self._forgets_on = now + _FORGET_EVERY

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        database = self._opened()
        database.execute("BEGIN IMMEDIATE")
        if self._forgets_on == -math.inf:
            for statement in _SCHEMA:
                database.execute(statement)
        yield database
        database.execute("COMMIT")

    def _opened(self) -> sqlite3.Connection:
        if self._database is not None and self._is_still_there():
            return self._database
        self.close()
        self._sends, self._forgets_on = (), -math.inf
        self._create()
        self._database = database = sqlite3.connect(self._path, timeout=_BUSY_SECONDS, isolation_level=None)
        # It is to survive a process, not the machine.
        database.execute("PRAGMA synchronous = OFF")
        self._inode = self._path.stat().st_ino
        return database

    def _is_still_there(self) -> bool:
        """Whether others would find the file that is open: somebody may have removed it."""
        try:
            return self._path.stat().st_ino == self._inode
        except FileNotFoundError:
            return False

    def _create(self) -> None:
        make_directory(self._path.parent)
        # Only a new file is touched outside SQLite: to close an old one would drop the locks on it.
        with suppress(FileExistsError):
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def _give_up(self, error: Exception) -> Trouble:
        self.close()
        words = error.strerror if isinstance(error, OSError) else str(error)
        return Trouble(words or "no reason given")
