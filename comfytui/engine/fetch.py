"""Requests in flight, and the reducers of their responses and failures."""

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
"""Applies a response to the snapshot at the time it arrives."""

_RUNNER_UNREACHABLE_STATUS = 500


class RequestTimer:
    """Timer of one request, which the rate limiter may delay before it is sent.

    Args:
        clock: Clock of the times.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._asked_on = self._sent_on = clock.monotonic()

    def mark_sent(self) -> None:
        """Record that the request is sent now."""
        self._sent_on = self._clock.monotonic()

    def finish(self) -> RequestTiming:
        """Return the timing of the request, which ended now."""
        return RequestTiming(self._asked_on, self._clock.monotonic(), self._clock.now(), self._sent_on)


async def fetch(source: RunnerSource, request: Request, on_sent: OnSent = None) -> Reducer:
    """Request a resource and return the reducer of the response; raises ComfyControlError."""
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
    """Apply a response, and what it means for everything that failed.

    The duration of a stats request tells the distance of the runner, not the speed of the API.
    """
    took = None if isinstance(resource, StatsKey) else timing.duration_s
    return apply_success(apply_contact(reducer(snapshot, timing), resource, timing), took)


def reduce_failure(
    snapshot: Snapshot, resource: Resource, error: ComfyControlError, timing: RequestTiming, jitter: float
) -> Snapshot:
    """Apply a failure: a problem, a removed or unreachable runner, or a rejected token."""
    # A deployment may lack stats, and the history alone of a listed runner may be missing, so neither tells of removal.
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
    # Stats may be refused for reasons of their own, so they do not tell that the token is rejected.
    if isinstance(error, UnauthorizedError) and not isinstance(resource, StatsKey):
        snapshot = apply_unauthorized(snapshot, error, timing)
    return forget_old_removals(apply_failure(snapshot, resource, error, timing, jitter), timing)


def _is_of_runner(snapshot: Snapshot, error: ServerError) -> bool:
    """Return True if the error means an unreachable runner (page get-runner-stats), not a failing API."""
    problem = snapshot.page.problem
    return error.status == _RUNNER_UNREACHABLE_STATUS and (problem is None or problem.kind is not ProblemKind.SERVER)


MAX_IN_FLIGHT = 8
"""Most requests in flight; beyond it those that nothing needs are cancelled, for connections are few."""


class InFlightRequests:
    """Tasks of the requests in flight; `on_done` is called whenever one ends."""

    def __init__(self, on_done: Callable[[], None]) -> None:
        self._landed = on_done
        self._uses: dict[Resource, Priority] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}

    @property
    def priorities(self) -> Mapping[Resource, Priority]:
        """Resources in flight with their priorities, oldest first."""
        return MappingProxyType(self._uses)

    def start(self, group: asyncio.TaskGroup, request: Request, coroutine: Coroutine[None, None, None]) -> None:
        """Start a request."""
        # Recorded before the task is created, for an eager task may end before create_task returns.
        self._uses[request.resource] = request.priority
        task = group.create_task(coroutine)
        self._tasks[request.resource] = task
        # A callback instead of `finally`: a task that is cancelled before its first step never reaches `finally`.
        task.add_done_callback(partial(self._on_done, request.resource))

    def evict_one(self, needed: Collection[Resource]) -> None:
        """Cancel the oldest request that is not needed, if too many are in flight."""
        if len(self._tasks) >= MAX_IN_FLIGHT:
            unwanted = (task for resource, task in self._tasks.items() if resource not in needed)
            if (oldest := next(unwanted, None)) is not None:
                oldest.cancel()

    def cancel_all(self) -> None:
        """Cancel all requests; none of them publishes anything from here on."""
        for task in self._tasks.values():
            task.cancel()

    def _on_done(self, resource: Resource, _task: asyncio.Task[None]) -> None:
        del self._uses[resource], self._tasks[resource]
        self._landed()
