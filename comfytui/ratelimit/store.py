"""The record by which processes tell each other what they sent: rows of a small SQLite database.

Times in it are of the system-wide monotonic clock. A process that dies in the middle of something leaves nothing
half done, and nothing that it holds outlives it. Each process remembers what it knows, and enters it into a file that
took the place of the one before.
"""

from __future__ import annotations

import math
import os
import secrets
import sqlite3
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from comfytui.hosts import budget_key
from comfytui.ratelimit.store_file import Opening, StoreFile, StoreFileError
from comfytui.ratelimit.window import HISTORY_S, MAX_COOLDOWN_S, SOLO_LIMIT, Grant, Priority, SentRequest, available_at

if TYPE_CHECKING:
    from comfytui.clock import Clock


MIN_QUOTA = 4
"""Requests in a window that a process may send, however many others there are."""

FALLBACK_LIMIT = 10
"""Requests in a window that processes share who cannot use the best place of the file: others may still use it."""

# Seconds that a window is taken to be longer among several processes: a machine that runs many lets requests wait
# between their sending and their arrival.
_SHARED_MARGIN_S = 0.25
# How far apart two readings of the clock may seem, taken by two processes.
_CLOCK_TOLERANCE_S = 1.0
_WAITING_FRACTION = 0.25
# Seconds after which a file is no longer taken for one of many that somebody removes again and again.
_NEW_FILE_DOUBT_S = 1.0
# Seconds from one time that what is over is dropped to the next: it does no harm, and is much to look through.
_PRUNE_INTERVAL_S = 10.0
_PRIORITIES = {str(priority): priority for priority in Priority}
_SENDS = (
    "CREATE TABLE sends (process TEXT NOT NULL, number INTEGER NOT NULL, host TEXT NOT NULL, at REAL NOT NULL, "
    "use TEXT NOT NULL, PRIMARY KEY (process, number))"
)
_SCHEMA = (
    _SENDS,
    "CREATE TABLE wants (host TEXT NOT NULL, process TEXT NOT NULL, until REAL NOT NULL, PRIMARY KEY (host, process))",
    "CREATE TABLE cooling (host TEXT PRIMARY KEY NOT NULL, until REAL NOT NULL)",
    "CREATE TABLE doubt (number INTEGER PRIMARY KEY NOT NULL, until REAL NOT NULL)",
)

_SENT = "SELECT at, use, process, number FROM sends WHERE host = ? AND at BETWEEN ? AND ? ORDER BY at"
# In one, for whoever comes back from the database may have to wait for the interpreter.
_OTHERS = (
    "SELECT process, until FROM wants WHERE host = ? AND until BETWEEN ? AND ? "
    "UNION ALL SELECT NULL, until FROM cooling WHERE host = ? AND until BETWEEN ? AND ? "
    "UNION ALL SELECT 0, until FROM doubt WHERE until BETWEEN ? AND ?"
)
_ENTER = (
    "INSERT INTO sends (at, use, process, number, host) VALUES (?, ?, ?, ?, ?) "
    "ON CONFLICT (process, number) DO UPDATE SET at = max(at, excluded.at)"
)
_COOL = "INSERT INTO cooling VALUES (?, ?) ON CONFLICT (host) DO UPDATE SET until = max(until, excluded.until)"
_DOUBT = "INSERT INTO doubt VALUES (1, ?) ON CONFLICT (number) DO UPDATE SET until = max(until, excluded.until)"
_RECENT = (
    "SELECT count(DISTINCT process), count(CASE WHEN at >= ? THEN 1 END) FROM sends WHERE host = ? "
    "AND at BETWEEN ? AND ?"
)


class RequestedSlot(NamedTuple):
    """A request that is to be sent.

    Attributes:
        number: Identifies it within its process.
        priority: Its priority.
    """

    number: int
    priority: Priority


class SlotChange(NamedTuple):
    """News of a request of this process.

    Attributes:
        number: Identifies it within its process.
        priority: Its priority.
        at: Moment it was sent, or None if it was not.
    """

    number: int
    priority: Priority
    at: float | None


class SharedState(NamedTuple):
    """How things stood when somebody last looked.

    Attributes:
        sends: What all who share sent in the last HISTORY_S seconds, oldest first.
        share: How many of them a window may hold.
        part: How many of those may be this process's.
        cooling_until: Until when nothing is sent, in seconds of the monotonic clock.
        doubtful_until: Until when this process sends no more than SOLO_LIMIT: others may have sent what is not known.
        slack: Seconds that a window is taken to be longer.
    """

    sends: tuple[SentRequest, ...]
    limit: int
    quota: int
    blocked_until: float
    doubtful_until: float = -math.inf
    slack: float = 0.0

    def delay(self, priority: Priority, now: float, window: float, ahead: int = 0, number: int = 0) -> float:
        """Seconds until a request for this use may be sent, when `ahead` others of this process go first.

        One that counts already, by its number, only waits for a cool-down: a later moment makes no window fuller.
        """
        if any(send.number == number and now - send.monotonic <= window for send in self.sends if number and send.own):
            return max(0.0, self.blocked_until - now)
        span = window + self.slack
        ready = available_at(priority, self.sends, limit=self.limit, quota=self.quota, window=span, ahead=ahead)
        if self.doubtful_until > now and self.quota > SOLO_LIMIT:
            careful = available_at(priority, self.sends, limit=self.limit, quota=SOLO_LIMIT, window=span, ahead=ahead)
            ready = min(max(ready, self.doubtful_until), careful)
        return max(0.0, max(ready, self.blocked_until) - now)


class AcquireResult(NamedTuple):
    """Answer of the ledger: what was granted; nothing if `wait` seconds are to pass first."""

    state: SharedState
    delay: float
    grants: tuple[Grant, ...] = ()


class StoreUnavailable(NamedTuple):
    """Why the ledger cannot be kept, in words."""

    message: str


class _Row(NamedTuple):
    at: float
    priority: str
    process: str
    number: int


class RateLimitStore:
    """Access to the file for one process; all of it blocks and belongs into one thread.

    Args:
        clock: Its monotonic clock dates the rows.
        paths: Places of the file, best first.
        api: Address of the API that this is about: the file can serve several.
        share: How many requests a window may hold.
        window: Seconds.
    """

    def __init__(self, clock: Clock, paths: Sequence[Path], api: str, limit: int, window: float) -> None:
        self._clock = clock
        self._file = StoreFile(clock, paths, _SCHEMA)
        self._api = api
        self._host = ""
        self._share = limit
        self._window = window
        self._process = f"{os.getpid()}-{secrets.token_hex(4)}"
        self._rows: tuple[_Row, ...] = ()
        self._forgets_on = -math.inf
        self._wants = False

    @property
    def path(self) -> Path:
        """Place of the file in use; the best one if none is."""
        return self._file.path

    def acquire(
        self, wanted: Sequence[RequestedSlot], changes: Sequence[SlotChange], cooling_until: float
    ) -> AcquireResult | StoreUnavailable:
        """Ask for requests, and record as sent those that may be, up to the first that may not.

        Args:
            wanted: The requests, none to tell of changes alone.
            changes: What is new of others of this process.
            cooling_until: Until when this process knows that nothing may be sent.
        """
        try:
            # A name may have to be looked up, which is not to happen while the file is locked.
            self._host = self._host or budget_key(self._api)
            claim, self._rows = self._file.run(partial(self._acquire, wanted, changes, cooling_until))
        except StoreFileError as error:
            return StoreUnavailable(str(error))
        return claim

    def recent_usage(self) -> tuple[int, int] | StoreUnavailable:
        """How many processes asked in the last HISTORY_S seconds, and what all sent within the last window."""
        try:
            self._host = self._host or budget_key(self._api)
            return self._file.run(self._load_recent_usage)
        except StoreFileError as error:
            return StoreUnavailable(str(error))

    def close(self) -> None:
        """Close the file; the next call opens it again."""
        self._file.close()

    def _acquire(
        self,
        wanted: Sequence[RequestedSlot],
        changes: Sequence[SlotChange],
        cooling_until: float,
        database: sqlite3.Connection,
        opening: Opening,
    ) -> tuple[AcquireResult, tuple[_Row, ...]]:
        now = self._clock.monotonic()
        is_due = opening.is_new or now >= self._forgets_on
        if is_due or cooling_until > now:
            self._prune(database, now)
            # Also now and then, for a file that cannot be told of a cool-down is none that can be shared.
            database.execute(_COOL, (self._host, cooling_until))
        if opening.is_new:
            self._insert_known_sends(database, now, opening)
        self._apply(database, changes)
        rows, standing = self._load(database, now, opening)
        if not wanted:
            return AcquireResult(standing, 0.0), rows
        claim = self._grant(database, wanted, standing, now)
        granted = [
            _Row(grant.at, each.priority, self._process, grant.number)
            for each, grant in zip(wanted, claim.grants, strict=False)
        ]
        numbers = {row.number for row in granted}
        others = tuple(row for row in rows if row.process != self._process or row.number not in numbers)
        return claim, (*others, *granted)

    def _grant(
        self, database: sqlite3.Connection, wanted: Sequence[RequestedSlot], standing: SharedState, now: float
    ) -> AcquireResult:
        grants: list[Grant] = []
        for number, priority in wanted:
            if standing.delay(priority, now, self._window, number=number) > 0:
                break
            database.execute(_ENTER, (now, priority, self._process, number, self._host))
            grants.append(Grant(number, now))
            others = tuple(send for send in standing.sends if not send.own or send.number != number)
            standing = standing._replace(sends=(*others, SentRequest(now, priority, number=number)))
        number, priority = wanted[0]
        self._mark_waiting(database, priority, now, is_granted=bool(grants))
        wait = 0.0 if grants else standing.delay(priority, now, self._window, number=number)
        return AcquireResult(standing, wait, tuple(grants))

    def _mark_waiting(self, database: sqlite3.Connection, priority: Priority, now: float, *, is_granted: bool) -> None:
        """Let the others know whether this process waits for what somebody looks at."""
        if is_granted and self._wants:
            database.execute("DELETE FROM wants WHERE host = ? AND process = ?", (self._host, self._process))
            self._wants = False
        elif not is_granted and priority is not Priority.BACKGROUND:
            until = now + _WAITING_FRACTION * self._window
            database.execute("INSERT OR REPLACE INTO wants VALUES (?, ?, ?)", (self._host, self._process, until))
            self._wants = True

    def _load(self, database: sqlite3.Connection, now: float, opening: Opening) -> tuple[tuple[_Row, ...], SharedState]:
        # What is older decides nothing: it is shown, and known from before.
        since = now - (self._window + _CLOCK_TOLERANCE_S if self._rows else HISTORY_S)
        newest = tuple(_Row(*row) for row in database.execute(_SENT, (self._host, since, now + _CLOCK_TOLERANCE_S)))
        older = tuple(row for row in self._rows if now - HISTORY_S <= row.at < since)
        wanting, cooling_until, doubtful_until = self._others(database, now)
        seen = wanting | {self._process} | {row.process for row in newest if now - row.at <= self._window}
        share = min(FALLBACK_LIMIT, self._share) if opening.is_elsewhere else self._share
        part = max(MIN_QUOTA, share // len(seen)) if wanting else share
        rows = (*older, *newest)
        slack = _SHARED_MARGIN_S if len(seen) > 1 else 0.0
        return rows, SharedState(self._sends(rows), share, part, cooling_until, doubtful_until, slack)

    def _others(self, database: sqlite3.Connection, now: float) -> tuple[set[str], float, float]:
        """Return which other processes wait, until when nothing is sent, and until when others are unknown."""
        soon = now + _CLOCK_TOLERANCE_S
        bounds = (
            self._host,
            now,
            soon + self._window,
            self._host,
            now,
            soon + MAX_COOLDOWN_S,
            now,
            soon + self._window,
        )
        wanting, cooling_until, doubtful_until = set[str](), 0.0, -math.inf
        for process, until in database.execute(_OTHERS, bounds):
            if process is None:
                cooling_until = max(cooling_until, until)
            elif process == 0:
                doubtful_until = max(doubtful_until, until)
            else:
                wanting.add(process)
        return wanting - {self._process}, cooling_until, doubtful_until

    def _sends(self, rows: Iterable[_Row]) -> tuple[SentRequest, ...]:
        mine = self._process
        return tuple(
            SentRequest(at, _PRIORITIES.get(priority, Priority.POLL), is_mine, number if is_mine else 0)
            for at, priority, process, number in rows
            for is_mine in (process == mine,)
        )

    def _insert_known_sends(self, database: sqlite3.Connection, now: float, opening: Opening) -> None:
        """Enter into another file than before what this process knows, and that others may know more."""
        known = [(*row, self._host) for row in self._rows if now - row.at <= HISTORY_S]
        database.executemany(_ENTER, known)
        if opening.is_doubtful or opening.is_made:
            database.execute(_DOUBT, (now + (self._window if opening.is_doubtful else _NEW_FILE_DOUBT_S),))

    def _apply(self, database: sqlite3.Connection, changes: Sequence[SlotChange]) -> None:
        for number, priority, at in changes:
            if at is None:
                database.execute("DELETE FROM sends WHERE process = ? AND number = ?", (self._process, number))
            else:
                database.execute(_ENTER, (at, priority, self._process, number, self._host))

    def _prune(self, database: sqlite3.Connection, now: float) -> None:
        """Drop what is over, and what is yet to come: that was written before the machine started again."""
        soon = now + _CLOCK_TOLERANCE_S
        database.execute("DELETE FROM sends WHERE at NOT BETWEEN ? AND ?", (now - HISTORY_S, soon))
        database.execute("DELETE FROM wants WHERE until NOT BETWEEN ? AND ?", (now, soon + self._window))
        database.execute("DELETE FROM doubt WHERE until NOT BETWEEN ? AND ?", (now, soon + self._window))
        database.execute("DELETE FROM cooling WHERE until NOT BETWEEN ? AND ?", (now, soon + MAX_COOLDOWN_S))
        self._forgets_on = now + _PRUNE_INTERVAL_S

    def _load_recent_usage(self, database: sqlite3.Connection, _opening: Opening) -> tuple[int, int]:
        now = self._clock.monotonic()
        bounds = (now - self._window, self._host, now - HISTORY_S, now + _CLOCK_TOLERANCE_S)
        processes, sent = database.execute(_RECENT, bounds).fetchone()
        return processes, sent
