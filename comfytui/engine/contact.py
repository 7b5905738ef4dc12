"""Contact of a gateway with a runner's own server: the latest applies to all of its feeds. Pure.

The API answers a history from its own records, so there a history tells nothing about the runner. A gateway to plain
servers reads both from the server and raises SilentRunnerError if that does not answer.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from comfytui.engine.feed import Feed, ProblemKind
from comfytui.engine.protocol import HistoryKey, StatsKey
from comfytui.engine.reducer import apply_failure, with_history, with_stats
from comfytui.engine.snapshot import HealthCheck, silent

if TYPE_CHECKING:
    from comfytui.api.errors import SilentRunnerError
    from comfytui.engine.protocol import Resource
    from comfytui.engine.reducer import RequestTiming
    from comfytui.engine.snapshot import Snapshot


def apply_contact(snapshot: Snapshot, resource: Resource, timing: RequestTiming) -> Snapshot:
    """Clear, after a response from a runner, the problems from when it was silent; they are due at once."""
    match resource:
        case HistoryKey(runner_id):
            return _with_runner_reached(snapshot, runner_id, timing)
        case StatsKey(runner_id):
            return _with_history_due(snapshot, runner_id)
        case _:
            return snapshot


def apply_silent_runner(
    snapshot: Snapshot, resource: HistoryKey | StatsKey, error: SilentRunnerError, timing: RequestTiming, jitter: float
) -> Snapshot:
    """Record that a runner gave no usable answer, for its history and its stats."""
    runner_id, is_silent = resource.runner_id, error.state.is_silent
    if is_silent or isinstance(resource, StatsKey):
        health = silent(snapshot.health(runner_id).value, error.state, error.reason, timing.done_at)
        snapshot = with_stats(snapshot, runner_id, Feed(health, timing.done_at, timing.done_monotonic))
    else:
        snapshot = _with_runner_reached(snapshot, runner_id, timing)
    history = snapshot.history(runner_id)
    if isinstance(resource, HistoryKey) or (is_silent and history.tried_monotonic is not None):
        return apply_failure(snapshot, HistoryKey(runner_id), error, timing, jitter)
    return snapshot if is_silent else _with_history_due(snapshot, runner_id)


def _with_runner_reached(snapshot: Snapshot, runner_id: str, timing: RequestTiming) -> Snapshot:
    """Return the snapshot with a silent runner reachable again and its stats due."""
    known = snapshot.health(runner_id).value
    if known is None or known.state is None or not known.state.is_silent:
        return snapshot
    due = Feed(
        HealthCheck(reachable=True, stats=known.stats),
        timing.done_at,
        timing.done_monotonic - snapshot.health_interval_s,
    )
    return with_stats(snapshot, runner_id, due)


def _with_history_due(snapshot: Snapshot, runner_id: str) -> Snapshot:
    """Return the snapshot without the problem of a history that failed because the runner was silent."""
    history = snapshot.history(runner_id)
    if history.problem is None or history.problem.kind is not ProblemKind.RUNNER_SILENT:
        return snapshot
    return with_history(snapshot, runner_id, replace(history, problem=None))
