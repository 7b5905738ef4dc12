"""From a snapshot and what happened to the next snapshot: pure, sharing whatever did not change.

The revision is left as it is: it counts what is published, and publishing is the engine's.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
from operator import eq
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar, assert_never

from comfytui.api.errors import RateLimitedError
from comfytui.engine.feed import Feed, ProblemKind, problem_from_error
from comfytui.engine.intervals import backoff, smooth
from comfytui.engine.protocol import HistoryKey, PageKey, RunnerKey, StatsKey
from comfytui.engine.snapshot import MAX_SCAN_PAGES, RemovedRunner, healthy, in_list, unhealthy

if TYPE_CHECKING:
    from comfytui.api.errors import ComfyControlError, UnauthorizedError
    from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
    from comfytui.api.statuses import RunnerStatus
    from comfytui.engine.feed import Problem
    from comfytui.engine.protocol import Resource, Viewport
    from comfytui.engine.snapshot import HealthCheck, Snapshot
    from comfytui.ratelimit.window import Usage


MAX_PAGES = MAX_SCAN_PAGES + 64
MAX_RUNNERS = 512
MAX_HISTORIES = 512
MAX_STATS = 512


class _Identified(Protocol):
    @property
    def id(self) -> str: ...


K = TypeVar("K")
V = TypeVar("V")
ItemT = TypeVar("ItemT", bound=_Identified)


def set_viewport(snapshot: Snapshot, viewport: Viewport) -> Snapshot:
    """Look elsewhere; what is looked at now is from here on the last to be dropped."""
    pages = {key for key in snapshot.pages if in_list(viewport, key)}
    runners = {viewport.runner_id}
    return snapshot._replace(
        viewport=viewport,
        pages=_touch(snapshot.pages, pages),
        runners=_touch(snapshot.runners, runners),
        histories=_touch(snapshot.histories, runners),
        stats=_touch(snapshot.stats, runners),
    )


def set_interval(snapshot: Snapshot, interval: float, now: float) -> Snapshot:
    """Poll every `interval` seconds; what failed waits no longer than that from `now` for its next try."""
    return clamp_retries(snapshot._replace(interval=interval), now)


def apply_page(snapshot: Snapshot, key: PageKey, page: RunnerPage, timing: RequestTiming) -> Snapshot:
    """Take in an answer of List Runners.

    Where the key has a status, runners of another are left out: a deployment may not know the filter and
    ignore it (page list-runners), and `total` stays as it was sent. Runners that departed after the page was sent for
    are left out and not counted; one that departed before is back.
    """
    old = snapshot.pages.get(key, Feed()).value
    page = page_without(_filter_status(page, key.status), removed_since(snapshot, timing.began_monotonic))
    known = _with_page(snapshot, key, Feed(_reuse_page(old, page), timing.done_at, timing.done_monotonic))
    return forget_old_removals(restore_listed(known, page, timing), timing)


def apply_runner(snapshot: Snapshot, runner_id: str, runner: Runner, timing: RequestTiming) -> Snapshot:
    """Take in an answer of Get Runner."""
    old = snapshot.runners.get(runner_id, Feed()).value
    return _with_runner(
        snapshot, runner_id, Feed(old if old == runner else runner, timing.done_at, timing.done_monotonic)
    )


def apply_history(snapshot: Snapshot, runner_id: str, history: tuple[Workflow, ...], timing: RequestTiming) -> Snapshot:
    """Take in an answer of Get Runner History."""
    old = snapshot.histories.get(runner_id, Feed()).value
    value = history if old is None else _reuse_equal(old, history)
    if type(value) is not type(history):
        # It says whether more was sent than a history has.
        value = type(history)(value)
    return with_history(snapshot, runner_id, Feed(value, timing.done_at, timing.done_monotonic))


def apply_stats(snapshot: Snapshot, runner_id: str, stats: RunnerStats, timing: RequestTiming) -> Snapshot:
    """Take in an answer of Get Runner Stats: the runner is reachable."""
    health = healthy(snapshot.health(runner_id).value, stats, timing.duration_s)
    return with_stats(snapshot, runner_id, Feed(health, timing.done_at, timing.done_monotonic))


def apply_unreachable(snapshot: Snapshot, runner_id: str, message: str, timing: RequestTiming) -> Snapshot:
    """Take in that the API could not reach a runner, which is an answer as well; what it last said stays."""
    health = unhealthy(snapshot.health(runner_id).value, message, timing.done_at)
    return with_stats(snapshot, runner_id, Feed(health, timing.done_at, timing.done_monotonic))


def apply_failure(
    snapshot: Snapshot, resource: Resource, error: ComfyControlError, timing: RequestTiming, jitter: float
) -> Snapshot:
    """Put a problem beside what is known of a resource.

    It is asked again after the back-off, whose waits are multiplied with `jitter`, and never inside the cool-down that
    the snapshot's spending knows of; what was refused for being asked too often is asked again right after that.
    """

    def failed(feed: Feed[V]) -> Feed[V]:
        return replace(feed, problem=_problem(snapshot, feed.problem, error, timing, jitter))

    match resource:
        case PageKey():
            return _with_page(snapshot, resource, failed(snapshot.pages.get(resource, Feed())))
        case RunnerKey(runner_id):
            return _with_runner(snapshot, runner_id, failed(snapshot.runner(runner_id)))
        case HistoryKey(runner_id):
            return with_history(snapshot, runner_id, failed(snapshot.history(runner_id)))
        case StatsKey(runner_id):
            return with_stats(snapshot, runner_id, failed(snapshot.health(runner_id)))
        case _:
            assert_never(resource)


def apply_unauthorized(snapshot: Snapshot, error: UnauthorizedError, timing: RequestTiming) -> Snapshot:
    """The API refused the token: from here on nothing is asked until there is another."""
    return snapshot._replace(auth_problem=_problem(snapshot, snapshot.auth_problem, error, timing, 1.0))


def _problem(
    snapshot: Snapshot, previous: Problem | None, error: ComfyControlError, timing: RequestTiming, jitter: float
) -> Problem:
    streak = 1 if previous is None else previous.streak + 1
    cooling_until = snapshot.usage.blocked_until
    next_try = timing.done_monotonic + backoff(snapshot.interval_s, streak, jitter)
    if cooling_until is not None:
        next_try = cooling_until if isinstance(error, RateLimitedError) else max(next_try, cooling_until)
    return problem_from_error(
        error, previous, timing.done_at, next_try, failed_monotonic=timing.done_monotonic, streak=streak
    )


def _with_page(snapshot: Snapshot, key: PageKey, feed: Feed[RunnerPage]) -> Snapshot:
    is_attended = partial(in_list, snapshot.viewport)
    return snapshot._replace(pages=_put_bounded(snapshot.pages, key, feed, is_attended, MAX_PAGES))


def _with_runner(snapshot: Snapshot, runner_id: str, feed: Feed[Runner]) -> Snapshot:
    is_attended = partial(eq, snapshot.viewport.runner_id)
    return snapshot._replace(runners=_put_bounded(snapshot.runners, runner_id, feed, is_attended, MAX_RUNNERS))


def with_history(snapshot: Snapshot, runner_id: str, feed: Feed[tuple[Workflow, ...]]) -> Snapshot:
    """Return the snapshot with this history; beyond MAX_HISTORIES the one looked at longest ago is dropped."""
    is_attended = partial(eq, snapshot.viewport.runner_id)
    return snapshot._replace(histories=_put_bounded(snapshot.histories, runner_id, feed, is_attended, MAX_HISTORIES))


def with_stats(snapshot: Snapshot, runner_id: str, feed: Feed[HealthCheck]) -> Snapshot:
    """Return the snapshot with this health check; beyond MAX_STATS the one looked at longest ago is dropped."""
    is_attended = partial(eq, snapshot.viewport.runner_id)
    return snapshot._replace(stats=_put_bounded(snapshot.stats, runner_id, feed, is_attended, MAX_STATS))


def _put_bounded(
    feeds: Mapping[K, Feed[V]], key: K, feed: Feed[V], is_in_view: Callable[[K], bool], limit: int
) -> Mapping[K, Feed[V]]:
    """The feeds with this one; beyond the limit without the one that was attended longest ago, the first in order."""
    known = {**feeds, key: feed}
    if len(known) > limit:
        del known[next(other for other in known if not is_in_view(other))]
    return known


def _touch(feeds: Mapping[K, Feed[V]], keys: Collection[K | None]) -> Mapping[K, Feed[V]]:
    others = {key: feed for key, feed in feeds.items() if key not in keys}
    return feeds if len(others) == len(feeds) else {**others, **{key: feeds[key] for key in feeds if key in keys}}


def _filter_status(page: RunnerPage, status: RunnerStatus | None) -> RunnerPage:
    if status is None:
        return page
    return page.model_copy(update={"runners": tuple(runner for runner in page.runners if runner.status == status)})


def _reuse_page(old: RunnerPage | None, new: RunnerPage) -> RunnerPage:
    if old is None:
        return new
    page = new.model_copy(update={"runners": _reuse_equal(old.runners, new.runners)})
    return old if page == old else page


def _reuse_equal(old: tuple[ItemT, ...], new: tuple[ItemT, ...]) -> tuple[ItemT, ...]:
    """The new items, as the old objects where they are equal: the old tuple where all are."""
    if old == new:
        return old
    known = {item.id: item for item in old}
    return tuple(known[item.id] if known.get(item.id) == item else item for item in new)


class _Change(Protocol):
    def __call__(self, feed: Feed[V]) -> Feed[V]: ...


def apply_success(snapshot: Snapshot, duration_s: float | None) -> Snapshot:
    """Something was answered: whatever failed waits no longer than an interval after its last try.

    A cool-down is waited out all the same. `took` is how many seconds the API needed, None where that says nothing of
    its own speed.
    """
    if duration_s is not None:
        snapshot = snapshot._replace(response_time=smooth(snapshot.response_time, duration_s))
    in_force, earliest = snapshot.interval_s, _blocked_until(snapshot.usage)

    def soon(problem: Problem) -> Problem:
        next_try = max(earliest, min(problem.retry_monotonic, problem.failed_monotonic + in_force))
        return problem._replace(retry_monotonic=next_try, streak=0)

    return _with_problems(snapshot, soon)


def clamp_retries(snapshot: Snapshot, now: float) -> Snapshot:
    """The interval is another: whatever failed waits no longer than that from `now`, cool-downs apart."""
    latest = max(now + snapshot.interval_s, _blocked_until(snapshot.usage))
    return _with_problems(
        snapshot, lambda problem: problem._replace(retry_monotonic=min(problem.retry_monotonic, latest))
    )


def with_usage(snapshot: Snapshot, usage: Usage) -> Snapshot:
    """The spending as it is now; in a cool-down no next try is promised before its end."""
    snapshot = snapshot._replace(usage=usage)
    earliest = _blocked_until(usage)
    return _with_problems(
        snapshot, lambda problem: problem._replace(retry_monotonic=max(problem.retry_monotonic, earliest))
    )


def clear_problems(snapshot: Snapshot) -> Snapshot:
    """What is known stays, as if nothing had failed since and the token were a good one."""
    return _with_feeds(snapshot, _without_problem)._replace(auth_problem=None)


def confirm_unchanged(snapshot: Snapshot, resources: Collection[Resource], timing: RequestTiming) -> Snapshot:
    """Return the snapshot with these resources confirmed as if they had been answered unchanged just now."""
    pages = {key for key in resources if isinstance(key, PageKey)}
    runners = {key.runner_id for key in resources if isinstance(key, RunnerKey)}
    histories = {key.runner_id for key in resources if isinstance(key, HistoryKey)}
    return snapshot._replace(
        pages=_confirm_feeds(snapshot.pages, pages, timing),
        runners=_confirm_feeds(snapshot.runners, runners, timing),
        histories=_confirm_feeds(snapshot.histories, histories, timing),
    )


def _confirm_feeds(feeds: Mapping[K, Feed[V]], keys: Collection[K], timing: RequestTiming) -> Mapping[K, Feed[V]]:
    sound = {key: feeds[key] for key in keys if key in feeds and feeds[key].problem is None}
    others = {
        key: replace(feed, fetched_at=timing.done_at, fetched_monotonic=timing.done_monotonic)
        for key, feed in sound.items()
    }
    return {**feeds, **others} if others else feeds


def age_by(snapshot: Snapshot, seconds: float) -> Snapshot:
    """All that is known is older by that much than the monotonic clock has it."""

    def older(feed: Feed[V]) -> Feed[V]:
        return (
            feed
            if feed.fetched_monotonic is None
            else replace(feed, fetched_monotonic=feed.fetched_monotonic - seconds)
        )

    return _with_feeds(snapshot, older)


def _without_problem(feed: Feed[V]) -> Feed[V]:
    return feed if feed.problem is None else replace(feed, problem=None)


def _with_problems(snapshot: Snapshot, change: Callable[[Problem], Problem]) -> Snapshot:
    def changed(feed: Feed[V]) -> Feed[V]:
        if feed.problem is None or (problem := change(feed.problem)) == feed.problem:
            return feed
        return replace(feed, problem=problem)

    return _with_feeds(snapshot, changed)


def _with_feeds(snapshot: Snapshot, change: _Change) -> Snapshot:
    return snapshot._replace(
        pages=_map_feeds(snapshot.pages, change),
        runners=_map_feeds(snapshot.runners, change),
        histories=_map_feeds(snapshot.histories, change),
        stats=_map_feeds(snapshot.stats, change),
    )


def _map_feeds(feeds: Mapping[K, Feed[V]], change: _Change) -> Mapping[K, Feed[V]]:
    """The feeds as they are changed; the same mapping where none is."""
    others = {key: other for key, feed in feeds.items() if (other := change(feed)) is not feed}
    return {**feeds, **others} if others else feeds


def _blocked_until(usage: Usage) -> float:
    return float("-inf") if usage.blocked_until is None else usage.blocked_until


MAX_REMOVED = 16


class RequestTiming(NamedTuple):
    """When something was asked and answered.

    Attributes:
        asked_on: When it was asked, on the engine's monotonic clock.
        on: When the answer was there, on that clock.
        at: The same in UTC.
        sent_on: When it was sent, which may be long after it was asked, for the allowance may make it wait.
    """

    queued_monotonic: float
    done_monotonic: float
    done_at: datetime
    sent_monotonic: float | None = None

    @property
    def began_monotonic(self) -> float:
        """Moment it was sent, on that clock; the moment it was asked if nothing is known of sending."""
        return self.queued_monotonic if self.sent_monotonic is None else self.sent_monotonic

    @property
    def duration_s(self) -> float:
        """Seconds from its being sent to the answer."""
        return self.done_monotonic - self.began_monotonic


def remove_runner(snapshot: Snapshot, runner_id: str, timing: RequestTiming) -> Snapshot:
    """The API knows no such runner: its row leaves every page, its feeds are dropped, and its departure is told.

    A second answer to the same effect, to what was asked before the first one was there, only drops its feeds.
    """
    if runner_id in removed_since(snapshot, timing.began_monotonic):
        return _without_feeds(snapshot, runner_id)
    known = snapshot.find_runner(runner_id)
    removal = RemovedRunner(
        runner_id, (known.name if known else None) or runner_id, timing.done_at, timing.done_monotonic
    )
    others = tuple(other for other in snapshot.removed if other.runner_id != runner_id)
    return _without_feeds(snapshot, runner_id)._replace(
        pages={key: _page_without(feed, runner_id) for key, feed in snapshot.pages.items()},
        removed=(*others, removal)[-MAX_REMOVED:],
    )


def is_unseen(snapshot: Snapshot, runner_id: str) -> bool:
    """Return True if neither the list in view nor Get Runner tells of this runner."""
    return snapshot.runner(runner_id).value is None and not _pages_listing(snapshot, runner_id)


def forget_old_removals(snapshot: Snapshot, timing: RequestTiming) -> Snapshot:
    """Decide whether runners that Get Runner does not find are registered: the newest answer about that counts.

    A list that has one and was answered after the first 404 contradicts it, and stands. A list from before is waited
    for, unless it has failed since. What is in no page of the list in view has departed.
    """
    for runner_id, feed in snapshot.runners.items():
        if feed.problem is None or feed.problem.kind is not ProblemKind.NOT_FOUND:
            continue
        if all(_is_outdated(page, feed.problem) for page in _pages_listing(snapshot, runner_id)):
            snapshot = remove_runner(snapshot, runner_id, timing)
    return snapshot


def restore_listed(snapshot: Snapshot, page: RunnerPage, timing: RequestTiming) -> Snapshot:
    """Forget the departures of runners that a page, sent for after them, has again."""
    if not snapshot.removed:
        return snapshot
    listed = {runner.id for runner in page.runners}
    kept = tuple(
        other
        for other in snapshot.removed
        if other.runner_id not in listed or other.noticed_monotonic >= timing.began_monotonic
    )
    return snapshot if len(kept) == len(snapshot.removed) else snapshot._replace(removed=kept)


def removed_since(snapshot: Snapshot, moment: float) -> frozenset[str]:
    """The ids of those whose departure was noticed at that moment of the monotonic clock or later."""
    return frozenset(removal.runner_id for removal in snapshot.removed if removal.noticed_monotonic >= moment)


def is_removed(snapshot: Snapshot, runner_id: str) -> bool:
    """Whether it has departed and nothing has brought it back."""
    if not snapshot.removed:
        return False
    has_departed = any(removal.runner_id == runner_id for removal in snapshot.removed)
    return has_departed and snapshot.find_runner(runner_id) is None


def page_without(page: RunnerPage, removed_ids: frozenset[str]) -> RunnerPage:
    """The page without these runners, its total less by as many; the same object where it has none of them."""
    runners = tuple(runner for runner in page.runners if runner.id not in removed_ids)
    fewer = len(page.runners) - len(runners)
    if not fewer:
        return page
    total = None if page.total is None else max(0, page.total - fewer)
    return page.model_copy(update={"runners": runners, "total": total})


def _pages_listing(snapshot: Snapshot, runner_id: str) -> list[Feed[RunnerPage]]:
    """Return the pages of the list in view that have a runner."""
    feeds = (snapshot.page_feed(key) for key in snapshot.page_keys)
    return [feed for feed in feeds if feed.value and any(runner.id == runner_id for runner in feed.value.runners)]


def _is_outdated(page: Feed[RunnerPage], problem: Problem) -> bool:
    """Return True if a page that has a runner is older than the 404 of that, and could not be confirmed since."""
    if page.fetched_at is not None and page.fetched_at > problem.since_at:
        return False
    return page.problem is not None and page.problem.failed_monotonic >= problem.failed_monotonic


def _page_without(feed: Feed[RunnerPage], runner_id: str) -> Feed[RunnerPage]:
    if feed.value is None or (page := page_without(feed.value, frozenset({runner_id}))) is feed.value:
        return feed
    return replace(feed, value=page)


def _without_feeds(snapshot: Snapshot, runner_id: str) -> Snapshot:
    """Return the snapshot without the runner's own feeds; its rows stay in the pages."""
    if runner_id not in {**snapshot.runners, **snapshot.histories, **snapshot.stats}:
        return snapshot
    return snapshot._replace(
        runners=_without_key(snapshot.runners, runner_id),
        histories=_without_key(snapshot.histories, runner_id),
        stats=_without_key(snapshot.stats, runner_id),
    )


def _without_key(feeds: Mapping[str, Feed[V]], runner_id: str) -> Mapping[str, Feed[V]]:
    return {other: feed for other, feed in feeds.items() if other != runner_id} if runner_id in feeds else feeds
