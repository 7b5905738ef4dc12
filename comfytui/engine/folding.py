"""From a snapshot and what happened to the next snapshot: pure, sharing whatever did not change.

The revision is left as it is: it counts what is published, and publishing is the engine's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar, assert_never

from comfytui.engine.feed import Feed
from comfytui.engine.problems import problem_of
from comfytui.engine.resources import HistoryKey, PageKey, RunnerKey

if TYPE_CHECKING:
    from comfytui.api.errors import ComfyControlError
    from comfytui.api.models import Runner, RunnerPage, RunnerStatus, Workflow
    from comfytui.engine.resources import Resource
    from comfytui.engine.snapshot import Attention, Snapshot

__all__ = ["attend", "fold_failure", "fold_history", "fold_page", "fold_runner", "repace"]

MAX_PAGES = 64
MAX_RUNNERS = 512
MAX_HISTORIES = 512


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


K = TypeVar("K")
V = TypeVar("V")
ItemT = TypeVar("ItemT", bound=_Identified)


def attend(snapshot: Snapshot, attention: Attention) -> Snapshot:
    """Look elsewhere; what is looked at now is from here on the last to be dropped."""
    return replace(
        snapshot,
        attention=attention,
        pages=_moved_last(snapshot.pages, attention.page),
        runners=_moved_last(snapshot.runners, attention.runner_id),
        histories=_moved_last(snapshot.histories, attention.runner_id),
    )


def repace(snapshot: Snapshot, interval: float, now: float) -> Snapshot:
    """Poll every `interval` seconds; what failed waits no longer than that from `now` for its next try."""
    latest = now + interval
    return replace(
        snapshot,
        interval=interval,
        pages=_hurried(snapshot.pages, latest),
        runners=_hurried(snapshot.runners, latest),
        histories=_hurried(snapshot.histories, latest),
    )


def fold_page(snapshot: Snapshot, key: PageKey, page: RunnerPage, at: datetime, on: float) -> Snapshot:
    """Take in an answer of List Runners, seen `at` by the wall clock and `on` by the monotonic one.

    Where the key has a status, runners of another are left out: a deployment may not know the filter and
    ignore it (page list-runners). `total` stays as it was sent.
    """
    old = snapshot.pages.get(key, Feed()).value
    return _with_page(snapshot, key, Feed(_shared_page(old, _of_status(page, key.status)), at, on))


def fold_runner(snapshot: Snapshot, runner_id: str, runner: Runner, at: datetime, on: float) -> Snapshot:
    """Take in an answer of Get Runner, seen `at` by the wall clock and `on` by the monotonic one."""
    old = snapshot.runners.get(runner_id, Feed()).value
    return _with_runner(snapshot, runner_id, Feed(old if old == runner else runner, at, on))


def fold_history(
    snapshot: Snapshot, runner_id: str, history: tuple[Workflow, ...], at: datetime, on: float
) -> Snapshot:
    """Take in an answer of Get Runner History, seen `at` by the wall clock and `on` by the monotonic one."""
    old = snapshot.histories.get(runner_id, Feed()).value
    return _with_history(snapshot, runner_id, Feed(history if old is None else _shared(old, history), at, on))


def fold_failure(
    snapshot: Snapshot, resource: Resource, error: ComfyControlError, at: datetime, next_try: float
) -> Snapshot:
    """Put a problem beside what is known of a resource; it is asked again at `next_try`, monotonic."""

    def failed(feed: Feed[V]) -> Feed[V]:
        return replace(feed, problem=problem_of(error, feed.problem, at, next_try))

    match resource:
        case PageKey():
            return _with_page(snapshot, resource, failed(snapshot.pages.get(resource, Feed())))
        case RunnerKey(runner_id):
            return _with_runner(snapshot, runner_id, failed(snapshot.runner(runner_id)))
        case HistoryKey(runner_id):
            return _with_history(snapshot, runner_id, failed(snapshot.history(runner_id)))
        case _:
            assert_never(resource)


def _with_page(snapshot: Snapshot, key: PageKey, feed: Feed[RunnerPage]) -> Snapshot:
    return replace(snapshot, pages=_with(snapshot.pages, key, feed, snapshot.attention.page, MAX_PAGES))


def _with_runner(snapshot: Snapshot, runner_id: str, feed: Feed[Runner]) -> Snapshot:
    attended = snapshot.attention.runner_id
    return replace(snapshot, runners=_with(snapshot.runners, runner_id, feed, attended, MAX_RUNNERS))


def _with_history(snapshot: Snapshot, runner_id: str, feed: Feed[tuple[Workflow, ...]]) -> Snapshot:
    attended = snapshot.attention.runner_id
    return replace(snapshot, histories=_with(snapshot.histories, runner_id, feed, attended, MAX_HISTORIES))


def _with(feeds: Mapping[K, Feed[V]], key: K, feed: Feed[V], attended: K | None, limit: int) -> Mapping[K, Feed[V]]:
    """The feeds with this one; beyond the limit without the one that was attended longest ago, the first in order."""
    known = {**feeds, key: feed}
    if len(known) > limit:
        del known[next(other for other in known if other != attended)]
    return known


def _moved_last(feeds: Mapping[K, Feed[V]], key: K | None) -> Mapping[K, Feed[V]]:
    if key is None or key not in feeds:
        return feeds
    return {**{other: feed for other, feed in feeds.items() if other != key}, key: feeds[key]}


def _hurried(feeds: Mapping[K, Feed[V]], latest: float) -> Mapping[K, Feed[V]]:
    sooner = {
        key: replace(feed, problem=replace(feed.problem, next_try=latest))
        for key, feed in feeds.items()
        if feed.problem is not None and feed.problem.next_try > latest
    }
    return {**feeds, **sooner} if sooner else feeds


def _of_status(page: RunnerPage, status: RunnerStatus | None) -> RunnerPage:
    if status is None:
        return page
    return page.model_copy(update={"runners": tuple(runner for runner in page.runners if runner.status == status)})


def _shared_page(old: RunnerPage | None, new: RunnerPage) -> RunnerPage:
    if old is None:
        return new
    page = new.model_copy(update={"runners": _shared(old.runners, new.runners)})
    return old if page == old else page


def _shared(old: tuple[ItemT, ...], new: tuple[ItemT, ...]) -> tuple[ItemT, ...]:
    """The new items, as the old objects where they are equal: the old tuple where all are."""
    if old == new:
        return old
    known = {item.id: item for item in old}
    return tuple(known[item.id] if known.get(item.id) == item else item for item in new)
