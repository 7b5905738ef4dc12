"""Intervals between requests, backoff after failures, and the shares of the request budget. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfytui.ratelimit.window import API_LIMIT, RESERVED_FOR_USER, WINDOW_S

if TYPE_CHECKING:
    from comfytui.engine.protocol import Viewport


MAX_BACKOFF_S = 30.0
"""Longest wait for the next try, unless the interval in force is longer."""

JITTER = 0.2
"""Relative deviation of a wait, either way, so that clients that failed together do not return together."""

HEALTH_INTERVAL_S = 15.0
"""Least seconds between health checks of the runner under the cursor: each makes the API ask the runner itself."""

BACKGROUND_HEALTH_INTERVAL_S = 60.0
"""Least seconds between health checks of any other runner."""

CHANGE_BATCH_INTERVAL_S = 1.5
"""Seconds between batches for announced changes of other runners than the cursor's; the first one goes at once."""

_CHANGE_INTERVAL_S = 1.0
_PAGE_CHANGE_INTERVAL_S = 1.5
# Factor of the interval without the focus.
_CHANGE_FRACTION = 0.2

_UNFOCUSED_FACTOR = 4.0
_RESPONSE_FACTOR = 2.0

# Of the request limit: what polls may spend, what everything else without a user waiting may spend, what the rotation
# may spend. The rest is left for key presses.
_POLL_FRACTION = 0.8
_BACKGROUND_FRACTION = 0.75
_ROTATION_FRACTION = 0.5
# Of what the rotation may spend: enough to refresh 25 rows within a minute.
_STEADY_FRACTION = 0.6
# Of the request limit: the pages of a full scan, and the runner under the cursor meanwhile.
_SCAN_FRACTION = 0.4
_DETAIL_FRACTION_WHILE_SCANNING = 0.25

# A response that took longer waited for the rate limiter, not for the server.
_LONGEST_RESPONSE_S = 10.0
_NEWEST_WEIGHT = 0.3
_MAX_DOUBLINGS = 10


def effective_interval(interval: float, viewport: Viewport, response_time: float, limit: int) -> float:
    """Return the seconds from one poll cycle to the next.

    The user's interval, times four without the focus; at least twice the response time, and at least what the request
    limit allows. The latter two are rounded up to whole seconds, so that the figure on screen is steady.

    Args:
        interval: Seconds that the user chose.
        viewport: What is polled, and whether the terminal has the focus.
        response_time: Smoothed seconds that responses take.
        limit: Requests that may be sent within a WINDOW_S.
    """
    is_watched = viewport.focused or viewport.full_rate_unfocused
    wanted = interval * (1.0 if is_watched else _UNFOCUSED_FACTOR)
    least = max(_RESPONSE_FACTOR * response_time, min_interval(viewport, limit))
    return wanted if wanted >= least else float(math.ceil(least))


def min_interval(viewport: Viewport, limit: int) -> float:
    """Return the shortest interval in seconds that leaves a quarter of the request limit to key presses.

    The pages of a full scan have an interval of their own.
    """
    if viewport.all_pages and viewport.runner_id is not None:
        return 2 * WINDOW_S / (limit * _DETAIL_FRACTION_WHILE_SCANNING)
    return _polled_count(viewport) * WINDOW_S / (limit * _BACKGROUND_FRACTION)


def _polled_count(viewport: Viewport) -> int:
    """Return how many requests a poll cycle has: the page, and the history and details of the runner."""
    return 1 if viewport.runner_id is None else 3


def scan_interval(pages: int, limit: int) -> float:
    """Return the seconds in which every page of a full scan can be requested once; 0.0 for a single page."""
    return pages * WINDOW_S / (limit * _SCAN_FRACTION) if pages > 1 else 0.0


def list_interval(interval_s: float, pages: int, limit: int) -> float:
    """Return the seconds in which a list of `pages` pages is refreshed, at least the interval in force."""
    least = scan_interval(pages, limit)
    return interval_s if interval_s >= least else float(math.ceil(least))


def health_interval(interval_s: float) -> float:
    """Return the seconds between health checks of the runner under the cursor."""
    return max(HEALTH_INTERVAL_S, interval_s)


def change_interval(interval_s: float) -> float:
    """Return the least seconds between requests of a runner's resource whose changes are announced."""
    return max(_CHANGE_INTERVAL_S, _CHANGE_FRACTION * interval_s)


def page_change_interval(interval_s: float) -> float:
    """Return the least seconds between requests of a page whose changes are announced: any row may change."""
    return max(_PAGE_CHANGE_INTERVAL_S, _CHANGE_FRACTION * interval_s)


def backoff(interval: float, streak: int, jitter: float) -> float:
    """Return the seconds to wait after a failure: one interval, then doubling up to MAX_BACKOFF_S.

    Args:
        interval: The interval in force, which no wait is shorter than.
        streak: Failures in a row, 1 or more.
        jitter: Factor of all waits but the first: 1.0, plus or minus JITTER.
    """
    if streak <= 1:
        return interval
    doubled = min(interval * 2.0 ** min(streak - 1, _MAX_DOUBLINGS), MAX_BACKOFF_S)
    return max(interval, min(doubled * jitter, MAX_BACKOFF_S))


@dataclass(frozen=True, slots=True)
class RotationBatch:
    """Background requests that go with one poll cycle.

    Attributes:
        size: Most requests of a batch.
        period_s: Least seconds from one batch to the next.
    """

    size: int
    period_s: float


def rotation_batch(interval: float, interval_s: float, limit: int, viewport: Viewport) -> RotationBatch:
    """Return the background requests that fit into the rotation's share of the limit, beside the polls.

    Args:
        interval: Seconds that the user chose; a longer interval in force slows the rotation down as well.
        interval_s: The interval in force.
        limit: Requests that may be sent within a WINDOW_S.
        viewport: What is polled.
    """
    evenly = limit * _ROTATION_FRACTION
    left = limit - RESERVED_FOR_USER - _polled_count(viewport) * WINDOW_S / interval_s
    # With a long interval, polls can wait a moment for the rotation.
    per_window = min(evenly, max(left, evenly * min(1.0, interval_s / WINDOW_S)))
    spacing = WINDOW_S / per_window * max(1.0, interval_s / interval)
    count = max(1, math.floor(min(interval_s / spacing, evenly, API_LIMIT / 2)))
    return RotationBatch(max(1, math.floor(count * _STEADY_FRACTION)), count * spacing)


def poll_limit(limit: int) -> int:
    """Return how many requests of a window polls may bring it to; of 20, four are kept for key presses."""
    return max(1, math.floor(limit * _POLL_FRACTION))


def background_limit(limit: int) -> int:
    """Return how many requests of a window may be sent before requests without a user waiting are put off."""
    return max(1, math.floor(limit * _BACKGROUND_FRACTION))


def smooth(response_time: float, newest: float) -> float:
    """Return the smoothed response time after another response; 0.0 stands for none so far."""
    newest = min(newest, _LONGEST_RESPONSE_S)
    return newest if response_time == 0.0 else response_time + _NEWEST_WEIGHT * (newest - response_time)
