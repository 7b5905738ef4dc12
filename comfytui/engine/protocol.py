"""What can be asked of the API, as values: the keys of planning, of flight and of feeds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from comfytui.ratelimit.window import OnSent, Priority

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from comfytui.api.events import RunnerRevisions
    from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
    from comfytui.api.statuses import RunnerStatus


DEFAULT_PER_PAGE = 25

SCAN_PAGE_SIZE = 100
"""Runners a page where all pages are loaded: as many as the API gives (page list-runners)."""

MAX_SCANNED_RUNNERS = 10_000
"""Runners of a list that are loaded at most, to filter and sort them here."""


@dataclass(frozen=True, slots=True)
class PageKey:
    """One page of List Runners: `page` from 1, `per_page` 1 to 100, `status` None for all."""

    page: int = 1
    per_page: int = DEFAULT_PER_PAGE
    status: RunnerStatus | None = None


@dataclass(frozen=True, slots=True)
class _RunnerResource:
    """What is asked of one runner; equal only to the same of the same."""

    runner_id: str


class RunnerKey(_RunnerResource):
    """Get Runner of one runner."""

    __slots__ = ()


class HistoryKey(_RunnerResource):
    """Get Runner History of one runner."""

    __slots__ = ()


class StatsKey(_RunnerResource):
    """Get Runner Stats of one runner: the API asks the runner itself."""

    __slots__ = ()


Resource: TypeAlias = PageKey | RunnerKey | HistoryKey | StatsKey


class RunnerSource(Protocol):
    """Who answers for the API; every method raises `comfytui.api.errors.ComfyControlError` when it cannot.

    `use` says what a question is for: it decides who goes first where the allowance is short. `on_sent` is called when
    it has waited for that and is sent.
    """

    @property
    def clock_skew(self) -> float:
        """Seconds by which the server's clock is ahead of the one here; 0.0 unless they are more than 5 s apart."""
        ...

    @property
    def has_events(self) -> bool:
        """True once the API said that it announces changes."""
        ...

    async def list_runners(
        self,
        page: int = 1,
        per_page: int = 10,
        status: RunnerStatus | None = None,
        priority: Priority = Priority.POLL,
        on_sent: OnSent = None,
    ) -> RunnerPage:
        """One page of runners, newest created first."""
        ...

    async def get_runner(self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None) -> Runner:
        """One runner by id."""
        ...

    async def get_history(
        self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None
    ) -> tuple[Workflow, ...]:
        """A runner's newest workflows, at most ten, newest created first."""
        ...

    async def get_stats(
        self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None
    ) -> RunnerStats:
        """What a runner's machine says of itself right now; a ServerError of status 500 where it does not answer."""
        ...

    def watch_revisions(self) -> AsyncGenerator[tuple[RunnerRevisions, ...], None]:
        """Yield the revisions of all runners that are known, then those that changed; empty ones as a heartbeat."""
        ...

    async def aclose(self) -> None:
        """Let connections go; nothing may be asked afterwards."""
        ...


class SetViewport(NamedTuple):
    """Look at this from now on; what it holds that was never asked is asked at once."""

    viewport: Viewport


class Refresh:
    """Ask everything attended again now, paused or not; what is already under way is not asked twice.

    Wished again and again, as by a key held down, it asks no more often than the allowance bears.
    """


class SetInterval(NamedTuple):
    """Poll every so many seconds, 1 or more, from now on."""

    seconds: float


class Reconnect:
    """Close the connections, connect anew, as with another token, and ask everything attended again."""


EngineCommand: TypeAlias = SetViewport | Refresh | SetInterval | Reconnect


class Viewport(NamedTuple):
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
    visible_ids: tuple[str, ...] = ()
    health_check_ids: tuple[str, ...] = ()
    focused: bool = True
    full_rate_unfocused: bool = False
    all_pages: bool = False
