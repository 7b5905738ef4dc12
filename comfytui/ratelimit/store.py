"""Store of the requests that all processes sent: rows of a small SQLite database.

Times are of the system-wide monotonic clock. A process that dies leaves no transaction half done and no lock. Each
process remembers the rows it knows and enters them into a file that replaced the one before.
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
"""Requests in a window for processes that cannot use the best place of the file, which others may still use."""

# Seconds added to a window shared by several processes, for a busy machine delays requests between sending and
# arrival.
_SHARED_MARGIN_S = 0.25
# Difference between two processes' readings of the same clock.
_CLOCK_TOLERANCE_S = 1.0
_WAITING_FRACTION = 0.25
# Seconds after which a file no longer counts as one of many that are removed again and again.
_NEW_FILE_DOUBT_S = 1.0
# Seconds between prunings: old rows do no harm, and finding them takes time.
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
# One statement, for each return from the database may have to wait for the interpreter lock.
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
    """State shared by all processes, as last read.

    Attributes:
        sends: Requests of all processes in the last HISTORY_S seconds, oldest first.
        limit: Requests that a window may hold.
        quota: Requests of these that this process may send.
        blocked_until: End of the cooldown, in seconds of the monotonic clock.
        doubtful_until: Time until which this process sends at most SOLO_LIMIT, for sends of others may be missing.
        slack: Seconds added to a window.
    """

    sends: tuple[SentRequest, ...]
    limit: int
    quota: int
    blocked_until: float
    doubtful_until: float = -math.inf
    slack: float = 0.0

    def delay(self, priority: Priority, now: float, window: float, ahead: int = 0, number: int = 0) -> float:
        """Return the seconds until a request may be sent, if `ahead` others of this process go first.

        A request that counts already, by its number, only waits for a cooldown: a later time makes no window fuller.
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
    """Result of a transaction: the grants, or none if `delay` seconds are to pass first."""

    state: SharedState
    delay: float
    grants: tuple[Grant, ...] = ()


class StoreUnavailable(NamedTuple):
    """Reason why the store cannot be used."""

    message: str


class _Row(NamedTuple):
    at: float
    priority: str
    process: str
    number: int


class RateLimitStore:
    """Access to the file for one process; all of it blocks and belongs into one thread.

    Args:
        clock: Clock of the rows.
        paths: Places of the file, best first.
        api: Address of the API that this is about: the file can serve several.
        limit: Requests that a window may hold.
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
        """Acquire requests in order up to the first that must wait, and record them as sent.

        Args:
            wanted: The requests; empty to write changes only.
            changes: Changes of other requests of this process.
            cooling_until: End of the cooldown that this process knows of.
        """
        try:
            # A host name may have to be looked up, which must not happen while the file is locked.
            self._host = self._host or budget_key(self._api)
            claim, self._rows = self._file.run(partial(self._acquire, wanted, changes, cooling_until))
        except StoreFileError as error:
            return StoreUnavailable(str(error))
        return claim

    def recent_usage(self) -> tuple[int, int] | StoreUnavailable:
        """Return the number of processes in the last HISTORY_S and of requests in the last window."""
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
            # Also write periodically, to find out early that the file became read-only.
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
        """Record if this process waits with a request that is not in the background."""
        if is_granted and self._wants:
            database.execute("DELETE FROM wants WHERE host = ? AND process = ?", (self._host, self._process))
            self._wants = False
        elif not is_granted and priority is not Priority.BACKGROUND:
            until = now + _WAITING_FRACTION * self._window
            database.execute("INSERT OR REPLACE INTO wants VALUES (?, ?, ?)", (self._host, self._process, until))
            self._wants = True

    def _load(self, database: sqlite3.Connection, now: float, opening: Opening) -> tuple[tuple[_Row, ...], SharedState]:
        # Older rows decide nothing; they are only shown, and known from before.
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
        """Insert the sends that this process knows into a new file, and mark it as doubtful."""
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
        """Delete old rows, and rows from the future, which were written before a reboot."""
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
