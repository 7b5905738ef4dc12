"""Icons of statuses, with distinct shapes so that they are readable without color."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.render.cells import Line, Role, Span

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfytui.engine.feed import Feed


ABSENT = "–"
"""Placeholder for a missing value."""

_PENDING = Span("…", Role.MUTED)
_UNAVAILABLE = Span("?", Role.MUTED)

_UNKNOWN = Span("?", Role.UNKNOWN)

_RUNNER: Mapping[str, Span] = {
    RunnerStatus.ACTIVE: Span("●", Role.GOOD),
    RunnerStatus.DISABLED: Span("○", Role.NEUTRAL),
}

_REACH: Mapping[bool | None, Span] = {
    True: Span("✔", Role.GOOD),
    False: Span("✖", Role.BAD),
    None: _UNAVAILABLE,
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
    """Return the placeholder of an unknown value: `…` before the first response, `?` after a failure."""
    return (_PENDING if feed.problem is None else _UNAVAILABLE,)


def runner_icon(status: RunnerStatus | None) -> Span:
    """Return the icon of a runner's status, `?` for an undocumented one."""
    return _RUNNER.get(status or "", _UNKNOWN)


def health_icon(reachable: bool | None) -> Span:
    """Return the icon of a health check: True if reachable, None if unknown."""
    return _REACH[reachable]


def workflow_icon(status: WorkflowStatus | None) -> Span:
    """Return the icon of a workflow's status, `?` for an undocumented one."""
    return _WORKFLOW.get(status or "", _UNKNOWN)


def runner_status_cell(status: RunnerStatus | None) -> Line:
    """Return icon and text of a runner's status, as the API sent it."""
    glyph = runner_icon(status)
    return (glyph, Span(f" {status or ABSENT}", glyph.role))


def workflow_status_cell(status: WorkflowStatus | None) -> Line:
    """Return icon and text of a workflow's status, as the API sent it."""
    glyph = workflow_icon(status)
    return (glyph, Span(f" {status or ABSENT}", glyph.role))
