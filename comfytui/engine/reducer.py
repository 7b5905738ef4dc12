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
from comfytui.engine.feed import Feed, ProblemKind, problem_of
from comfytui.engine.intervals import backoff, smooth
from comfytui.engine.protocol import HistoryKey, PageKey, RunnerKey, StatsKey
from comfytui.engine.snapshot import WHOLE_PAGES, Departure, answering, is_of_list, unreachable

if TYPE_CHECKING:
    from comfytui.api.errors import ComfyControlError, UnauthorizedError
    from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
    from comfytui.api.statuses import RunnerStatus
    from comfytui.engine.feed import Problem
    from comfytui.engine.protocol import Attention, Resource
    from comfytui.engine.snapshot import Checkup, Snapshot
    from comfytui.ratelimit.window import Usage


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


def fold_refusal(snapshot: Snapshot, error: UnauthorizedError, seen: Seen) -> Snapshot:
    """The API refused the token: from here on nothing is asked until there is another."""
    return snapshot._replace(needs_token=_problem(snapshot, snapshot.needs_token, error, seen, 1.0))


def _problem(
    snapshot: Snapshot, previous: Problem | None, error: ComfyControlError, seen: Seen, jitter: float
) -> Problem:
    streak = 1 if previous is None else previous.streak + 1
    cooling_until = snapshot.spending.blocked_until
    next_try = seen.on + backoff(snapshot.pace, streak, jitter)
    if cooling_until is not None:
        next_try = cooling_until if isinstance(error, RateLimitedError) else max(next_try, cooling_until)
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


class _Change(Protocol):
    def __call__(self, feed: Feed[V]) -> Feed[V]: ...


def recovered(snapshot: Snapshot, took: float | None) -> Snapshot:
    """Something was answered: whatever failed waits no longer than an interval after its last try.

    A cool-down is waited out all the same. `took` is how many seconds the API needed, None where that says nothing of
    its own speed.
    """
    if took is not None:
        snapshot = snapshot._replace(response_time=smooth(snapshot.response_time, took))
    in_force, earliest = snapshot.pace, _cooling_until(snapshot.spending)

    def soon(problem: Problem) -> Problem:
        next_try = max(earliest, min(problem.next_try, problem.tried_on + in_force))
        return problem._replace(next_try=next_try, streak=0)

    return _with_problems(snapshot, soon)


def hurried(snapshot: Snapshot, now: float) -> Snapshot:
    """The interval is another: whatever failed waits no longer than that from `now`, cool-downs apart."""
    latest = max(now + snapshot.pace, _cooling_until(snapshot.spending))
    return _with_problems(snapshot, lambda problem: problem._replace(next_try=min(problem.next_try, latest)))


def with_spending(snapshot: Snapshot, spending: Usage) -> Snapshot:
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


def _cooling_until(spending: Usage) -> float:
    return float("-inf") if spending.blocked_until is None else spending.blocked_until


MAX_DEPARTURES = 16


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

    A second answer to the same effect, to what was asked before the first one was there, only drops its feeds.
    """
    if runner_id in departed_since(snapshot, seen.began_on):
        return _without_feeds(snapshot, runner_id)
    known = snapshot.find_runner(runner_id)
    departure = Departure(runner_id, (known.name if known else None) or runner_id, seen.at, seen.on)
    others = tuple(other for other in snapshot.departed if other.runner_id != runner_id)
    return _without_feeds(snapshot, runner_id)._replace(
        pages={key: _page_without(feed, runner_id) for key, feed in snapshot.pages.items()},
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


def _without_feeds(snapshot: Snapshot, runner_id: str) -> Snapshot:
    """Return the snapshot without the runner's own feeds; its rows stay in the pages."""
    if runner_id not in {**snapshot.runners, **snapshot.histories, **snapshot.stats}:
        return snapshot
    return snapshot._replace(
        runners=_dropped(snapshot.runners, runner_id),
        histories=_dropped(snapshot.histories, runner_id),
        stats=_dropped(snapshot.stats, runner_id),
    )


def _dropped(feeds: Mapping[str, Feed[V]], runner_id: str) -> Mapping[str, Feed[V]]:
    return {other: feed for other, feed in feeds.items() if other != runner_id} if runner_id in feeds else feeds
