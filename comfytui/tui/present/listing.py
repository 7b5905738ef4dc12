"""The runner list around its rows: title, foot, and what stands where no row does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from comfytui.tui.present.cells import Line, Role, Span

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage
    from comfytui.engine.resources import PageKey
    from comfytui.engine.snapshot import Departure

__all__ = ["departed", "empty_list", "list_foot", "list_title", "missed", "page_count"]


_SAID_FOR = 15.0


def page_count(total: int | None, per_page: int) -> int | None:
    """How many pages there are, at least one; None where the total is not known."""
    return None if total is None else max(1, -(-total // per_page))


def list_title(key: PageKey) -> Line:
    """The list's name, with the status filter that is on."""
    status = (Span(f"  {key.status}", Role.ACCENT),) if key.status else ()
    return (Span("Runners", Role.STRONG), *status)


def list_foot(key: PageKey, page: RunnerPage | None) -> Line:
    """Where in the list one is: `page 1/5  1–25 of 120`; the page asked for where nothing has come yet."""
    if page is None:
        return (Span(f"page {key.page} …", Role.MUTED),)
    pages = page_count(page.total, key.per_page)
    first = (key.page - 1) * key.per_page + 1
    shown = f"{first}–{first + len(page.runners) - 1}" if page.runners else "0"
    text = f"page {key.page}/{pages or '?'}  {shown} of {'?' if page.total is None else page.total}"
    unreadable = (Span(f"  {page.unreadable} unreadable", Role.BAD),) if page.unreadable else ()
    return (Span(text, Role.MUTED), *unreadable)


def departed(departures: Sequence[Departure], now: datetime) -> Line:
    """Who has just gone, for a while."""
    if not departures or (now - departures[-1].at).total_seconds() > _SAID_FOR:
        return ()
    return (Span(f"  {departures[-1].name} is no longer registered", Role.WAITING),)


def missed(last: tuple[str, float] | None, now: float) -> Line:
    """Who was under the cursor and is no longer on the page, for a while; (name, monotonic time) or None."""
    if last is None or now - last[1] > _SAID_FOR:
        return ()
    return (Span(f"  {last[0]} is no longer on this page", Role.WAITING),)


def empty_list(key: PageKey, page: RunnerPage | None) -> tuple[Line, ...]:
    """What to say where there are no rows, and the key that helps; nothing where there are some."""
    if page is None:
        return ((Span("Asking for runners …", Role.MUTED),),)
    if page.runners:
        return ()
    if key.status:
        return (
            (Span(f"No {key.status} runners."),),
            (Span("s", Role.ACCENT), Span(" shows the others.", Role.MUTED)),
        )
    return (
        (Span("No runners yet."),),
        (Span("Register one in ComfyControl's web app, then ", Role.MUTED), Span("r", Role.ACCENT)),
    )
