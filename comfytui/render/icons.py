"""The shape of each status, so that it reads without colour."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.render.cells import Line, Role, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfytui.engine.feed import Feed


ABSENT = "–"
"""What stands where the API sent nothing."""

_NOT_ASKED = Span("…", Role.MUTED)
_NOT_TOLD = Span("?", Role.MUTED)

_UNKNOWN = Span("?", Role.UNKNOWN)

_RUNNER: Mapping[str, Span] = {
    RunnerStatus.ACTIVE: Span("●", Role.GOOD),
    RunnerStatus.DISABLED: Span("○", Role.NEUTRAL),
}

_REACH: Mapping[bool | None, Span] = {
    True: Span("✔", Role.GOOD),
    False: Span("✖", Role.BAD),
    None: _NOT_TOLD,
}

_WORKFLOW: Mapping[str, Span] = {
    WorkflowStatus.ACCEPTED: Span("◌", Role.WAITING),
    WorkflowStatus.UPLOADED: Span("◍", Role.WAITING),
    WorkflowStatus.QUEUED: Span("◔", Role.WAITING),
    WorkflowStatus.RUNNING: Span("▶", Role.WORKING),
    WorkflowStatus.COMPLETED: Span("✔", Role.GOOD),
    WorkflowStatus.CANCELLED: Span("⊘", Role.NEUTRAL),
    WorkflowStatus.INVALID: Span("⚠", Role.BAD),
    WorkflowStatus.FAILED: Span("✖", Role.BAD),
}


def unknown_icon(feed: Feed[object]) -> Line:
    """What stands in place of a value: an ellipsis where it was not asked for yet, `?` where it could not be had."""
    return (_NOT_ASKED if feed.problem is None else _NOT_TOLD,)


def runner_icon(status: RunnerStatus | None) -> Span:
    """The shape of a runner's status; a question mark for a word nobody knows."""
    return _RUNNER.get(status or "", _UNKNOWN)


def health_icon(reachable: bool | None) -> Span:
    """The shape of whether a runner answers, None where that is not known."""
    return _REACH[reachable]


def workflow_icon(status: WorkflowStatus | None) -> Span:
    """The shape of a workflow's status; a question mark for a word nobody knows."""
    return _WORKFLOW.get(status or "", _UNKNOWN)


def runner_status_cell(status: RunnerStatus | None) -> Line:
    """Shape and word of a runner's status, the word as it was sent."""
    glyph = runner_icon(status)
    return (glyph, Span(f" {status or ABSENT}", glyph.role))


def workflow_status_cell(status: WorkflowStatus | None) -> Line:
    """Shape and word of a workflow's status, the word as it was sent."""
    glyph = workflow_icon(status)
    return (glyph, Span(f" {status or ABSENT}", glyph.role))
