"""What happens to all feeds at once: after a success, in a cool-down, with a new connection. Pure, sharing the rest."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from comfytui.engine.pacing import smoothed
from comfytui.engine.resources import HistoryKey, PageKey, RunnerKey

if TYPE_CHECKING:
    from comfytui.api.allowance import Spending
    from comfytui.engine.departures import Seen
    from comfytui.engine.feed import Feed, Problem
    from comfytui.engine.resources import Resource
    from comfytui.engine.snapshot import Snapshot

__all__ = ["aged", "confirmed", "forget_problems", "hurried", "recovered", "with_spending"]

K = TypeVar("K")
V = TypeVar("V")


class _Change(Protocol):
    def __call__(self, feed: Feed[V]) -> Feed[V]: ...


def recovered(snapshot: Snapshot, took: float | None) -> Snapshot:
    """Something was answered: whatever failed waits no longer than an interval after its last try.

    A cool-down is waited out all the same. `took` is how many seconds the API needed, None where that says nothing of
    its own speed.
    """
    if took is not None:
        snapshot = snapshot._replace(response_time=smoothed(snapshot.response_time, took))
    in_force, earliest = snapshot.pace, _cooling_until(snapshot.spending)

    def soon(problem: Problem) -> Problem:
        next_try = max(earliest, min(problem.next_try, problem.tried_on + in_force))
        return problem._replace(next_try=next_try, streak=0)

    return _with_problems(snapshot, soon)


def hurried(snapshot: Snapshot, now: float) -> Snapshot:
    """The interval is another: whatever failed waits no longer than that from `now`, cool-downs apart."""
    latest = max(now + snapshot.pace, _cooling_until(snapshot.spending))
    return _with_problems(snapshot, lambda problem: problem._replace(next_try=min(problem.next_try, latest)))


def with_spending(snapshot: Snapshot, spending: Spending) -> Snapshot:
    """The spending as it is now; in a cool-down no next try is promised before its end."""
    snapshot = snapshot._replace(spending=spending)
    earliest = _cooling_until(spending)
    return _with_problems(snapshot, lambda problem: problem._replace(next_try=max(problem.next_try, earliest)))


def forget_problems(snapshot: Snapshot) -> Snapshot:
    """What is known stays, as if nothing had failed since and the token were a good one."""
    return _with_feeds(snapshot, _sound)._replace(needs_token=None)


def confirmed(snapshot: Snapshot, resources: Collection[Resource], seen: Seen) -> Snapshot:
    """Return the snapshot with these resources confirmed as if they had been answered unchanged just now."""
    pages = {key for key in resources if isinstance(key, PageKey)}
    runners = {key.runner_id for key in resources if isinstance(key, RunnerKey)}
    histories = {key.runner_id for key in resources if isinstance(key, HistoryKey)}
    return snapshot._replace(
        pages=_confirmed(snapshot.pages, pages, seen),
        runners=_confirmed(snapshot.runners, runners, seen),
        histories=_confirmed(snapshot.histories, histories, seen),
    )


def _confirmed(feeds: Mapping[K, Feed[V]], keys: Collection[K], seen: Seen) -> Mapping[K, Feed[V]]:
    sound = {key: feeds[key] for key in keys if key in feeds and feeds[key].problem is None}
    others = {key: replace(feed, fetched_at=seen.at, fetched_on=seen.on) for key, feed in sound.items()}
    return {**feeds, **others} if others else feeds


def aged(snapshot: Snapshot, seconds: float) -> Snapshot:
    """All that is known is older by that much than the monotonic clock has it."""

    def older(feed: Feed[V]) -> Feed[V]:
        return feed if feed.fetched_on is None else replace(feed, fetched_on=feed.fetched_on - seconds)

    return _with_feeds(snapshot, older)


def _sound(feed: Feed[V]) -> Feed[V]:
    return feed if feed.problem is None else replace(feed, problem=None)


def _with_problems(snapshot: Snapshot, change: Callable[[Problem], Problem]) -> Snapshot:
    def changed(feed: Feed[V]) -> Feed[V]:
        if feed.problem is None or (problem := change(feed.problem)) == feed.problem:
            return feed
        return replace(feed, problem=problem)

    return _with_feeds(snapshot, changed)


def _with_feeds(snapshot: Snapshot, change: _Change) -> Snapshot:
    return snapshot._replace(
        pages=_changed(snapshot.pages, change),
        runners=_changed(snapshot.runners, change),
        histories=_changed(snapshot.histories, change),
        stats=_changed(snapshot.stats, change),
    )


def _changed(feeds: Mapping[K, Feed[V]], change: _Change) -> Mapping[K, Feed[V]]:
    """The feeds as they are changed; the same mapping where none is."""
    others = {key: other for key, feed in feeds.items() if (other := change(feed)) is not feed}
    return {**feeds, **others} if others else feeds


def _cooling_until(spending: Spending) -> float:
    return float("-inf") if spending.cooling_until is None else spending.cooling_until
