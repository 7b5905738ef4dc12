"""Durations, last run and queue of workflows."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.statuses import WorkflowStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfytui.api.models import Runner, Timestamp, Workflow


WAITING = frozenset({WorkflowStatus.ACCEPTED, WorkflowStatus.UPLOADED, WorkflowStatus.QUEUED})
"""Statuses of workflows that have not started (page get-runner-history; explained on concepts/workflows)."""

IN_PROGRESS = WAITING | {WorkflowStatus.RUNNING}
"""Statuses of workflows that have not ended."""


class Durations(NamedTuple):
    """Seconds a workflow waited and ran, None if unknown, and True for the one that goes on."""

    waited: float | None
    waiting: bool
    ran: float | None
    running: bool


def durations(workflow: Workflow, now: datetime) -> Durations:
    """Return how long a workflow waited and ran, until `now` if it still does."""
    waiting = workflow.status in WAITING and workflow.started_at is None
    running = workflow.status == WorkflowStatus.RUNNING
    until = now if waiting else workflow.started_at
    end = now if running and workflow.completed_at is None else workflow.completed_at
    return Durations(elapsed(workflow.created_at, until), waiting, elapsed(workflow.started_at, end), running)


def last_run(history: Sequence[Workflow]) -> Workflow | None:
    """Return the newest workflow that runs or ended, else the newest that waits, or None if there is none."""
    first = history[0] if history else None
    return next((workflow for workflow in history if workflow.status not in WAITING), first)


def last_change(workflow: Workflow) -> Timestamp | None:
    """Return when a workflow reached its status, or None if unknown."""
    return workflow.completed_at or workflow.started_at or workflow.created_at


def queue_counts(runner: Runner, history: Sequence[Workflow] | None) -> tuple[int, int] | None:
    """Return the numbers of running and waiting workflows of a runner, or None if unknown.

    Without these numbers from the API, the workflows of the history are counted.
    """
    if runner.queue_pending is not None:
        return runner.queue_running or 0, runner.queue_pending
    if history is None or runner.tells_queue:
        return None
    statuses = [workflow.status for workflow in history]
    return statuses.count(WorkflowStatus.RUNNING), sum(status in WAITING for status in statuses)


def elapsed(start: Timestamp | None, end: Timestamp | None) -> float | None:
    """Return the seconds between two times, or None if one is unknown."""
    if isinstance(start, datetime) and isinstance(end, datetime):
        return (end - start).total_seconds()
    return None


def display_name(name: str | None, item_id: str) -> str:
    """Return an item's name, or its id if the name is blank or missing."""
    return name if name and not name.isspace() else item_id
