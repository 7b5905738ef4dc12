"""Everything a screen may show, at one revision."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfytui.api.allowance import Spending
from comfytui.engine.feed import Feed
from comfytui.engine.pacing import pace
from comfytui.engine.resources import PageKey

if TYPE_CHECKING:
    from datetime import datetime

    from comfytui.api.models import Runner, RunnerPage, Workflow
    from comfytui.engine.feed import Problem

__all__ = ["Attention", "Departure", "Snapshot"]

DEFAULT_INTERVAL = 5.0


@dataclass(frozen=True, slots=True)
class Attention:
    """What the person looks at: the engine polls this, and nothing that is out of sight.

    Attributes:
        page: The page of the list in view.
        runner_id: The runner under the cursor, None where there is none.
        paused: Whether polling is halted; what was never asked, and `Refresh`, is still asked once.
        visible: The ids of the runners in view, top to bottom: their histories are asked in rotation.
        focused: Whether the terminal has the focus, as far as it says so; without it polling slows down.
        wallboard: Whether polling goes on as fast without the focus.
    """

    page: PageKey = field(default_factory=PageKey)
    runner_id: str | None = None
    paused: bool = False
    visible: tuple[str, ...] = ()
    focused: bool = True
    wallboard: bool = False


@dataclass(frozen=True, slots=True)
class Departure:
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


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One whole, immutable state of what is known; `replace` shares what did not change, so `is` detects it.

    Attributes:
        revision: Grows with every published change.
        attention: What was being looked at.
        interval: Seconds between polls of one resource, as wished; `pace` is what is in force.
        pages: Feeds of the pages asked so far.
        runners: Feeds of Get Runner by runner id.
        histories: Feeds of Get Runner History by runner id, newest created first.
        response_time: Seconds that answers take, smoothed; 0.0 before the first.
        spending: What was spent of the allowance, as of the newest answer.
        needs_token: That the API refused the token: nothing is asked any more until `Reconnect`.
        departed: Runners that turned out to be no longer registered, each once, newest last; the last few of them.
    """

    revision: int = 0
    attention: Attention = field(default_factory=Attention)
    interval: float = DEFAULT_INTERVAL
    pages: Mapping[PageKey, Feed[RunnerPage]] = field(default_factory=dict)
    runners: Mapping[str, Feed[Runner]] = field(default_factory=dict)
    histories: Mapping[str, Feed[tuple[Workflow, ...]]] = field(default_factory=dict)
    response_time: float = 0.0
    spending: Spending = field(default_factory=Spending)
    needs_token: Problem | None = None
    departed: tuple[Departure, ...] = ()

    @property
    def pace(self) -> float:
        """The interval in force, in seconds: longer than `interval` where nobody looks or answers are slow."""
        return pace(self.interval, self.attention, self.response_time, self.spending.share)

    @property
    def page(self) -> Feed[RunnerPage]:
        """The feed of the page in view."""
        return self.page_at(self.attention.page)

    @property
    def total(self) -> int | None:
        """How many runners the list in view has over all its pages, as the newest answer of any of them told."""
        key = self.attention.page
        asked = [feed for other, feed in self.pages.items() if other.status == key.status and feed.value is not None]
        newest = max(asked, key=lambda feed: feed.fetched_on or 0.0, default=None)
        return newest.value.total if newest and newest.value else None

    def page_at(self, key: PageKey) -> Feed[RunnerPage]:
        """The feed of a page, an empty one where it was never asked."""
        return self.pages.get(key, Feed())

    def runner(self, runner_id: str | None) -> Feed[Runner]:
        """The feed of a runner's details, an empty one where it was never asked."""
        return self.runners.get(runner_id, Feed()) if runner_id is not None else Feed()

    def find_runner(self, runner_id: str) -> Runner | None:
        """What is known of a runner: by Get Runner, else from a page; None where nothing is."""
        if (known := self.runner(runner_id).value) is not None:
            return known
        listed = (runner for feed in self.pages.values() if feed.value for runner in feed.value.runners)
        return next((runner for runner in listed if runner.id == runner_id), None)

    def history(self, runner_id: str | None) -> Feed[tuple[Workflow, ...]]:
        """The feed of a runner's history, an empty one where it was never asked."""
        return self.histories.get(runner_id, Feed()) if runner_id is not None else Feed()
