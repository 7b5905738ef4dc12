"""Text around the rows: list title, page footer, empty states, header and key hints."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from comfytui.engine.protocol import MAX_SCANNED_RUNNERS, PageKey
from comfytui.query.filter import Query
from comfytui.ratelimit.window import API_LIMIT
from comfytui.render.cells import Line, Role, Span, cell_width, join, truncate
from comfytui.render.table import GAP

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage
    from comfytui.engine.snapshot import RemovedRunner
    from comfytui.query.sorting import Sort
    from comfytui.query.view import ListView, SearchProgress
    from comfytui.ratelimit.window import Usage
    from comfytui.render.freshness import RenderContext


_NOTICE_S = 15.0
_MIN_QUERY_WIDTH = 6


class ListSpec(NamedTuple):
    """Selection and order of the runner list.

    Attributes:
        key: Page number, page size and status filter.
        query: Filter.
        sort: Sort order; None for the API's order, newest created first.
    """

    key: PageKey = PageKey()
    query: Query = Query()
    sort: Sort | None = None

    @property
    def needs_all_pages(self) -> bool:
        """True if the list can only be built from all pages."""
        return bool(self.query) or self.sort is not None


CUT_TEXT = "cut: the API sent more than requested"
"""Notice below a list of which the API sent more entries than the page size allows."""


def page_count(total: int | None, per_page: int) -> int | None:
    """Return the number of pages, at least 1, or None if the total is unknown."""
    return None if total is None else max(1, -(-total // per_page))


def list_title(listing: ListSpec, view: ListView | None, width: int, *, show_sort: bool = False) -> Line:
    """Return the list's name, active filters and search progress: `Runners  active  /gpu  3/5 pages`.

    The sort order is part of it only with `show_sort`, for layouts whose column titles do not show it. If the width is
    too small, a long filter is truncated.
    """
    status = (Span(str(listing.key.status), Role.ACCENT),) if listing.key.status else ()
    order = sort_text(listing.sort) if show_sort else ()
    tail = join((order, search_progress_text(view.searched), known_text(view)), GAP) if view else order
    head = join(((Span("Runners", Role.STRONG),), status), GAP)
    if not listing.query:
        return join((head, tail), GAP)
    room = width - cell_width(head) - cell_width(tail) - 2 * len(GAP.text)
    query = truncate((Span(f"/{listing.query.text}", Role.ACCENT),), max(_MIN_QUERY_WIDTH, room))
    return join((head, query, tail), GAP)


def compact_status(
    listing: ListSpec, view: ListView | None, aside: Line, removed: Line, width: int
) -> tuple[Line, ...]:
    """Return one line for layouts without title and footer: filters, matches and the `removed` notice.

    It is empty if there is nothing to show. `aside` comes before the filters.
    """
    status = (Span(str(listing.key.status), Role.ACCENT),) if listing.key.status else ()
    query = (Span(f"/{listing.query.text}", Role.ACCENT),) if listing.query else ()
    said = join((removed, aside, status, query), GAP)
    room = width - cell_width(said) - len(GAP.text)
    count = match_count_text(view, room) if view is not None and listing.query else ()
    return (truncate(join((said, count), GAP), width),) if said else ()


def sort_text(sort: Sort | None) -> Line:
    """Return the sort order as `by created ▼`, or an empty line for the API's order."""
    return (Span(f"by {sort.key} {'▼' if sort.descending else '▲'}", Role.ACCENT),) if sort else ()


def page_footer(key: PageKey, page: RunnerPage | None, removed: Line, width: int) -> Line:
    """Return the position in the list: `page 1/5  1–25 of 120`, or `page 1 …` before the first response.

    The `removed` notice follows it. If the width is too small, the notice stays and details go.
    """
    if page is None:
        return join(((Span(f"page {key.page} …", Role.MUTED),), removed), GAP)
    numbers = _PageNumbers(key, len(page.runners), page.total)
    unreadable = (Span(f"{page.invalid_count} unreadable", Role.BAD),) if page.invalid_count else ()
    is_cut = (Span(CUT_TEXT, Role.BAD),) if page.is_cut else ()
    return _first_fitting(
        [
            (numbers.full, unreadable, is_cut, removed),
            (numbers.brief, is_cut, removed),
            (numbers.brief, removed),
            (removed or numbers.full,),
        ],
        width,
    )


def search_footer(key: PageKey, shown: int, view: ListView, removed: Line, width: int) -> Line:
    """Return the position in a filtered or sorted list: `page 1/1  1–7 of 7 (120 loaded)`.

    The `removed` notice follows it, as in `page_footer`.
    """
    numbers = _PageNumbers(key, shown, len(view.runners))
    loaded = (*numbers.full, Span(f" ({view.searched.runners} loaded)", Role.MUTED))
    return _first_fitting(
        [(loaded, removed), (numbers.full, removed), (numbers.brief, removed), (removed or loaded,)], width
    )


def search_progress_text(searched: SearchProgress) -> Line:
    """Return the search progress: `all pages searched`, `3/5 pages`, or the limit if there are more runners."""
    if searched.capped and searched.is_complete:
        return (Span(f"only the first {MAX_SCANNED_RUNNERS:,} searched", Role.WAITING),)
    if searched.is_complete:
        return (Span("all pages searched", Role.MUTED),)
    return (
        Span(f"{searched.pages}/{'?' if searched.total_pages is None else searched.total_pages} pages", Role.WAITING),
    )


def known_text(view: ListView) -> Line:
    """Return the number of runners with enough data for filter and sort; empty if the list alone suffices."""
    return () if view.known is None else (Span(f"known for {view.known}", Role.WAITING),)


def match_count_text(view: ListView, width: int) -> Line:
    """Return the number of matches, `7 of 120  all pages searched`, with fewer details if the width is small."""
    count = (Span(f"{len(view.runners)} of {view.searched.runners}", Role.STRONG),)
    searched, known = search_progress_text(view.searched), known_text(view)
    pending = () if view.searched.is_complete else searched
    return _first_fitting(
        [(count, searched, known), (count, pending, known), (count, pending), (pending, count)], width
    )


def removed_notice(removals: Sequence[RemovedRunner], now: float) -> Line:
    """Return a notice about the runner removed last, for 15 s; `now` is the engine's monotonic clock."""
    if not removals or now - removals[-1].noticed_monotonic > _NOTICE_S:
        return ()
    return (Span(f"{removals[-1].name} is no longer registered", Role.WAITING),)


def lost_selection_notice(last: tuple[str, float] | None, now: float, where: str = "on this page") -> Line:
    """Return a notice that the selected item is gone, for 15 s; `last` is (name, monotonic time) or None."""
    if last is None or now - last[1] > _NOTICE_S:
        return ()
    return (Span(f"{last[0]} is no longer {where}", Role.WAITING),)


def empty_page(listing: ListSpec, page: RunnerPage | None, context: RenderContext) -> tuple[Line, ...]:
    """Return the text in place of the rows of an empty page, with the key that helps; empty if there are rows."""
    if page is None:
        return ((Span("Loading runners …", Role.MUTED),),)
    if page.runners:
        return ()
    if listing.key.status:
        return (
            (Span(f"No {listing.key.status} runners."),),
            (context.key("cycle_status"), Span(" shows the others.", Role.MUTED)),
        )
    return (
        (Span("No runners yet."),),
        (Span("Register one in ComfyControl's web app, then ", Role.MUTED), context.key("refresh_now")),
    )


def empty_search(listing: ListSpec, view: ListView, context: RenderContext) -> tuple[Line, ...]:
    """Return the text in place of the rows if no runner matches, with the key that helps; empty if any does."""
    if view.runners:
        return ()
    if not view.searched.pages:
        return ((Span("Loading runners …", Role.MUTED),),)
    if not view.searched.is_complete:
        return ((Span("No match yet: ", Role.MUTED), *search_progress_text(view.searched)),)
    if not listing.query:
        return ((Span("No runners."),),)
    if view.known is not None and view.known < view.searched.runners:
        known = f"{view.known} of {view.searched.runners} runners checked."
        return ((Span(f"No match yet for /{listing.query.text}"),), (Span(known, Role.WAITING),))
    helps = (context.key("filter"), Span(" changes the filter, ", Role.MUTED), context.key("back"))
    return ((Span(f"No runner matches /{listing.query.text}"),), (*helps, Span(" clears it.", Role.MUTED)))


class _PageNumbers(NamedTuple):
    """Page number and range of the rows shown."""

    key: PageKey
    shown: int
    total: int | None

    @property
    def full(self) -> Line:
        """`page 1/5  1–25 of 120`."""
        first = (self.key.page - 1) * self.key.per_page + 1
        rows = f"{first}–{first + self.shown - 1}" if self.shown else "0"
        return (*self.brief, Span(f"  {rows} of {'?' if self.total is None else self.total}", Role.MUTED))

    @property
    def brief(self) -> Line:
        """`page 1/5`."""
        return (Span(f"page {self.key.page}/{page_count(self.total, self.key.per_page) or '?'}", Role.MUTED),)


def _first_fitting(variants: Sequence[Sequence[Line]], width: int) -> Line:
    """Return the first variant that fits the width, else the last one."""
    lines = [join(parts, GAP) for parts in variants]
    return next((line for line in lines if cell_width(line) <= width), lines[-1])


_BAR = Span(" │ ", Role.MUTED)


class Header(NamedTuple):
    """Content of the header line.

    Attributes:
        source: Profile if there is one, and host; or `demo`.
        state: Freshness of the data on screen.
        usage: Requests sent, against the API's rate limit.
        total: Number of runners, or None if unknown.
        status: Status filter, or None for all.
        interval_s: Seconds between polls.
        breadcrumb: Path to the current screen, outermost first.
        zone: Time zone of the times shown, empty if ages are shown.
    """

    source: Line
    state: Line
    usage: str
    total: int | None
    status: str | None
    interval_s: float
    breadcrumb: tuple[str, ...]
    zone: str = ""


def source_text(source: str, profile: str | None, color: str | None) -> Line:
    """Return `prod · api.example.com` with the profile in its color, or the source alone without a profile."""
    if profile is None:
        return (Span(source, Role.STRONG),)
    tint = Role(f"tint-{color}") if color else Role.STRONG
    return (Span(profile, tint), Span(f" · {source}", Role.MUTED))


def interval_text(seconds: float) -> str:
    """Return the poll interval as `every 5 s`."""
    return f"every {seconds:g} s"


def usage_text(usage: Usage, now: float) -> str:
    """Return the most requests that any 10 s of the last minute held, `api ≤ 15/40`; empty if they are not limited."""
    return f"api ≤ {usage.peak_per_window(now)}/{API_LIMIT}" if usage.is_limited else ""


def header_line(header: Header, width: int) -> Line:
    """Return the header in one line; the least important parts are dropped if the width is small."""
    runners = "runner" if header.total == 1 else "runners"
    total = "" if header.total is None else " ".join(filter(None, (str(header.total), header.status, runners)))
    parts = {
        "source": header.source,
        "state": header.state,
        "budget": (Span(header.usage, Role.MUTED),) if header.usage else (),
        "total": (Span(total),) if total else (),
        "interval": (Span(interval_text(header.interval_s), Role.MUTED),),
        "zone": (Span(header.zone),) if header.zone else (),
        "trail": (Span(" / ".join(header.breadcrumb), Role.ACCENT),),
    }
    for dropped in ("interval", "budget", "total", "zone", "source"):
        if cell_width(join(parts.values(), _BAR)) <= width:
            break
        parts[dropped] = ()
    return truncate(join(parts.values(), _BAR), width)


_HINT_GAP = Span("  ")


def footer_line(hints: Sequence[tuple[str, str]], kept: Sequence[tuple[str, str]], width: int) -> Line:
    """Return key hints (keys, word) as one line; the last ones are dropped if they do not fit, `kept` ones never."""
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
