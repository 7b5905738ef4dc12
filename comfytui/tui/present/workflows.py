"""Workflows as rows, as fields, and on a line of time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.statuses import WorkflowStatus
from comfytui.engine.names import name_or_id
from comfytui.engine.spans import WAITING, spent
from comfytui.tui.present.cells import Line, Role, Span, beside
from comfytui.tui.present.columns import Column, Row
from comfytui.tui.present.fields import Field, field
from comfytui.tui.present.glyphs import ABSENT, not_known, workflow_glyph, workflow_status
from comfytui.tui.present.units import (
    Period,
    TimeStyle,
    age,
    duration,
    moment,
    moment_in_full,
    moment_in_short,
    period_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from comfytui.api.models import Moment, Workflow
    from comfytui.engine.feed import Feed

__all__ = [
    "HISTORY_COLUMNS",
    "history_tally",
    "last_workflow",
    "queue",
    "queue_cell",
    "since_when",
    "timeline",
    "workflow_fields",
    "workflow_name",
    "workflow_period",
    "workflow_row",
]

HISTORY_COLUMNS = (
    Column("glyph", "", 1, priority=0),
    Column("name", "name", 12, weight=4, priority=0),
    Column("status", "status", 9, priority=1),
    Column("took", "took", 6, priority=2, right=True),
    Column("created", "created", 11, priority=3),
    Column("waited", "waited", 6, priority=4, right=True),
    Column("tags", "tags", 12, weight=2, priority=5),
    Column("started", "started", 11, priority=6),
    Column("completed", "completed", 11, priority=7),
    Column("updated", "updated", 11, priority=8),
)

_LONGEST_BAR = 72

HISTORY_LENGTH = 10
"""How many workflows a history has at most (page get-runner-history)."""

_SHORT: Mapping[str, str] = {
    WorkflowStatus.ACCEPTED: "new",
    WorkflowStatus.UPLOADED: "sent",
    WorkflowStatus.QUEUED: "queue",
    WorkflowStatus.RUNNING: "run",
    WorkflowStatus.COMPLETED: "done",
    WorkflowStatus.CANCELLED: "stop",
    WorkflowStatus.INVALID: "inval",
    WorkflowStatus.FAILED: "fail",
}


def workflow_name(workflow: Workflow) -> str:
    """The workflow's name, or its id where the name is empty or missing."""
    return name_or_id(workflow.name, workflow.id)


def workflow_row(workflow: Workflow, style: TimeStyle, now: datetime, *, exact: bool = False) -> Row:
    """A workflow in the history; `exact` tells what still goes on to the second instead of coarsely."""
    glyph = workflow_glyph(workflow.status)
    time = spent(workflow, now)
    cells: dict[str, Line] = {
        "glyph": (glyph,),
        "name": (Span(workflow_name(workflow)),),
        "status": (Span(workflow.status or ABSENT, glyph.role),),
        "took": _told(time.ran, coarse=time.running and not exact),
        "waited": _told(time.waited, coarse=time.waiting and not exact),
        "tags": (Span(" ".join(workflow.tags) or ABSENT, Role.ACCENT if workflow.tags else Role.MUTED),),
    }
    for name in ("created", "started", "completed", "updated"):
        cells[name] = (Span(moment(getattr(workflow, f"{name}_at"), style, now), Role.MUTED),)
    facts = (workflow.name, workflow.status, workflow.tags, workflow.started_at, workflow.completed_at)
    return Row(workflow.id, cells, facts=(facts,))


def workflow_period(workflow: Workflow, style: TimeStyle, now: datetime, *, exact: bool = False) -> Period:
    """For how long the row of a workflow reads as it does now, told as exactly."""
    ended = (workflow.completed_at, workflow.updated_at)
    period = period_of((workflow.created_at, workflow.started_at, *ended), style, now)
    time = spent(workflow, now)
    counted = time.ran if time.running else time.waited if time.waiting else None
    if not exact or counted is None:
        return period
    return Period(now, min(period.until, now + timedelta(seconds=1 - counted % 1)))


def last_workflow(history: Feed[tuple[Workflow, ...]], style: TimeStyle, now: datetime) -> dict[str, Line]:
    """The cells `last` and `when` of a runner: its newest workflow's status in short, and when it got there.

    An empty history is a dash, one that could not be asked again is muted, and one that is not known is as of
    `not_known`: unknown never looks like good.
    """
    if history.value is None:
        return dict.fromkeys(("last", "when"), not_known(history))
    if not history.value:
        return dict.fromkeys(("last", "when"), (Span(ABSENT, Role.MUTED),))
    newest = history.value[0]
    glyph = workflow_glyph(newest.status)
    role = Role.MUTED if history.problem else glyph.role
    word = _SHORT.get(newest.status or "", newest.status or ABSENT)
    return {
        "last": (Span(f"{glyph.text} {word}", role),),
        "when": (Span(moment_in_short(since_when(history), style, now), Role.MUTED),),
    }


def since_when(history: Feed[tuple[Workflow, ...]]) -> Moment | None:
    """When a runner's newest workflow got where it is; None where that is not known."""
    if not history.value:
        return None
    newest = history.value[0]
    return newest.completed_at or newest.started_at or newest.created_at


def queue(history: Feed[tuple[Workflow, ...]]) -> tuple[int, int] | None:
    """How many workflows of a runner's history run, and how many wait; None where it is not known."""
    if history.value is None:
        return None
    statuses = [workflow.status for workflow in history.value]
    return statuses.count(WorkflowStatus.RUNNING), sum(status in WAITING for status in statuses)


def queue_cell(history: Feed[tuple[Workflow, ...]]) -> Line:
    """The cell `queue` of a runner: `▶1 ◔3`, a dash where nothing is under way; unknown and old as `last_workflow`.

    `▶1◔9+` is what of more is in the history, which is no longer than HISTORY_LENGTH: as wide as the column, just so.
    """
    known = queue(history)
    if known is None:
        return not_known(history)
    if not any(known):
        return (Span(ABSENT, Role.MUTED),)
    glyphs = map(workflow_glyph, (WorkflowStatus.RUNNING, WorkflowStatus.QUEUED))
    more = "+" if _may_wait_more(history.value or ()) else ""
    told = zip(glyphs, known, ("", more), strict=True)
    shown = (
        (Span(f"{glyph.text}{count}{mark}", Role.MUTED if history.problem else glyph.role),)
        for glyph, count, mark in told
        if count
    )
    return beside(shown, Span("" if more else " "))


def _may_wait_more(history: Sequence[Workflow]) -> bool:
    """Whether the history is full, and the oldest in it that does not run still waits."""
    waits = [workflow.status in WAITING for workflow in history if workflow.status != WorkflowStatus.RUNNING]
    return len(history) >= HISTORY_LENGTH and waits[-1:] == [True]


def workflow_fields(workflow: Workflow, style: TimeStyle, now: datetime) -> tuple[Field, ...]:
    """Everything the API says of a workflow, and what follows from it."""
    time = spent(workflow, now)
    return (
        Field("Name", (Span(workflow_name(workflow), Role.STRONG),)),
        Field("Status", workflow_status(workflow.status)),
        field("Tags", "  ".join(workflow.tags), Role.ACCENT),
        field("Created", moment_in_full(workflow.created_at, style, now)),
        field("Started", moment_in_full(workflow.started_at, style, now)),
        field("Completed", moment_in_full(workflow.completed_at, style, now)),
        field("Updated", moment_in_full(workflow.updated_at, style, now)),
        Field("Waited", _told(time.waited)),
        Field("Took", _told(time.ran)),
        field("Id", workflow.id, Role.MUTED),
        *(field(name or ABSENT, value, Role.MUTED) for name, value in workflow.extras),
    )


def history_tally(workflows: Sequence[Workflow]) -> Line:
    """How many of the workflows have which status: `✔8 ✖1 ▶1`, the most frequent first."""
    counts = Counter(workflow_glyph(workflow.status) for workflow in workflows)
    return beside(((Span(f"{glyph.text}{count}", glyph.role),) for glyph, count in counts.most_common()), Span(" "))


def timeline(workflow: Workflow, now: datetime, width: int) -> tuple[Line, ...]:
    """Waiting and running as a bar to scale with a legend below; nothing where no time is known."""
    phases = _phases(workflow, now)
    if not phases:
        return ()
    width = min(width, _LONGEST_BAR)
    whole = sum(phase.seconds for phase in phases) or 1.0
    first = width
    if len(phases) > 1:
        first = max(1, width - max(1, round(width * phases[-1].seconds / whole)))
    shares = (first, width - first)[: len(phases)]
    bar = tuple(Span(phase.fill * share, phase.role) for phase, share in zip(phases, shares, strict=True))
    legend = ((Span(f"{phase.verb} {duration(phase.seconds)}", phase.role),) for phase in phases)
    return (bar, beside(legend, Span(" → ", Role.MUTED)))


class _Phase(NamedTuple):
    seconds: float
    verb: str
    fill: str
    role: Role


def _phases(workflow: Workflow, now: datetime) -> list[_Phase]:
    time = spent(workflow, now)
    phases: list[_Phase] = []
    if time.waited is not None:
        phases.append(_Phase(max(0.0, time.waited), "waiting" if time.waiting else "waited", "░", Role.WAITING))
    if time.ran is not None:
        role = workflow_glyph(workflow.status).role
        phases.append(_Phase(max(0.0, time.ran), "running" if time.running else "ran", "█", role))
    return phases


def _told(seconds: float | None, *, coarse: bool = False) -> Line:
    if seconds is None:
        return (Span(ABSENT, Role.MUTED),)
    return (Span(age(seconds) if coarse else duration(seconds)),)
