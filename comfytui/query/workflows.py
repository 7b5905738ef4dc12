"""Where a workflow's time went: plain arithmetic over its moments."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.statuses import WorkflowStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfytui.api.models import Runner, Timestamp, Workflow


WAITING = frozenset({WorkflowStatus.ACCEPTED, WorkflowStatus.UPLOADED, WorkflowStatus.QUEUED})
"""The statuses of what has yet to run (page get-runner-history; meanings on concepts/workflows)."""

IN_PROGRESS = WAITING | {WorkflowStatus.RUNNING}
"""The statuses of what has yet to end."""


class Durations(NamedTuple):
    """How long a workflow waited and ran, in seconds, and whether either still goes on; None is not known."""

    waited: float | None
    waiting: bool
    ran: float | None
    running: bool


def durations(workflow: Workflow, now: datetime) -> Durations:
    """Where a workflow's time went until now."""
    waiting = workflow.status in WAITING and workflow.started_at is None
    running = workflow.status == WorkflowStatus.RUNNING
    until = now if waiting else workflow.started_at
    end = now if running and workflow.completed_at is None else workflow.completed_at
    return Durations(elapsed(workflow.created_at, until), waiting, elapsed(workflow.started_at, end), running)


def last_run(history: Sequence[Workflow]) -> Workflow | None:
    """Return the newest workflow that runs or ended, else the first that waits, or None if there is none."""
    first = history[0] if history else None
    return next((workflow for workflow in history if workflow.status not in WAITING), first)


def last_change(workflow: Workflow) -> Timestamp | None:
    """Return when a workflow got where it is, or None if that is not known."""
    return workflow.completed_at or workflow.started_at or workflow.created_at


def queue_counts(runner: Runner, history: Sequence[Workflow] | None) -> tuple[int, int] | None:
    """Return how many workflows of a runner run and wait, or None if unknown.

    If the API does not tell these numbers, workflows are counted in the history.
    """
    if runner.queue_pending is not None:
        return runner.queue_running or 0, runner.queue_pending
    if history is None or runner.tells_queue:
        return None
    statuses = [workflow.status for workflow in history]
    return statuses.count(WorkflowStatus.RUNNING), sum(status in WAITING for status in statuses)


def elapsed(start: Timestamp | None, end: Timestamp | None) -> float | None:
    """Seconds from one time to another; None unless both are known."""
    if isinstance(start, datetime) and isinstance(end, datetime):
        return (end - start).total_seconds()
    return None


def display_name(name: str | None, item_id: str) -> str:
    """What to call an item: its name, or its id where the name is blank or missing."""
    return name if name and not name.isspace() else item_id
