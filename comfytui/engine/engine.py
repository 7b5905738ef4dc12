"""Polls what is attended and publishes what is known: the thin part, where decisions meet the world."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, assert_never

from comfytui.api.errors import ComfyControlError
from comfytui.clock import SuspendDetector
from comfytui.engine.announced import Announced, in_view, is_of_another
from comfytui.engine.broadcast import Newest
from comfytui.engine.fetch import Errand, Flights, answered, ask, failed
from comfytui.engine.intervals import ALONG, BATCH_LASTS, JITTER, bearable, sweep
from comfytui.engine.listener import Listener
from comfytui.engine.outlook import Standing
from comfytui.engine.planner import attended, is_beat, plan
from comfytui.engine.protocol import Attend, ChangeInterval, PageKey, Reconnect, Refresh, StatsKey
from comfytui.engine.reducer import Seen, aged, attend, confirmed, forget_problems, repace, with_spending
from comfytui.engine.rotating import Round
from comfytui.engine.snapshot import Snapshot, front
from comfytui.engine.wishes import Wishes
from comfytui.ratelimit.local import LocalAllowance
from comfytui.ratelimit.window import Use

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.engine.planner import Ask, Plan
    from comfytui.engine.protocol import Action, Attention, Resource, RunnerSource
    from comfytui.ratelimit.window import Allowance


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
        allowance: Allowance | None = None,
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
        self._allowance = allowance if allowance is not None else LocalAllowance(clock)
        self._jitter = jitter
        self._newest = Newest(
            Snapshot(attention=attention, interval=_checked(interval), spending=self._allowance.spending)
        )
        self._wake = asyncio.Event()
        self._flights = Flights(self._wake.set)
        self._drift = SuspendDetector(clock)
        self._wishes = Wishes()
        self._announced = Announced()
        self._listener = Listener(clock, self._announced, self._wake.set, jitter)
        self._since = self._beat_on = self._pointed_on = self._listed_on = self._changes_on = -math.inf
        self._round = Round()
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

    async def _connected(self) -> RunnerSource:
        while True:
            self._reconnecting = False
            errand = Errand(self._clock)
            try:
                return await self._connect()
            except ComfyControlError as error:
                page = front(self.snapshot.attention)
                self._wishes.grant(page, errand.seen().asked_on)
                self._fail(page, error, errand.seen())
            while not self._reconnecting and (step := self._plan_page()).ask is None:
                await self._rest(step)

    async def _serve(self, source: RunnerSource) -> None:
        """Ask what there is to ask, until somebody wishes for another connection."""
        listening: asyncio.Task[None] | None = None
        async with asyncio.TaskGroup() as group:
            while not self._reconnecting:
                if listening is None and source.has_events:
                    listening = group.create_task(self._listener.run(source))
                step = self._plan()
                if step.ask is None:
                    await self._rest(step)
                    continue
                self._launch(group, source, step.ask)
                # It takes its place in the allowance before there is a plan for the next.
                await asyncio.sleep(0)
            self._flights.give_up()
            if listening is not None:
                listening.cancel()

    def _launch(self, group: asyncio.TaskGroup, source: RunnerSource, question: Ask) -> None:
        now = self._clock.monotonic()
        self._wishes.grant(question.resource, now)
        if question.use is Use.ROTATION:
            self._round = self._round.after_one(self.snapshot, now)
        if isinstance(question.resource, PageKey):
            self._listed_on = now
        is_changed = self._announced.is_changed(question.resource, self.snapshot)
        if not is_changed and is_beat(self.snapshot, question):
            self._beat_on = now
        is_other = is_of_another(question.resource, self.snapshot.attention)
        if is_changed and is_other and now - self._changes_on > BATCH_LASTS:
            self._changes_on = now
        self._announced.request(question.resource, now)
        self._flights.make_room(attended(self.snapshot))
        self._flights.launch(group, question, self._ask(source, question))

    def _plan_page(self) -> Plan:
        """A plan as if one page were all that is looked at: its next try stands for that of connecting."""
        attention = self.snapshot.attention
        alone = attention._replace(runner_id=None, visible=(), unchecked=())
        return self._plan(alone._replace(page=front(attention), whole=False))

    def _plan(self, attention: Attention | None = None) -> Plan:
        # Cleared first: what happens from here on is not in the plan, so it must end the rest that follows.
        self._wake.clear()
        self._notice()
        self._confirm()
        standing = Standing(
            now=self._clock.monotonic(),
            waits={use: self._allowance.wait_for(use) for use in Use},
            in_flight=self._flights.uses,
            wished=self._wishes.moments,
            since=self._since,
            beat_on=self._beat_on,
            pointed_on=self._pointed_on,
            round=self._round,
            listed_on=self._listed_on,
            changed=self._announced.changed(_announced(self.snapshot), self.snapshot),
            changes_on=self._changes_on,
        )
        spending = self._allowance.spending
        return plan(self.snapshot._replace(attention=attention or self.snapshot.attention, spending=spending), standing)

    def _notice(self) -> None:
        """Take in what nobody says: that the machine slept, and that another dashboard has to cool down."""
        if jump := self._drift.elapsed():
            self._since = self._clock.monotonic()
            if jump > 0:
                self._publish(aged(self.snapshot, jump))
        until = self._allowance.spending.cooling_until
        if until is not None and until != self.snapshot.spending.cooling_until:
            self._publish(with_spending(self.snapshot, self._allowance.spending))

    def _confirm(self) -> None:
        """Confirm what would soon be polled and is known to be unchanged."""
        snapshot, now = self.snapshot, self._clock.monotonic()
        if snapshot.attention.paused:
            return
        sound = [each for each in in_view(snapshot.attention) if snapshot.feed_of(each).problem is None]
        unchanged = [*self._announced.unchanged(sound, snapshot, now, self._since)]
        feeds = (snapshot.feed_of(resource) for resource in unchanged)
        if any(feed.fetched_on is not None and now - feed.fetched_on >= ALONG * snapshot.pace for feed in feeds):
            self._publish(confirmed(snapshot, unchanged, Seen(now, now, self._clock.now())))

    async def _rest(self, step: Plan) -> None:
        """Wait for a wish, an answer, or the plan's time, whichever comes first."""
        if step.wake_at is None:
            await self._wake.wait()
            return
        seconds = step.wake_at - self._clock.monotonic()
        async with asyncio.TaskGroup() as group:
            alarm = group.create_task(self._ring(min(max(seconds, _SHORTEST_REST), _LONGEST_REST)))
            await self._wake.wait()
            alarm.cancel()

    async def _ring(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._wake.set()

    async def _ask(self, source: RunnerSource, question: Ask) -> None:
        errand = Errand(self._clock)
        try:
            fold = await ask(source, question, errand.sent)
        except ComfyControlError as error:
            self._fail(question.resource, error, errand.seen())
        else:
            self._announced.answer(question.resource, self._clock.monotonic())
            known = self._counted()._replace(clock_skew=source.clock_skew)
            self._publish(answered(known, question.resource, fold, errand.seen()))

    def _fail(self, resource: Resource, error: ComfyControlError, seen: Seen) -> None:
        self._publish(failed(self._counted(), resource, error, seen, self._jitter()))

    def _attend(self, attention: Attention) -> None:
        before = self.snapshot.attention
        if attention == before:
            return
        now = self._clock.monotonic()
        if attention.focused and not before.focused:
            self._since = now
        # Nobody has walked to the first of all: that is where the cursor begins.
        if attention.runner_id != before.runner_id and self.snapshot.runners:
            self._pointed_on = now
        self._publish(attend(self.snapshot, attention))
        self._wishes.keep(frozenset(attended(self.snapshot)))

    def _refresh(self) -> None:
        now, share = self._clock.monotonic(), self._allowance.spending.share
        wanted = [resource for resource in attended(self.snapshot) if resource not in self._flights.uses]
        pages = [resource for resource in wanted if isinstance(resource, PageKey)]
        others = [resource for resource in wanted if not isinstance(resource, PageKey)]
        apart = bearable(self.snapshot.attention, share)
        self._wishes.add(pages, now, max(apart, sweep(len(self.snapshot.page_keys), share)))
        self._wishes.add(others, now, apart)

    def _change_interval(self, seconds: float) -> None:
        if seconds != self.snapshot.interval:
            self._publish(repace(self.snapshot, seconds, self._clock.monotonic()))

    def _reconnect(self) -> None:
        self._reconnecting = True
        self._flights.give_up()
        self._wishes.clear()
        self._wishes.add(attended(self.snapshot), self._clock.monotonic(), 0.0)
        self._publish(with_spending(forget_problems(self.snapshot), self._allowance.spending))

    def _counted(self) -> Snapshot:
        """What is known, with what it has cost so far."""
        return with_spending(self.snapshot, self._allowance.spending)

    def _publish(self, snapshot: Snapshot) -> None:
        self._newest.put(snapshot._replace(revision=self.snapshot.revision + 1))


def _announced(snapshot: Snapshot) -> tuple[Resource, ...]:
    """Return what is requested at once when a change of it is announced."""
    runner_id = snapshot.attention.runner_id
    return (*in_view(snapshot.attention), *(() if runner_id is None else (StatsKey(runner_id),)))


def _checked(interval: float) -> float:
    if not MIN_INTERVAL <= interval < math.inf:
        raise ValueError(f"an interval is {MIN_INTERVAL:g} second or more, not {interval:g}")
    return interval
