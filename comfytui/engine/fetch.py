"""From a question to what its answer, or its failure, makes of a snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias, assert_never

from comfytui.api.errors import NotFoundError, ServerError, SilentRunnerError, UnauthorizedError
from comfytui.engine.contact import apply_contact, apply_silent_runner
from comfytui.engine.feed import ProblemKind
from comfytui.engine.protocol import HistoryKey, PageKey, RunnerKey, StatsKey
from comfytui.engine.reducer import (
    RequestTiming,
    apply_failure,
    apply_history,
    apply_page,
    apply_runner,
    apply_stats,
    apply_success,
    apply_unauthorized,
    apply_unreachable,
    forget_old_removals,
    is_unseen,
    remove_runner,
)
from comfytui.engine.snapshot import Snapshot

if TYPE_CHECKING:
    from comfytui.api.errors import ComfyControlError
    from comfytui.clock import Clock
    from comfytui.engine.protocol import Resource, RunnerSource
    from comfytui.engine.scheduler import Request
    from comfytui.ratelimit.window import OnSent, Priority


Reducer: TypeAlias = Callable[[Snapshot, RequestTiming], Snapshot]
"""What an answer makes of the snapshot of when it is there."""

_RUNNER_UNREACHABLE_STATUS = 500


class RequestTimer:
    """A question on its way, and when it was asked and sent: the allowance may make it wait in between.

    Args:
        clock: Says when things are.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked_on = self._sent_on = clock.monotonic()

    def mark_sent(self) -> None:
        """It is sent now."""
        self._sent_on = self._clock.monotonic()

    def finish(self) -> RequestTiming:
        """It is answered now, or has failed."""
        return RequestTiming(self._asked_on, self._clock.monotonic(), self._clock.now(), self._sent_on)


async def fetch(source: RunnerSource, request: Request, on_sent: OnSent = None) -> Reducer:
    """Ask for a resource; ComfyControlError where it is not answered."""
    match request.resource:
        case PageKey(page, per_page, status) as key:
            answer = await source.list_runners(page, per_page, status, priority=request.priority, on_sent=on_sent)
            return lambda snapshot, timing: apply_page(snapshot, key, answer, timing)
        case RunnerKey(runner_id):
            runner = await source.get_runner(runner_id, priority=request.priority, on_sent=on_sent)
            return lambda snapshot, timing: apply_runner(snapshot, runner_id, runner, timing)
        case HistoryKey(runner_id):
            history = await source.get_history(runner_id, priority=request.priority, on_sent=on_sent)
            return lambda snapshot, timing: apply_history(snapshot, runner_id, history, timing)
        case StatsKey(runner_id):
            stats = await source.get_stats(runner_id, priority=request.priority, on_sent=on_sent)
            return lambda snapshot, timing: apply_stats(snapshot, runner_id, stats, timing)
        case _:
            assert_never(request.resource)


def reduce_response(snapshot: Snapshot, resource: Resource, reducer: Reducer, timing: RequestTiming) -> Snapshot:
    """Take in an answer, and what it means for everything that failed.

    How long stats took says how far away the runner is, and nothing of the API.
    """
    took = None if isinstance(resource, StatsKey) else timing.duration_s
    return apply_success(apply_contact(reducer(snapshot, timing), resource, timing), took)


def reduce_failure(
    snapshot: Snapshot, resource: Resource, error: ComfyControlError, timing: RequestTiming, jitter: float
) -> Snapshot:
    """Take in a failure: a problem, a runner that is gone or does not answer, a token that is none."""
    # Not by its stats, which a deployment may not have. Of a runner that is listed the history alone may be missing.
    if (
        isinstance(error, NotFoundError)
        and isinstance(resource, HistoryKey)
        and is_unseen(snapshot, resource.runner_id)
    ):
        return remove_runner(snapshot, resource.runner_id, timing)
    if isinstance(error, SilentRunnerError) and isinstance(resource, HistoryKey | StatsKey):
        return apply_silent_runner(snapshot, resource, error, timing, jitter)
    if isinstance(resource, StatsKey) and isinstance(error, ServerError) and _is_of_runner(snapshot, error):
        return apply_unreachable(snapshot, resource.runner_id, error.message, timing)
    # A refused token is told by more than a runner's stats, which may be refused for reasons of their own.
    if isinstance(error, UnauthorizedError) and not isinstance(resource, StatsKey):
        snapshot = apply_unauthorized(snapshot, error, timing)
    return forget_old_removals(apply_failure(snapshot, resource, error, timing, jitter), timing)


def _is_of_runner(snapshot: Snapshot, error: ServerError) -> bool:
    """Whether the API says so that a runner does not answer (page get-runner-stats), and does not fail itself."""
    problem = snapshot.page.problem
    return error.status == _RUNNER_UNREACHABLE_STATUS and (problem is None or problem.kind is not ProblemKind.SERVER)


MAX_IN_FLIGHT = 8
"""Requests under way, beyond which those that nobody waits for any more are given up: connections are few."""


class InFlightRequests:
    """Requests under way, as tasks. `landed` is called whenever one has ended, however it did."""

    def __init__(self, on_done: Callable[[], None]) -> None:
        self._landed = on_done
        self._uses: dict[Resource, Priority] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}

    @property
    def priorities(self) -> Mapping[Resource, Priority]:
        """What is under way, and what for, the longest under way first."""
        return MappingProxyType(self._uses)

    def start(self, group: asyncio.TaskGroup, request: Request, coroutine: Coroutine[None, None, None]) -> None:
        """Let this request go its way."""
        # Before the task is made: an eager one may be answered before create_task returns.
        self._uses[request.resource] = request.priority
        task = group.create_task(coroutine)
        self._tasks[request.resource] = task
        # No `finally` in the request does this: a task that is cancelled before its first step has none.
        task.add_done_callback(partial(self._on_done, request.resource))

    def evict_one(self, needed: Collection[Resource]) -> None:
        """Where too many are under way, give up the oldest that is none of the wanted."""
        if len(self._tasks) >= MAX_IN_FLIGHT:
            unwanted = (task for resource, task in self._tasks.items() if resource not in needed)
            if (oldest := next(unwanted, None)) is not None:
                oldest.cancel()

    def cancel_all(self) -> None:
        """Cancel all; none of them publishes anything from here on."""
        for task in self._tasks.values():
            task.cancel()

    def _on_done(self, resource: Resource, _task: asyncio.Task[None]) -> None:
        del self._uses[resource], self._tasks[resource]
        self._landed()
