"""Revisions that an event stream announced, against those at which resources were last requested."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from comfytui.api.events import HEARTBEAT_SECONDS
from comfytui.engine.protocol import MAX_SCANNED_RUNNERS, HistoryKey, PageKey, RunnerKey, StatsKey

if TYPE_CHECKING:
    from comfytui.api.events import RunnerRevisions
    from comfytui.engine.protocol import Resource, Viewport
    from comfytui.engine.snapshot import Snapshot


MAX_PAGE_AGE = 30.0
"""Seconds for which a stream vouches for a page: a gateway watches the servers of a page for a minute."""

MAX_AGE = 120.0
"""Seconds for which a stream vouches for a resource of one runner."""

# A stream that was not heard of for so long may be dead.
_SILENCE_S = 2 * HEARTBEAT_SECONDS
# Requests that are remembered; more than a screen shows, so that paging back finds them.
_MAX_REQUESTS = 1_000

_Part: TypeAlias = RunnerKey | HistoryKey | StatsKey


class _Known(NamedTuple):
    """A revision, the event it was first heard with, and whether an earlier one was known."""

    revision: int
    event: int
    is_change: bool


class _Request(NamedTuple):
    """The last event heard before a request, and a moment of the monotonic clock."""

    event: int
    moment: float


class RevisionTracker:
    """Tracker of resources that changed since they were last requested.

    Revisions outlive a stream, so that the next one tells what was missed in between.
    """

    def __init__(self) -> None:
        self._events = 0
        self._heard_monotonic = -math.inf
        self._known: dict[_Part, _Known] = {}
        self._is_live: dict[str, bool] = {}
        self._requested: dict[Resource, _Request] = {}
        self._answered: dict[Resource, _Request] = {}

    def record_revisions(self, revisions: Iterable[RunnerRevisions], now: float) -> bool:
        """Record the revisions of an event and return True if any is new."""
        self._heard_monotonic = now
        self._events += 1
        news = [self._record(each) for each in revisions]
        return any(news)

    def disconnect(self) -> None:
        """Treat nothing as confirmed until the next stream sends its revisions."""
        self._heard_monotonic = -math.inf
        self._is_live.clear()

    def record_request(self, resource: Resource, now: float) -> None:
        """Record that a resource is requested now."""
        if len(self._requested) >= _MAX_REQUESTS and resource not in self._requested:
            oldest = next(iter(self._requested))
            del self._requested[oldest]
            self._answered.pop(oldest, None)
        self._requested.pop(resource, None)
        self._requested[resource] = _Request(self._events, now)

    def record_response(self, resource: Resource, now: float) -> None:
        """Record that the last request for a resource was answered."""
        if (request := self._requested.get(resource)) is not None:
            self._answered[resource] = request._replace(moment=now)

    def changed(self, resources: Iterable[Resource], snapshot: Snapshot) -> Mapping[Resource, float]:
        """Return the resources that changed since they were requested, with the time of that request."""
        changed = (resource for resource in resources if self.is_changed(resource, snapshot))
        return {resource: self._requested[resource].moment for resource in changed}

    def is_changed(self, resource: Resource, snapshot: Snapshot) -> bool:
        """Return True if a change was announced after the last request for it: for a page, of any of its rows."""
        request = self._requested.get(resource)
        if request is None:
            return False
        parts = _rows(snapshot, resource) if isinstance(resource, PageKey) else (resource,)
        return any(self._has_news(part, request) for part in parts)

    def _has_news(self, part: _Part, request: _Request) -> bool:
        known = self._known.get(part)
        return known is not None and known.is_change and request.event < known.event

    def unchanged(
        self, resources: Iterable[Resource], snapshot: Snapshot, now: float, since: float
    ) -> Iterator[Resource]:
        """Yield the resources known to be unchanged, if the stream was heard after `since`."""
        if self._heard_monotonic <= since or now - self._heard_monotonic > _SILENCE_S:
            return
        for resource in resources:
            answer = self._answered.get(resource)
            if answer is not None and self._is_confirmed(resource, answer, snapshot, now):
                yield resource

    def _record(self, revisions: RunnerRevisions) -> bool:
        id = revisions.id
        if id not in self._is_live and len(self._is_live) >= MAX_SCANNED_RUNNERS:
            return False
        is_news = self._is_live.get(id) is not revisions.is_live
        self._is_live[id] = revisions.is_live
        parts: tuple[tuple[_Part, int], ...] = (
            (RunnerKey(id), revisions.runner),
            (HistoryKey(id), revisions.history),
            (StatsKey(id), revisions.stats),
        )
        for part, revision in parts:
            known = self._known.get(part)
            if known is None or known.revision != revision:
                self._known[part] = _Known(revision, self._events, is_change=known is not None)
                is_news = True
        return is_news

    def _is_confirmed(self, resource: Resource, answer: _Request, snapshot: Snapshot, now: float) -> bool:
        age = now - answer.moment
        match resource:
            case PageKey():
                rows = _rows(snapshot, resource)
                return age < MAX_PAGE_AGE and all(self._is_same(row, answer) for row in rows)
            case HistoryKey(runner_id):
                return age < MAX_AGE and self._is_live.get(runner_id, False) and self._is_same(resource, answer)
            case RunnerKey():
                return age < MAX_AGE and self._is_same(resource, answer)
            case _:
                # Stats change all the time, so no stream announces them.
                return False

    def _is_same(self, part: _Part, answer: _Request) -> bool:
        known = self._known.get(part)
        return part.runner_id in self._is_live and known is not None and known.event <= answer.event


def _rows(snapshot: Snapshot, key: PageKey) -> Iterator[RunnerKey]:
    page = snapshot.page_feed(key).value
    return (RunnerKey(runner.id) for runner in page.runners) if page is not None else iter(())


def announced_resources(viewport: Viewport) -> tuple[Resource, ...]:
    """Return the polled resources on screen except stats and the pages of a full scan."""
    page = () if viewport.all_pages else (viewport.page,)
    cursor = () if viewport.runner_id is None else (HistoryKey(viewport.runner_id), RunnerKey(viewport.runner_id))
    others = (HistoryKey(runner_id) for runner_id in viewport.visible_ids if runner_id != viewport.runner_id)
    return (*page, *cursor, *others)


def is_outside_viewport(resource: Resource, viewport: Viewport) -> bool:
    """Return True if a resource is the history of a runner that the cursor is not on."""
    return isinstance(resource, HistoryKey) and resource.runner_id != viewport.runner_id
