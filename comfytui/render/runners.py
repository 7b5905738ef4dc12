"""Runners as table rows and fields: status, health, memory and machine. Old numbers are always muted."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.statuses import RunnerState
from comfytui.engine.feed import Freshness, ProblemKind
from comfytui.engine.intervals import health_interval
from comfytui.query.workflows import display_name, last_run, queue_counts
from comfytui.redaction import MASK
from comfytui.render.cells import Line, Role, Span
from comfytui.render.freshness import NOT_FOUND_TEXT, clock_skew_text, describe_problem
from comfytui.render.icons import ABSENT, health_icon, runner_icon, runner_status_cell, unknown_icon
from comfytui.render.panels import Field, field
from comfytui.render.table import GAP, Row
from comfytui.render.times import Period, TimeStyle, format_age, format_hm, format_time, format_time_full, period_of
from comfytui.render.workflows import last_change_at, last_workflow_cells, queue_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from comfytui.api.models import Device, Runner, RunnerStats, Workflow
    from comfytui.engine.feed import Feed, Problem
    from comfytui.engine.snapshot import HealthCheck
    from comfytui.render.freshness import RenderContext


_GB = 1024**3
_SLOW = Span("◔", Role.WAITING)

_LONGEST_GAUGE, _SHORTEST_GAUGE = 10, 3


def health_cell(feed: Feed[HealthCheck]) -> Line:
    """Return the cell `reach` of a runner: icon and text, muted if the last check failed.

    An unchecked runner gets the placeholder of `unknown_icon`, so it never looks healthy.
    """
    if feed.value is None:
        return unknown_icon(feed)
    glyph = _glyph(feed.value)
    text = "slow" if _is_slow(feed.value) else "yes" if feed.value.reachable else "no"
    return (Span(f"{glyph.text} {text}", Role.MUTED if feed.problem else glyph.role),)


def health_key(feed: Feed[HealthCheck], context: RenderContext) -> tuple[object, ...]:
    """Return a key of the health and machine fields: while it is equal, they are unchanged."""
    return (feed.value, feed.problem, _late_age(feed, context))


def health_fields(feed: Feed[HealthCheck], context: RenderContext, width: int) -> tuple[Field, ...]:
    """Return reachability and memory usage as fields for a panel of `width` cells.

    While newer numbers are missing, the old ones stay, muted and with a note.
    """
    health = feed.value
    stats = health.stats if health else None
    is_old = feed.problem is not None or health is None or not health.reachable or health.state is not None
    reachable = Field("Reachable", (_reachable(feed, context),))
    if stats is None:
        return (reachable,)
    muted = is_old or bool(_late_age(feed, context))
    note = (field("", "numbers from the last successful check", Role.MUTED),) if is_old else ()
    return (reachable, *note, *_gauges([*_memories(stats)], width, muted=muted))


def machine_fields(feed: Feed[HealthCheck]) -> tuple[Field, ...]:
    """Return the fields of a runner's machine that are known."""
    stats = feed.value.stats if feed.value else None
    return tuple(field(label, text) for label, text in _machine_values(stats) if text) if stats else ()


def gauge(share: float, cells: int) -> tuple[str, str]:
    """Return the full and the empty part of a gauge of `cells` cells; the share is clamped to 0–1."""
    full = max(0, min(round(share * cells), cells))
    return "▰" * full, "▱" * (cells - full)


def latency_text(seconds: float) -> str:
    """Return a response time as `<1 ms`, `43 ms` or `1.2 s`."""
    milliseconds = round(seconds * 1000)
    if milliseconds >= 1000:
        return f"{seconds:.1f} s"
    return f"{milliseconds} ms" if milliseconds else "<1 ms"


def _reachable(feed: Feed[HealthCheck], context: RenderContext) -> Span:
    health = feed.value
    if feed.problem is not None or health is None:
        return Span(
            f"{health_icon(None).text} {_unchecked(feed.problem, context.style, again=health is not None)}", Role.MUTED
        )
    glyph = _glyph(health)
    text = f"{glyph.text} {_outcome(health, context.style)}"
    if late := _late_age(feed, context):
        return Span(f"{text}, {late} ago", Role.MUTED)
    return Span(text, glyph.role)


def _outcome(health: HealthCheck, style: TimeStyle) -> str:
    if not health.reachable:
        since = f"no since {format_hm(health.since, style)}" if health.since else "no"
        return f"{since}: {health.error}" if health.error else since
    if health.error:
        return health.error if _is_slow(health) else f"yes, but {health.error}"
    return "yes" if health.latency is None else latency_text(health.latency)


def _is_slow(health: HealthCheck) -> bool:
    return health.state in (RunnerState.SLOW, RunnerState.WAITING, RunnerState.LATE)


def _glyph(health: HealthCheck) -> Span:
    return _SLOW if _is_slow(health) else health_icon(health.reachable)


def _unchecked(problem: Problem | None, style: TimeStyle, *, again: bool) -> str:
    """Return the text for a runner of unknown reachability, with the reason."""
    if problem is None:
        return "not checked"
    if problem.kind is ProblemKind.NOT_FOUND:
        return NOT_FOUND_TEXT
    since = f" since {format_hm(problem.since_at, style)}" if again else ""
    return f"not checked{since}: {describe_problem(problem)}"


def _late_age(feed: Feed[HealthCheck], context: RenderContext) -> str:
    """Return the age of an overdue health check, or an empty text."""
    if (
        feed.fetched_monotonic is None
        or feed.freshness(context.monotonic, health_interval(context.interval_s)) is not Freshness.LATE
    ):
        return ""
    return format_age(context.monotonic - feed.fetched_monotonic)


class _MemoryUsage(NamedTuple):
    """Memory of a machine or a device, in bytes."""

    label: str
    total: int | None
    free: int | None

    @property
    def used(self) -> int | None:
        """Bytes in use, or None if unknown or inconsistent."""
        if self.total is None or self.free is None or self.free > self.total:
            return None
        return self.total - self.free

    @property
    def text(self) -> str:
        """Usage as `14.2 / 24.0 GB`, or the part of it that is known."""
        total = None if self.total is None else f"{self.total / _GB:.1f}"
        if self.used is not None:
            return f"{self.used / _GB:.1f} / {total} GB"
        if self.free is None:
            return f"{total} GB"
        return f"{self.free / _GB:.1f} GB free" + (f" of {total} GB" if total else "")


def _memories(stats: RunnerStats) -> Iterator[_MemoryUsage]:
    """Yield the memories with known size or free space, those of devices first."""
    known = [(index, device) for index, device in enumerate(stats.devices) if _has_memory(device)]
    for index, device in known:
        yield _MemoryUsage(f"VRAM {index}" if len(stats.devices) > 1 else "VRAM", device.vram_total, device.vram_free)
    if stats.system.ram_total is not None or stats.system.ram_free is not None:
        yield _MemoryUsage("RAM", stats.system.ram_total, stats.system.ram_free)


def _has_memory(device: Device) -> bool:
    return device.vram_total is not None or device.vram_free is not None


def _gauges(memories: Sequence[_MemoryUsage], width: int, *, muted: bool) -> Iterator[Field]:
    """Yield one field per memory, with gauges of equal length if they fit beside the numbers."""
    # Labels take at most a third of a panel (comfytui.render.panels), and a gauge has a gap on either side.
    room = width - width // 3 - 2 * len(GAP.text) - max((len(memory.text) for memory in memories), default=0)
    cells = min(room, _LONGEST_GAUGE)
    for memory in memories:
        numbers = Span(memory.text, Role.MUTED if muted else Role.PLAIN)
        if cells < _SHORTEST_GAUGE or memory.used is None:
            yield Field(memory.label, (numbers,))
            continue
        full, empty = gauge(memory.used / (memory.total or 1), cells)
        bar = (Span(full, Role.MUTED if muted else Role.ACCENT), Span(empty, Role.MUTED))
        yield Field(memory.label, (*bar, GAP, numbers))


def _machine_values(stats: RunnerStats) -> Iterable[tuple[str, str | None]]:
    yield "ComfyUI", stats.system.comfyui_version
    # Build information follows the version number.
    yield "Python", next(iter((stats.system.python_version or "").split()), None)
    is_numbered = len(stats.devices) > 1
    for index, device in enumerate(stats.devices):
        yield f"Device {index}" if is_numbered else "Device", device.name or device.type
    yield "Os", stats.system.os
    yield "Dev mode", "on" if stats.dev_mode else None
    yield "Extensions", "  ".join(stats.extensions)


def runner_display_name(runner: Runner) -> str:
    """Return the runner's name, or its id if the name is empty or missing."""
    return display_name(runner.name, runner.id)


def runner_row(
    runner: Runner, history: Feed[tuple[Workflow, ...]], health: Feed[HealthCheck], style: TimeStyle, now: datetime
) -> Row:
    """Return the table row of a runner, with its last workflow and its health."""
    glyph = runner_icon(runner.status)
    cells: dict[str, Line] = {
        "glyph": (glyph,),
        "name": (Span(runner_display_name(runner), Role.STRONG),),
        "status": (Span(runner.status or ABSENT, glyph.role),),
        "reach": health_cell(health),
        **last_workflow_cells(history, style, now),
        "queue": queue_cell(runner, history),
        "tags": (Span(" ".join(runner.tags) or ABSENT, Role.ACCENT if runner.tags else Role.MUTED),),
        "endpoint": (Span(runner.endpoint or ABSENT, Role.MUTED),),
        "created": (Span(format_time(runner.created_at, style, now), Role.MUTED),),
        "updated": (Span(format_time(runner.updated_at, style, now), Role.MUTED),),
    }
    reachable = health.value.reachable if health.value else None
    return Row(
        runner.id,
        cells,
        facts=(_row_key(runner), _last_run_key(history), reachable, queue_counts(runner, history.value)),
    )


def runner_period(runner: Runner, history: Feed[tuple[Workflow, ...]], style: TimeStyle, now: datetime) -> Period:
    """Return the period during which a runner's row keeps its text."""
    return period_of((runner.created_at, runner.updated_at, last_change_at(history)), style, now)


def _row_key(runner: Runner) -> tuple[object, ...]:
    """Return the values of a runner that count as a change of its row."""
    return (runner.name, runner.status, runner.endpoint, runner.tags, runner.created_at)


def _last_run_key(history: Feed[tuple[Workflow, ...]]) -> tuple[object, ...] | None:
    """Return the values of a runner's last run that count as a change of its row, or None if unknown."""
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
    """Return all fields of a runner, with those of its health and its machine in between.

    Header values are redacted unless `reveal` is set.
    """
    return (
        Field("Name", (Span(runner_display_name(runner), Role.STRONG),)),
        Field("Schedule", runner_status_cell(runner.status)),
        *health,
        field("Endpoint", runner.endpoint),
        field("Tags", "  ".join(runner.tags), Role.ACCENT),
        *_header_fields(runner, reveal=reveal),
        *_extension_fields(runner),
        *machine,
        field("Created", format_time_full(runner.created_at, style, now)),
        field("Updated", format_time_full(runner.updated_at, style, now)),
        field("Id", runner.id, Role.MUTED),
        field("User id", runner.user_id, Role.MUTED),
        *(field(name or ABSENT, value, Role.MUTED) for name, value in runner.extras),
    )


def _extension_fields(runner: Runner) -> Iterator[Field]:
    """Yield the fields of values that only comfytui's own gateway sends."""
    if runner.queue_pending is not None:
        yield field("Queue", f"{runner.queue_running or 0} running, {runner.queue_pending} waiting")
    if runner.clock_skew:
        yield field("Clock", f"{clock_skew_text(runner.clock_skew)}; its times are corrected", Role.WAITING)


def _header_fields(runner: Runner, *, reveal: bool) -> Iterator[Field]:
    """Yield one field per header; only the first one is labeled."""
    if not runner.headers:
        yield field("Headers", None)
    for index, (name, value) in enumerate(runner.headers.items()):
        shown = Span(f"  {value.get_secret_value()}", Role.BAD) if reveal else Span(f"  {MASK}", Role.MUTED)
        yield Field("" if index else "Headers", (Span(name or ABSENT), shown))
