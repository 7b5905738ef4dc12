"""The runner list around its rows: title, foot, and what stands where no row does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from comfytui.engine.protocol import MAX_WHOLE_RUNNERS, PageKey
from comfytui.query.filter import Query
from comfytui.ratelimit.window import API_LIMIT
from comfytui.render.cells import Line, Role, Span, cell_width, join, truncate

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage
    from comfytui.engine.snapshot import Departure
    from comfytui.query.sorting import Sort
    from comfytui.query.view import ListView, SearchProgress
    from comfytui.ratelimit.window import Usage
    from comfytui.render.freshness import RenderContext


_SAID_FOR = 15.0
_GAP = Span("  ")
_LEAST_QUERY = 6


class ListSpec(NamedTuple):
    """Which runners are to be listed, and how.

    Attributes:
        key: Which page, of how many runners, of which status.
        query: What they are filtered by.
        sort: What they are sorted by; None for the API's order, newest created first.
    """

    key: PageKey = PageKey()
    query: Query = Query()
    sort: Sort | None = None

    @property
    def whole(self) -> bool:
        """Whether all pages are needed to tell which runners these are."""
        return bool(self.query) or self.sort is not None


CUT_TEXT = "answer cut: more sent than asked for"
"""Stands below a list of which the API sent more entries than it should."""


def page_count(total: int | None, per_page: int) -> int | None:
    """How many pages there are, at least one; None where the total is not known."""
    return None if total is None else max(1, -(-total // per_page))


def list_title(listing: ListSpec, view: ListView | None, width: int, *, by_hidden: bool = False) -> Line:
    """The list's name, the filters that are on, and how much was searched: `Runners  active  /gpu  3/5 pages`.

    The order is told, too, where no column's title tells it. Where it is narrow, of a long filter only the beginning.
    """
    status = (Span(str(listing.key.status), Role.ACCENT),) if listing.key.status else ()
    order = sort_text(listing.sort) if by_hidden else ()
    tail = join((order, search_footer(view.searched), known_text(view)), _GAP) if view else order
    head = join(((Span("Runners", Role.STRONG),), status), _GAP)
    if not listing.query:
        return join((head, tail), _GAP)
    room = width - cell_width(head) - cell_width(tail) - 2 * len(_GAP.text)
    query = truncate((Span(f"/{listing.query.text}", Role.ACCENT),), max(_LEAST_QUERY, room))
    return join((head, query, tail), _GAP)


def frameless_line(listing: ListSpec, view: ListView | None, aside: Line, gone: Line, width: int) -> tuple[Line, ...]:
    """What neither title nor foot can say where there are none: filters, what they found, and who is `gone`.

    No line at all where there is nothing to say. What is to be said `aside` comes first.
    """
    status = (Span(str(listing.key.status), Role.ACCENT),) if listing.key.status else ()
    query = (Span(f"/{listing.query.text}", Role.ACCENT),) if listing.query else ()
    said = join((gone, aside, status, query), _GAP)
    room = width - cell_width(said) - len(_GAP.text)
    count = count_text(view, room) if view is not None and listing.query else ()
    return (truncate(join((said, count), _GAP), width),) if said else ()


def sort_text(sort: Sort | None) -> Line:
    """What something is sorted by: `by created ▼`; nothing where it is as the API has it."""
    return (Span(f"by {sort.key} {'▼' if sort.descending else '▲'}", Role.ACCENT),) if sort else ()


def page_footer(key: PageKey, page: RunnerPage | None, gone: Line, width: int) -> Line:
    """Where in the list one is: `page 1/5  1–25 of 120`; the page asked for where nothing has come yet.

    Who is `gone` comes behind it, and before it where it is narrow.
    """
    if page is None:
        return join(((Span(f"page {key.page} …", Role.MUTED),), gone), _GAP)
    place = _PageNumbers(key, len(page.runners), page.total)
    unreadable = (Span(f"{page.invalid_count} unreadable", Role.BAD),) if page.invalid_count else ()
    is_cut = (Span(CUT_TEXT, Role.BAD),) if page.is_cut else ()
    return _first_fitting(
        [
            (place.whole, unreadable, is_cut, gone),
            (place.brief, is_cut, gone),
            (place.brief, gone),
            (gone or place.whole,),
        ],
        width,
    )


def complete_footer(key: PageKey, shown: int, view: ListView, gone: Line, width: int) -> Line:
    """Where in a filtered or sorted list one is: `page 1/1  1–7 of 7 (120 loaded)`; `gone` as of `list_foot`."""
    place = _PageNumbers(key, shown, len(view.runners))
    loaded = (*place.whole, Span(f" ({view.searched.runners} loaded)", Role.MUTED))
    return _first_fitting([(loaded, gone), (place.whole, gone), (place.brief, gone), (gone or loaded,)], width)


def search_footer(searched: SearchProgress) -> Line:
    """How much of the list was searched: `all pages searched`, `3/5 pages`, or that there are too many."""
    if searched.capped and searched.is_complete:
        return (Span(f"only the first {MAX_WHOLE_RUNNERS:,} searched", Role.WAITING),)
    if searched.is_complete:
        return (Span("all pages searched", Role.MUTED),)
    return (Span(f"{searched.pages}/{'?' if searched.of is None else searched.of} pages", Role.WAITING),)


def known_text(view: ListView) -> Line:
    """For how many runners it is known what the filter or the order asks; nothing where they ask only the list."""
    return () if view.known is None else (Span(f"known for {view.known}", Role.WAITING),)


def count_text(view: ListView, width: int) -> Line:
    """How many match, of how many: `7 of 120  all pages searched`, or less where it is narrow."""
    count = (Span(f"{len(view.runners)} of {view.searched.runners}", Role.STRONG),)
    searched, known = search_footer(view.searched), known_text(view)
    going_on = () if view.searched.is_complete else searched
    return _first_fitting(
        [(count, searched, known), (count, going_on, known), (count, going_on), (going_on, count)], width
    )


def removed_text(departures: Sequence[Departure], now: float) -> Line:
    """Who has just gone, for a while; `now` is the engine's monotonic clock."""
    if not departures or now - departures[-1].on > _SAID_FOR:
        return ()
    return (Span(f"{departures[-1].name} is no longer registered", Role.WAITING),)


def missing_text(last: tuple[str, float] | None, now: float, where: str = "on this page") -> Line:
    """What was under the cursor and is no longer there, for a while; `last` is (name, monotonic time) or None."""
    if last is None or now - last[1] > _SAID_FOR:
        return ()
    return (Span(f"{last[0]} is no longer {where}", Role.WAITING),)


def empty_list_text(listing: ListSpec, page: RunnerPage | None, at: RenderContext) -> tuple[Line, ...]:
    """What to say where a page has no rows, and the key that helps; nothing where there are some."""
    if page is None:
        return ((Span("Asking for runners …", Role.MUTED),),)
    if page.runners:
        return ()
    if listing.key.status:
        return (
            (Span(f"No {listing.key.status} runners."),),
            (at.key("cycle_status"), Span(" shows the others.", Role.MUTED)),
        )
    return (
        (Span("No runners yet."),),
        (Span("Register one in ComfyControl's web app, then ", Role.MUTED), at.key("refresh_now")),
    )


def no_match_text(listing: ListSpec, view: ListView, at: RenderContext) -> tuple[Line, ...]:
    """What to say where nothing matches, and the key that helps; nothing where something does."""
    if view.runners:
        return ()
    if not view.searched.pages:
        return ((Span("Asking for runners …", Role.MUTED),),)
    if not view.searched.is_complete:
        return ((Span("No match yet: ", Role.MUTED), *search_footer(view.searched)),)
    if not listing.query:
        return ((Span("No runners."),),)
    if view.known is not None and view.known < view.searched.runners:
        known = f"is known of {view.known} of {view.searched.runners} runners."
        return ((Span(f"No match yet: what /{listing.query.text} asks"),), (Span(known, Role.WAITING),))
    helps = (at.key("filter"), Span(" changes the filter, ", Role.MUTED), at.key("back"))
    return ((Span(f"No runner matches /{listing.query.text}"),), (*helps, Span(" clears it.", Role.MUTED)))


class _PageNumbers(NamedTuple):
    """Where in a list one is."""

    key: PageKey
    shown: int
    total: int | None

    @property
    def whole(self) -> Line:
        """`page 1/5  1–25 of 120`."""
        first = (self.key.page - 1) * self.key.per_page + 1
        place = f"{first}–{first + self.shown - 1}" if self.shown else "0"
        return (*self.brief, Span(f"  {place} of {'?' if self.total is None else self.total}", Role.MUTED))

    @property
    def brief(self) -> Line:
        """`page 1/5`."""
        return (Span(f"page {self.key.page}/{page_count(self.total, self.key.per_page) or '?'}", Role.MUTED),)


def _first_fitting(variants: Sequence[Sequence[Line]], width: int) -> Line:
    """The first of the variants that fits, else the last."""
    lines = [join(parts, _GAP) for parts in variants]
    return next((line for line in lines if cell_width(line) <= width), lines[-1])


_BAR = Span(" │ ", Role.MUTED)


class Header(NamedTuple):
    """What the header says.

    Attributes:
        source: Where the runners come from: the profile if there is one, and the host; or `demo`.
        state: How far the screen may be trusted.
        budget: How much of the request limit is spent; empty if there is none.
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


def source_text(source: str, profile: str | None, colour: str | None) -> Line:
    """`prod · api.example.com`, the profile in its colour; the source alone where there is no profile."""
    if profile is None:
        return (Span(source, Role.STRONG),)
    tint = Role(f"tint-{colour}") if colour else Role.STRONG
    return (Span(profile, tint), Span(f" · {source}", Role.MUTED))


def interval_text(seconds: float) -> str:
    """`every 5 s`."""
    return f"every {seconds:g} s"


def usage_text(spending: Usage, now: float) -> str:
    """Return the most requests that any 10 s of the last minute held, `api ≤ 15/40`; empty if they are not limited."""
    return f"api ≤ {spending.peak_per_window(now)}/{API_LIMIT}" if spending.is_limited else ""


def header_line(header: Header, width: int) -> Line:
    """The header in one line; the least telling parts go where it is narrow."""
    runners = "runner" if header.total == 1 else "runners"
    total = "" if header.total is None else " ".join(filter(None, (str(header.total), header.status, runners)))
    parts = {
        "source": header.source,
        "state": header.state,
        "budget": (Span(header.budget, Role.MUTED),) if header.budget else (),
        "total": (Span(total),) if total else (),
        "interval": (Span(interval_text(header.interval), Role.MUTED),),
        "zone": (Span(header.zone),) if header.zone else (),
        "trail": (Span(" / ".join(header.trail), Role.ACCENT),),
    }
    for dropped in ("interval", "budget", "total", "zone", "source"):
        if cell_width(join(parts.values(), _BAR)) <= width:
            break
        parts[dropped] = ()
    return truncate(join(parts.values(), _BAR), width)


_HINT_GAP = Span("  ")


def footer_line(hints: Sequence[tuple[str, str]], kept: Sequence[tuple[str, str]], width: int) -> Line:
    """Hints of (keys, word) as one line; the later ones go where it is narrow, the `kept` ones never."""
    last = [_hint(*hint) for hint in kept]
    shown: list[Line] = []
    for hint in hints:
        candidate = [*shown, _hint(*hint)]
        if cell_width(join([*candidate, *last], _HINT_GAP)) > width:
            break
        shown = candidate
    return join([*shown, *last], _HINT_GAP)


def _hint(keys: str, word: str) -> Line:
    return (Span(keys, Role.ACCENT), Span(f" {word}", Role.MUTED))
