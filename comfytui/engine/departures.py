"""Runners that turn out to be no longer registered: out of the snapshot, and back when a later page has them. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from comfytui.engine.feed import ProblemKind
from comfytui.engine.snapshot import Departure

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage
    from comfytui.engine.feed import Feed, Problem
    from comfytui.engine.snapshot import Snapshot

__all__ = [
    "MAX_DEPARTURES",
    "Seen",
    "depart",
    "departed_since",
    "is_gone",
    "is_unheard_of",
    "returned",
    "settle",
    "without",
]

MAX_DEPARTURES = 16

V = TypeVar("V")


class Seen(NamedTuple):
    """When something was asked and answered.

    Attributes:
        asked_on: When it was asked, on the engine's monotonic clock.
        on: When the answer was there, on that clock.
        at: The same in UTC.
        sent_on: When it was sent, which may be long after it was asked, for the allowance may make it wait.
    """

    asked_on: float
    on: float
    at: datetime
    sent_on: float | None = None

    @property
    def began_on(self) -> float:
        """Moment it was sent, on that clock; the moment it was asked if nothing is known of sending."""
        return self.asked_on if self.sent_on is None else self.sent_on

    @property
    def took(self) -> float:
        """Seconds from its being sent to the answer."""
        return self.on - self.began_on


def depart(snapshot: Snapshot, runner_id: str, seen: Seen) -> Snapshot:
    """The API knows no such runner: its row leaves every page, its feeds are dropped, and its departure is told.

    A second answer to the same effect, to what was asked before the first one was there, changes nothing.
    """
    if runner_id in departed_since(snapshot, seen.began_on):
        return snapshot
    known = snapshot.find_runner(runner_id)
    departure = Departure(runner_id, (known.name if known else None) or runner_id, seen.at, seen.on)
    others = tuple(other for other in snapshot.departed if other.runner_id != runner_id)
    return snapshot._replace(
        pages={key: _page_without(feed, runner_id) for key, feed in snapshot.pages.items()},
        runners=_dropped(snapshot.runners, runner_id),
        histories=_dropped(snapshot.histories, runner_id),
        stats=_dropped(snapshot.stats, runner_id),
        departed=(*others, departure)[-MAX_DEPARTURES:],
    )


def is_unheard_of(snapshot: Snapshot, runner_id: str) -> bool:
    """Return True if neither the list in view nor Get Runner tells of this runner."""
    return snapshot.runner(runner_id).value is None and not _listing(snapshot, runner_id)


def settle(snapshot: Snapshot, seen: Seen) -> Snapshot:
    """Decide whether runners that Get Runner does not find are registered: the newest answer about that counts.

    A list that has one and was answered after the first 404 contradicts it, and stands. A list from before is waited
    for, unless it has failed since. What is in no page of the list in view has departed.
    """
    for runner_id, feed in snapshot.runners.items():
        if feed.problem is None or feed.problem.kind is not ProblemKind.NOT_FOUND:
            continue
        if all(_is_outdated(page, feed.problem) for page in _listing(snapshot, runner_id)):
            snapshot = depart(snapshot, runner_id, seen)
    return snapshot


def returned(snapshot: Snapshot, page: RunnerPage, seen: Seen) -> Snapshot:
    """Forget the departures of runners that a page, sent for after them, has again."""
    if not snapshot.departed:
        return snapshot
    listed = {runner.id for runner in page.runners}
    kept = tuple(other for other in snapshot.departed if other.runner_id not in listed or other.on >= seen.began_on)
    return snapshot if len(kept) == len(snapshot.departed) else snapshot._replace(departed=kept)


def departed_since(snapshot: Snapshot, moment: float) -> frozenset[str]:
    """The ids of those whose departure was noticed at that moment of the monotonic clock or later."""
    return frozenset(departure.runner_id for departure in snapshot.departed if departure.on >= moment)


def is_gone(snapshot: Snapshot, runner_id: str) -> bool:
    """Whether it has departed and nothing has brought it back."""
    if not snapshot.departed:
        return False
    has_departed = any(departure.runner_id == runner_id for departure in snapshot.departed)
    return has_departed and snapshot.find_runner(runner_id) is None


def without(page: RunnerPage, gone: frozenset[str]) -> RunnerPage:
    """The page without these runners, its total less by as many; the same object where it has none of them."""
    runners = tuple(runner for runner in page.runners if runner.id not in gone)
    fewer = len(page.runners) - len(runners)
    if not fewer:
        return page
    total = None if page.total is None else max(0, page.total - fewer)
    return page.model_copy(update={"runners": runners, "total": total})


def _listing(snapshot: Snapshot, runner_id: str) -> list[Feed[RunnerPage]]:
    """Return the pages of the list in view that have a runner."""
    feeds = (snapshot.page_at(key) for key in snapshot.page_keys)
    return [feed for feed in feeds if feed.value and any(runner.id == runner_id for runner in feed.value.runners)]


def _is_outdated(page: Feed[RunnerPage], problem: Problem) -> bool:
    """Return True if a page that has a runner is older than the 404 of that, and could not be confirmed since."""
    if page.fetched_at is not None and page.fetched_at > problem.since:
        return False
    return page.problem is not None and page.problem.tried_on >= problem.tried_on


def _page_without(feed: Feed[RunnerPage], runner_id: str) -> Feed[RunnerPage]:
    if feed.value is None or (page := without(feed.value, frozenset({runner_id}))) is feed.value:
        return feed
    return replace(feed, value=page)


def _dropped(feeds: Mapping[str, Feed[V]], runner_id: str) -> Mapping[str, Feed[V]]:
    return {other: feed for other, feed in feeds.items() if other != runner_id} if runner_id in feeds else feeds
