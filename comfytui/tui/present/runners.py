"""Runners as rows and as fields."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from comfytui.api.redaction import MASK
from comfytui.engine.names import name_or_id
from comfytui.engine.spans import last_run, queue_counts
from comfytui.tui.present.cells import Line, Role, Span
from comfytui.tui.present.columns import Column, Row
from comfytui.tui.present.fields import Field, field
from comfytui.tui.present.glyphs import ABSENT, runner_glyph, runner_status
from comfytui.tui.present.problems import clock_skew_text
from comfytui.tui.present.stats import reach
from comfytui.tui.present.units import Period, TimeStyle, moment, moment_in_full, period_of
from comfytui.tui.present.workflows import last_workflow, queue_cell, since_when

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from comfytui.api.models import Runner, Workflow
    from comfytui.engine.checkup import Checkup
    from comfytui.engine.feed import Feed

__all__ = ["RUNNER_COLUMNS", "runner_fields", "runner_name", "runner_period", "runner_row"]

RUNNER_COLUMNS = (
    Column("glyph", "", 1, priority=0),
    Column("name", "name", 21, weight=3, priority=0),
    Column("status", "status", 8, priority=5),
    Column("reach", "reach", 6, priority=3),
    Column("last", "last", 7, priority=1),
    Column("when", "when", 5, priority=1),
    Column("queue", "queue", 6, priority=4),
    Column("tags", "tags", 8, weight=4, priority=2),
    Column("endpoint", "endpoint", 22, weight=3, priority=6),
    Column("created", "created", 11, priority=7),
    Column("updated", "updated", 11, priority=8),
)


def runner_name(runner: Runner) -> str:
    """The runner's name, or its id where the name is empty or missing."""
    return name_or_id(runner.name, runner.id)


def runner_row(
    runner: Runner, history: Feed[tuple[Workflow, ...]], checkup: Feed[Checkup], style: TimeStyle, now: datetime
) -> Row:
    """A runner in the list, with what is known of its workflows and of whether it answers."""
    glyph = runner_glyph(runner.status)
    cells: dict[str, Line] = {
        "glyph": (glyph,),
        "name": (Span(runner_name(runner), Role.STRONG),),
        "status": (Span(runner.status or ABSENT, glyph.role),),
        "reach": reach(checkup),
        **last_workflow(history, style, now),
        "queue": queue_cell(runner, history),
        "tags": (Span(" ".join(runner.tags) or ABSENT, Role.ACCENT if runner.tags else Role.MUTED),),
        "endpoint": (Span(runner.endpoint or ABSENT, Role.MUTED),),
        "created": (Span(moment(runner.created_at, style, now), Role.MUTED),),
        "updated": (Span(moment(runner.updated_at, style, now), Role.MUTED),),
    }
    reachable = checkup.value.reachable if checkup.value else None
    return Row(
        runner.id, cells, facts=(_told(runner), _newest(history), reachable, queue_counts(runner, history.value))
    )


def runner_period(runner: Runner, history: Feed[tuple[Workflow, ...]], style: TimeStyle, now: datetime) -> Period:
    """For how long the row of a runner reads as it does now."""
    return period_of((runner.created_at, runner.updated_at, since_when(history)), style, now)


def _told(runner: Runner) -> tuple[object, ...]:
    """What a runner's row tells of it."""
    return (runner.name, runner.status, runner.endpoint, runner.tags, runner.created_at)


def _newest(history: Feed[tuple[Workflow, ...]]) -> tuple[object, ...] | None:
    """Return what a runner's row tells of its last run, or None if that is not known."""
    if history.value is None:
        return None
    last = last_run(history.value)
    return () if last is None else (last.id, last.status)


def runner_fields(
    runner: Runner,
    style: TimeStyle,
    now: datetime,
    health: Sequence[Field] = (),
    machine: Sequence[Field] = (),
    *,
    reveal: bool = False,
) -> tuple[Field, ...]:
    """Everything the API says of a runner, and where they belong the fields of its health and of its machine.

    Header values are masked unless they are to be revealed.
    """
    return (
        Field("Name", (Span(runner_name(runner), Role.STRONG),)),
        Field("Schedule", runner_status(runner.status)),
        *health,
        field("Endpoint", runner.endpoint),
        field("Tags", "  ".join(runner.tags), Role.ACCENT),
        *_header_fields(runner, reveal=reveal),
        *_extension_fields(runner),
        *machine,
        field("Created", moment_in_full(runner.created_at, style, now)),
        field("Updated", moment_in_full(runner.updated_at, style, now)),
        field("Id", runner.id, Role.MUTED),
        field("User id", runner.user_id, Role.MUTED),
        *(field(name or ABSENT, value, Role.MUTED) for name, value in runner.extras),
    )


def _extension_fields(runner: Runner) -> Iterator[Field]:
    """Yield fields of what only comfytui's own gateway tells."""
    if runner.queue_pending is not None:
        yield field("Queue", f"{runner.queue_running or 0} running, {runner.queue_pending} waiting")
    if runner.clock_skew:
        yield field("Clock", f"{clock_skew_text(runner.clock_skew)}; its times are corrected", Role.WAITING)


def _header_fields(runner: Runner, *, reveal: bool) -> Iterator[Field]:
    """One field a header, the label on the first only."""
    if not runner.headers:
        yield field("Headers", None)
    for place, (name, value) in enumerate(runner.headers.items()):
        shown = Span(f"  {value.get_secret_value()}", Role.BAD) if reveal else Span(f"  {MASK}", Role.MUTED)
        yield Field("" if place else "Headers", (Span(name or ABSENT), shown))
