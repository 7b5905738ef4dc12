"""Workflows as rows, as fields, and on a line of time."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.statuses import LAST_SEEN_RUNNING, WorkflowStatus
from comfytui.query.workflows import WAITING, display_name, durations, last_change, last_run, queue_counts
from comfytui.render.cells import Line, Role, Span, join
from comfytui.render.icons import ABSENT, unknown_icon, workflow_icon, workflow_status_cell
from comfytui.render.panels import Field, field
from comfytui.render.table import Column, Row
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
_QUEUE_WIDTH = 6
_THOUSANDS = 10_000

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


def workflow_display_name(workflow: Workflow) -> str:
    """The workflow's name, or its id where the name is empty or missing."""
    return display_name(workflow.name, workflow.id)


def workflow_row(workflow: Workflow, style: TimeStyle, now: datetime, *, exact: bool = False) -> Row:
    """A workflow in the history; `exact` tells what still goes on to the second instead of coarsely."""
    glyph = workflow_icon(workflow.status)
    time = durations(workflow, now)
    cells: dict[str, Line] = {
        "glyph": (glyph,),
        "name": (Span(workflow_display_name(workflow)),),
        "status": (Span(workflow.status or ABSENT, glyph.role),),
        "took": _told(time.ran, ongoing=time.running, coarse=not exact),
        "waited": _told(time.waited, ongoing=time.waiting, coarse=not exact),
        "tags": (Span(" ".join(workflow.tags) or ABSENT, Role.ACCENT if workflow.tags else Role.MUTED),),
    }
    for name in ("created", "started", "completed", "updated"):
        cells[name] = (Span(format_time(getattr(workflow, f"{name}_at"), style, now), Role.MUTED),)
    facts = (workflow.name, workflow.status, workflow.tags, workflow.started_at, workflow.completed_at)
    return Row(workflow.id, cells, facts=(facts,), instead=_instead_of_tags(workflow))


def _instead_of_tags(workflow: Workflow) -> Mapping[str, Mapping[str, Line]]:
    """Return what tells that a job was last seen running while tags are not shown, or not even its status."""
    if LAST_SEEN_RUNNING not in workflow.tags:
        return {}
    role = workflow_icon(workflow.status).role
    name = (Span("running? ", role), Span(workflow_display_name(workflow)))
    return {"tags": {"status": (Span("running?", role),)}, "status": {"name": name}}


def workflow_period(workflow: Workflow, style: TimeStyle, now: datetime, *, exact: bool = False) -> Period:
    """For how long the row of a workflow reads as it does now, told as exactly."""
    ended = (workflow.completed_at, workflow.updated_at)
    period = period_of((workflow.created_at, workflow.started_at, *ended), style, now)
    time = durations(workflow, now)
    counted = time.ran if time.running else time.waited if time.waiting else None
    if not exact or counted is None:
        return period
    return Period(now, min(period.until, now + timedelta(seconds=1 - counted % 1)))


def last_workflow_cells(history: Feed[tuple[Workflow, ...]], style: TimeStyle, now: datetime) -> dict[str, Line]:
    """The cells `last` and `when` of a runner: the status of its last run in short, and when it got there.

    An empty history is a dash, one that could not be asked again is muted, and one that is not known is as of
    `not_known`: unknown never looks like good.
    """
    if history.value is None:
        return dict.fromkeys(("last", "when"), unknown_icon(history))
    last = last_run(history.value)
    if last is None:
        return dict.fromkeys(("last", "when"), (Span(ABSENT, Role.MUTED),))
    glyph = workflow_icon(last.status)
    role = Role.MUTED if history.problem else glyph.role
    word = "run?" if LAST_SEEN_RUNNING in last.tags else _SHORT.get(last.status or "", last.status or ABSENT)
    return {
        "last": (Span(f"{glyph.text} {word}", role),),
        "when": (Span(format_time_short(last_change_at(history), style, now), Role.MUTED),),
    }


def last_change_at(history: Feed[tuple[Workflow, ...]]) -> Timestamp | None:
    """Return when the last run of a runner got where it is, or None if that is not known."""
    last = last_run(history.value or ())
    return None if last is None else last_change(last)


def queue_cell(runner: Runner, history: Feed[tuple[Workflow, ...]]) -> Line:
    """Return the cell `queue` of a runner: `▶1 ◔3`, or a dash; unknown and old as in `last_workflow`.

    `▶1◔9+` is counted in a history, which is no longer than HISTORY_LENGTH; `▶1◔399` is told by the API. A number
    that leaves no room for that of the one that runs stands behind its sign alone: `▶◔1234`.
    """
    known = queue_counts(runner, history.value)
    if known is None:
        return unknown_icon(history)
    if not any(known):
        return (Span(ABSENT, Role.MUTED),)
    running, waiting = map(_in_few_cells, known)
    more = "+" if runner.queue_pending is None and _may_wait_more(history.value or ()) else ""
    room = _QUEUE_WIDTH - len(f"▶{running}◔{waiting}{more}")
    told = ((WorkflowStatus.RUNNING, running if room >= 0 else ""), (WorkflowStatus.QUEUED, f"{waiting}{more}"))
    glyphs = [(workflow_icon(status), told) for (status, told), count in zip(told, known, strict=True) if count]
    shown = ((Span(f"{glyph.text}{told}", Role.MUTED if history.problem else glyph.role),) for glyph, told in glyphs)
    return join(shown, Span(" " if room > 0 and not more else ""))


def _in_few_cells(count: int) -> str:
    return str(count) if count < _THOUSANDS else f"{count // 1_000}k"


def _may_wait_more(history: Sequence[Workflow]) -> bool:
    """Whether the history is full, and the oldest in it that does not run still waits."""
    waits = [workflow.status in WAITING for workflow in history if workflow.status != WorkflowStatus.RUNNING]
    return len(history) >= HISTORY_LENGTH and waits[-1:] == [True]


def workflow_fields(workflow: Workflow, style: TimeStyle, now: datetime) -> tuple[Field, ...]:
    """Everything the API says of a workflow, and what follows from it."""
    time = durations(workflow, now)
    return (
        Field("Name", (Span(workflow_display_name(workflow), Role.STRONG),)),
        Field("Status", workflow_status_cell(workflow.status)),
        field("Tags", "  ".join(workflow.tags), Role.ACCENT),
        field("Created", format_time_full(workflow.created_at, style, now)),
        field("Started", format_time_full(workflow.started_at, style, now)),
        field("Completed", format_time_full(workflow.completed_at, style, now)),
        field("Updated", format_time_full(workflow.updated_at, style, now)),
        Field("Waited", _told(time.waited, ongoing=time.waiting)),
        Field("Took", _told(time.ran, ongoing=time.running)),
        field("Id", workflow.id, Role.MUTED),
        *(field(name or ABSENT, value, Role.MUTED) for name, value in workflow.extras),
    )


def status_tally(workflows: Sequence[Workflow]) -> Line:
    """How many of the workflows have which status: `✔8 ✖1 ▶1`, the most frequent first."""
    counts = Counter(workflow_icon(workflow.status) for workflow in workflows)
    return join(((Span(f"{glyph.text}{count}", glyph.role),) for glyph, count in counts.most_common()), Span(" "))


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
    legend = ((Span(f"{phase.verb} {phase.words}", phase.role),) for phase in phases)
    return (bar, join(legend, Span(" → ", Role.MUTED)))


class _Phase(NamedTuple):
    seconds: float
    words: str
    verb: str
    fill: str
    role: Role


def _phases(workflow: Workflow, now: datetime) -> list[_Phase]:
    time = durations(workflow, now)
    phases: list[_Phase] = []
    if time.waited is not None:
        words, verb = (format_duration, "waiting") if time.waiting else (exact_duration, "waited")
        phases.append(_Phase(max(0.0, time.waited), words(time.waited), verb, "░", Role.WAITING))
    if time.ran is not None:
        role = workflow_icon(workflow.status).role
        words, verb = (format_duration, "running") if time.running else (exact_duration, "ran")
        phases.append(_Phase(max(0.0, time.ran), words(time.ran), verb, "█", role))
    return phases


def _told(seconds: float | None, *, ongoing: bool, coarse: bool = False) -> Line:
    if seconds is None:
        return (Span(ABSENT, Role.MUTED),)
    if not ongoing:
        return (Span(exact_duration(seconds)),)
    return (Span(format_age(seconds) if coarse else format_duration(seconds)),)
