"""What is wrong, in words: the cause, since when, and what happens next."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from math import ceil
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from comfytui.engine.feed import Freshness, ProblemKind
from comfytui.engine.intervals import list_interval
from comfytui.engine.snapshot import page_keys, worst
from comfytui.query.workflows import display_name
from comfytui.render.cells import Line, Role, Span, wrap
from comfytui.render.times import TimeStyle, format_duration, format_hm

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfytui.api.models import Runner, RunnerPage
    from comfytui.engine.feed import Feed, Problem
    from comfytui.engine.snapshot import Checkup, Snapshot


NOT_FOUND_WORDS = "not known: 404"
"""Words for a part of a runner that the API says is not there."""

_MINUTE = 60
_EXACT = 10 * _MINUTE

_CAUSES: Mapping[ProblemKind, str] = {
    ProblemKind.REFUSED: "not asked",
    ProblemKind.UNREACHABLE: "the API cannot be reached",
    ProblemKind.TIMED_OUT: "no answer in time",
    ProblemKind.UNINTELLIGIBLE: "the answer makes no sense",
    ProblemKind.UNAUTHORIZED: "the token was not accepted",
    ProblemKind.RATE_LIMITED: "too many requests from this address",
}


def describe_problem(problem: Problem, checkup: Checkup | None = None) -> str:
    """Why a try failed, with the API's own words where it gave some.

    The API is not to blame where it only passes on what the runner's checkup, if there is one, says already.
    """
    if problem.kind in (ProblemKind.RUNNER_SILENT, ProblemKind.RUNNER_PARTIAL):
        # The message begins with the runner's name, and the API is not to blame.
        return problem.message.removesuffix(".")
    words = _CAUSES.get(problem.kind) or f"{problem.status or 'no usable answer'} from the API"
    if checkup is not None and not checkup.reachable and checkup.words == problem.message:
        words = "the runner does not answer"
    return f"{words}: {problem.message.removesuffix('.')}" if problem.message else words


def skew_text(ahead: float) -> str:
    """That the API's clock and this machine's differ by so many seconds."""
    of = " of" if ahead > 0 else ""
    return f"The API's clock is {clock_skew_text(ahead)}{of} this machine's; ages are told by the API's."


def runner_skew_text(runner: Runner) -> str:
    """Return a sentence about a runner's clock that is far from the gateway's."""
    ahead = runner.clock_skew or 0.0
    of = " of" if ahead > 0 else ""
    name = display_name(runner.name, runner.id)
    return f"The clock of {name} is {clock_skew_text(ahead)}{of} comfytui's; its times are corrected."


def clock_skew_text(ahead: float) -> str:
    """Return how far a clock is ahead of another, such as `5m00 ahead` or `43s behind`."""
    which = "ahead" if ahead > 0 else "behind"
    # It is known to the second at best, and moves with how long answers take.
    apart = abs(ahead) if abs(ahead) < _EXACT else round(abs(ahead) / _MINUTE) * _MINUTE
    return f"{format_duration(apart)} {which}"


def problem_notice(
    feed: Feed[object], at: RenderContext, width: int, checkup: Checkup | None = None
) -> tuple[Line, ...]:
    """The problem of a feed in lines of at most `width` cells; none where there is none, or it is said already.

    With the `checkup` of the runner that the feed is of, as `cause` has it.
    """
    problem = feed.problem
    if problem is None or (feed.value is not None and _same(problem, at.said)):
        return ()
    again = max(0, ceil(problem.next_try - at.monotonic))
    since = format_hm(problem.since, at.style)
    if problem.kind is ProblemKind.NOT_FOUND:
        # The runner may well be there: the list says so, and this part of it alone is missing.
        text = f"{NOT_FOUND_WORDS} since {since} — {problem.message}, again in {again} s"
    else:
        what = "stale" if feed.value is not None else "not known"
        text = f"{what} since {since} — {describe_problem(problem, checkup)}, again in {again} s"
    return tuple((Span(piece, Role.BAD),) for piece in wrap(text, width))


def _same(problem: Problem, said: Problem | None) -> bool:
    return said is not None and (problem.kind, problem.message) == (said.kind, said.message)


def late_notice(feed: Feed[object], at: RenderContext) -> Line:
    """What a pane's foot says of a feed whose answer is overdue; nothing otherwise."""
    if feed.fetched_on is None or feed.freshness(at.monotonic, at.pace) is not Freshness.LATE:
        return ()
    return _late(feed.fetched_on, at.monotonic)


def _late(fetched_on: float, now: float) -> Line:
    return (Span(f"◔ late {int(now - fetched_on)} s", Role.WAITING),)


def halt_reason(snapshot: Snapshot, at: RenderContext) -> Line:
    """Why nothing is asked at present; nothing where things are."""
    if snapshot.attention.paused:
        return (Span(" PAUSED ", Role.ALERT),)
    if snapshot.needs_token is not None:
        return (Span("✖ no token that the API takes", Role.BAD),)
    if (cooling := ceil(snapshot.spending.cooldown_left(at.monotonic))) > 0:
        return (Span(f"◔ cooling down {cooling} s", Role.WAITING),)
    return ()


def away_text(seen: Overview) -> Line:
    """Return that no runner of the list in view answers, as `3 of 3 away`; empty if any does or is not checked."""
    if not seen.away:
        return ()
    return (Span(f"✖ {seen.away} of {max(seen.away, seen.total or 0)} away", Role.BAD),)


def freshness_label(seen: Overview, at: RenderContext) -> Line:
    """How far the screen may be trusted, in a word or two.

    An age is told only where a value is late, so that nothing ticks on a healthy screen.
    """
    if halted := halt_reason(seen.snapshot, at):
        return halted
    now, feed = at.monotonic, seen.page
    match feed.freshness(now, seen.list_pace):
        case Freshness.WAITING:
            return (Span("◌ asking", Role.WAITING),)
        case Freshness.LIVE:
            return away_text(seen) or (Span("● live", Role.GOOD),)
        case Freshness.LATE:
            return _late(feed.fetched_on or now, now)
        case Freshness.STALE:
            since = f" since {format_hm(feed.problem.since, at.style)}" if feed.problem else ""
            return (Span(f"✖ stale{since}", Role.BAD),)


class RenderContext(NamedTuple):
    """When it is, on both clocks, and how times are told.

    Attributes:
        wall: The wall clock, in UTC.
        monotonic: The engine's monotonic clock, in seconds.
        style: How times are told.
        pace: Seconds between polls of one thing that are in force, by which lateness is judged.
        said: A problem that is on the screen already: who has the same one need not say it again.
        held: Whether a key was pressed so lately that rows keep their places.
        keys: The first key of each command that can be given, for people to read.
    """

    wall: datetime
    monotonic: float
    style: TimeStyle = TimeStyle.RELATIVE
    pace: float = math.inf
    said: Problem | None = None
    held: bool = False
    keys: Mapping[str, str] = MappingProxyType({})

    def key(self, command: str) -> Span:
        """The key of a command, to name it in a sentence; its name where it has none."""
        return Span(self.keys.get(command, command), Role.ACCENT)


class Overview(NamedTuple):
    """A snapshot, and what its properties of these names would be worked out to again and again.

    Attributes:
        snapshot: Of which it is.
        total: How many runners the list in view has.
        page: The feed that tells how far the list in view may be trusted.
        pace: Seconds between polls of one thing that are in force.
        list_pace: Seconds in which the list in view is confirmed.
        away: Number of runners of the list in view, if none of them answers; else 0.
    """

    snapshot: Snapshot
    total: int | None
    page: Feed[RunnerPage]
    pace: float
    list_pace: float
    away: int = 0


def overview_of(snapshot: Snapshot) -> Overview:
    """What there is to know of a snapshot before any of it is drawn."""
    total, pace = snapshot.total, snapshot.pace
    keys = tuple(page_keys(snapshot.attention, total, snapshot.pages))
    pages = [snapshot.page_at(key) for key in keys]
    in_force = list_interval(pace, len(keys), snapshot.spending.limit)
    return Overview(snapshot, total, worst(pages), pace, in_force, _away(snapshot, pages))


def _away(snapshot: Snapshot, pages: Sequence[Feed[RunnerPage]]) -> int:
    count = 0
    for page in pages:
        for runner in page.value.runners if page.value else ():
            checkup = snapshot.checkup(runner.id)
            if checkup.problem is not None or checkup.value is None or checkup.value.reachable:
                return 0
            count += 1
    return count
