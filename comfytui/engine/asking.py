"""From a question to what its answer, or its failure, makes of a snapshot."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias, assert_never

from comfytui.api.errors import NotFound, Unauthorized
from comfytui.engine.departures import Seen, depart
from comfytui.engine.folding import fold_failure, fold_history, fold_page, fold_refusal, fold_runner
from comfytui.engine.recovery import recovered
from comfytui.engine.resources import HistoryKey, PageKey, RunnerKey
from comfytui.engine.snapshot import Snapshot

if TYPE_CHECKING:
    from comfytui.api.errors import ComfyControlError
    from comfytui.engine.planner import Ask
    from comfytui.engine.resources import Resource, RunnerSource

__all__ = ["Fold", "answered", "ask", "failed"]

Fold: TypeAlias = Callable[[Snapshot, Seen], Snapshot]
"""What an answer makes of the snapshot of when it is there."""


async def ask(source: RunnerSource, question: Ask) -> Fold:
    """Ask for a resource; ComfyControlError where it is not answered."""
    match question.resource:
        case PageKey(page, per_page, status) as key:
            answer = await source.list_runners(page, per_page, status, use=question.use)
            return lambda snapshot, seen: fold_page(snapshot, key, answer, seen)
        case RunnerKey(runner_id):
            runner = await source.get_runner(runner_id, use=question.use)
            return lambda snapshot, seen: fold_runner(snapshot, runner_id, runner, seen)
        case HistoryKey(runner_id):
            history = await source.get_history(runner_id, use=question.use)
            return lambda snapshot, seen: fold_history(snapshot, runner_id, history, seen)
        case _:
            assert_never(question.resource)


def answered(snapshot: Snapshot, fold: Fold, seen: Seen) -> Snapshot:
    """Take in an answer, and what it means for everything that failed."""
    return recovered(fold(snapshot, seen), seen.on - seen.asked_on)


def failed(snapshot: Snapshot, resource: Resource, error: ComfyControlError, seen: Seen, jitter: float) -> Snapshot:
    """Take in a failure: a problem, a runner that is gone, a token that is none."""
    if isinstance(error, NotFound) and not isinstance(resource, PageKey):
        return depart(snapshot, resource.runner_id, seen)
    if isinstance(error, Unauthorized):
        snapshot = fold_refusal(snapshot, error, seen)
    return fold_failure(snapshot, resource, error, seen, jitter)
