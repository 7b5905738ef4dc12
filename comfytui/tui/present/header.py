"""The screen's first line: where the runners come from, how true the screen is, and where one is."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.allowance import LIMIT
from comfytui.tui.present.cells import Line, Role, Span, beside, cut, width_of

if TYPE_CHECKING:
    from comfytui.api.allowance import Spending

__all__ = ["Header", "budget_words", "header_line", "interval_words", "source_words"]
_BAR = Span(" │ ", Role.MUTED)


class Header(NamedTuple):
    """What the header says.

    Attributes:
        source: Where the runners come from: the profile if there is one, and the host; or `demo`.
        state: How far the screen may be trusted.
        budget: How much of the API's allowance is spent.
        total: How many runners there are, None where not known.
        status: The status they were asked for, None for all.
        interval: Seconds between polls.
        trail: The way to where one is, from the list inwards.
        zone: What times of day are told in, empty where none are told.
    """

    source: Line
    state: Line
    budget: str
    total: int | None
    status: str | None
    interval: float
    trail: tuple[str, ...]
    zone: str = ""


def source_words(source: str, profile: str | None, colour: str | None) -> Line:
    """`prod · api.example.com`, the profile in its colour; the source alone where there is no profile."""
    if profile is None:
        return (Span(source, Role.STRONG),)
    tint = Role(f"tint-{colour}") if colour else Role.STRONG
    return (Span(profile, tint), Span(f" · {source}", Role.MUTED))


def interval_words(seconds: float) -> str:
    """`every 5 s`."""
    return f"every {seconds:g} s"


def budget_words(spending: Spending, now: float) -> str:
    """At most how many requests any ten seconds of the last minute held: `api ≤ 15/40`."""
    return f"api ≤ {spending.peak(now)}/{LIMIT}"


def header_line(header: Header, width: int) -> Line:
    """The header in one line; the least telling parts go where it is narrow."""
    runners = "runner" if header.total == 1 else "runners"
    total = "" if header.total is None else " ".join(filter(None, (str(header.total), header.status, runners)))
    parts = {
        "source": header.source,
        "state": header.state,
        "budget": (Span(header.budget, Role.MUTED),),
        "total": (Span(total),) if total else (),
        "interval": (Span(interval_words(header.interval), Role.MUTED),),
        "zone": (Span(header.zone),) if header.zone else (),
        "trail": (Span(" / ".join(header.trail), Role.ACCENT),),
    }
    for dropped in ("interval", "budget", "total", "zone", "source"):
        if width_of(beside(parts.values(), _BAR)) <= width:
            break
        parts[dropped] = ()
    return cut(beside(parts.values(), _BAR), width)
