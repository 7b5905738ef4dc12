"""Everything a screen may show, at one revision."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Never, assert_never

from comfytui.api.allowance import Spending
from comfytui.engine.feed import Feed
from comfytui.engine.pacing import list_pace, pace, stats_pace
from comfytui.engine.resources import HistoryKey, PageKey, RunnerKey, StatsKey
from comfytui.engine.whole import page_keys, worst

if TYPE_CHECKING:
    from datetime import datetime

    from comfytui.api.models import Runner, RunnerPage, Workflow
    from comfytui.engine.checkup import Checkup
    from comfytui.engine.feed import Problem
    from comfytui.engine.resources import Resource

__all__ = ["Attention", "Departure", "Snapshot"]

DEFAULT_INTERVAL = 5.0

_NEVER_ASKED: Feed[Never] = Feed()


class Attention(NamedTuple):
    """What the person looks at: the engine polls this, and nothing that is out of sight.

    Attributes:
        page: The page of the list in view; of a whole list only the status of it matters here.
        runner_id: The runner under the cursor, None where there is none.
        paused: Whether polling is halted; what was never asked, and `Refresh`, is still asked once.
        visible: The ids of the runners in view, top to bottom: their histories are asked in rotation, and where none of
            those is due they are checked.
        unchecked: The ids of runners whose reachability filter or order ask for, in view or not: they are checked in
            turn with those histories.
        focused: Whether the terminal has the focus, as far as it says so; without it polling slows down.
        wallboard: Whether polling goes on as fast without the focus.
        whole: Whether all pages are wanted, because the list is filtered or sorted here.
    """

    page: PageKey = PageKey()
    runner_id: str | None = None
    paused: bool = False
    visible: tuple[str, ...] = ()
    unchecked: tuple[str, ...] = ()
    focused: bool = True
    wallboard: bool = False
    whole: bool = False


class Departure(NamedTuple):
    """A runner that is no longer registered: the API answered 404 for it.

    Attributes:
        runner_id: Its id.
        name: Its name when it was last seen, its id where it had none.
        at: When it was noticed, in UTC.
        on: The same on the engine's monotonic clock.
    """

    runner_id: str
    name: str
    at: datetime
    on: float = 0.0


class Snapshot(NamedTuple):
    """One whole, immutable state of what is known; `_replace` shares what did not change, so `is` detects it.

    Attributes:
        revision: Grows with every published change.
        attention: What was being looked at.
        interval: Seconds between polls of one resource, as wished; `pace` is what is in force.
        pages: Feeds of the pages asked so far.
        runners: Feeds of Get Runner by runner id.
        histories: Feeds of Get Runner History by runner id, newest created first.
        stats: Feeds of Get Runner Stats by runner id: whether it answers, and what it says of its machine.
        response_time: Seconds that answers take, smoothed, those of stats apart; 0.0 before the first.
        spending: What was spent of the allowance, as of the newest answer.
        needs_token: That the API refused the token: nothing is asked any more until `Reconnect`.
        departed: Runners that turned out to be no longer registered, each once, newest last; the last few of them.
        ahead: Seconds by which the server's clock is ahead of the one here; 0.0 unless they are more than 5 s apart.
    """

    revision: int = 0
    attention: Attention = Attention()
    interval: float = DEFAULT_INTERVAL
    pages: Mapping[PageKey, Feed[RunnerPage]] = MappingProxyType({})
    runners: Mapping[str, Feed[Runner]] = MappingProxyType({})
    histories: Mapping[str, Feed[tuple[Workflow, ...]]] = MappingProxyType({})
    stats: Mapping[str, Feed[Checkup]] = MappingProxyType({})
    response_time: float = 0.0
    spending: Spending = Spending()
    needs_token: Problem | None = None
    departed: tuple[Departure, ...] = ()
    ahead: float = 0.0

    @property
    def pace(self) -> float:
        """The interval in force, in seconds: longer than `interval` where nobody looks or answers are slow."""
        return pace(self.interval, self.attention, self.response_time, self.spending.share)

    @property
    def stats_pace(self) -> float:
        """Seconds from one check of the runner under the cursor to the next: `pace`, but not so short."""
        return stats_pace(self.pace)

    @property
    def list_pace(self) -> float:
        """Seconds in which the list in view is confirmed: `pace`, or as long as it takes to ask all of its pages."""
        return list_pace(self.pace, len(self.page_keys), self.spending.share)

    @property
    def page_keys(self) -> tuple[PageKey, ...]:
        """The pages that the list in view is made of, in order, as far as is known: one, or all of a whole list."""
        return tuple(page_keys(self.attention, self.total, self.pages))

    @property
    def page(self) -> Feed[RunnerPage]:
        """The feed that tells how far the list in view may be trusted: of its page, or the worst of all its pages."""
        return worst(self.page_at(key) for key in self.page_keys)

    @property
    def total(self) -> int | None:
        """How many runners the list in view has over all its pages, as the newest answer of any of them told."""
        key = self.attention.page
        asked = [feed for other, feed in self.pages.items() if other.status == key.status and feed.value is not None]
        newest = max(asked, key=lambda feed: feed.fetched_on or 0.0, default=None)
        return newest.value.total if newest and newest.value else None

    def page_at(self, key: PageKey) -> Feed[RunnerPage]:
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
        newest_first = sorted(self.pages.values(), key=lambda feed: feed.fetched_on or -math.inf, reverse=True)
        listed = (runner for feed in newest_first if feed.value for runner in feed.value.runners)
        return next((runner for runner in listed if runner.id == runner_id), feed.value)

    def history(self, runner_id: str | None) -> Feed[tuple[Workflow, ...]]:
        """The feed of a runner's history, an empty one where it was never asked."""
        return self.histories.get(runner_id, _NEVER_ASKED) if runner_id is not None else _NEVER_ASKED

    def checkup(self, runner_id: str | None) -> Feed[Checkup]:
        """The feed of a runner's checks, an empty one where it was never checked."""
        return self.stats.get(runner_id, _NEVER_ASKED) if runner_id is not None else _NEVER_ASKED

    def feed_of(self, resource: Resource) -> Feed[object]:
        """The feed of whatever can be asked for, an empty one where it never was."""
        match resource:
            case PageKey():
                return self.page_at(resource)
            case RunnerKey(runner_id):
                return self.runner(runner_id)
            case HistoryKey(runner_id):
                return self.history(runner_id)
            case StatsKey(runner_id):
                return self.checkup(runner_id)
            case _:
                assert_never(resource)
