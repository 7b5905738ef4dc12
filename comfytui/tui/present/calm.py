"""How long a screen may be left alone: until time by itself changes what it shows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.engine.feed import LATE_AFTER_INTERVALS
from comfytui.engine.pacing import stats_pace

if TYPE_CHECKING:
    from collections.abc import Iterable

    from comfytui.engine.feed import Feed
    from comfytui.engine.snapshot import Snapshot
    from comfytui.tui.present.now import Now
    from comfytui.tui.present.overview import Overview

__all__ = ["CALM", "TICK", "feed_lasts", "list_lasts", "runner_lasts", "soonest"]

TICK = 1.0
"""Seconds from one drawing to the next where something is counted in seconds."""

CALM = 5.0
"""The same where nothing is: ages are coarse, and no older than this when they are told anew."""

_MOMENT = 0.02


def feed_lasts(feed: Feed[object], now: float, interval: float) -> float:
    """Seconds for which time alone changes nothing of how far a feed may be trusted, at most CALM.

    Problems count down to the next try, what is late counts up, and what is live becomes late on time.

    Args:
        feed: Of whatever is shown.
        now: The engine's monotonic clock.
        interval: Seconds between polls of it.
    """
    if feed.problem is not None:
        return TICK
    if feed.fetched_on is None:
        return CALM
    left = feed.fetched_on + LATE_AFTER_INTERVALS * interval - now
    return min(left, CALM) if left >= 0 else TICK


def list_lasts(seen: Overview, at: Now) -> float:
    """As `feed_lasts`, of the list in view, and of a cool-down, which is counted too."""
    if seen.snapshot.spending.cooling(at.monotonic) > 0:
        return TICK
    return feed_lasts(seen.page, at.monotonic, seen.list_pace)


def runner_lasts(snapshot: Snapshot, runner_id: str | None, at: Now) -> float:
    """As `feed_lasts`, of what is polled of the runner under the cursor."""
    now, checkup = at.monotonic, snapshot.checkup(runner_id)
    # What is wrong with a checkup is said without a countdown.
    checked = CALM if checkup.problem is not None else feed_lasts(checkup, now, stats_pace(at.pace))
    details, history = snapshot.runner(runner_id), snapshot.history(runner_id)
    return min(checked, feed_lasts(details, now, at.pace), feed_lasts(history, now, at.pace))


def soonest(seconds: Iterable[float]) -> float:
    """The least of these, at most CALM and no less than a moment: what has its time now is drawn now."""
    return max(_MOMENT, min(seconds, default=CALM))
