"""Reducers from a snapshot and an event to the next snapshot. Pure; unchanged parts are shared.

The revision is left as it is: the engine counts it when it publishes.
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
    """Set the viewport; its feeds become the last to be dropped."""
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
    """Set the interval in seconds; failed resources wait no longer than that from `now`."""
    return clamp_retries(snapshot._replace(interval=interval), now)


def apply_page(snapshot: Snapshot, key: PageKey, page: RunnerPage, timing: RequestTiming) -> Snapshot:
    """Apply a response of List Runners.

    Runners of another status than the key's are left out, for a deployment may ignore the filter (page list-runners);
    `total` stays as it was sent. Runners removed after the page was requested are left out and not counted; a runner
    removed before is restored.
    """
    old = snapshot.pages.get(key, Feed()).value
    page = page_without(_filter_status(page, key.status), removed_since(snapshot, timing.began_monotonic))
    known = _with_page(snapshot, key, Feed(_reuse_page(old, page), timing.done_at, timing.done_monotonic))
    return forget_old_removals(restore_listed(known, page, timing), timing)


def apply_runner(snapshot: Snapshot, runner_id: str, runner: Runner, timing: RequestTiming) -> Snapshot:
    """Apply a response of Get Runner."""
    old = snapshot.runners.get(runner_id, Feed()).value
    return _with_runner(
        snapshot, runner_id, Feed(old if old == runner else runner, timing.done_at, timing.done_monotonic)
    )


def apply_history(snapshot: Snapshot, runner_id: str, history: tuple[Workflow, ...], timing: RequestTiming) -> Snapshot:
    """Apply a response of Get Runner History."""
    old = snapshot.histories.get(runner_id, Feed()).value
    value = history if old is None else _reuse_equal(old, history)
    if type(value) is not type(history):
        # The histories differ in type if more was sent than a history holds.
        value = type(history)(value)
    return with_history(snapshot, runner_id, Feed(value, timing.done_at, timing.done_monotonic))


def apply_stats(snapshot: Snapshot, runner_id: str, stats: RunnerStats, timing: RequestTiming) -> Snapshot:
    """Apply a response of Get Runner Stats: the runner is reachable."""
    health = healthy(snapshot.health(runner_id).value, stats, timing.duration_s)
    return with_stats(snapshot, runner_id, Feed(health, timing.done_at, timing.done_monotonic))


def apply_unreachable(snapshot: Snapshot, runner_id: str, message: str, timing: RequestTiming) -> Snapshot:
    """Record that the API could not reach a runner, which is a response as well; its last stats stay."""
    health = unhealthy(snapshot.health(runner_id).value, message, timing.done_at)
    return with_stats(snapshot, runner_id, Feed(health, timing.done_at, timing.done_monotonic))


def apply_failure(
    snapshot: Snapshot, resource: Resource, error: ComfyControlError, timing: RequestTiming, jitter: float
) -> Snapshot:
    """Record a problem of a resource beside its value.

    The next try is after the backoff, whose waits are multiplied by `jitter`, and never within the cooldown in the
    snapshot's usage; a rate limited request is tried right after that.
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
    """Record that the API rejected the token; nothing is requested until there is another."""
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
    """Return the snapshot with this history, dropping the least recently viewed beyond MAX_HISTORIES."""
    is_attended = partial(eq, snapshot.viewport.runner_id)
    return snapshot._replace(histories=_put_bounded(snapshot.histories, runner_id, feed, is_attended, MAX_HISTORIES))


def with_stats(snapshot: Snapshot, runner_id: str, feed: Feed[HealthCheck]) -> Snapshot:
    """Return the snapshot with this health check, dropping the least recently viewed beyond MAX_STATS."""
    is_attended = partial(eq, snapshot.viewport.runner_id)
    return snapshot._replace(stats=_put_bounded(snapshot.stats, runner_id, feed, is_attended, MAX_STATS))


def _put_bounded(
    feeds: Mapping[K, Feed[V]], key: K, feed: Feed[V], is_in_view: Callable[[K], bool], limit: int
) -> Mapping[K, Feed[V]]:
    """Return the feeds with this one, dropping the least recently viewed, the first, beyond the limit."""
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
    """Return the new items, with the old objects for equal ones; the old tuple if all are equal."""
    if old == new:
        return old
    known = {item.id: item for item in old}
    return tuple(known[item.id] if known.get(item.id) == item else item for item in new)


class _Change(Protocol):
    def __call__(self, feed: Feed[V]) -> Feed[V]: ...


def apply_success(snapshot: Snapshot, duration_s: float | None) -> Snapshot:
    """Shorten the waits of all failed resources to one interval after a success.

    A cooldown is waited out all the same. `duration_s` is the response time of the API, or None if that tells nothing
    about its speed.
    """
    if duration_s is not None:
        snapshot = snapshot._replace(response_time=smooth(snapshot.response_time, duration_s))
    in_force, earliest = snapshot.interval_s, _blocked_until(snapshot.usage)

    def soon(problem: Problem) -> Problem:
        next_try = max(earliest, min(problem.retry_monotonic, problem.failed_monotonic + in_force))
        return problem._replace(retry_monotonic=next_try, streak=0)

    return _with_problems(snapshot, soon)


def clamp_retries(snapshot: Snapshot, now: float) -> Snapshot:
    """Shorten the waits of failed resources to the interval from `now`, except for a cooldown."""
    latest = max(now + snapshot.interval_s, _blocked_until(snapshot.usage))
    return _with_problems(
        snapshot, lambda problem: problem._replace(retry_monotonic=min(problem.retry_monotonic, latest))
    )


def with_usage(snapshot: Snapshot, usage: Usage) -> Snapshot:
    """Set the usage; in a cooldown no next try is before its end."""
    snapshot = snapshot._replace(usage=usage)
    earliest = _blocked_until(usage)
    return _with_problems(
        snapshot, lambda problem: problem._replace(retry_monotonic=max(problem.retry_monotonic, earliest))
    )


def clear_problems(snapshot: Snapshot) -> Snapshot:
    """Clear all problems, including that of the token, and keep all values."""
    return _with_feeds(snapshot, _without_problem)._replace(auth_problem=None)


def confirm_unchanged(snapshot: Snapshot, resources: Collection[Resource], timing: RequestTiming) -> Snapshot:
    """Confirm resources as if an unchanged response had just arrived."""
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
    """Make all values older by this many seconds than the monotonic clock tells."""

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
    """Return the changed feeds, or the same mapping if none changes."""
    others = {key: other for key, feed in feeds.items() if (other := change(feed)) is not feed}
    return {**feeds, **others} if others else feeds


def _blocked_until(usage: Usage) -> float:
    return float("-inf") if usage.blocked_until is None else usage.blocked_until


MAX_REMOVED = 16


class RequestTiming(NamedTuple):
    """Times of one request.

    Attributes:
        queued_monotonic: Time of the request, on the engine's monotonic clock.
        done_monotonic: Time of the response or failure, on that clock.
        done_at: The same in UTC.
        sent_monotonic: Time of sending, which the rate limiter may delay, or None if unknown.
    """

    queued_monotonic: float
    done_monotonic: float
    done_at: datetime
    sent_monotonic: float | None = None

    @property
    def began_monotonic(self) -> float:
        """Time of sending on that clock, or of the request if unknown."""
        return self.queued_monotonic if self.sent_monotonic is None else self.sent_monotonic

    @property
    def duration_s(self) -> float:
        """Seconds from sending to the response."""
        return self.done_monotonic - self.began_monotonic


def remove_runner(snapshot: Snapshot, runner_id: str, timing: RequestTiming) -> Snapshot:
    """Remove a runner that the API does not know from all pages, drop its feeds and record the removal.

    A second 404, of a request from before the first one, only drops its feeds.
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
    """Return True if neither the list in view nor Get Runner has this runner."""
    return snapshot.runner(runner_id).value is None and not _pages_listing(snapshot, runner_id)


def forget_old_removals(snapshot: Snapshot, timing: RequestTiming) -> Snapshot:
    """Remove runners that Get Runner does not find, unless a newer list has them.

    A list that was answered after the first 404 and has the runner stands. An older list is waited for, unless it has
    failed since. A runner in no page of the list in view is removed.
    """
    for runner_id, feed in snapshot.runners.items():
        if feed.problem is None or feed.problem.kind is not ProblemKind.NOT_FOUND:
            continue
        if all(_is_outdated(page, feed.problem) for page in _pages_listing(snapshot, runner_id)):
            snapshot = remove_runner(snapshot, runner_id, timing)
    return snapshot


def restore_listed(snapshot: Snapshot, page: RunnerPage, timing: RequestTiming) -> Snapshot:
    """Restore removed runners that a page, requested after their removal, has again."""
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
    """Return the ids of runners whose removal was noticed at that monotonic time or later."""
    return frozenset(removal.runner_id for removal in snapshot.removed if removal.noticed_monotonic >= moment)


def is_removed(snapshot: Snapshot, runner_id: str) -> bool:
    """Return True if a runner was removed and not restored."""
    if not snapshot.removed:
        return False
    has_departed = any(removal.runner_id == runner_id for removal in snapshot.removed)
    return has_departed and snapshot.find_runner(runner_id) is None


def page_without(page: RunnerPage, removed_ids: frozenset[str]) -> RunnerPage:
    """Return the page without these runners and its total reduced, or the same object if it has none."""
    runners = tuple(runner for runner in page.runners if runner.id not in removed_ids)
    fewer = len(page.runners) - len(runners)
    if not fewer:
        return page
    total = None if page.total is None else max(0, page.total - fewer)
    return page.model_copy(update={"runners": runners, "total": total})


def _pages_listing(snapshot: Snapshot, runner_id: str) -> list[Feed[RunnerPage]]:
    """Return the feeds of the pages in view that list a runner."""
    feeds = (snapshot.page_feed(key) for key in snapshot.page_keys)
    return [feed for feed in feeds if feed.value and any(runner.id == runner_id for runner in feed.value.runners)]


def _is_outdated(page: Feed[RunnerPage], problem: Problem) -> bool:
    """Return True if a page is older than the runner's 404 and could not be confirmed since."""
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
