"""Resource keys, commands of the engine and the protocol of its source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from comfytui.config.settings import DEFAULT_PER_PAGE
from comfytui.ratelimit.window import OnSent, Priority

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from comfytui.api.events import RunnerRevisions
    from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
    from comfytui.api.statuses import RunnerStatus


SCAN_PAGE_SIZE = 100
"""Runners per page of a full scan: the most that the API gives (page list-runners)."""

MAX_SCANNED_RUNNERS = 10_000
"""Most runners of a full scan, which are filtered and sorted here."""


@dataclass(frozen=True, slots=True)
class PageKey:
    """Page of List Runners: `page` from 1, `per_page` 1 to 100, `status` None for all."""

    page: int = 1
    per_page: int = DEFAULT_PER_PAGE
    status: RunnerStatus | None = None


@dataclass(frozen=True, slots=True)
class _RunnerResource:
    """Resource of one runner; equal only to a key of the same class and runner."""

    runner_id: str


class RunnerKey(_RunnerResource):
    """Key of Get Runner."""

    __slots__ = ()


class HistoryKey(_RunnerResource):
    """Key of Get Runner History."""

    __slots__ = ()


class StatsKey(_RunnerResource):
    """Key of Get Runner Stats: the API asks the runner itself."""

    __slots__ = ()


Resource: TypeAlias = PageKey | RunnerKey | HistoryKey | StatsKey


class RunnerSource(Protocol):
    """Source of responses; every method raises `comfytui.api.errors.ComfyControlError`.

    `priority` decides which request goes first if the rate limiter delays requests. `on_sent` is called when the
    request is sent.
    """

    @property
    def clock_skew(self) -> float:
        """Seconds by which the server's clock is ahead of the local one; 0.0 unless more than 5 s."""
        ...

    @property
    def has_events(self) -> bool:
        """True once the API has said that it announces changes."""
        ...

    async def list_runners(
        self,
        page: int = 1,
        per_page: int = 10,
        status: RunnerStatus | None = None,
        priority: Priority = Priority.POLL,
        on_sent: OnSent = None,
    ) -> RunnerPage:
        """Return a page of runners, newest created first."""
        ...

    async def get_runner(self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None) -> Runner:
        """Return a runner by its id."""
        ...

    async def get_history(
        self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None
    ) -> tuple[Workflow, ...]:
        """Return a runner's newest workflows, at most ten, newest created first."""
        ...

    async def get_stats(
        self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None
    ) -> RunnerStats:
        """Return the stats of a runner's machine; a ServerError of status 500 means that it is unreachable."""
        ...

    def watch_revisions(self) -> AsyncGenerator[tuple[RunnerRevisions, ...], None]:
        """Yield the revisions of all known runners, then changes; empty ones are heartbeats."""
        ...

    async def aclose(self) -> None:
        """Close all connections; the source is not used afterwards."""
        ...


class SetViewport(NamedTuple):
    """Command to poll another viewport; resources without a value are requested at once."""

    viewport: Viewport


class Refresh:
    """Command to refresh all resources in view now, even if paused, except those in flight.

    Repeated, as by a key held down, it requests no more often than the rate limit allows.
    """


class SetInterval(NamedTuple):
    """Command to poll every `seconds` seconds, 1 or more."""

    seconds: float


class Reconnect:
    """Command to close all connections, connect anew and refresh everything in view."""


EngineCommand: TypeAlias = SetViewport | Refresh | SetInterval | Reconnect


class Viewport(NamedTuple):
    """The part of the fleet that is on screen; the engine polls nothing else.

    Attributes:
        page: Page of the list in view; with `all_pages` only its status matters.
        runner_id: Id of the runner under the cursor, or None.
        paused: True if polling is halted; resources without a value and refreshes are still requested once.
        visible_ids: Ids of the runners in view, top to bottom: their histories are requested in rotation, and their
            health is checked if no history is due.
        health_check_ids: Ids of the runners, in view or not, whose reachability the filter or the order needs: checked
            in turn with those histories.
        focused: False if the terminal lost the focus, which slows polling down.
        full_rate_unfocused: True if polling is as fast without the focus.
        all_pages: True if all pages are loaded, because the list is filtered or sorted here.
    """

    page: PageKey = PageKey()
    runner_id: str | None = None
    paused: bool = False
    visible_ids: tuple[str, ...] = ()
    health_check_ids: tuple[str, ...] = ()
    focused: bool = True
    full_rate_unfocused: bool = False
    all_pages: bool = False
