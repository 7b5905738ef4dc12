"""The runners that a person looks for, in the order they wish for: out of all pages that are loaded."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import is_
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from comfytui.api.statuses import RunnerState
from comfytui.engine.protocol import MAX_WHOLE_RUNNERS
from comfytui.engine.snapshot import last_page, merged, outdated_keys, sure_on, whole_keys
from comfytui.query.filter import Query, Requirement, RunnerData, has_requirements
from comfytui.query.sorting import requirements, sort_runners

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage, Workflow
    from comfytui.api.statuses import RunnerStatus
    from comfytui.engine.feed import Feed
    from comfytui.engine.protocol import PageKey
    from comfytui.engine.snapshot import Checkup, Snapshot
    from comfytui.query.sorting import Sort


V = TypeVar("V")

_Histories: TypeAlias = "Mapping[str, Feed[tuple[Workflow, ...]]]"
_Checkups: TypeAlias = "Mapping[str, Feed[Checkup]]"


class SearchProgress(NamedTuple):
    """How much of the list was looked through.

    Attributes:
        pages: How many pages are loaded.
        of: How many pages are to be loaded; None where that is not known.
        runners: How many runners are loaded.
        total: How many runners the list has; None where the API did not tell.
        capped: Whether it has more than are ever loaded, `MAX_WHOLE_RUNNERS`.
    """

    pages: int = 0
    of: int | None = None
    runners: int = 0
    total: int | None = None
    capped: bool = False

    @property
    def is_complete(self) -> bool:
        """Whether every page that is to be loaded is; there may be more where it is capped."""
        return self.pages == self.of


class ListView(NamedTuple):
    """What was found.

    Attributes:
        runners: Those that match, in order.
        searched: Among what.
        known: Of how many of the runners loaded all is known that filter and order look at; None where they look at
            nothing but the list.
        loaded: All that are loaded, in the API's order.
        missing: The ids of those that no page has at present: they may be between two pages that shift.
        is_changing: True if pages are loaded from before the list last changed; those are asked again soon.
    """

    runners: tuple[Runner, ...] = ()
    searched: SearchProgress = SearchProgress()
    known: int | None = None
    loaded: tuple[Runner, ...] = ()
    missing: frozenset[str] = frozenset()
    is_changing: bool = False


class _ViewInputs(NamedTuple):
    """What filtering and sorting start from."""

    listed: tuple[Runner, ...]
    query: Query
    sort: Sort | None
    histories: _Histories
    checkups: _Checkups

    def is_as(self, other: _ViewInputs) -> bool:
        """Whether the same comes of both."""
        if self.listed is not other.listed or self.query != other.query or self.sort != other.sort:
            return False
        return self._knows_as(other) and self._reaches_as(other)

    def facts(self) -> list[RunnerData]:
        """What is known of each runner, of what is looked at."""
        return [
            RunnerData(each, _value(each.id, self.histories), _reachable(each.id, self.checkups))
            for each in self.listed
        ]

    def _knows_as(self, other: _ViewInputs) -> bool:
        known, before = self.histories, other.histories
        return known is before or (
            len(known) == len(before)
            and all(key in before and before[key].value is feed.value for key, feed in known.items())
        )

    def _reaches_as(self, other: _ViewInputs) -> bool:
        """Whether the same are reachable: how fast, and how much memory they have, is nothing to look for."""
        known, before = self.checkups, other.checkups
        return known is before or (
            known.keys() == before.keys() and all(_reachable(key, known) is _reachable(key, before) for key in known)
        )


class ListViewBuilder:
    """Makes views of snapshots, one after another, and the same one again while nothing that matters has changed.

    Cheap then, however many runners there are: what the engine found unchanged it leaves the same object.
    """

    def __init__(self) -> None:
        self._view = ListView()
        self._pages: tuple[RunnerPage, ...] = ()
        self._overlap = False
        self._status: RunnerStatus | None = None
        self._missing: dict[str, float] = {}
        self._basis = _ViewInputs((), Query(), None, {}, {})

    def view(self, snapshot: Snapshot, query: Query, sort: Sort | None) -> ListView:
        """The runners of the list in view that match, out of the pages of the whole list that are loaded.

        Without a sort they are in the API's order. A runner that is on two pages, for pages shift while they are
        loaded, counts once, as the newer answer has it. One that was there and is on no page stays while some pages are
        from before a change of the list, for it may be on one of those now, unless it is known to have departed.
        """
        total = snapshot.total
        keys = whole_keys(snapshot.attention.page.status, total, snapshot.pages)
        feeds = {key: snapshot.page_at(key) for key in keys}
        self._find(self._list(feeds, snapshot), query, sort, snapshot)
        searched = SearchProgress(
            pages=len(self._pages),
            of=last_page(keys, total, snapshot.pages),
            runners=len(self._basis.listed),
            total=total,
            capped=total is not None and total > MAX_WHOLE_RUNNERS,
        )
        told = (searched, frozenset(self._missing), bool(outdated_keys(feeds)))
        if told != (self._view.searched, self._view.missing, self._view.is_changing):
            self._view = self._view._replace(searched=told[0], missing=told[1], is_changing=told[2])
        return self._view

    def _list(self, feeds: Mapping[PageKey, Feed[RunnerPage]], snapshot: Snapshot) -> tuple[Runner, ...]:
        """The runners of these pages; where some are on two of them, it matters too which of the pages is newer."""
        aged = [(feed.value, feed.fetched_on or 0.0) for feed in feeds.values() if feed.value is not None]
        pages = tuple(page for page, _ in aged)
        if not self._overlap and not self._missing and _are_same(pages, self._pages):
            return self._basis.listed
        listed = merged(aged)
        self._overlap = len(listed) < sum(len(page.runners) for page in pages)
        self._pages = pages
        return _kept(self._basis.listed, self._with_missing(listed, feeds, snapshot))

    def _with_missing(
        self, listed: tuple[Runner, ...], feeds: Mapping[PageKey, Feed[RunnerPage]], snapshot: Snapshot
    ) -> tuple[Runner, ...]:
        """Return the list with those of before that may be on a page which was asked too early, where they were."""
        before, self._status = self._status, snapshot.attention.page.status
        known = self._basis.listed if before == self._status else ()
        moments = [-math.inf if feed.fetched_on is None else feed.fetched_on for feed in feeds.values()]
        # A list that changes for ever has outdated pages for ever: what was missing for all of them is gone.
        sure = sure_on(moments, snapshot.response_time) if outdated_keys(feeds) else math.inf
        gone = {departure.runner_id for departure in snapshot.departed}
        there = {runner.id for runner in listed}
        since = {runner.id: self._missing.get(runner.id, max(moments)) for runner in known if runner.id not in there}
        self._missing = {each: moment for each, moment in since.items() if moment >= sure and each not in gone}
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
        return (*behind.get("", ()), *(each for group in placed for each in group))

    def _find(self, listed: tuple[Runner, ...], query: Query, sort: Sort | None, snapshot: Snapshot) -> None:
        asked = query.needs | (requirements(sort) if sort is not None else frozenset())
        histories = snapshot.histories if Requirement.HISTORY in asked else {}
        basis = _ViewInputs(listed, query, sort, histories, snapshot.stats if Requirement.REACHABILITY in asked else {})
        if basis.is_as(self._basis):
            return
        self._basis = basis
        facts = basis.facts()
        known = sum(has_requirements(asked, each) for each in facts) if asked else None
        found = _kept(self._view.runners, _found(facts, query, sort))
        before = self._view
        if found is not before.runners or known != before.known or listed is not before.loaded:
            self._view = before._replace(runners=found, known=known, loaded=listed)


def _found(facts: Sequence[RunnerData], query: Query, sort: Sort | None) -> tuple[Runner, ...]:
    """The runners that match, in order."""
    matching = [each for each in facts if query.matches(each)] if query else facts
    return tuple(each.runner for each in (matching if sort is None else sort_runners(matching, sort)))


def _value(runner_id: str, feeds: Mapping[str, Feed[V]]) -> V | None:
    feed = feeds.get(runner_id)
    return None if feed is None else feed.value


def _reachable(runner_id: str, checkups: _Checkups) -> bool | None:
    """Return True if a runner answers, or None if that is not known yet."""
    checkup = _value(runner_id, checkups)
    return None if checkup is None or checkup.state is RunnerState.WAITING else checkup.reachable


def _are_same(some: Sequence[object], others: Sequence[object]) -> bool:
    """Whether these are the very same objects; whether they are equal would take long to tell."""
    return len(some) == len(others) and all(map(is_, some, others))


def _kept(old: tuple[Runner, ...], new: tuple[Runner, ...]) -> tuple[Runner, ...]:
    return old if _are_same(old, new) else new
