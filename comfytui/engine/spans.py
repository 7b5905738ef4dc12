"""Where a workflow's time went: plain arithmetic over its moments."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.statuses import WorkflowStatus

if TYPE_CHECKING:
    from comfytui.api.models import Moment, Workflow

__all__ = ["UNDER_WAY", "WAITING", "Spent", "elapsed", "spent"]

WAITING = frozenset({WorkflowStatus.ACCEPTED, WorkflowStatus.UPLOADED, WorkflowStatus.QUEUED})
"""The statuses of what has yet to run (page get-runner-history; meanings on concepts/workflows)."""

UNDER_WAY = WAITING | {WorkflowStatus.RUNNING}
"""The statuses of what has yet to end."""


class Spent(NamedTuple):
    """How long a workflow waited and ran, in seconds, and whether either still goes on; None is not known."""

    waited: float | None
    waiting: bool
    ran: float | None
    running: bool


def spent(workflow: Workflow, now: datetime) -> Spent:
    """Where a workflow's time went until now."""
    waiting = workflow.status in WAITING and workflow.started_at is None
    running = workflow.status == WorkflowStatus.RUNNING
    until = now if waiting else workflow.started_at
    end = now if running and workflow.completed_at is None else workflow.completed_at
    return Spent(elapsed(workflow.created_at, until), waiting, elapsed(workflow.started_at, end), running)


def elapsed(start: Moment | None, end: Moment | None) -> float | None:
    """Seconds from one time to another; None unless both are known."""
    if isinstance(start, datetime) and isinstance(end, datetime):
        return (end - start).total_seconds()
    return None
