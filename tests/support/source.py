"""A RunnerSource that answers from a script and remembers what was asked."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from comfytui.api.errors import RateLimitedError
from comfytui.engine.protocol import HistoryKey, PageKey, Resource, RunnerKey, StatsKey
from comfytui.ratelimit.window import Priority
from tests.support.builders import make_page, make_runner, make_stats

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from comfytui.api.events import RunnerRevisions
    from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
    from comfytui.api.statuses import RunnerStatus
    from comfytui.clock import Clock
    from comfytui.ratelimit.window import OnSent, RateLimiter

__all__ = ["ScriptedSource"]

T = TypeVar("T")


class ScriptedSource:
    """Answers each resource with what was last set for it: a value, or an exception to raise.

    Until something is set, pages and histories are empty, and every runner exists and answers.

    Attributes:
        pages: What List Runners answers, by page.
        runners: What Get Runner answers, by runner id.
        histories: What Get Runner History answers, by runner id.
        stats: What Get Runner Stats answers, by runner id.
        log: Every question in order, with its moment on the monotonic clock.
        uses: What each question was for, in the same order.
        under_way: How many questions each resource has open.
        most_under_way: The most that any one resource ever had open.
        cancelled: Whose questions were given up before they were answered.
        closed: How often `aclose` was called; it may be connected to again.
        ahead: Seconds by which its clock is ahead.
        has_events: Whether it announces changes.
        streams: How often its event stream was opened.
    """

    def __init__(
        self, clock: Clock, latency: Callable[[], float] = lambda: 0.0, rate_limiter: RateLimiter | None = None
    ) -> None:
        """`latency` says, for each question anew, how many seconds its answer takes.

        With an allowance, each question takes its place there before it is logged, and an answer of RateLimitedError
        cools it down, as a session does.
        """
        self.pages: dict[PageKey, RunnerPage | Exception] = {}
        self.runners: dict[str, Runner | Exception] = {}
        self.histories: dict[str, tuple[Workflow, ...] | Exception] = {}
        self.stats: dict[str, RunnerStats | Exception] = {}
        self.log: list[tuple[float, Resource]] = []
        self.priorities: list[Priority] = []
        self.under_way: Counter[Resource] = Counter()
        self.most_under_way = 0
        self.cancelled: list[Resource] = []
        self.closed = 0
        self.clock_skew = 0.0
        self.has_events = False
        self.streams = 0
        self._stream: asyncio.Queue[tuple[RunnerRevisions, ...] | Exception] | None = None
        self._clock = clock
        self._latency = latency
        self._rate_limiter = rate_limiter
        self._held: dict[Resource, asyncio.Event] = {}

    @property
    def asked(self) -> list[Resource]:
        """Every question in order."""
        return [resource for _, resource in self.log]

    def forget(self) -> None:
        """Begin the log anew."""
        self.log.clear()
        self.priorities.clear()

    def hold(self, *resources: Resource) -> None:
        """Keep back answers to these, those under way not among them, until they are released."""
        self._held.update((resource, asyncio.Event()) for resource in resources)

    def release(self, *resources: Resource) -> None:
        """Let go of the answers kept back, as the script has them by then."""
        for resource in resources:
            self._held.pop(resource).set()

    async def list_runners(
        self,
        page: int = 1,
        per_page: int = 10,
        status: RunnerStatus | None = None,
        priority: Priority = Priority.POLL,
        on_sent: OnSent = None,
    ) -> RunnerPage:
        key = PageKey(page, per_page, status)
        return await self._answer(key, priority, on_sent, lambda: self.pages.get(key, make_page()))

    async def get_runner(self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None) -> Runner:
        key = RunnerKey(runner_id)
        return await self._answer(key, priority, on_sent, lambda: self.runners.get(runner_id) or make_runner(runner_id))

    async def get_history(
        self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None
    ) -> tuple[Workflow, ...]:
        return await self._answer(HistoryKey(runner_id), priority, on_sent, lambda: self.histories.get(runner_id, ()))

    async def get_stats(
        self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None
    ) -> RunnerStats:
        return await self._answer(
            StatsKey(runner_id), priority, on_sent, lambda: self.stats.get(runner_id) or make_stats()
        )

    async def watch_revisions(self) -> AsyncGenerator[tuple[RunnerRevisions, ...], None]:
        self.streams += 1
        self._stream = asyncio.Queue()
        while not isinstance(event := await self._stream.get(), Exception):
            yield event
        raise event

    def announce(self, *revisions: RunnerRevisions) -> None:
        """Send an event to the stream that is open, a heartbeat if it tells nothing."""
        assert self._stream is not None, "no stream is open"
        self._stream.put_nowait(revisions)

    def break_stream(self, error: Exception) -> None:
        """Let the stream that is open fail."""
        assert self._stream is not None, "no stream is open"
        self._stream.put_nowait(error)

    async def aclose(self) -> None:
        assert not self.under_way.total(), "closed with questions open"
        self.closed += 1

    async def _answer(
        self, resource: Resource, priority: Priority, on_sent: OnSent, script: Callable[[], T | Exception]
    ) -> T:
        if self._rate_limiter is not None:
            await self._rate_limiter.acquire(priority)
        if on_sent is not None:
            on_sent()
        self.log.append((self._clock.monotonic(), resource))
        self.priorities.append(priority)
        self.under_way[resource] += 1
        self.most_under_way = max(self.most_under_way, self.under_way[resource])
        try:
            await self._wait(resource)
        except asyncio.CancelledError:
            self.cancelled.append(resource)
            raise
        finally:
            self.under_way[resource] -= 1
        answer = script()
        if isinstance(answer, RateLimitedError) and self._rate_limiter is not None:
            self._rate_limiter.block_for(answer.retry_after)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def _wait(self, resource: Resource) -> None:
        await self._clock.sleep(self._latency())
        if resource in self._held:
            await self._held[resource].wait()
