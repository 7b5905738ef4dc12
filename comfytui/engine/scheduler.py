"""Poll cycles: what is requested now, most urgent first, and when the next decision is due. Pure.

Requests that a user waits for go at once: a page turned, the runner under the cursor, rows that were never fetched, a
refresh. So do announced changes and retries. Everything else waits for the poll cycle, one per interval: a process that
is woken once for several requests works for less.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from comfytui.engine.announced import is_outside_viewport
from comfytui.engine.feed import ProblemKind
from comfytui.engine.intervals import (
    BACKGROUND_HEALTH_INTERVAL_S,
    CHANGE_BATCH_INTERVAL_S,
    HEALTH_INTERVAL_S,
    MAX_BACKOFF_S,
    background_limit,
    change_interval,
    page_change_interval,
    poll_limit,
    rotation_batch,
)
from comfytui.engine.protocol import HistoryKey, PageKey, RunnerKey, StatsKey
from comfytui.engine.reducer import is_removed, removed_since
from comfytui.engine.scan import ScanState, next_scan_page
from comfytui.ratelimit.window import RESERVED_FOR_USER, WINDOW_MARGIN_S, WINDOW_S, Priority

if TYPE_CHECKING:
    from comfytui.engine.feed import Feed
    from comfytui.engine.protocol import Resource, Viewport
    from comfytui.engine.snapshot import Snapshot


_Background: TypeAlias = HistoryKey | StatsKey

LOOKAHEAD = 0.5
"""Part of an interval after which a resource goes along with a poll cycle."""

# Requests for rows in flight at once; with the page and three for the cursor they fit into the connections.
_MAX_ROWS_IN_FLIGHT = 4
# Intervals after which the runner under the cursor is polled though rows in view are still unknown.
_OVERDUE = 2.5
# Seconds that the cursor has to rest on a runner before a health check: walking past makes no machine work.
_CURSOR_SETTLE_S = 0.7
# Seconds that a health check waits at most for a cycle to go along with.
_HEALTH_PATIENCE_S = 5.0
# Background requests per health check.
_HEALTH_SHARE = 4
# Seconds that a cycle waits at most for room for all of its requests.
_CYCLE_PATIENCE_S = 0.1
# Timers are late by milliseconds: what is due so soon is due.
_TOLERANCE_S = 0.1


@dataclass(frozen=True, slots=True)
class Request:
    """A request worth sending, and its priority."""

    resource: Resource
    priority: Priority


@dataclass(frozen=True, slots=True)
class Cycle:
    """A decision.

    Attributes:
        requests: Requests to send now, most urgent first.
        next_monotonic: When to decide again at the latest, or None if only an answer or the user brings something.
        is_poll: True if a poll cycle begins with this decision.
    """

    requests: tuple[Request, ...] = ()
    next_monotonic: float | None = None
    is_poll: bool = False


@dataclass(frozen=True, slots=True)
class SchedulerState:
    """Inputs of a decision beside the snapshot; moments are of the monotonic clock.

    Attributes:
        now: The present moment.
        delays: Seconds until the rate limiter lets a request through, by its priority.
        in_flight: Resources that were requested and not answered yet, with their priority.
        refreshes: Resources that the user wants refreshed, each from its moment on.
        stale_before: What was tried before this moment is due, unless polling is paused.
        cycle_monotonic: When the last poll cycle began.
        rotated_monotonic: When the last background requests were sent.
        cursor_monotonic: When the cursor came to its runner.
        page_monotonic: When a page of the list was last requested.
        changed: Resources that changed since they were last requested, with the moment of that request.
        changes_monotonic: When the last batch for changes of other runners than the cursor's was sent.
    """

    now: float
    delays: Mapping[Priority, float] = field(default_factory=dict)
    in_flight: Mapping[Resource, Priority] = field(default_factory=dict)
    refreshes: Mapping[Resource, float] = field(default_factory=dict)
    stale_before: float = -math.inf
    cycle_monotonic: float = -math.inf
    rotated_monotonic: float = -math.inf
    cursor_monotonic: float = -math.inf
    page_monotonic: float = -math.inf
    changed: Mapping[Resource, float] = field(default_factory=dict)
    changes_monotonic: float = -math.inf


def viewport_resources(snapshot: Snapshot) -> tuple[Resource, ...]:
    """Return what is polled, most urgent first: the pages in view, then the runner under the cursor."""
    return (*snapshot.page_keys, *_of_cursor(snapshot.viewport))


def next_cycle(snapshot: Snapshot, state: SchedulerState) -> Cycle:
    """Decide which requests to send now, and when to decide again."""
    if snapshot.auth_problem is not None:
        return Cycle()
    decision = _Decision(snapshot, state)
    candidates = sorted(decision.candidates(), key=lambda candidate: candidate.request.priority.rank)
    budget = _Budget(snapshot, state)
    requests: dict[Resource, Request] = {}
    later: list[tuple[Resource, float]] = []
    for candidate in candidates:
        request, due_at = candidate.request, candidate.due_at
        if due_at > state.now or not (request.resource in requests or budget.take(candidate)):
            if due_at > state.now or request.priority is not Priority.BACKGROUND:
                later.append((request.resource, max(due_at, budget.free_at(candidate))))
        else:
            requests.setdefault(request.resource, request)
    wake_at = min((at for resource, at in later if resource not in requests), default=math.inf)
    wake_at = min(wake_at, decision.next_cycle_at)
    # Pages of a full scan are decided one at a time.
    if snapshot.viewport.all_pages and any(isinstance(resource, PageKey) for resource in requests):
        wake_at = state.now
    return Cycle(tuple(requests.values()), wake_at if wake_at < math.inf else None, decision.is_cycle)


def _of_cursor(viewport: Viewport) -> tuple[HistoryKey | RunnerKey | StatsKey, ...]:
    runner_id = viewport.runner_id
    return () if runner_id is None else (HistoryKey(runner_id), RunnerKey(runner_id), StatsKey(runner_id))


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A request, when it is due, and up to how many requests in the window it may bring the budget."""

    request: Request
    due_at: float
    limit: int


class _Budget:
    """Room in the rate limit's window, as far as known, less what is taken by this decision."""

    def __init__(self, snapshot: Snapshot, state: SchedulerState) -> None:
        usage = snapshot.usage
        self._is_limited = usage.is_limited
        self._state = state
        since = state.now - WINDOW_S - WINDOW_MARGIN_S
        recent = [moment for moment in usage.sent_monotonic if moment > since] if self._is_limited else []
        self._sent = recent + [state.now] * usage.waiting

    def take(self, candidate: _Candidate) -> bool:
        """Return True if there is room for a request now, which is taken then."""
        if self.free_at(candidate) > self._state.now:
            return False
        self._sent.append(self._state.now)
        return True

    def free_at(self, candidate: _Candidate) -> float:
        """Return when there is room for a request; minus infinity if there is now."""
        delay = self._state.delays.get(candidate.request.priority, 0.0)
        allowed_at = self._state.now + delay if delay > 0 else -math.inf
        if not self._is_limited or len(self._sent) < candidate.limit:
            return allowed_at
        if candidate.limit <= 0:
            return math.inf
        return max(allowed_at, self._sent[-candidate.limit] + WINDOW_S + WINDOW_MARGIN_S)


class _Decision:
    """Candidates for requests, from a snapshot and a state.

    Attributes:
        is_cycle: True if a poll cycle is due.
        next_cycle_at: When the next one begins; infinity if polling is paused.
    """

    def __init__(self, snapshot: Snapshot, state: SchedulerState) -> None:
        self._snapshot = snapshot
        self._state = state
        self._interval = snapshot.interval_s
        self._limit = snapshot.usage.limit
        self._batch = rotation_batch(snapshot.interval, self._interval, self._limit, snapshot.viewport)
        is_paused = snapshot.viewport.paused
        due_at = self._cycle_due_at()
        self.is_cycle = not is_paused and state.now >= due_at
        self._began = state.now if self.is_cycle else state.cycle_monotonic
        next_at = state.now + self._interval if self.is_cycle else due_at
        self.next_cycle_at = math.inf if is_paused else next_at
        self._left_out = {
            snapshot.viewport.runner_id,
            # A removed runner that a page brings back may be removed again: that must not go round and round.
            *removed_since(snapshot, state.now - MAX_BACKOFF_S),
        }
        self._unfetched = self._unfetched_rows()

    def _cycle_due_at(self) -> float:
        """Return when the next cycle begins: an interval after the last, or a moment later if all of it fits then.

        Three cycles of six requests, ten seconds from the first to the last, just miss a window of their own.
        """
        due_at = self._state.cycle_monotonic + self._interval
        viewport = self._snapshot.viewport
        size = 1 + (0 if viewport.runner_id is None else 2)
        size += min(self._batch.size, len(viewport.visible_ids) or len(viewport.health_check_ids))
        limit = max(1, background_limit(self._limit) - size + 1)
        room_at = self._snapshot.usage.slot_free_at(limit) + WINDOW_MARGIN_S
        return room_at if due_at < room_at <= due_at + _CYCLE_PATIENCE_S else due_at

    def candidates(self) -> Iterator[_Candidate]:
        """Yield all candidates; of one priority the most urgent first."""
        if self._snapshot.viewport.all_pages:
            yield from self._of_cursor()
            yield from self._of_scan()
        else:
            yield from self._of_page(self._snapshot.viewport.page)
            yield from self._of_cursor()
        yield from self._of_changes()
        yield from self._of_rotation()

    def _of_page(self, key: PageKey) -> Iterator[_Candidate]:
        """Yield the page: by time, and as a user request once it is half an interval overdue.

        Otherwise a user who moves from runner to runner without pause would never see the list change.
        """
        if key not in self._state.in_flight:
            by_time = self._poll_due_at(key)
            by_user = min(self._user_due_at(key), by_time + self._interval / 2)
            yield _Candidate(Request(key, Priority.USER), by_user, self._limit)
            yield _Candidate(Request(key, Priority.POLL), by_time, poll_limit(self._limit))

    def _of_scan(self) -> Iterator[_Candidate]:
        state = self._state
        scan = ScanState(state.now, state.in_flight, state.refreshes, state.page_monotonic)
        page = next_scan_page(self._snapshot, scan)
        if page is not None:
            yield _Candidate(Request(page.key, Priority.USER), max(page.urgent_at, page.room_at), self._limit)
            kept = self._limit - RESERVED_FOR_USER
            yield _Candidate(Request(page.key, Priority.POLL), max(page.due_at, page.room_at), kept)

    def _of_cursor(self) -> Iterator[_Candidate]:
        """Yield the runner under the cursor, the rows that were never fetched, and the runner's health check."""
        polls: list[_Candidate] = []
        for resource in _of_cursor(self._snapshot.viewport):
            if resource in self._state.in_flight or is_removed(self._snapshot, resource.runner_id):
                continue
            if isinstance(resource, StatsKey):
                polls += self._of_health(resource)
                continue
            # Pages of a full scan are turned without a request.
            kept = 0 if self._snapshot.viewport.all_pages else RESERVED_FOR_USER
            yield _Candidate(Request(resource, Priority.USER), self._user_due_at(resource), max(1, self._limit - kept))
            polls += self._of_poll(resource)
        yield from self._of_rows()
        yield from polls

    def _of_poll(self, resource: HistoryKey | RunnerKey) -> Iterator[_Candidate]:
        """Yield a poll that leaves room for rows that were never fetched, until it is overdue."""
        request, due_at = Request(resource, Priority.POLL), self._poll_due_at(resource)
        unfetched = len(self._unfetched) if self._snapshot.usage.is_limited else 0
        yield _Candidate(request, due_at, poll_limit(self._limit) - unfetched)
        if (tried_on := self._snapshot.feed(resource).tried_monotonic) is not None:
            overdue_at = max(due_at, tried_on + _OVERDUE * self._interval)
            yield _Candidate(request, overdue_at, max(1, self._limit - RESERVED_FOR_USER))

    def _of_health(self, resource: StatsKey) -> Iterator[_Candidate]:
        """Yield the health check once the history was tried: it is live and slow, so never in haste."""
        snapshot, state = self._snapshot, self._state
        if snapshot.history(resource.runner_id).tried_monotonic is None:
            return
        feed, due_at = snapshot.health(resource.runner_id), -math.inf
        if feed.tried_monotonic is not None:
            due_at = self._health_due_at(resource.runner_id, HEALTH_INTERVAL_S)
            if feed.problem is None and not (self.is_cycle and due_at <= state.now):
                due_at += min(self._interval, _HEALTH_PATIENCE_S)
            by_user = max(state.refreshes.get(resource, math.inf), feed.tried_monotonic + snapshot.health_interval_s)
            due_at = by_user if snapshot.viewport.paused else min(due_at, by_user)
        due_at = max(min(due_at, self._changed_at(resource)), state.cursor_monotonic + _CURSOR_SETTLE_S)
        yield _Candidate(Request(resource, Priority.POLL), due_at, background_limit(self._limit))

    def _of_rows(self) -> Iterator[_Candidate]:
        """Yield histories in view that were never fetched, from the top."""
        lanes = self._free_lanes() if self._snapshot.usage.is_limited else len(self._unfetched)
        for runner_id in self._unfetched[: max(0, lanes)]:
            yield _Candidate(Request(HistoryKey(runner_id), Priority.POLL), -math.inf, background_limit(self._limit))

    def _of_changes(self) -> Iterator[_Candidate]:
        """Yield histories of other runners in view whose change was announced, in batches."""
        opens_at = self._state.changes_monotonic + CHANGE_BATCH_INTERVAL_S
        for resource in self._state.changed:
            if is_outside_viewport(resource, self._snapshot.viewport) and resource not in self._state.in_flight:
                due_at = max(self._changed_at(resource), opens_at)
                yield _Candidate(Request(resource, Priority.POLL), due_at, background_limit(self._limit))

    def _of_rotation(self) -> Iterator[_Candidate]:
        """Yield the background requests that go with this cycle; with a long interval more batches come in between."""
        opens_at = self._state.rotated_monotonic + self._batch.period_s - _TOLERANCE_S
        is_between = self._interval > WINDOW_S and not self._snapshot.viewport.paused
        if self._unfetched or self._is_scanning() or not (self.is_cycle or is_between):
            return
        if self.is_cycle and self._state.now < opens_at:
            return
        size = min(self._batch.size, self._free_lanes())
        for resource in self._background()[: max(0, size)]:
            yield _Candidate(Request(resource, Priority.BACKGROUND), opens_at, background_limit(self._limit))

    def _background(self) -> list[_Background]:
        """Return background requests that are due, the most urgent first."""
        viewport = self._snapshot.viewport
        histories: list[_Background] = [HistoryKey(id) for id in self._others(viewport.visible_ids, HistoryKey)]
        histories = [key for key in histories if self._is_due(key)]
        in_flight = self._state.in_flight.items()
        if any(isinstance(key, StatsKey) and priority is Priority.BACKGROUND for key, priority in in_flight):
            return sorted(histories, key=self._tried_on)
        wanted = viewport.health_check_ids or (viewport.visible_ids if self._has_stats() else ())
        checks: list[_Background] = [StatsKey(id) for id in self._others(wanted, StatsKey)]
        checks = sorted((key for key in checks if self._is_due(key)), key=self._tried_on)
        if viewport.health_check_ids:
            return sorted(histories + checks, key=self._tried_on)
        newest = max((self._tried_on(StatsKey(id)) for id in self._others(wanted, StatsKey)), default=-math.inf)
        apart = self._interval * max(1.0, (_HEALTH_SHARE - 1) / self._batch.size) - self._interval * LOOKAHEAD
        first = checks[:1] if self._state.now >= newest + apart else []
        return [*first, *sorted(histories, key=self._tried_on)]

    def _is_due(self, resource: _Background) -> bool:
        if isinstance(resource, StatsKey):
            return self._health_due_at(resource.runner_id, BACKGROUND_HEALTH_INTERVAL_S) <= self._state.now
        return self._due_at(self._snapshot.history(resource.runner_id)) <= self._state.now

    def _tried_on(self, resource: Resource) -> float:
        tried_on = self._snapshot.feed(resource).tried_monotonic
        return -math.inf if tried_on is None else tried_on

    def _has_stats(self) -> bool:
        """Return False if the API answered 404 for the stats of every runner: a deployment may have none."""
        feeds = self._snapshot.stats.values()
        missing = (feed.problem is not None and feed.problem.kind is ProblemKind.NOT_FOUND for feed in feeds)
        return not feeds or any(feed.value is not None for feed in feeds) or not all(missing)

    def _others(self, runner_ids: Iterable[str], kind: type[_Background]) -> list[str]:
        """Return the runners that a background request may be sent for."""
        free = (id for id in runner_ids if id not in self._left_out and kind(id) not in self._state.in_flight)
        return [id for id in free if not is_removed(self._snapshot, id)]

    def _unfetched_rows(self) -> list[str]:
        viewport, histories = self._snapshot.viewport, self._snapshot.histories
        if viewport.paused or histories.keys() >= set(viewport.visible_ids) or self._is_scanning():
            return []
        return [id for id in self._others(viewport.visible_ids, HistoryKey) if id not in histories]

    def _free_lanes(self) -> int:
        cursor = self._snapshot.viewport.runner_id
        in_flight = (key for key in self._state.in_flight if isinstance(key, HistoryKey | StatsKey))
        return _MAX_ROWS_IN_FLIGHT - sum(key.runner_id != cursor for key in in_flight)

    def _is_scanning(self) -> bool:
        """Return True while pages of a full scan were never requested: a user waits for those."""
        snapshot = self._snapshot
        return snapshot.viewport.all_pages and any(
            snapshot.page_feed(key).tried_monotonic is None for key in snapshot.page_keys
        )

    def _due_at(self, feed: Feed[object]) -> float:
        """Return when a resource is due by its age or its problem; never while paused, once it was tried."""
        if feed.tried_monotonic is None:
            return -math.inf
        if self._snapshot.viewport.paused:
            return math.inf
        if feed.tried_monotonic < self._state.stale_before:
            return -math.inf
        if feed.problem is not None:
            return feed.problem.retry_monotonic
        is_owed = feed.tried_monotonic <= self._began - LOOKAHEAD * self._interval
        return self._began if is_owed else self.next_cycle_at

    def _poll_due_at(self, resource: Resource) -> float:
        """Return when a resource is due by time or for an announced change; by time only once it was fetched."""
        feed = self._snapshot.feed(resource)
        by_time = self._due_at(feed) if feed.fetched_monotonic is not None else math.inf
        return min(by_time, self._changed_at(resource))

    def _user_due_at(self, resource: Resource) -> float:
        """Return from when on a user waits for a resource: for a refresh, or because it was never fetched."""
        refresh_at = self._state.refreshes.get(resource, math.inf)
        feed = self._snapshot.feed(resource)
        return refresh_at if feed.fetched_monotonic is not None else min(refresh_at, self._due_at(feed))

    def _changed_at(self, resource: Resource) -> float:
        """Return when a resource is due because a change was announced; never if none was, or while paused."""
        requested = self._state.changed.get(resource)
        if requested is None or self._snapshot.viewport.paused:
            return math.inf
        least = page_change_interval if isinstance(resource, PageKey) else change_interval
        return requested + least(self._interval)

    def _health_due_at(self, runner_id: str, least: float) -> float:
        """Return when a runner is to be checked by time, at least `least` seconds after the last try."""
        feed = self._snapshot.health(runner_id)
        if feed.tried_monotonic is None:
            return -math.inf
        if feed.tried_monotonic < self._state.stale_before:
            return feed.tried_monotonic + least
        retry = feed.problem.retry_monotonic if feed.problem is not None else -math.inf
        return max(feed.tried_monotonic + max(least, self._interval), retry)
