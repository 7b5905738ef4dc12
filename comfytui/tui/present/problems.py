"""What is wrong, in words: the cause, since when, and what happens next."""

from __future__ import annotations

from math import ceil
from typing import TYPE_CHECKING

from comfytui.engine.feed import Freshness, ProblemKind
from comfytui.engine.names import name_or_id
from comfytui.tui.present.cells import Line, Role, Span, wrap
from comfytui.tui.present.units import clock_time, duration

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfytui.api.models import Runner
    from comfytui.engine.checkup import Checkup
    from comfytui.engine.feed import Feed, Problem
    from comfytui.engine.snapshot import Snapshot
    from comfytui.tui.present.now import Now
    from comfytui.tui.present.overview import Overview

__all__ = [
    "NOT_FOUND_WORDS",
    "away_words",
    "cause",
    "clock_skew_text",
    "lateness",
    "notice",
    "runner_skew_words",
    "skew_words",
    "standstill",
    "state",
]

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


def cause(problem: Problem, checkup: Checkup | None = None) -> str:
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


def skew_words(ahead: float) -> str:
    """That the API's clock and this machine's differ by so many seconds."""
    of = " of" if ahead > 0 else ""
    return f"The API's clock is {clock_skew_text(ahead)}{of} this machine's; ages are told by the API's."


def runner_skew_words(runner: Runner) -> str:
    """Return a sentence about a runner's clock that is far from the gateway's."""
    ahead = runner.clock_skew or 0.0
    of = " of" if ahead > 0 else ""
    name = name_or_id(runner.name, runner.id)
    return f"The clock of {name} is {clock_skew_text(ahead)}{of} comfytui's; its times are corrected."


def clock_skew_text(ahead: float) -> str:
    """Return how far a clock is ahead of another, such as `5m00 ahead` or `43s behind`."""
    which = "ahead" if ahead > 0 else "behind"
    # It is known to the second at best, and moves with how long answers take.
    apart = abs(ahead) if abs(ahead) < _EXACT else round(abs(ahead) / _MINUTE) * _MINUTE
    return f"{duration(apart)} {which}"


def notice(feed: Feed[object], at: Now, width: int, checkup: Checkup | None = None) -> tuple[Line, ...]:
    """The problem of a feed in lines of at most `width` cells; none where there is none, or it is said already.

    With the `checkup` of the runner that the feed is of, as `cause` has it.
    """
    problem = feed.problem
    if problem is None or (feed.value is not None and _same(problem, at.said)):
        return ()
    again = max(0, ceil(problem.next_try - at.monotonic))
    since = clock_time(problem.since, at.style)
    if problem.kind is ProblemKind.NOT_FOUND:
        # The runner may well be there: the list says so, and this part of it alone is missing.
        text = f"{NOT_FOUND_WORDS} since {since} — {problem.message}, again in {again} s"
    else:
        what = "stale" if feed.value is not None else "not known"
        text = f"{what} since {since} — {cause(problem, checkup)}, again in {again} s"
    return tuple((Span(piece, Role.BAD),) for piece in wrap(text, width))


def _same(problem: Problem, said: Problem | None) -> bool:
    return said is not None and (problem.kind, problem.message) == (said.kind, said.message)


def lateness(feed: Feed[object], at: Now) -> Line:
    """What a pane's foot says of a feed whose answer is overdue; nothing otherwise."""
    if feed.fetched_on is None or feed.freshness(at.monotonic, at.pace) is not Freshness.LATE:
        return ()
    return _late(feed.fetched_on, at.monotonic)


def _late(fetched_on: float, now: float) -> Line:
    return (Span(f"◔ late {int(now - fetched_on)} s", Role.WAITING),)


def standstill(snapshot: Snapshot, at: Now) -> Line:
    """Why nothing is asked at present; nothing where things are."""
    if snapshot.attention.paused:
        return (Span(" PAUSED ", Role.ALERT),)
    if snapshot.needs_token is not None:
        return (Span("✖ no token that the API takes", Role.BAD),)
    if (cooling := ceil(snapshot.spending.cooling(at.monotonic))) > 0:
        return (Span(f"◔ cooling down {cooling} s", Role.WAITING),)
    return ()


def away_words(seen: Overview) -> Line:
    """Return that no runner of the list in view answers, as `3 of 3 away`; empty if any does or is not checked."""
    if not seen.away:
        return ()
    return (Span(f"✖ {seen.away} of {max(seen.away, seen.total or 0)} away", Role.BAD),)


def state(seen: Overview, at: Now) -> Line:
    """How far the screen may be trusted, in a word or two.

    An age is told only where a value is late, so that nothing ticks on a healthy screen.
    """
    if halted := standstill(seen.snapshot, at):
        return halted
    now, feed = at.monotonic, seen.page
    match feed.freshness(now, seen.list_pace):
        case Freshness.WAITING:
            return (Span("◌ asking", Role.WAITING),)
        case Freshness.LIVE:
            return away_words(seen) or (Span("● live", Role.GOOD),)
        case Freshness.LATE:
            return _late(feed.fetched_on or now, now)
        case Freshness.STALE:
            since = f" since {clock_time(feed.problem.since, at.style)}" if feed.problem else ""
            return (Span(f"✖ stale{since}", Role.BAD),)
