"""Poller of the resources in view, publisher of snapshots; all decisions are made elsewhere."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, assert_never

from comfytui.api.errors import ComfyControlError
from comfytui.clock import SuspendDetector
from comfytui.engine.announced import RevisionTracker, announced_resources, is_outside_viewport
from comfytui.engine.broadcast import LatestValue
from comfytui.engine.fetch import InFlightRequests, RequestTimer, fetch, reduce_failure, reduce_response
from comfytui.engine.intervals import JITTER, min_interval, scan_interval
from comfytui.engine.listener import RevisionListener
from comfytui.engine.protocol import PageKey, Reconnect, Refresh, SetInterval, SetViewport, StatsKey
from comfytui.engine.reducer import (
    RequestTiming,
    age_by,
    clear_problems,
    confirm_unchanged,
    set_interval,
    set_viewport,
    with_usage,
)
from comfytui.engine.refreshes import RefreshQueue
from comfytui.engine.scheduler import LOOKAHEAD, SchedulerState, next_cycle, viewport_resources
from comfytui.engine.snapshot import Snapshot, first_page
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import Priority

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.engine.protocol import EngineCommand, Resource, RunnerSource, Viewport
    from comfytui.engine.scheduler import Cycle, Request
    from comfytui.ratelimit.window import RateLimiter


MIN_INTERVAL_S = 1.0

# Longest sleep if nothing is due, so that a machine's suspension is noticed this soon after it wakes.
_MAX_SLEEP_S = 6.0
# Shortest sleep, so that rounding errors of the clock cannot cause a busy loop.
_MIN_SLEEP_S = 0.001

_random_jitter = partial(random.SystemRandom().uniform, 1.0 - JITTER, 1.0 + JITTER)


class Engine:
    """Poller of the resources in view, with one request in flight per resource, within a rate limit.

    Commands come in through `perform`, whole snapshots go out through `snapshot` and `subscribe`; both work before
    `run`, in one event loop. A resource that fails keeps its old value, with the problem beside it.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[RunnerSource]],
        clock: Clock,
        *,
        viewport: Viewport,
        interval: float,
        rate_limiter: RateLimiter | None = None,
        jitter: Callable[[], float] = _random_jitter,
    ) -> None:
        """Create an engine that is idle until `run`.

        Args:
            connect: Returns the source of responses; may raise ComfyControlError.
            clock: Clock of due times and waits.
            viewport: Viewport to start with.
            interval: Seconds between polls of one resource, at least `MIN_INTERVAL_S`.
            rate_limiter: Rate limiter of the source; a local one by default.
            jitter: Returns the factor of the next wait after failures.

        Raises:
            ValueError: The interval is too short, or no number.
        """
        self._connect = connect
        self._clock = clock
        self._rate_limiter = rate_limiter if rate_limiter is not None else LocalRateLimiter(clock)
        self._jitter = jitter
        self._newest = LatestValue(
            Snapshot(viewport=viewport, interval=_validate_interval(interval), usage=self._rate_limiter.usage)
        )
        self._wake = asyncio.Event()
        self._in_flight = InFlightRequests(self._wake.set)
        self._drift = SuspendDetector(clock)
        self._refreshes = RefreshQueue()
        self._announced = RevisionTracker()
        self._listener = RevisionListener(clock, self._announced, self._wake.set, jitter)
        self._stale_before = self._cycle_monotonic = self._rotated_monotonic = self._cursor_monotonic = -math.inf
        self._page_monotonic = self._changes_monotonic = -math.inf
        self._idle = asyncio.Event()
        self._reconnecting = False

    @property
    def snapshot(self) -> Snapshot:
        """Latest snapshot."""
        return self._newest.value

    def subscribe(self) -> AsyncIterator[Snapshot]:
        """Yield the current snapshot at once, then the latest after every change, until `run` ends.

        Nothing is queued: a subscriber that was busy meanwhile sees only the latest.
        """
        return self._newest.subscribe()

    def perform(self, command: EngineCommand) -> None:
        """Execute a command and return at once; before `run` it is kept until then.

        Raises:
            ValueError: The command is a SetInterval to less than `MIN_INTERVAL_S`, or to no number.
        """
        match command:
            case SetViewport(viewport):
                self._set_viewport(viewport)
            case Refresh():
                self._refresh()
            case SetInterval(seconds):
                self._set_interval(_validate_interval(seconds))
            case Reconnect():
                self._reconnect()
            case _:
                assert_never(command)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Connect, then poll until cancelled; may be awaited once.

        A ComfyControlError of `connect` becomes the problem of the page in view, and is tried again when that is
        due. However this ends, requests in flight are cancelled first, then the source is closed, then
        subscriptions end.

        Raises:
            ExceptionGroup: A request raised something that is no ComfyControlError: a bug.
        """
        try:
            while True:
                async with AsyncExitStack() as stack:
                    source = await self._connect_with_retry()
                    stack.push_async_callback(source.aclose)
                    await self._poll(source)
        finally:
            self._newest.close()
            self._idle.set()

    async def wait_idle(self) -> None:
        """Wait until nothing is in flight and nothing is due before time passes or `perform` is called."""
        await self._idle.wait()

    async def _connect_with_retry(self) -> RunnerSource:
        while True:
            self._reconnecting = False
            errand = RequestTimer(self._clock)
            try:
                return await self._connect()
            except ComfyControlError as error:
                page = first_page(self.snapshot.viewport)
                self._refreshes.mark_sent(page, errand.finish().queued_monotonic)
                self._fail(page, error, errand.finish())
            while not self._reconnecting and not (cycle := self._next_connection_try()).requests:
                await self._sleep_until(cycle.next_monotonic)

    async def _poll(self, source: RunnerSource) -> None:
        """Request what is due, cycle after cycle, until the user wants another connection."""
        listening: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as group:
            while not self._reconnecting:
                if listening is None and source.has_events:
                    listening = group.create_task(self._listener.run(source))
                cycle = self._next_cycle()
                self._start(group, source, cycle)
                await self._sleep_until(cycle.next_monotonic)
            self._in_flight.cancel_all()
            if listening is not None:
                listening.cancel()

    def _start(self, group: asyncio.TaskGroup, source: RunnerSource, cycle: Cycle) -> None:
        """Send the requests of a cycle, and remember what decides about the next ones."""
        now, snapshot = self._clock.monotonic(), self.snapshot
        changed = {request.resource for request in cycle.requests if request.resource in self._changed()}
        if cycle.is_poll or any(_restarts_cycle(request, snapshot.viewport) for request in cycle.requests):
            self._cycle_monotonic = now
        wanted = {*viewport_resources(snapshot), *announced_resources(snapshot.viewport)}
        for request in cycle.requests:
            resource = request.resource
            self._refreshes.mark_sent(resource, now)
            if request.priority is Priority.BACKGROUND:
                self._rotated_monotonic = now
            if isinstance(resource, PageKey):
                self._page_monotonic = now
            if resource in changed and is_outside_viewport(resource, snapshot.viewport):
                self._changes_monotonic = now
            self._announced.record_request(resource, now)
            self._in_flight.evict_one(wanted)
            self._in_flight.start(group, request, self._fetch(source, request))

    def _next_connection_try(self) -> Cycle:
        """Return the cycle of a viewport with one page only: its next try is that of connecting."""
        viewport = self.snapshot.viewport
        alone = viewport._replace(runner_id=None, visible_ids=(), health_check_ids=())
        return self._next_cycle(alone._replace(page=first_page(viewport), all_pages=False))

    def _next_cycle(self, viewport: Viewport | None = None) -> Cycle:
        # Cleared first: later events are not part of this decision, so they must end the sleep that follows.
        self._wake.clear()
        self._sync_clock_and_cooldown()
        self._confirm()
        state = SchedulerState(
            now=self._clock.monotonic(),
            delays={priority: self._rate_limiter.delay(priority) for priority in Priority},
            in_flight=self._in_flight.priorities,
            refreshes=self._refreshes.due,
            stale_before=self._stale_before,
            cycle_monotonic=self._cycle_monotonic,
            rotated_monotonic=self._rotated_monotonic,
            cursor_monotonic=self._cursor_monotonic,
            page_monotonic=self._page_monotonic,
            changed=self._changed(),
            changes_monotonic=self._changes_monotonic,
        )
        usage = self._rate_limiter.usage
        snapshot = self.snapshot._replace(viewport=viewport or self.snapshot.viewport, usage=usage)
        return next_cycle(snapshot, state)

    def _changed(self) -> Mapping[Resource, float]:
        """Return the resources in view that changed since their last request."""
        return self._announced.changed(_expected_announcements(self.snapshot), self.snapshot)

    def _sync_clock_and_cooldown(self) -> None:
        """Apply a suspension of the machine and a cooldown that another process caused."""
        if jump := self._drift.elapsed():
            self._stale_before = self._clock.monotonic()
            if jump > 0:
                self._publish(age_by(self.snapshot, jump))
        until = self._rate_limiter.usage.blocked_until
        if until is not None and until != self.snapshot.usage.blocked_until:
            self._publish(with_usage(self.snapshot, self._rate_limiter.usage))

    def _confirm(self) -> None:
        """Confirm resources of a poll cycle that the event stream knows to be unchanged."""
        snapshot, now = self.snapshot, self._clock.monotonic()
        if snapshot.viewport.paused or now < self._cycle_monotonic + snapshot.interval_s:
            return
        sound = [each for each in announced_resources(snapshot.viewport) if snapshot.feed(each).problem is None]
        unchanged = [*self._announced.unchanged(sound, snapshot, now, self._stale_before)]
        feeds = (snapshot.feed(resource) for resource in unchanged)
        if any(
            feed.fetched_monotonic is not None and now - feed.fetched_monotonic >= LOOKAHEAD * snapshot.interval_s
            for feed in feeds
        ):
            self._publish(confirm_unchanged(snapshot, unchanged, RequestTiming(now, now, self._clock.now())))

    async def _sleep_until(self, moment: float | None) -> None:
        """Wait for a command, a response or this moment, whichever comes first."""
        # Requests that were just started enter the rate limiter's queue.
        await asyncio.sleep(0)
        seconds = math.inf if moment is None else moment - self._clock.monotonic()
        if seconds <= 0:
            return
        if not self._in_flight.priorities and not self._wake.is_set():
            self._idle.set()
        if moment is None:
            await self._wake.wait()
        else:
            async with asyncio.TaskGroup() as group:
                alarm = group.create_task(self._wake_after(min(max(seconds, _MIN_SLEEP_S), _MAX_SLEEP_S)))
                await self._wake.wait()
                alarm.cancel()
        self._idle.clear()

    async def _wake_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._wake.set()

    async def _fetch(self, source: RunnerSource, request: Request) -> None:
        errand = RequestTimer(self._clock)
        try:
            reducer = await fetch(source, request, errand.mark_sent)
        except ComfyControlError as error:
            self._fail(request.resource, error, errand.finish())
        else:
            self._announced.record_response(request.resource, self._clock.monotonic())
            known = self._with_usage()._replace(clock_skew=source.clock_skew)
            self._publish(reduce_response(known, request.resource, reducer, errand.finish()))

    def _fail(self, resource: Resource, error: ComfyControlError, timing: RequestTiming) -> None:
        self._publish(reduce_failure(self._with_usage(), resource, error, timing, self._jitter()))

    def _set_viewport(self, viewport: Viewport) -> None:
        before = self.snapshot.viewport
        if viewport == before:
            return
        now = self._clock.monotonic()
        if viewport.focused and not before.focused:
            self._stale_before = now
        # The cursor starts on the first runner, so no user waits for its stats.
        if viewport.runner_id != before.runner_id and self.snapshot.runners:
            self._cursor_monotonic = now
        self._publish(set_viewport(self.snapshot, viewport))
        self._refreshes.retain(frozenset(viewport_resources(self.snapshot)))

    def _refresh(self) -> None:
        now, limit = self._clock.monotonic(), self._rate_limiter.usage.limit
        wanted = [
            resource for resource in viewport_resources(self.snapshot) if resource not in self._in_flight.priorities
        ]
        pages = [resource for resource in wanted if isinstance(resource, PageKey)]
        others = [resource for resource in wanted if not isinstance(resource, PageKey)]
        apart = min_interval(self.snapshot.viewport, limit)
        self._refreshes.add(pages, now, max(apart, scan_interval(len(self.snapshot.page_keys), limit)))
        self._refreshes.add(others, now, apart)

    def _set_interval(self, seconds: float) -> None:
        if seconds != self.snapshot.interval:
            self._publish(set_interval(self.snapshot, seconds, self._clock.monotonic()))

    def _reconnect(self) -> None:
        self._reconnecting = True
        self._in_flight.cancel_all()
        self._refreshes.clear()
        self._refreshes.add(viewport_resources(self.snapshot), self._clock.monotonic(), 0.0)
        self._publish(with_usage(clear_problems(self.snapshot), self._rate_limiter.usage))

    def _with_usage(self) -> Snapshot:
        """Return the snapshot with the usage of the rate limiter as it is now."""
        return with_usage(self.snapshot, self._rate_limiter.usage)

    def _publish(self, snapshot: Snapshot) -> None:
        self._newest.set(snapshot._replace(revision=self.snapshot.revision + 1))


def _expected_announcements(snapshot: Snapshot) -> tuple[Resource, ...]:
    """Return the resources to request as soon as a change of them is announced."""
    runner_id = snapshot.viewport.runner_id
    return (*announced_resources(snapshot.viewport), *(() if runner_id is None else (StatsKey(runner_id),)))


def _restarts_cycle(request: Request, viewport: Viewport) -> bool:
    """Return True if a user waits for the page in view, so that all else that is due goes along."""
    return request.priority is Priority.USER and request.resource == viewport.page and not viewport.all_pages


def _validate_interval(interval: float) -> float:
    if not MIN_INTERVAL_S <= interval < math.inf:
        raise ValueError(f"an interval is {MIN_INTERVAL_S:g} second or more, not {interval:g}")
    return interval
