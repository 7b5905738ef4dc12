"""Everything a screen may show, at one revision."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Never, TypeVar, assert_never

from comfytui.api.statuses import RunnerState
from comfytui.engine.feed import Feed
from comfytui.engine.intervals import effective_interval, health_interval, list_interval
from comfytui.engine.protocol import (
    MAX_SCANNED_RUNNERS,
    SCAN_PAGE_SIZE,
    HistoryKey,
    PageKey,
    RunnerKey,
    StatsKey,
    Viewport,
)
from comfytui.ratelimit.window import Usage

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
    from comfytui.api.statuses import RunnerStatus
    from comfytui.engine.feed import Problem
    from comfytui.engine.protocol import Resource


DEFAULT_INTERVAL_S = 5.0

_NEVER_ASKED: Feed[Never] = Feed()


class RemovedRunner(NamedTuple):
    """A runner that is no longer registered: the API answered 404 for it.

    Attributes:
        runner_id: Its id.
        name: Its name when it was last seen, its id where it had none.
        at: When it was noticed, in UTC.
        on: The same on the engine's monotonic clock.
    """

    runner_id: str
    name: str
    noticed_at: datetime
    noticed_monotonic: float = 0.0


class Snapshot(NamedTuple):
    """One whole, immutable state of what is known; `_replace` shares what did not change, so `is` detects it.

    Attributes:
        revision: Grows with every published change.
        viewport: What was being looked at.
        interval: Seconds between polls of one resource, as wished; `pace` is what is in force.
        pages: Feeds of the pages asked so far.
        runners: Feeds of Get Runner by runner id.
        histories: Feeds of Get Runner History by runner id, newest created first.
        stats: Feeds of Get Runner Stats by runner id: whether it answers, and what it says of its machine.
        response_time: Seconds that answers take, smooth, those of stats apart; 0.0 before the first.
        usage: What was spent of the allowance, as of the newest answer.
        needs_token: That the API refused the token: nothing is asked any more until `Reconnect`.
        departed: Runners that turned out to be no longer registered, each once, newest last; the last few of them.
        ahead: Seconds by which the server's clock is ahead of the one here; 0.0 unless they are more than 5 s apart.
    """

    revision: int = 0
    viewport: Viewport = Viewport()
    interval: float = DEFAULT_INTERVAL_S
    pages: Mapping[PageKey, Feed[RunnerPage]] = MappingProxyType({})
    runners: Mapping[str, Feed[Runner]] = MappingProxyType({})
    histories: Mapping[str, Feed[tuple[Workflow, ...]]] = MappingProxyType({})
    stats: Mapping[str, Feed[HealthCheck]] = MappingProxyType({})
    response_time: float = 0.0
    usage: Usage = Usage()
    auth_problem: Problem | None = None
    removed: tuple[RemovedRunner, ...] = ()
    clock_skew: float = 0.0

    @property
    def interval_s(self) -> float:
        """The interval in force, in seconds: longer than `interval` where nobody looks or answers are slow."""
        return effective_interval(self.interval, self.viewport, self.response_time, self.usage.limit)

    @property
    def health_interval_s(self) -> float:
        """Seconds from one check of the runner under the cursor to the next: `pace`, but not so short."""
        return health_interval(self.interval_s)

    @property
    def list_interval_s(self) -> float:
        """Seconds in which the list in view is confirmed: `pace`, or as long as it takes to ask all of its pages."""
        return list_interval(self.interval_s, len(self.page_keys), self.usage.limit)

    @property
    def page_keys(self) -> tuple[PageKey, ...]:
        """The pages that the list in view is made of, in order, as far as is known: one, or all of a whole list."""
        return tuple(page_keys(self.viewport, self.total, self.pages))

    @property
    def page(self) -> Feed[RunnerPage]:
        """The feed that tells how far the list in view may be trusted: of its page, or the worst of all its pages."""
        return stalest(self.page_feed(key) for key in self.page_keys)

    @property
    def total(self) -> int | None:
        """How many runners the list in view has over all its pages, as the newest answer of any of them told."""
        key = self.viewport.page
        asked = [feed for other, feed in self.pages.items() if other.status == key.status and feed.value is not None]
        newest = max(asked, key=lambda feed: feed.fetched_monotonic or 0.0, default=None)
        return newest.value.total if newest and newest.value else None

    def page_feed(self, key: PageKey) -> Feed[RunnerPage]:
        """The feed of a page, an empty one where it was never asked."""
        return self.pages.get(key, _NEVER_ASKED)

    def runner(self, runner_id: str | None) -> Feed[Runner]:
        """The feed of a runner's details, an empty one where it was never asked."""
        return self.runners.get(runner_id, _NEVER_ASKED) if runner_id is not None else _NEVER_ASKED

    def find_runner(self, runner_id: str) -> Runner | None:
        """Return what is known of a runner, or None if nothing is.

        By Get Runner, else, or where that failed last, by the newest page that has it.
        """
        feed = self.runner(runner_id)
        if feed.value is not None and feed.problem is None:
            return feed.value
        newest_first = sorted(self.pages.values(), key=lambda feed: feed.fetched_monotonic or -math.inf, reverse=True)
        listed = (runner for feed in newest_first if feed.value for runner in feed.value.runners)
        return next((runner for runner in listed if runner.id == runner_id), feed.value)

    def history(self, runner_id: str | None) -> Feed[tuple[Workflow, ...]]:
        """The feed of a runner's history, an empty one where it was never asked."""
        return self.histories.get(runner_id, _NEVER_ASKED) if runner_id is not None else _NEVER_ASKED

    def health(self, runner_id: str | None) -> Feed[HealthCheck]:
        """The feed of a runner's checks, an empty one where it was never checked."""
        return self.stats.get(runner_id, _NEVER_ASKED) if runner_id is not None else _NEVER_ASKED

    def feed(self, resource: Resource) -> Feed[object]:
        """The feed of whatever can be asked for, an empty one where it never was."""
        match resource:
            case PageKey():
                return self.page_feed(resource)
            case RunnerKey(runner_id):
                return self.runner(runner_id)
            case HistoryKey(runner_id):
                return self.history(runner_id)
            case StatsKey(runner_id):
                return self.health(runner_id)
            case _:
                assert_never(resource)


K = TypeVar("K")

# What is answered this many times later than answers usually take was asked after what it is compared with.
_SLACK = 2.0

MAX_SCAN_PAGES = MAX_SCANNED_RUNNERS // SCAN_PAGE_SIZE
"""Pages of a whole list, beyond which nothing is loaded."""


def first_page(viewport: Viewport) -> PageKey:
    """The page that stands for the list while nothing is known of it."""
    return _scan_page_key(1, viewport.page.status) if viewport.all_pages else viewport.page


def in_list(viewport: Viewport, key: PageKey) -> bool:
    """Whether the list in view may be made of this page."""
    if not viewport.all_pages:
        return key == viewport.page
    return key.page <= MAX_SCAN_PAGES and key == _scan_page_key(key.page, viewport.page.status)


def page_keys(viewport: Viewport, total: int | None, pages: Mapping[PageKey, Feed[RunnerPage]]) -> list[PageKey]:
    """The pages that the list in view is made of, in order, as far as is known."""
    return scan_keys(viewport.page.status, total, pages) if viewport.all_pages else [viewport.page]


def scan_keys(
    status: RunnerStatus | None, total: int | None, pages: Mapping[PageKey, Feed[RunnerPage]]
) -> list[PageKey]:
    """The pages that hold all runners of a status, in order, as far as is known: at least one, at most WHOLE_PAGES.

    Where no total is told they are all up to the first that has nothing in it, or was not answered yet.
    """
    if total is not None:
        return [*_scan_page_keys(_scan_page_count(total), status)]
    keys = []
    for page in range(1, MAX_SCAN_PAGES + 1):
        keys.append(_scan_page_key(page, status))
        if _is_end(pages.get(keys[-1], Feed()).value):
            break
    return keys


def page_count(keys: Sequence[PageKey], total: int | None, pages: Mapping[PageKey, Feed[RunnerPage]]) -> int | None:
    """How many pages hold all runners, given those of `whole_keys`; None where that is not known."""
    is_known = total is not None or pages.get(keys[-1], Feed()).value is not None
    return len(keys) if is_known else None


def stalest(feeds: Iterable[Feed[RunnerPage]]) -> Feed[RunnerPage]:
    """The feed that tells how far a list may be trusted.

    It is the one that has failed for longest, else of those that were answered the one answered longest ago: what is
    loaded is live while the rest is loading. An empty one where nothing was ever answered.
    """
    feeds = tuple(feeds)
    failed = [(feed.problem.since_at, place) for place, feed in enumerate(feeds) if feed.problem is not None]
    if failed:
        return feeds[min(failed)[1]]
    answered = [
        (feed.fetched_monotonic, place) for place, feed in enumerate(feeds) if feed.fetched_monotonic is not None
    ]
    return feeds[min(answered)[1]] if answered else Feed()


def outdated(answers: Mapping[K, tuple[float, RunnerPage]]) -> list[K]:
    """Return the pages that were answered before the list last changed, in their order.

    Pages are cut by position, so a runner deleted between two answers is followed by another that is in neither. The
    total tells of that: where it is another than in the answer before, all pages from before must be asked again.

    Args:
        answers: Each page, and when it was answered.
    """
    totals = {page: page_total(answer) for page, (_, answer) in answers.items()}
    if len({*totals.values()} - {None}) <= 1:
        return []
    by_time = sorted((page for page in answers if totals[page] is not None), key=lambda page: answers[page][0])
    changed_at = max(answers[later][0] for earlier, later in pairwise(by_time) if totals[earlier] != totals[later])
    # Of answers of the same moment it is not known which came first.
    newest = {None, totals[by_time[-1]]}
    return [page for page, (moment, _) in answers.items() if moment < changed_at or totals[page] not in newest]


def outdated_keys(feeds: Mapping[PageKey, Feed[RunnerPage]]) -> list[PageKey]:
    """Return which pages of a whole list were answered before the list last changed, in their order."""
    return outdated({key: (feed.fetched_monotonic or 0.0, feed.value) for key, feed in feeds.items() if feed.value})


def certain_monotonic(moments: Collection[float], response_time: float) -> float:
    """Return the moment since which all pages were asked: what is in none of them since before then is gone.

    A single page is sure at once. Of several, a runner that moves from one to another may be in neither for a while.

    Args:
        moments: When each page was answered; minus infinity if never.
        response_time: Seconds that answers take.
    """
    return math.inf if len(moments) == 1 else min(moments) - _SLACK * response_time


def page_total(page: RunnerPage) -> int | None:
    """Return the total that a page tells, or None if it tells none."""
    # Beyond the last page some APIs say that there is nothing at all.
    return page.total if page.total or page.runners or page.invalid_count else None


def merge_pages(pages: Sequence[tuple[RunnerPage, float]]) -> tuple[Runner, ...]:
    """Return the runners of pages that were answered at these moments, each once: where the newest page has it."""
    index_of: dict[str, int] = {}
    for index in sorted(range(len(pages)), key=lambda index: pages[index][1], reverse=True):
        for runner in pages[index][0].runners:
            index_of.setdefault(runner.id, index)
    placed = ((index, runner) for index, (page, _) in enumerate(pages) for runner in page.runners)
    return tuple(runner for index, runner in placed if index_of[runner.id] == index)


@lru_cache(maxsize=16)
def _scan_page_keys(pages: int, status: RunnerStatus | None) -> tuple[PageKey, ...]:
    """The first pages; made once, for they are asked for many times a second."""
    return tuple(_scan_page_key(page, status) for page in range(1, pages + 1))


def _scan_page_key(page: int, status: RunnerStatus | None) -> PageKey:
    return PageKey(page, SCAN_PAGE_SIZE, status)


def _scan_page_count(total: int) -> int:
    return min(max(1, -(-total // SCAN_PAGE_SIZE)), MAX_SCAN_PAGES)


def _is_end(page: RunnerPage | None) -> bool:
    return page is None or not (page.runners or page.invalid_count)


T = TypeVar("T")

# Answer times within this factor of each other, or all below this many seconds, are as good as the same.
_SAME_FACTOR = 2.0
_SAME_BELOW = 0.05


class HealthCheck(NamedTuple):
    """What the newest check of a runner found.

    Attributes:
        reachable: Whether the runner answered.
        latency: Seconds that its answer took, None where it gave none. Kept as it was while that hardly changes.
        stats: What its machine last said, even where it does not answer any more; None before it ever did.
        words: Why it could not be reached, in the API's words; empty where it could.
        since: When that was first found, in UTC; None where it could be reached.
        state: State of a runner without a usable answer, from a gateway that asks the runner itself for everything;
            else None.
    """

    reachable: bool
    latency: float | None = None
    stats: RunnerStats | None = None
    error: str = ""
    since: datetime | None = None
    state: RunnerState | None = None


def healthy(old: HealthCheck | None, stats: RunnerStats, duration_s: float) -> HealthCheck:
    """The runner answered after so many seconds; the old checkup itself where that is nothing new."""
    before = old.latency if old is not None else None
    latency = before if before is not None and _is_steady(before, duration_s) else duration_s
    return _reuse_equal(
        old, HealthCheck(reachable=True, latency=latency, stats=_reuse_equal(old.stats if old else None, stats))
    )


def unhealthy(old: HealthCheck | None, message: str, at: datetime) -> HealthCheck:
    """The runner did not answer at this moment in UTC; the old checkup itself where that is nothing new."""
    if old is None:
        return HealthCheck(reachable=False, error=message, since=at)
    return _reuse_equal(old, HealthCheck(reachable=False, stats=old.stats, error=message, since=old.since or at))


def silent(old: HealthCheck | None, state: RunnerState, reason: str, at: datetime) -> HealthCheck:
    """Return the checkup of a runner without a usable answer at this moment in UTC."""
    stats = old.stats if old else None
    if state in (RunnerState.HANGING, RunnerState.UNREACHABLE):
        return unhealthy(old, reason, at)._replace(state=state)
    return _reuse_equal(old, HealthCheck(reachable=True, stats=stats, error=reason, state=state))


def _is_steady(before: float, duration_s: float) -> bool:
    return max(before, duration_s) < _SAME_BELOW or before / _SAME_FACTOR <= duration_s <= before * _SAME_FACTOR


def _reuse_equal(old: T | None, new: T) -> T:
    return old if old is not None and old == new else new
