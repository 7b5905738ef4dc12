"""Filtered and sorted views of the runner list, built from all loaded pages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import is_
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from comfytui.api.statuses import RunnerState
from comfytui.engine.protocol import MAX_SCANNED_RUNNERS
from comfytui.engine.snapshot import certain_monotonic, merge_pages, outdated_keys, page_count, scan_keys
from comfytui.query.columns import Requirement
from comfytui.query.filter import Query, RunnerData, has_requirements
from comfytui.query.sorting import requirements, sort_runners

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage, Workflow
    from comfytui.api.statuses import RunnerStatus
    from comfytui.engine.feed import Feed
    from comfytui.engine.protocol import PageKey
    from comfytui.engine.snapshot import HealthCheck, Snapshot
    from comfytui.query.sorting import Sort


V = TypeVar("V")

_Histories: TypeAlias = "Mapping[str, Feed[tuple[Workflow, ...]]]"
_HealthFeeds: TypeAlias = "Mapping[str, Feed[HealthCheck]]"


class SearchProgress(NamedTuple):
    """Progress of loading the list.

    Attributes:
        pages: Number of loaded pages.
        total_pages: Number of pages to load; None if unknown.
        runners: Number of loaded runners.
        total: Number of runners in the list; None if unknown.
        capped: True if the list has more than `MAX_WHOLE_RUNNERS`, beyond which no page is loaded.
    """

    pages: int = 0
    total_pages: int | None = None
    runners: int = 0
    total: int | None = None
    capped: bool = False

    @property
    def is_complete(self) -> bool:
        """True if all pages to load are loaded; a capped list has more."""
        return self.pages == self.total_pages


class ListView(NamedTuple):
    """Result of a filter and a sort order.

    Attributes:
        runners: Matching runners in order.
        searched: Progress of loading the list.
        known: Number of loaded runners with all data that filter and order need; None if the list is enough.
        loaded: All loaded runners in the API's order.
        missing: Ids of runners that no page contains at present; they may have moved between two pages.
        is_changing: True if some loaded pages are older than the last change of the list; they are reloaded soon.
    """

    runners: tuple[Runner, ...] = ()
    searched: SearchProgress = SearchProgress()
    known: int | None = None
    loaded: tuple[Runner, ...] = ()
    missing: frozenset[str] = frozenset()
    is_changing: bool = False


class _ViewInputs(NamedTuple):
    """Inputs of filtering and sorting."""

    listed: tuple[Runner, ...]
    query: Query
    sort: Sort | None
    histories: _Histories
    health_checks: _HealthFeeds

    def same_as(self, other: _ViewInputs) -> bool:
        """Return True if both give the same result."""
        if self.listed is not other.listed or self.query != other.query or self.sort != other.sort:
            return False
        return self._same_histories(other) and self._same_reachability(other)

    def runner_data(self) -> list[RunnerData]:
        """Return the known data of each runner, as far as it is needed."""
        return [
            RunnerData(runner, _value(runner.id, self.histories), _reachable(runner.id, self.health_checks))
            for runner in self.listed
        ]

    def _same_histories(self, other: _ViewInputs) -> bool:
        known, before = self.histories, other.histories
        return known is before or (
            len(known) == len(before)
            and all(key in before and before[key].value is feed.value for key, feed in known.items())
        )

    def _same_reachability(self, other: _ViewInputs) -> bool:
        """Return True if the same runners are reachable; latency and memory do not matter to a filter."""
        known, before = self.health_checks, other.health_checks
        return known is before or (
            known.keys() == before.keys() and all(_reachable(key, known) is _reachable(key, before) for key in known)
        )


class ListViewBuilder:
    """Builds views of successive snapshots, and returns the same object while nothing relevant changed.

    That is cheap for any number of runners, because the engine keeps unchanged objects identical.
    """

    def __init__(self) -> None:
        self._view = ListView()
        self._pages: tuple[RunnerPage, ...] = ()
        self._has_duplicates = False
        self._status: RunnerStatus | None = None
        self._missing: dict[str, float] = {}
        self._inputs = _ViewInputs((), Query(), None, {}, {})

    def build(self, snapshot: Snapshot, query: Query, sort: Sort | None) -> ListView:
        """Return the matching runners of the list in view, from all pages loaded so far.

        Without a sort they are in the API's order. Pages shift while they are loaded, so a runner on two pages is
        included once, as in the newer response. A runner that is missing from all pages stays while some of them are
        older than the last change of the list, since it may be on one of these now, unless it is known to be removed.
        """
        total = snapshot.total
        keys = scan_keys(snapshot.viewport.page.status, total, snapshot.pages)
        feeds = {key: snapshot.page_feed(key) for key in keys}
        self._filter_and_sort(self._merge_pages(feeds, snapshot), query, sort, snapshot)
        searched = SearchProgress(
            pages=len(self._pages),
            total_pages=page_count(keys, total, snapshot.pages),
            runners=len(self._inputs.listed),
            total=total,
            capped=total is not None and total > MAX_SCANNED_RUNNERS,
        )
        state = (searched, frozenset(self._missing), bool(outdated_keys(feeds)))
        if state != (self._view.searched, self._view.missing, self._view.is_changing):
            self._view = self._view._replace(searched=state[0], missing=state[1], is_changing=state[2])
        return self._view

    def _merge_pages(self, feeds: Mapping[PageKey, Feed[RunnerPage]], snapshot: Snapshot) -> tuple[Runner, ...]:
        """Return the runners of these pages; the age of a page matters only if a runner is on two of them."""
        aged = [(feed.value, feed.fetched_monotonic or 0.0) for feed in feeds.values() if feed.value is not None]
        pages = tuple(page for page, _ in aged)
        if not self._has_duplicates and not self._missing and _same_objects(pages, self._pages):
            return self._inputs.listed
        listed = merge_pages(aged)
        self._has_duplicates = len(listed) < sum(len(page.runners) for page in pages)
        self._pages = pages
        return _reuse_equal(self._inputs.listed, self._with_missing(listed, feeds, snapshot))

    def _with_missing(
        self, listed: tuple[Runner, ...], feeds: Mapping[PageKey, Feed[RunnerPage]], snapshot: Snapshot
    ) -> tuple[Runner, ...]:
        """Return the list with missing runners that an outdated page may contain now, at their old positions."""
        before, self._status = self._status, snapshot.viewport.page.status
        known = self._inputs.listed if before == self._status else ()
        moments = [-math.inf if feed.fetched_monotonic is None else feed.fetched_monotonic for feed in feeds.values()]
        # A list that keeps changing always has outdated pages, so a runner missing from all newer ones is gone.
        sure = certain_monotonic(moments, snapshot.response_time) if outdated_keys(feeds) else math.inf
        gone = {removal.runner_id for removal in snapshot.removed}
        there = {runner.id for runner in listed}
        since = {runner.id: self._missing.get(runner.id, max(moments)) for runner in known if runner.id not in there}
        self._missing = {key: moment for key, moment in since.items() if moment >= sure and key not in gone}
        if not self._missing:
            return listed
        behind: dict[str, list[Runner]] = {}
        last = ""
        for runner in known:
            if runner.id in self._missing:
                behind.setdefault(last, []).append(runner)
            elif runner.id in there:
                last = runner.id
        placed = ((runner, *behind.get(runner.id, ())) for runner in listed)
        return (*behind.get("", ()), *(runner for group in placed for runner in group))

    def _filter_and_sort(self, listed: tuple[Runner, ...], query: Query, sort: Sort | None, snapshot: Snapshot) -> None:
        required = query.requirements | (requirements(sort) if sort is not None else frozenset())
        histories = snapshot.histories if Requirement.HISTORY in required else {}
        inputs = _ViewInputs(
            listed, query, sort, histories, snapshot.stats if Requirement.REACHABILITY in required else {}
        )
        if inputs.same_as(self._inputs):
            return
        self._inputs = inputs
        data = inputs.runner_data()
        known = sum(has_requirements(required, runner) for runner in data) if required else None
        found = _reuse_equal(self._view.runners, _select(data, query, sort))
        before = self._view
        if found is not before.runners or known != before.known or listed is not before.loaded:
            self._view = before._replace(runners=found, known=known, loaded=listed)


def _select(data: Sequence[RunnerData], query: Query, sort: Sort | None) -> tuple[Runner, ...]:
    """Return the matching runners in order."""
    matching = [runner for runner in data if query.matches(runner)] if query else data
    return tuple(found.runner for found in (matching if sort is None else sort_runners(matching, sort)))


def _value(runner_id: str, feeds: Mapping[str, Feed[V]]) -> V | None:
    feed = feeds.get(runner_id)
    return None if feed is None else feed.value


def _reachable(runner_id: str, health_checks: _HealthFeeds) -> bool | None:
    """Return True if a runner is reachable, or None if that is unknown."""
    health = _value(runner_id, health_checks)
    return None if health is None or health.state is RunnerState.WAITING else health.reachable


def _same_objects(some: Sequence[object], others: Sequence[object]) -> bool:
    """Return True if both hold identical objects; comparing them by value would be slow."""
    return len(some) == len(others) and all(map(is_, some, others))


def _reuse_equal(old: tuple[Runner, ...], new: tuple[Runner, ...]) -> tuple[Runner, ...]:
    return old if _same_objects(old, new) else new
