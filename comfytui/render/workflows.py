"""Workflows as table rows, fields and a timeline."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.histories import MAX_HISTORY
from comfytui.api.statuses import LAST_SEEN_RUNNING, WorkflowStatus
from comfytui.query.workflows import WAITING, display_name, durations, last_change, last_run, queue_counts
from comfytui.render.cells import Line, Role, Span, join
from comfytui.render.icons import ABSENT, unknown_icon, workflow_icon, workflow_status_cell
from comfytui.render.panels import Field, field
from comfytui.render.table import Row
from comfytui.render.times import (
    Period,
    TimeStyle,
    exact_duration,
    format_age,
    format_duration,
    format_time,
    format_time_full,
    format_time_short,
    period_of,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from comfytui.api.models import Runner, Timestamp, Workflow
    from comfytui.engine.feed import Feed


_LONGEST_BAR = 72
_QUEUE_WIDTH = 6
_THOUSANDS = 10_000


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


def workflow_display_name(workflow: Workflow) -> str:
    """Return the workflow's name, or its id if the name is empty or missing."""
    return display_name(workflow.name, workflow.id)


def workflow_row(workflow: Workflow, style: TimeStyle, now: datetime, *, exact: bool = False) -> Row:
    """Return the table row of a workflow; with `exact`, ongoing durations are shown to the second."""
    glyph = workflow_icon(workflow.status)
    time = durations(workflow, now)
    cells: dict[str, Line] = {
        "glyph": (glyph,),
        "name": (Span(workflow_display_name(workflow)),),
        "status": (Span(workflow.status or ABSENT, glyph.role),),
        "took": _duration_cell(time.ran, ongoing=time.running, coarse=not exact),
        "waited": _duration_cell(time.waited, ongoing=time.waiting, coarse=not exact),
        "tags": (Span(" ".join(workflow.tags) or ABSENT, Role.ACCENT if workflow.tags else Role.MUTED),),
    }
    for name in ("created", "started", "completed", "updated"):
        cells[name] = (Span(format_time(getattr(workflow, f"{name}_at"), style, now), Role.MUTED),)
    facts = (workflow.name, workflow.status, workflow.tags, workflow.started_at, workflow.completed_at)
    return Row(workflow.id, cells, facts=(facts,), fallback_cells=_running_fallback(workflow))


def _running_fallback(workflow: Workflow) -> Mapping[str, Mapping[str, Line]]:
    """Return cells that mark a job as last seen running while its tags, or even its status, are hidden."""
    if LAST_SEEN_RUNNING not in workflow.tags:
        return {}
    role = workflow_icon(workflow.status).role
    name = (Span("running? ", role), Span(workflow_display_name(workflow)))
    return {"tags": {"status": (Span("running?", role),)}, "status": {"name": name}}


def workflow_period(workflow: Workflow, style: TimeStyle, now: datetime, *, exact: bool = False) -> Period:
    """Return the period during which a workflow's row keeps its text."""
    ended = (workflow.completed_at, workflow.updated_at)
    period = period_of((workflow.created_at, workflow.started_at, *ended), style, now)
    time = durations(workflow, now)
    counted = time.ran if time.running else time.waited if time.waiting else None
    if not exact or counted is None:
        return period
    return Period(now, min(period.until, now + timedelta(seconds=1 - counted % 1)))


def last_workflow_cells(history: Feed[tuple[Workflow, ...]], style: TimeStyle, now: datetime) -> dict[str, Line]:
    """Return the cells `last` and `when` of a runner: short status of its last run, and when that began.

    An empty history is a dash. After a failed request the old cells are muted. An unknown history gets the placeholder
    of `unknown_icon`, so it never looks good.
    """
    if history.value is None:
        return dict.fromkeys(("last", "when"), unknown_icon(history))
    last = last_run(history.value)
    if last is None:
        return dict.fromkeys(("last", "when"), (Span(ABSENT, Role.MUTED),))
    glyph = workflow_icon(last.status)
    role = Role.MUTED if history.problem else glyph.role
    text = "run?" if LAST_SEEN_RUNNING in last.tags else _SHORT.get(last.status or "", last.status or ABSENT)
    return {
        "last": (Span(f"{glyph.text} {text}", role),),
        "when": (Span(format_time_short(last_change_at(history), style, now), Role.MUTED),),
    }


def last_change_at(history: Feed[tuple[Workflow, ...]]) -> Timestamp | None:
    """Return when the last run of a runner got its status, or None if unknown."""
    last = last_run(history.value or ())
    return None if last is None else last_change(last)


def queue_cell(runner: Runner, history: Feed[tuple[Workflow, ...]]) -> Line:
    """Return the cell `queue` of a runner, such as `▶1 ◔3`, or a dash if nothing runs or waits.

    `▶1◔9+` is counted in a history, which is limited to MAX_HISTORY; `▶1◔399` comes from the API. If both numbers do
    not fit, the running ones are an icon alone: `▶◔1234`. Unknown and old values look as in `last_workflow_cells`.
    """
    known = queue_counts(runner, history.value)
    if known is None:
        return unknown_icon(history)
    if not any(known):
        return (Span(ABSENT, Role.MUTED),)
    running, waiting = map(_in_few_cells, known)
    more = "+" if runner.queue_pending is None and _may_be_incomplete(history.value or ()) else ""
    room = _QUEUE_WIDTH - len(f"▶{running}◔{waiting}{more}")
    numbers = ((WorkflowStatus.RUNNING, running if room >= 0 else ""), (WorkflowStatus.QUEUED, f"{waiting}{more}"))
    icons = [(workflow_icon(status), text) for (status, text), count in zip(numbers, known, strict=True) if count]
    shown = ((Span(f"{icon.text}{text}", Role.MUTED if history.problem else icon.role),) for icon, text in icons)
    return join(shown, Span(" " if room > 0 and not more else ""))


def _in_few_cells(count: int) -> str:
    return str(count) if count < _THOUSANDS else f"{count // 1_000}k"


def _may_be_incomplete(history: Sequence[Workflow]) -> bool:
    """Return True if the history is full and its oldest workflow that does not run still waits."""
    waits = [workflow.status in WAITING for workflow in history if workflow.status != WorkflowStatus.RUNNING]
    return len(history) >= MAX_HISTORY and waits[-1:] == [True]


def workflow_fields(workflow: Workflow, style: TimeStyle, now: datetime) -> tuple[Field, ...]:
    """Return all fields of a workflow, and the durations derived from them."""
    time = durations(workflow, now)
    return (
        Field("Name", (Span(workflow_display_name(workflow), Role.STRONG),)),
        Field("Status", workflow_status_cell(workflow.status)),
        field("Tags", "  ".join(workflow.tags), Role.ACCENT),
        field("Created", format_time_full(workflow.created_at, style, now)),
        field("Started", format_time_full(workflow.started_at, style, now)),
        field("Completed", format_time_full(workflow.completed_at, style, now)),
        field("Updated", format_time_full(workflow.updated_at, style, now)),
        Field("Waited", _duration_cell(time.waited, ongoing=time.waiting)),
        Field("Took", _duration_cell(time.ran, ongoing=time.running)),
        field("Id", workflow.id, Role.MUTED),
        *(field(name or ABSENT, value, Role.MUTED) for name, value in workflow.extras),
    )


def status_tally(workflows: Sequence[Workflow]) -> Line:
    """Return the number of workflows by status, most frequent first: `✔8 ✖1 ▶1`."""
    counts = Counter(workflow_icon(workflow.status) for workflow in workflows)
    return join(((Span(f"{glyph.text}{count}", glyph.role),) for glyph, count in counts.most_common()), Span(" "))


def timeline(workflow: Workflow, now: datetime, width: int) -> tuple[Line, ...]:
    """Return waiting and running time as a bar to scale with a legend below; empty if no time is known."""
    phases = _phases(workflow, now)
    if not phases:
        return ()
    width = min(width, _LONGEST_BAR)
    total = sum(phase.seconds for phase in phases) or 1.0
    first = width
    if len(phases) > 1:
        first = max(1, width - max(1, round(width * phases[-1].seconds / total)))
    shares = (first, width - first)[: len(phases)]
    bar = tuple(Span(phase.fill * share, phase.role) for phase, share in zip(phases, shares, strict=True))
    legend = ((Span(f"{phase.verb} {phase.duration}", phase.role),) for phase in phases)
    return (bar, join(legend, Span(" → ", Role.MUTED)))


class _Phase(NamedTuple):
    seconds: float
    duration: str
    verb: str
    fill: str
    role: Role


def _phases(workflow: Workflow, now: datetime) -> list[_Phase]:
    time = durations(workflow, now)
    phases: list[_Phase] = []
    if time.waited is not None:
        format_seconds, verb = (format_duration, "waiting") if time.waiting else (exact_duration, "waited")
        phases.append(_Phase(max(0.0, time.waited), format_seconds(time.waited), verb, "░", Role.WAITING))
    if time.ran is not None:
        role = workflow_icon(workflow.status).role
        format_seconds, verb = (format_duration, "running") if time.running else (exact_duration, "ran")
        phases.append(_Phase(max(0.0, time.ran), format_seconds(time.ran), verb, "█", role))
    return phases


def _duration_cell(seconds: float | None, *, ongoing: bool, coarse: bool = False) -> Line:
    if seconds is None:
        return (Span(ABSENT, Role.MUTED),)
    if not ongoing:
        return (Span(exact_duration(seconds)),)
    return (Span(format_age(seconds) if coarse else format_duration(seconds)),)
