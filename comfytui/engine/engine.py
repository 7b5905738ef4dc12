"""Polls what is attended and publishes what is known: the thin part, where decisions meet the world."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, assert_never

from comfytui.api.errors import ComfyControlError
from comfytui.engine.actions import Attend, ChangeInterval, Refresh
from comfytui.engine.folding import attend, fold_failure, fold_history, fold_page, fold_runner, repace
from comfytui.engine.planner import attended, plan
from comfytui.engine.resources import HistoryKey, PageKey, RunnerKey
from comfytui.engine.snapshot import Snapshot
from comfytui.engine.subscription import Newest

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.engine.actions import Action
    from comfytui.engine.planner import Plan
    from comfytui.engine.resources import Resource, RunnerSource
    from comfytui.engine.snapshot import Attention

__all__ = ["MIN_INTERVAL", "Engine"]

MIN_INTERVAL = 1.0


class Engine:
    """Keeps what a person looks at up to date, one request in flight a resource.

    Wishes come in through `perform`, whole snapshots go out through `snapshot` and `subscribe`; both work from the
    first moment, and all of it belongs to one event loop. What fails keeps its old value with the problem beside it.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[RunnerSource]], clock: Clock, *, attention: Attention, interval: float
    ) -> None:
        """Nothing happens before `run`.

        Args:
            connect: Makes the source of answers; may take its time, may raise ComfyControlError.
            clock: Says when things are due.
            attention: What is looked at first.
            interval: Seconds between polls of one resource, at least `MIN_INTERVAL`.

        Raises:
            ValueError: The interval is too short, or no number.
        """
        self._connect = connect
        self._clock = clock
        self._newest = Newest(Snapshot(attention=attention, interval=_checked(interval)))
        self._in_flight: set[Resource] = set()
        self._forced: set[Resource] = set()
        self._wake = asyncio.Event()

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
                self._forced.update(attended(self.snapshot.attention))
                self._forced -= self._in_flight
            case ChangeInterval(seconds):
                self._change_interval(_checked(seconds))
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
        async with AsyncExitStack() as stack:
            stack.callback(self._newest.end)
            source = await self._connected()
            stack.push_async_callback(source.aclose)
            flights = await stack.enter_async_context(asyncio.TaskGroup())
            while True:
                step = self._plan(self.snapshot)
                for resource in step.due:
                    # Before the task is made: an eager one may be answered before create_task returns.
                    self._in_flight.add(resource)
                    self._forced.discard(resource)
                    flights.create_task(self._ask(source, resource))
                await self._rest(step)

    async def _connected(self) -> RunnerSource:
        while True:
            try:
                return await self._connect()
            except ComfyControlError as error:
                self._forced.clear()
                self._fail(self.snapshot.attention.page, error)
            while not (step := self._plan(self._page_alone())).due:
                await self._rest(step)

    def _page_alone(self) -> Snapshot:
        """What is known, as if no runner were looked at: the page's next try stands for that of connecting."""
        return replace(self.snapshot, attention=replace(self.snapshot.attention, runner_id=None))

    def _plan(self, snapshot: Snapshot) -> Plan:
        # Cleared first: what happens from here on is not in the plan, so it must end the rest that follows.
        self._wake.clear()
        return plan(snapshot, self._clock.monotonic(), self._in_flight, self._forced)

    async def _rest(self, step: Plan) -> None:
        """Wait for a wish, an answer, or the plan's time, whichever comes first."""
        if step.wake_at is None:
            await self._wake.wait()
            return
        async with asyncio.TaskGroup() as group:
            alarm = group.create_task(self._ring(step.wake_at))
            await self._wake.wait()
            alarm.cancel()

    async def _ring(self, at: float) -> None:
        await self._clock.sleep(at - self._clock.monotonic())
        self._wake.set()

    async def _ask(self, source: RunnerSource, resource: Resource) -> None:
        try:
            self._publish(await self._answered(source, resource))
        except ComfyControlError as error:
            self._fail(resource, error)
        self._in_flight.discard(resource)
        self._wake.set()

    async def _answered(self, source: RunnerSource, resource: Resource) -> Snapshot:
        """Ask for a resource; the snapshot of when the answer is there, with the answer folded in."""
        match resource:
            case PageKey(page, per_page, status):
                answer = await source.list_runners(page, per_page, status)
                return fold_page(self.snapshot, resource, answer, *self._moment())
            case RunnerKey(runner_id):
                runner = await source.get_runner(runner_id)
                return fold_runner(self.snapshot, runner_id, runner, *self._moment())
            case HistoryKey(runner_id):
                history = await source.get_history(runner_id)
                return fold_history(self.snapshot, runner_id, history, *self._moment())
            case _:
                assert_never(resource)

    def _fail(self, resource: Resource, error: ComfyControlError) -> None:
        at, on = self._moment()
        self._publish(fold_failure(self.snapshot, resource, error, at, on + self.snapshot.interval))

    def _attend(self, attention: Attention) -> None:
        if attention != self.snapshot.attention:
            self._forced.intersection_update(attended(attention))
            self._publish(attend(self.snapshot, attention))

    def _change_interval(self, seconds: float) -> None:
        if seconds != self.snapshot.interval:
            self._publish(repace(self.snapshot, seconds, self._clock.monotonic()))

    def _moment(self) -> tuple[datetime, float]:
        return self._clock.now(), self._clock.monotonic()

    def _publish(self, snapshot: Snapshot) -> None:
        self._newest.put(replace(snapshot, revision=self.snapshot.revision + 1))


def _checked(interval: float) -> float:
    if not MIN_INTERVAL <= interval < math.inf:
        raise ValueError(f"an interval is {MIN_INTERVAL:g} second or more, not {interval:g}")
    return interval
