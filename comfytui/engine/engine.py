"""Polls what is attended and publishes what is known: the thin part, where decisions meet the world."""

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
from comfytui.engine.announced import Announced, in_view, is_of_another
from comfytui.engine.broadcast import Newest
from comfytui.engine.fetch import Errand, Flights, answered, ask, failed
from comfytui.engine.intervals import JITTER, min_interval, scan_interval
from comfytui.engine.listener import Listener
from comfytui.engine.protocol import Attend, ChangeInterval, PageKey, Reconnect, Refresh, StatsKey
from comfytui.engine.reducer import Seen, aged, attend, confirmed, forget_problems, repace, with_spending
from comfytui.engine.refreshes import RefreshQueue
from comfytui.engine.scheduler import LOOKAHEAD, SchedulerState, next_cycle, viewport_resources
from comfytui.engine.snapshot import Snapshot, front
from comfytui.ratelimit.local import LocalRateLimiter
from comfytui.ratelimit.window import Priority

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.engine.protocol import Action, Attention, Resource, RunnerSource
    from comfytui.engine.scheduler import Cycle, Request
    from comfytui.ratelimit.window import RateLimiter


MIN_INTERVAL = 1.0

# However long nothing is due: a machine that was suspended is noticed this soon after it wakes.
_LONGEST_REST = 6.0
# Less than any clock's error matters, and enough that no rest is so short that it takes no time at all.
_SHORTEST_REST = 0.001

_SOME_JITTER = partial(random.SystemRandom().uniform, 1.0 - JITTER, 1.0 + JITTER)


class Engine:
    """Keeps what a person looks at up to date, one request in flight a resource, within an allowance.

    Wishes come in through `perform`, whole snapshots go out through `snapshot` and `subscribe`; both work from the
    first moment, and all of it belongs to one event loop. What fails keeps its old value with the problem beside it.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[RunnerSource]],
        clock: Clock,
        *,
        attention: Attention,
        interval: float,
        allowance: RateLimiter | None = None,
        jitter: Callable[[], float] = _SOME_JITTER,
    ) -> None:
        """Nothing happens before `run`.

        Args:
            connect: Makes the source of answers; may take its time, may raise ComfyControlError.
            clock: Says when things are due.
            attention: What is looked at first.
            interval: Seconds between polls of one resource, at least `MIN_INTERVAL`.
            allowance: Where the source takes leave for each request it sends; one of the engine's own without.
            jitter: What the next wait after failures is multiplied with.

        Raises:
            ValueError: The interval is too short, or no number.
        """
        self._connect = connect
        self._clock = clock
        self._allowance = allowance if allowance is not None else LocalRateLimiter(clock)
        self._jitter = jitter
        self._newest = Newest(
            Snapshot(attention=attention, interval=_checked(interval), spending=self._allowance.usage)
        )
        self._wake = asyncio.Event()
        self._flights = Flights(self._wake.set)
        self._drift = SuspendDetector(clock)
        self._refreshes = RefreshQueue()
        self._announced = Announced()
        self._listener = Listener(clock, self._announced, self._wake.set, jitter)
        self._stale_before = self._cycle_monotonic = self._rotated_monotonic = self._cursor_monotonic = -math.inf
        self._page_monotonic = self._changes_monotonic = -math.inf
        self._idle = asyncio.Event()
        self._reconnecting = False

    @property
    def snapshot(self) -> Snapshot:
        """What is known now."""
        return self._newest.value

    def subscribe(self) -> AsyncIterator[Snapshot]:
        """The current snapshot at once, then the newest after every change, until `run` has ended.

        Nothing is queued: who was busy meanwhile sees only the newest.
        """
        return self._newest.follow()

    def perform(self, action: Action) -> None:
        """Take a wish and return at once; before `run` it is kept until then.

        Raises:
            ValueError: The action is a ChangeInterval to less than `MIN_INTERVAL`, or to no number.
        """
        match action:
            case Attend(attention):
                self._attend(attention)
            case Refresh():
                self._refresh()
            case ChangeInterval(seconds):
                self._change_interval(_checked(seconds))
            case Reconnect():
                self._reconnect()
            case _:
                assert_never(action)
        self._idle.clear()
        self._wake.set()

    async def run(self) -> None:
        """Connect, then poll until cancelled; to be awaited once.

        A ComfyControlError of `connect` becomes the problem of the page in view, and is tried again when that is
        due. However this ends, requests in flight are cancelled first, then the source is closed, then
        subscriptions end.

        Raises:
            ExceptionGroup: A request raised something that is no ComfyControlError: a bug.
        """
        try:
            while True:
                async with AsyncExitStack() as stack:
                    source = await self._connected()
                    stack.push_async_callback(source.aclose)
                    await self._serve(source)
        finally:
            self._newest.end()
            self._idle.set()

    async def wait_idle(self) -> None:
        """Return once nothing is in flight and nothing is due before time passes or somebody calls `perform`."""
        await self._idle.wait()

    async def _connected(self) -> RunnerSource:
        while True:
            self._reconnecting = False
            errand = Errand(self._clock)
            try:
                return await self._connect()
            except ComfyControlError as error:
                page = front(self.snapshot.attention)
                self._refreshes.mark_sent(page, errand.seen().asked_on)
                self._fail(page, error, errand.seen())
            while not self._reconnecting and not (cycle := self._next_connection_try()).requests:
                await self._sleep_until(cycle.next_monotonic)

    async def _serve(self, source: RunnerSource) -> None:
        """Request what is due, cycle after cycle, until the user wants another connection."""
        listening: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as group:
            while not self._reconnecting:
                if listening is None and source.has_events:
                    listening = group.create_task(self._listener.run(source))
                cycle = self._next_cycle()
                self._start(group, source, cycle)
                await self._sleep_until(cycle.next_monotonic)
            self._flights.give_up()
            if listening is not None:
                listening.cancel()

    def _start(self, group: asyncio.TaskGroup, source: RunnerSource, cycle: Cycle) -> None:
        """Send the requests of a cycle, and remember what decides about the next ones."""
        now, snapshot = self._clock.monotonic(), self.snapshot
        changed = {request.resource for request in cycle.requests if request.resource in self._changed()}
        if cycle.is_poll or any(_restarts_cycle(request, snapshot.attention) for request in cycle.requests):
            self._cycle_monotonic = now
        wanted = {*viewport_resources(snapshot), *in_view(snapshot.attention)}
        for request in cycle.requests:
            resource = request.resource
            self._refreshes.mark_sent(resource, now)
            if request.priority is Priority.BACKGROUND:
                self._rotated_monotonic = now
            if isinstance(resource, PageKey):
                self._page_monotonic = now
            if resource in changed and is_of_another(resource, snapshot.attention):
                self._changes_monotonic = now
            self._announced.request(resource, now)
            self._flights.make_room(wanted)
            self._flights.launch(group, request, self._ask(source, request))

    def _next_connection_try(self) -> Cycle:
        """Decide as if one page were all that is in view: its next try stands for that of connecting."""
        attention = self.snapshot.attention
        alone = attention._replace(runner_id=None, visible=(), unchecked=())
        return self._next_cycle(alone._replace(page=front(attention), whole=False))

    def _next_cycle(self, attention: Attention | None = None) -> Cycle:
        # Cleared first: what happens from here on is not in the decision, so it must end the sleep that follows.
        self._wake.clear()
        self._notice()
        self._confirm()
        state = SchedulerState(
            now=self._clock.monotonic(),
            delays={use: self._allowance.delay(use) for use in Priority},
            in_flight=self._flights.uses,
            refreshes=self._refreshes.due,
            stale_before=self._stale_before,
            cycle_monotonic=self._cycle_monotonic,
            rotated_monotonic=self._rotated_monotonic,
            cursor_monotonic=self._cursor_monotonic,
            page_monotonic=self._page_monotonic,
            changed=self._changed(),
            changes_monotonic=self._changes_monotonic,
        )
        spending = self._allowance.usage
        snapshot = self.snapshot._replace(attention=attention or self.snapshot.attention, spending=spending)
        return next_cycle(snapshot, state)

    def _changed(self) -> Mapping[Resource, float]:
        """Return the resources in view that changed since they were last requested."""
        return self._announced.changed(_announced(self.snapshot), self.snapshot)

    def _notice(self) -> None:
        """Take in what nobody says: that the machine slept, and that another dashboard has to cool down."""
        if jump := self._drift.elapsed():
            self._stale_before = self._clock.monotonic()
            if jump > 0:
                self._publish(aged(self.snapshot, jump))
        until = self._allowance.usage.blocked_until
        if until is not None and until != self.snapshot.spending.blocked_until:
            self._publish(with_spending(self.snapshot, self._allowance.usage))

    def _confirm(self) -> None:
        """Confirm what a poll cycle would request and an event stream knows to be unchanged."""
        snapshot, now = self.snapshot, self._clock.monotonic()
        if snapshot.attention.paused or now < self._cycle_monotonic + snapshot.pace:
            return
        sound = [each for each in in_view(snapshot.attention) if snapshot.feed_of(each).problem is None]
        unchanged = [*self._announced.unchanged(sound, snapshot, now, self._stale_before)]
        feeds = (snapshot.feed_of(resource) for resource in unchanged)
        if any(feed.fetched_on is not None and now - feed.fetched_on >= LOOKAHEAD * snapshot.pace for feed in feeds):
            self._publish(confirmed(snapshot, unchanged, Seen(now, now, self._clock.now())))

    async def _sleep_until(self, moment: float | None) -> None:
        """Wait for the user, an answer, or this moment, whichever comes first."""
        # Requests that were just started enter the rate limiter's queue.
        await asyncio.sleep(0)
        seconds = math.inf if moment is None else moment - self._clock.monotonic()
        if seconds <= 0:
            return
        if not self._flights.uses and not self._wake.is_set():
            self._idle.set()
        if moment is None:
            await self._wake.wait()
        else:
            async with asyncio.TaskGroup() as group:
                alarm = group.create_task(self._ring(min(max(seconds, _SHORTEST_REST), _LONGEST_REST)))
                await self._wake.wait()
                alarm.cancel()
        self._idle.clear()

    async def _ring(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._wake.set()

    async def _ask(self, source: RunnerSource, request: Request) -> None:
        errand = Errand(self._clock)
        try:
            fold = await ask(source, request, errand.sent)
        except ComfyControlError as error:
            self._fail(request.resource, error, errand.seen())
        else:
            self._announced.answer(request.resource, self._clock.monotonic())
            known = self._counted()._replace(clock_skew=source.clock_skew)
            self._publish(answered(known, request.resource, fold, errand.seen()))

    def _fail(self, resource: Resource, error: ComfyControlError, seen: Seen) -> None:
        self._publish(failed(self._counted(), resource, error, seen, self._jitter()))

    def _attend(self, attention: Attention) -> None:
        before = self.snapshot.attention
        if attention == before:
            return
        now = self._clock.monotonic()
        if attention.focused and not before.focused:
            self._stale_before = now
        # Nobody has walked to the first of all: that is where the cursor begins.
        if attention.runner_id != before.runner_id and self.snapshot.runners:
            self._cursor_monotonic = now
        self._publish(attend(self.snapshot, attention))
        self._refreshes.retain(frozenset(viewport_resources(self.snapshot)))

    def _refresh(self) -> None:
        now, share = self._clock.monotonic(), self._allowance.usage.limit
        wanted = [resource for resource in viewport_resources(self.snapshot) if resource not in self._flights.uses]
        pages = [resource for resource in wanted if isinstance(resource, PageKey)]
        others = [resource for resource in wanted if not isinstance(resource, PageKey)]
        apart = min_interval(self.snapshot.attention, share)
        self._refreshes.add(pages, now, max(apart, scan_interval(len(self.snapshot.page_keys), share)))
        self._refreshes.add(others, now, apart)

    def _change_interval(self, seconds: float) -> None:
        if seconds != self.snapshot.interval:
            self._publish(repace(self.snapshot, seconds, self._clock.monotonic()))

    def _reconnect(self) -> None:
        self._reconnecting = True
        self._flights.give_up()
        self._refreshes.clear()
        self._refreshes.add(viewport_resources(self.snapshot), self._clock.monotonic(), 0.0)
        self._publish(with_spending(forget_problems(self.snapshot), self._allowance.usage))

    def _counted(self) -> Snapshot:
        """What is known, with what it has cost so far."""
        return with_spending(self.snapshot, self._allowance.usage)

    def _publish(self, snapshot: Snapshot) -> None:
        self._newest.put(snapshot._replace(revision=self.snapshot.revision + 1))


def _announced(snapshot: Snapshot) -> tuple[Resource, ...]:
    """Return what is requested at once when a change of it is announced."""
    runner_id = snapshot.attention.runner_id
    return (*in_view(snapshot.attention), *(() if runner_id is None else (StatsKey(runner_id),)))


def _restarts_cycle(request: Request, attention: Attention) -> bool:
    """Return True if a user waits for the page in view: what else is due goes along with it."""
    return request.priority is Priority.USER and request.resource == attention.page and not attention.whole


def _checked(interval: float) -> float:
    if not MIN_INTERVAL <= interval < math.inf:
        raise ValueError(f"an interval is {MIN_INTERVAL:g} second or more, not {interval:g}")
    return interval
