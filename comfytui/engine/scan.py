"""Full scan: the next page to request when all pages of a list are loaded. Pure.

Pages are loaded as fast as the request limit allows, and refreshed evenly from then on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from comfytui.engine.intervals import background_limit
from comfytui.engine.snapshot import outdated_keys
from comfytui.ratelimit.window import RESERVED_FOR_USER, WINDOW_S

if TYPE_CHECKING:
    from collections.abc import Collection

    from comfytui.engine.feed import Feed
    from comfytui.engine.protocol import PageKey, Resource
    from comfytui.engine.snapshot import Snapshot


MAX_PAGES_IN_FLIGHT = 4
"""Pages of a full scan in flight at once: connections are few, and key presses need some."""

# Fraction of the list's interval after which a page is due even out of turn.
_OVERDUE = 1.5
# Fraction of the effective interval after which a page from before the list's last change is due.
_OUTDATED_FRACTION = 0.5
# Seconds for which key presses may delay a scan.
_HELD_UP_S = 1.5 * WINDOW_S


@dataclass(frozen=True, slots=True)
class ScanState:
    """Inputs of the scan beside the snapshot; times are monotonic.

    Attributes:
        now: The present moment.
        in_flight: Resources that were requested and not answered yet.
        refreshes: Resources that the user wants refreshed, each from its moment on.
        page_monotonic: When a page of the list was last requested.
    """

    now: float
    in_flight: Collection[Resource] = frozenset()
    refreshes: Mapping[Resource, float] = field(default_factory=dict)
    page_monotonic: float = -math.inf


@dataclass(frozen=True, slots=True)
class ScanStep:
    """Page of a full scan that comes next; moments are of the monotonic clock.

    Attributes:
        key: The page.
        due_at: When it is due.
        urgent_at: When it becomes as urgent as a user request.
        room_at: When the rhythm of the scan lets it be requested.
    """

    key: PageKey
    due_at: float
    urgent_at: float
    room_at: float


def next_scan_page(snapshot: Snapshot, state: ScanState) -> ScanStep | None:
    """Return the page that is due first, or None if all are in flight.

    Pages that were never requested are due at once, in order. From then on the oldest is due each time that another
    part of the list's interval has gone by, so that requests are spread evenly. Pages much older than that, as all are
    after a suspension, are due at once; pages from before the list last changed are due soon.
    """
    keys = snapshot.page_keys
    interval = math.inf if snapshot.viewport.paused else snapshot.list_interval_s
    feeds = {key: snapshot.page_feed(key) for key in keys}
    due = {
        key: _due_at(feed, interval, state.refreshes.get(key, math.inf))
        for key, feed in feeds.items()
        if key not in state.in_flight
    }
    if not due:
        return None
    for key in outdated_keys(feeds):
        # Not at once, for a list may change continually.
        if key in due and interval < math.inf:
            due[key] = min(due[key], (feeds[key].tried_monotonic or 0.0) + _OUTDATED_FRACTION * snapshot.interval_s)
    answered = {
        key: feed.fetched_monotonic
        for key in due
        if (feed := feeds[key]).problem is None and feed.fetched_monotonic is not None
    }
    if oldest := min(answered, key=answered.__getitem__, default=None):
        due[oldest] = min(due[oldest], max(state.page_monotonic, answered[oldest]) + interval / len(keys))
    key = min(due, key=due.__getitem__)
    is_begun = any(feed.fetched_monotonic is not None for feed in feeds.values())
    urgent_at = max(due[key], state.page_monotonic) + _HELD_UP_S if is_begun else due[key]
    return ScanStep(key, due[key], urgent_at, _room_at(snapshot, state, feeds, key))


def _due_at(feed: Feed[object], interval: float, refresh_at: float) -> float:
    """Return when a page is due out of turn; never by time if the interval is infinite."""
    if feed.tried_monotonic is None:
        return -math.inf
    if feed.problem is not None and interval < math.inf:
        return min(refresh_at, feed.problem.retry_monotonic)
    return min(refresh_at, feed.tried_monotonic + _OVERDUE * interval)


def _room_at(snapshot: Snapshot, state: ScanState, feeds: Mapping[PageKey, Feed[object]], key: PageKey) -> float:
    """Return when the rhythm lets a page be requested: evenly, at once only if little was sent lately.

    While everything fails it is one page an interval, unless the user asks for more.
    """
    if sum(other in state.in_flight for other in feeds) >= MAX_PAGES_IN_FLIGHT:
        return math.inf
    is_down = any(feed.problem is not None and feed.problem.streak > 0 for feed in feeds.values())
    if is_down and state.refreshes.get(key, math.inf) > state.now:
        return state.page_monotonic + snapshot.interval_s
    usage = snapshot.usage
    if not usage.is_limited:
        return -math.inf
    evenly = state.page_monotonic + WINDOW_S / max(1, usage.limit - RESERVED_FOR_USER)
    return min(evenly, usage.slot_free_at(background_limit(usage.limit)))
