"""From a snapshot and what happened to the next snapshot: pure, sharing whatever did not change.

The revision is left as it is: it counts what is published, and publishing is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from operator import eq
from typing import TYPE_CHECKING, Protocol, TypeVar, assert_never

from comfytui.api.errors import RateLimited
from comfytui.engine.checkup import answering, unreachable
from comfytui.engine.departures import departed_since, returned, settle, without
from comfytui.engine.feed import Feed
from comfytui.engine.pacing import back_off
from comfytui.engine.problems import problem_of
from comfytui.engine.recovery import hurried
from comfytui.engine.resources import HistoryKey, PageKey, RunnerKey, StatsKey
from comfytui.engine.whole import WHOLE_PAGES, is_of_list

if TYPE_CHECKING:
    from comfytui.api.errors import ComfyControlError, Unauthorized
    from comfytui.api.models import Runner, RunnerPage, RunnerStats, RunnerStatus, Workflow
    from comfytui.engine.checkup import Checkup
    from comfytui.engine.departures import Seen
    from comfytui.engine.feed import Problem
    from comfytui.engine.resources import Resource
    from comfytui.engine.snapshot import Attention, Snapshot

__all__ = [
    "attend",
    "fold_failure",
    "fold_history",
    "fold_page",
    "fold_refusal",
    "fold_runner",
    "fold_silence",
    "fold_stats",
    "repace",
]

MAX_PAGES = WHOLE_PAGES + 64
MAX_RUNNERS = 512
MAX_HISTORIES = 512
MAX_STATS = 512


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


K = TypeVar("K")
V = TypeVar("V")
ItemT = TypeVar("ItemT", bound=_Identified)


def attend(snapshot: Snapshot, attention: Attention) -> Snapshot:
    """Look elsewhere; what is looked at now is from here on the last to be dropped."""
    pages = {key for key in snapshot.pages if is_of_list(attention, key)}
    runners = {attention.runner_id}
    return snapshot._replace(
        attention=attention,
        pages=_moved_last(snapshot.pages, pages),
        runners=_moved_last(snapshot.runners, runners),
        histories=_moved_last(snapshot.histories, runners),
        stats=_moved_last(snapshot.stats, runners),
    )


def repace(snapshot: Snapshot, interval: float, now: float) -> Snapshot:
    """Poll every `interval` seconds; what failed waits no longer than that from `now` for its next try."""
    return hurried(snapshot._replace(interval=interval), now)


def fold_page(snapshot: Snapshot, key: PageKey, page: RunnerPage, seen: Seen) -> Snapshot:
    """Take in an answer of List Runners.

    Where the key has a status, runners of another are left out: a deployment may not know the filter and
    ignore it (page list-runners), and `total` stays as it was sent. Runners that departed after the page was sent for
    are left out and not counted; one that departed before is back.
    """
    old = snapshot.pages.get(key, Feed()).value
    page = without(_of_status(page, key.status), departed_since(snapshot, seen.began_on))
    known = _with_page(snapshot, key, Feed(_shared_page(old, page), seen.at, seen.on))
    return settle(returned(known, page, seen), seen)


def fold_runner(snapshot: Snapshot, runner_id: str, runner: Runner, seen: Seen) -> Snapshot:
    """Take in an answer of Get Runner."""
    old = snapshot.runners.get(runner_id, Feed()).value
    return _with_runner(snapshot, runner_id, Feed(old if old == runner else runner, seen.at, seen.on))


def fold_history(snapshot: Snapshot, runner_id: str, history: tuple[Workflow, ...], seen: Seen) -> Snapshot:
    """Take in an answer of Get Runner History."""
    old = snapshot.histories.get(runner_id, Feed()).value
    value = history if old is None else _shared(old, history)
    if type(value) is not type(history):
        # It says whether more was sent than a history has.
        value = type(history)(value)
    return with_history(snapshot, runner_id, Feed(value, seen.at, seen.on))


def fold_stats(snapshot: Snapshot, runner_id: str, stats: RunnerStats, seen: Seen) -> Snapshot:
    """Take in an answer of Get Runner Stats: the runner is reachable."""
    checkup = answering(snapshot.checkup(runner_id).value, stats, seen.took)
    return with_stats(snapshot, runner_id, Feed(checkup, seen.at, seen.on))


def fold_silence(snapshot: Snapshot, runner_id: str, words: str, seen: Seen) -> Snapshot:
    """Take in that the API could not reach a runner, which is an answer as well; what it last said stays."""
    checkup = unreachable(snapshot.checkup(runner_id).value, words, seen.at)
    return with_stats(snapshot, runner_id, Feed(checkup, seen.at, seen.on))


def fold_failure(
    snapshot: Snapshot, resource: Resource, error: ComfyControlError, seen: Seen, jitter: float
) -> Snapshot:
    """Put a problem beside what is known of a resource.

    It is asked again after the back-off, whose waits are multiplied with `jitter`, and never inside the cool-down that
    the snapshot's spending knows of; what was refused for being asked too often is asked again right after that.
    """

    def failed(feed: Feed[V]) -> Feed[V]:
        return replace(feed, problem=_problem(snapshot, feed.problem, error, seen, jitter))

    match resource:
        case PageKey():
            return _with_page(snapshot, resource, failed(snapshot.pages.get(resource, Feed())))
        case RunnerKey(runner_id):
            return _with_runner(snapshot, runner_id, failed(snapshot.runner(runner_id)))
        case HistoryKey(runner_id):
            return with_history(snapshot, runner_id, failed(snapshot.history(runner_id)))
        case StatsKey(runner_id):
            return with_stats(snapshot, runner_id, failed(snapshot.checkup(runner_id)))
        case _:
            assert_never(resource)


def fold_refusal(snapshot: Snapshot, error: Unauthorized, seen: Seen) -> Snapshot:
    """The API refused the token: from here on nothing is asked until there is another."""
    return snapshot._replace(needs_token=_problem(snapshot, snapshot.needs_token, error, seen, 1.0))


def _problem(
    snapshot: Snapshot, previous: Problem | None, error: ComfyControlError, seen: Seen, jitter: float
) -> Problem:
    streak = 1 if previous is None else previous.streak + 1
    cooling_until = snapshot.spending.cooling_until
    next_try = seen.on + back_off(snapshot.pace, streak, jitter)
    if cooling_until is not None:
        next_try = cooling_until if isinstance(error, RateLimited) else max(next_try, cooling_until)
    return problem_of(error, previous, seen.at, next_try, tried_on=seen.on, streak=streak)


def _with_page(snapshot: Snapshot, key: PageKey, feed: Feed[RunnerPage]) -> Snapshot:
    is_attended = partial(is_of_list, snapshot.attention)
    return snapshot._replace(pages=_with(snapshot.pages, key, feed, is_attended, MAX_PAGES))


def _with_runner(snapshot: Snapshot, runner_id: str, feed: Feed[Runner]) -> Snapshot:
    is_attended = partial(eq, snapshot.attention.runner_id)
    return snapshot._replace(runners=_with(snapshot.runners, runner_id, feed, is_attended, MAX_RUNNERS))


def with_history(snapshot: Snapshot, runner_id: str, feed: Feed[tuple[Workflow, ...]]) -> Snapshot:
    """Return the snapshot with this history; beyond MAX_HISTORIES the one looked at longest ago is dropped."""
    is_attended = partial(eq, snapshot.attention.runner_id)
    return snapshot._replace(histories=_with(snapshot.histories, runner_id, feed, is_attended, MAX_HISTORIES))


def with_stats(snapshot: Snapshot, runner_id: str, feed: Feed[Checkup]) -> Snapshot:
    """Return the snapshot with this health check; beyond MAX_STATS the one looked at longest ago is dropped."""
    is_attended = partial(eq, snapshot.attention.runner_id)
    return snapshot._replace(stats=_with(snapshot.stats, runner_id, feed, is_attended, MAX_STATS))


def _with(
    feeds: Mapping[K, Feed[V]], key: K, feed: Feed[V], is_attended: Callable[[K], bool], limit: int
) -> Mapping[K, Feed[V]]:
    """The feeds with this one; beyond the limit without the one that was attended longest ago, the first in order."""
    known = {**feeds, key: feed}
    if len(known) > limit:
        del known[next(other for other in known if not is_attended(other))]
    return known


def _moved_last(feeds: Mapping[K, Feed[V]], keys: Collection[K | None]) -> Mapping[K, Feed[V]]:
    others = {key: feed for key, feed in feeds.items() if key not in keys}
    return feeds if len(others) == len(feeds) else {**others, **{key: feeds[key] for key in feeds if key in keys}}


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
