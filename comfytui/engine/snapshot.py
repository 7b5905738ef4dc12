"""Snapshots: everything a screen may show, at one revision."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Never, TypeVar, assert_never

from comfytui.api.statuses import RunnerState
from comfytui.config.settings import DEFAULT_INTERVAL_S
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


_NEVER_ASKED: Feed[Never] = Feed()


class RemovedRunner(NamedTuple):
    """Runner that is no longer registered: the API answered 404.

    Attributes:
        runner_id: Its id.
        name: Last known name, or the id if it had none.
        noticed_at: Time when the removal was noticed, in UTC.
        noticed_monotonic: The same on the engine's monotonic clock.
    """

    runner_id: str
    name: str
    noticed_at: datetime
    noticed_monotonic: float = 0.0


class Snapshot(NamedTuple):
    """Immutable state of all that is known; `_replace` shares unchanged parts, so `is` detects changes.

    Attributes:
        revision: Grows with every published change.
        viewport: Viewport of the engine.
        interval: Seconds between polls that the user chose; `interval_s` is the effective one.
        pages: Feeds of the pages requested so far.
        runners: Feeds of Get Runner by runner id.
        histories: Feeds of Get Runner History by runner id, newest created first.
        stats: Feeds of Get Runner Stats by runner id, as health checks.
        response_time: Smoothed seconds that responses take, except stats; 0.0 before the first.
        usage: Usage of the rate limiter as of the latest response.
        auth_problem: Rejection of the token, after which nothing is requested until `Reconnect`, or None.
        removed: The last few runners that turned out to be no longer registered, newest last.
        clock_skew: Seconds by which the server's clock is ahead of the local one; 0.0 unless more than 5 s.
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
        """Effective interval in seconds: longer than `interval` without the focus or if responses are slow."""
        return effective_interval(self.interval, self.viewport, self.response_time, self.usage.limit)

    @property
    def health_interval_s(self) -> float:
        """Seconds between health checks of the runner under the cursor."""
        return health_interval(self.interval_s)

    @property
    def list_interval_s(self) -> float:
        """Seconds in which the list in view is refreshed: all of its pages in a full scan."""
        return list_interval(self.interval_s, len(self.page_keys), self.usage.limit)

    @property
    def page_keys(self) -> tuple[PageKey, ...]:
        """Known pages of the list in view, in order: one, or all of a full scan."""
        return tuple(page_keys(self.viewport, self.total, self.pages))

    @property
    def page(self) -> Feed[RunnerPage]:
        """Feed of the list in view: that of its page, or the stalest of all its pages."""
        return stalest(self.page_feed(key) for key in self.page_keys)

    @property
    def total(self) -> int | None:
        """Total of the list in view over all pages, by the latest response, or None."""
        key = self.viewport.page
        asked = [feed for other, feed in self.pages.items() if other.status == key.status and feed.value is not None]
        newest = max(asked, key=lambda feed: feed.fetched_monotonic or 0.0, default=None)
        return newest.value.total if newest and newest.value else None

    def page_feed(self, key: PageKey) -> Feed[RunnerPage]:
        """Return the feed of a page, empty if it was never requested."""
        return self.pages.get(key, _NEVER_ASKED)

    def runner(self, runner_id: str | None) -> Feed[Runner]:
        """Return the feed of a runner, empty if it was never requested."""
        return self.runners.get(runner_id, _NEVER_ASKED) if runner_id is not None else _NEVER_ASKED

    def find_runner(self, runner_id: str) -> Runner | None:
        """Return a runner, or None if unknown.

        It is from Get Runner, or from the newest page that lists it if Get Runner has no value or failed last.
        """
        feed = self.runner(runner_id)
        if feed.value is not None and feed.problem is None:
            return feed.value
        newest_first = sorted(self.pages.values(), key=lambda feed: feed.fetched_monotonic or -math.inf, reverse=True)
        listed = (runner for feed in newest_first if feed.value for runner in feed.value.runners)
        return next((runner for runner in listed if runner.id == runner_id), feed.value)

    def history(self, runner_id: str | None) -> Feed[tuple[Workflow, ...]]:
        """Return the feed of a runner's history, empty if it was never requested."""
        return self.histories.get(runner_id, _NEVER_ASKED) if runner_id is not None else _NEVER_ASKED

    def health(self, runner_id: str | None) -> Feed[HealthCheck]:
        """Return the feed of a runner's health checks, empty if it was never checked."""
        return self.stats.get(runner_id, _NEVER_ASKED) if runner_id is not None else _NEVER_ASKED

    def feed(self, resource: Resource) -> Feed[object]:
        """Return the feed of any resource, empty if it was never requested."""
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

# A response later than another by this many response times was requested after it.
_SLACK = 2.0

MAX_SCAN_PAGES = MAX_SCANNED_RUNNERS // SCAN_PAGE_SIZE
"""Most pages of a full scan."""


def first_page(viewport: Viewport) -> PageKey:
    """Return the page that stands for the list while none is loaded."""
    return _scan_page_key(1, viewport.page.status) if viewport.all_pages else viewport.page


def in_list(viewport: Viewport, key: PageKey) -> bool:
    """Return True if a page may be part of the list in view."""
    if not viewport.all_pages:
        return key == viewport.page
    return key.page <= MAX_SCAN_PAGES and key == _scan_page_key(key.page, viewport.page.status)


def page_keys(viewport: Viewport, total: int | None, pages: Mapping[PageKey, Feed[RunnerPage]]) -> list[PageKey]:
    """Return the known pages of the list in view, in order."""
    return scan_keys(viewport.page.status, total, pages) if viewport.all_pages else [viewport.page]


def scan_keys(
    status: RunnerStatus | None, total: int | None, pages: Mapping[PageKey, Feed[RunnerPage]]
) -> list[PageKey]:
    """Return the known pages of a full scan, in order: at least one, at most MAX_SCAN_PAGES.

    Without a total they end at the first that is empty or has no response yet.
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
    """Return the number of pages of a full scan, given those of `scan_keys`, or None if unknown."""
    is_known = total is not None or pages.get(keys[-1], Feed()).value is not None
    return len(keys) if is_known else None


def stalest(feeds: Iterable[Feed[RunnerPage]]) -> Feed[RunnerPage]:
    """Return the feed that tells the freshness of a list.

    It is the feed that has failed for longest, else the one with the oldest response: a list is live while the rest of
    it is loading. Empty if there is no response at all.
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
    """Return the pages from before the list last changed, in their order.

    Pages are cut by position, so a runner deleted between two responses hides another one, which is in neither page.
    The total tells: if it differs from the response before, all earlier pages must be requested again.

    Args:
        answers: Each page with its time and response.
    """
    totals = {page: page_total(answer) for page, (_, answer) in answers.items()}
    if len({*totals.values()} - {None}) <= 1:
        return []
    by_time = sorted((page for page in answers if totals[page] is not None), key=lambda page: answers[page][0])
    changed_at = max(answers[later][0] for earlier, later in pairwise(by_time) if totals[earlier] != totals[later])
    # The order of responses at the same moment is unknown.
    newest = {None, totals[by_time[-1]]}
    return [page for page, (moment, _) in answers.items() if moment < changed_at or totals[page] not in newest]


def outdated_keys(feeds: Mapping[PageKey, Feed[RunnerPage]]) -> list[PageKey]:
    """Return the pages of a full scan from before the list last changed, in their order."""
    return outdated({key: (feed.fetched_monotonic or 0.0, feed.value) for key, feed in feeds.items() if feed.value})


def certain_monotonic(moments: Collection[float], response_time: float) -> float:
    """Return the time since when a runner missing from all pages is certainly gone.

    A single page is certain at once. A runner that moves from one page to another may be in neither for a while.

    Args:
        moments: Time of each page's response; minus infinity without one.
        response_time: Seconds that responses take.
    """
    return math.inf if len(moments) == 1 else min(moments) - _SLACK * response_time


def page_total(page: RunnerPage) -> int | None:
    """Return the total of a page, or None if it has none."""
    # Some APIs answer a total of 0 beyond the last page.
    return page.total if page.total or page.runners or page.invalid_count else None


def merge_pages(pages: Sequence[tuple[RunnerPage, float]]) -> tuple[Runner, ...]:
    """Return the runners of pages with their response times, each once, as the newest page has it."""
    index_of: dict[str, int] = {}
    for index in sorted(range(len(pages)), key=lambda index: pages[index][1], reverse=True):
        for runner in pages[index][0].runners:
            index_of.setdefault(runner.id, index)
    placed = ((index, runner) for index, (page, _) in enumerate(pages) for runner in page.runners)
    return tuple(runner for index, runner in placed if index_of[runner.id] == index)


@lru_cache(maxsize=16)
def _scan_page_keys(pages: int, status: RunnerStatus | None) -> tuple[PageKey, ...]:
    """Return the first pages; cached, for they are needed many times a second."""
    return tuple(_scan_page_key(page, status) for page in range(1, pages + 1))


def _scan_page_key(page: int, status: RunnerStatus | None) -> PageKey:
    return PageKey(page, SCAN_PAGE_SIZE, status)


def _scan_page_count(total: int) -> int:
    return min(max(1, -(-total // SCAN_PAGE_SIZE)), MAX_SCAN_PAGES)


def _is_end(page: RunnerPage | None) -> bool:
    return page is None or not (page.runners or page.invalid_count)


T = TypeVar("T")

# Latencies within this factor of each other, or all below this many seconds, count as equal.
_SAME_FACTOR = 2.0
_SAME_BELOW = 0.05


class HealthCheck(NamedTuple):
    """Result of the latest check of a runner.

    Attributes:
        reachable: True if the runner answered.
        latency: Seconds that its response took, or None without one; kept while it hardly changes.
        stats: Last stats of its machine, even if it is unreachable now, or None.
        error: The API's message why it is unreachable; empty if reachable.
        since: Time when it was first found unreachable, in UTC, or None if reachable.
        state: State of a runner without a usable answer, from a gateway that asks the runner itself, or None.
    """

    reachable: bool
    latency: float | None = None
    stats: RunnerStats | None = None
    error: str = ""
    since: datetime | None = None
    state: RunnerState | None = None


def healthy(old: HealthCheck | None, stats: RunnerStats, duration_s: float) -> HealthCheck:
    """Return the check of a runner that answered in `duration_s`, or the old one if nothing changed."""
    before = old.latency if old is not None else None
    latency = before if before is not None and _is_steady(before, duration_s) else duration_s
    return _reuse_equal(
        old, HealthCheck(reachable=True, latency=latency, stats=_reuse_equal(old.stats if old else None, stats))
    )


def unhealthy(old: HealthCheck | None, message: str, at: datetime) -> HealthCheck:
    """Return the check of a runner unreachable at this time in UTC, or the old one if nothing changed."""
    if old is None:
        return HealthCheck(reachable=False, error=message, since=at)
    return _reuse_equal(old, HealthCheck(reachable=False, stats=old.stats, error=message, since=old.since or at))


def silent(old: HealthCheck | None, state: RunnerState, reason: str, at: datetime) -> HealthCheck:
    """Return the check of a runner without a usable answer at this time in UTC."""
    stats = old.stats if old else None
    if state in (RunnerState.HANGING, RunnerState.UNREACHABLE):
        return unhealthy(old, reason, at)._replace(state=state)
    return _reuse_equal(old, HealthCheck(reachable=True, stats=stats, error=reason, state=state))


def _is_steady(before: float, duration_s: float) -> bool:
    return max(before, duration_s) < _SAME_BELOW or before / _SAME_FACTOR <= duration_s <= before * _SAME_FACTOR


def _reuse_equal(old: T | None, new: T) -> T:
    return old if old is not None and old == new else new
