"""Problems, lateness and freshness of data as text: cause, since when, and the next try."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from comfytui.engine.feed import Freshness, ProblemKind
from comfytui.engine.intervals import list_interval
from comfytui.engine.snapshot import page_keys, stalest
from comfytui.query.workflows import display_name
from comfytui.render.cells import Line, Role, Span, wrap
from comfytui.render.times import MINUTE, TimeStyle, format_duration, format_hm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfytui.api.models import Runner, RunnerPage
    from comfytui.engine.feed import Feed, Problem
    from comfytui.engine.snapshot import HealthCheck, Snapshot


NOT_FOUND_TEXT = "not found (404)"
"""Text for a part of a runner for which the API returns 404."""

_EXACT = 10 * MINUTE

_CAUSES: Mapping[ProblemKind, str] = {
    ProblemKind.REFUSED: "not requested",
    ProblemKind.UNREACHABLE: "the API cannot be reached",
    ProblemKind.TIMED_OUT: "timed out",
    ProblemKind.UNINTELLIGIBLE: "invalid response",
    ProblemKind.UNAUTHORIZED: "token rejected",
    ProblemKind.RATE_LIMITED: "rate limited",
}


def describe_problem(problem: Problem, health: HealthCheck | None = None) -> str:
    """Return the cause of a failed request, with the API's own message if it sent one.

    If the runner's health check failed with the same message, the runner is named as the cause, not the API.
    """
    if problem.kind in (ProblemKind.RUNNER_SILENT, ProblemKind.RUNNER_PARTIAL):
        # The message already names the runner, so it needs no cause in front of it.
        return problem.message.removesuffix(".")
    cause = _CAUSES.get(problem.kind) or f"{problem.status or 'invalid response'} from the API"
    if health is not None and not health.reachable and health.error == problem.message:
        cause = "the runner is unreachable"
    return f"{cause}: {problem.message.removesuffix('.')}" if problem.message else cause


def skew_text(skew_s: float) -> str:
    """Return a sentence about the API's clock, which is `skew_s` seconds ahead of this machine's."""
    of = " of" if skew_s > 0 else ""
    return f"The API's clock is {clock_skew_text(skew_s)}{of} this machine's; ages are told by the API's."


def runner_skew_text(runner: Runner) -> str:
    """Return a sentence about a runner's clock that is far from the gateway's."""
    ahead = runner.clock_skew or 0.0
    of = " of" if ahead > 0 else ""
    name = display_name(runner.name, runner.id)
    return f"The clock of {name} is {clock_skew_text(ahead)}{of} comfytui's; its times are corrected."


def clock_skew_text(skew_s: float) -> str:
    """Return the offset of a clock from another one, such as `5m00 ahead` or `43s behind`."""
    which = "ahead" if skew_s > 0 else "behind"
    # Response times shift the estimate by seconds, so a long one is rounded to minutes to keep it steady.
    apart = abs(skew_s) if abs(skew_s) < _EXACT else round(abs(skew_s) / MINUTE) * MINUTE
    return f"{format_duration(apart)} {which}"


def problem_notice(
    feed: Feed[object], context: RenderContext, width: int, health: HealthCheck | None = None
) -> tuple[Line, ...]:
    """Return a feed's problem wrapped to `width` cells; empty if there is none or it is already on screen.

    `health` is the latest health check of the runner, see `describe_problem`.
    """
    problem = feed.problem
    if problem is None or (feed.value is not None and _same(problem, context.shown_problem)):
        return ()
    retry_s = max(0, ceil(problem.retry_monotonic - context.monotonic))
    since = format_hm(problem.since_at, context.style)
    if problem.kind is ProblemKind.NOT_FOUND:
        # The runner is listed, so a 404 here concerns only this part of it.
        text = f"{NOT_FOUND_TEXT} since {since} — {problem.message}, retry in {retry_s} s"
    else:
        state = "stale" if feed.value is not None else "no data"
        text = f"{state} since {since} — {describe_problem(problem, health)}, retry in {retry_s} s"
    return tuple((Span(piece, Role.BAD),) for piece in wrap(text, width))


def _same(problem: Problem, shown: Problem | None) -> bool:
    return shown is not None and (problem.kind, problem.message) == (shown.kind, shown.message)


def late_notice(feed: Feed[object], context: RenderContext) -> Line:
    """Return a pane footer's notice about an overdue response, or an empty line."""
    if feed.fetched_monotonic is None or feed.freshness(context.monotonic, context.interval_s) is not Freshness.LATE:
        return ()
    return _late(feed.fetched_monotonic, context.monotonic)


def _late(fetched_on: float, now: float) -> Line:
    return (Span(f"◔ late {int(now - fetched_on)} s", Role.WAITING),)


def halt_reason(snapshot: Snapshot, context: RenderContext) -> Line:
    """Return the reason why no requests are sent at present, or an empty line."""
    if snapshot.viewport.paused:
        return (Span(" PAUSED ", Role.ALERT),)
    if snapshot.auth_problem is not None:
        return (Span("✖ token rejected", Role.BAD),)
    if (cooling := ceil(snapshot.usage.cooldown_left(context.monotonic))) > 0:
        return (Span(f"◔ cooling down {cooling} s", Role.WAITING),)
    return ()


def away_text(summary: SnapshotSummary) -> Line:
    """Return `3 of 3 away` if no runner of the list in view is reachable; empty if any is reachable or unchecked."""
    if not summary.away:
        return ()
    return (Span(f"✖ {summary.away} of {max(summary.away, summary.total or 0)} away", Role.BAD),)


def freshness_label(summary: SnapshotSummary, context: RenderContext) -> Line:
    """Return the state of the data on screen in a few words.

    An age is part of it only if the data is late, so a healthy screen needs no redraw.
    """
    if halted := halt_reason(summary.snapshot, context):
        return halted
    now, feed = context.monotonic, summary.page_feed
    match feed.freshness(now, summary.list_interval_s):
        case Freshness.WAITING:
            return (Span("◌ loading", Role.WAITING),)
        case Freshness.LIVE:
            return away_text(summary) or (Span("● live", Role.GOOD),)
        case Freshness.LATE:
            return _late(feed.fetched_monotonic or now, now)
        case Freshness.STALE:
            since = f" since {format_hm(feed.problem.since_at, context.style)}" if feed.problem else ""
            return (Span(f"✖ stale{since}", Role.BAD),)


class RenderContext(NamedTuple):
    """Current time and presentation settings of one rendering.

    Attributes:
        now: Wall clock in UTC.
        monotonic: Engine's monotonic clock in seconds.
        style: Style in which times are shown.
        interval_s: Effective seconds between polls of one resource, by which lateness is judged.
        shown_problem: Problem that is on screen already and is not repeated.
        order_frozen: True if a recent key press keeps rows in their order.
        keys: First key of each available command, as shown to the user.
    """

    now: datetime
    monotonic: float
    style: TimeStyle = TimeStyle.RELATIVE
    interval_s: float = math.inf
    shown_problem: Problem | None = None
    order_frozen: bool = False
    keys: Mapping[str, str] = MappingProxyType({})

    def key(self, command: str) -> Span:
        """Return the key of a command to name it in a sentence, or its id if it has no key."""
        return Span(self.keys.get(command, command), Role.ACCENT)


class SnapshotSummary(NamedTuple):
    """Snapshot with values derived from it once for all widgets.

    Attributes:
        snapshot: Snapshot they are derived from.
        total: Number of runners in the list in view, or None if unknown.
        page_feed: Stalest page of the list in view.
        interval_s: Effective seconds between polls of one resource.
        list_interval_s: Seconds between refreshes of the list in view.
        away: Number of runners in the list in view if none of them is reachable, else 0.
    """

    snapshot: Snapshot
    total: int | None
    page_feed: Feed[RunnerPage]
    interval_s: float
    list_interval_s: float
    away: int = 0


def summarize(snapshot: Snapshot) -> SnapshotSummary:
    """Return a snapshot with the values that widgets share."""
    total, pace = snapshot.total, snapshot.interval_s
    keys = tuple(page_keys(snapshot.viewport, total, snapshot.pages))
    pages = [snapshot.page_feed(key) for key in keys]
    in_force = list_interval(pace, len(keys), snapshot.usage.limit)
    return SnapshotSummary(snapshot, total, stalest(pages), pace, in_force, _away(snapshot, pages))


def _away(snapshot: Snapshot, pages: Sequence[Feed[RunnerPage]]) -> int:
    count = 0
    for page in pages:
        for runner in page.value.runners if page.value else ():
            health = snapshot.health(runner.id)
            if health.problem is not None or health.value is None or health.value.reachable:
                return 0
            count += 1
    return count
