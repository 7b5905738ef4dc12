"""Which page of a whole list is asked next, and when: as fast as may be at first, evenly from then on. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from comfytui.engine.intervals import room_by_time
from comfytui.engine.snapshot import outdated_keys
from comfytui.ratelimit.window import KEPT_FOR_WISHES, WINDOW

if TYPE_CHECKING:
    from collections.abc import Mapping

    from comfytui.engine.feed import Feed
    from comfytui.engine.outlook import Standing
    from comfytui.engine.protocol import PageKey
    from comfytui.engine.snapshot import Snapshot


MAX_SWEPT = 4
"""Pages of a whole list under way at once: connections are few, and key presses need some."""

# Of the pace of the list: what is older than this is due whether it is its turn or not.
_OVERDUE = 1.5
# Of the interval in force: what is from before the list last changed is due again so soon.
_AGAIN = 0.5
# Seconds that key presses may hold a sweep up before it goes first.
_HELD_UP = 1.5 * WINDOW


class Swept(NamedTuple):
    """The page of a whole list that comes next; all moments are of the monotonic clock.

    Attributes:
        key: Which it is.
        due_at: When it is due.
        urgent_at: From when on it is as good as wished for.
        room_at: When the rhythm of the sweep lets it be asked.
    """

    key: PageKey
    due_at: float
    urgent_at: float
    room_at: float


def next_swept(snapshot: Snapshot, standing: Standing) -> Swept | None:
    """The page that is due first; None where all are under way.

    What was never asked is due at once, in order. From then on it is the turn of the oldest each time that another
    part of `list_pace` has gone by, so that a sweep is spread all over it. What is much older than that, as all is
    after a sleep, is due at once again, and what is from before the list last changed soon.
    """
    keys = snapshot.page_keys
    pace = math.inf if snapshot.attention.paused else snapshot.list_pace
    feeds = {key: snapshot.page_at(key) for key in keys}
    due = {
        key: _due_at(feed, pace, standing.wished.get(key, math.inf))
        for key, feed in feeds.items()
        if key not in standing.in_flight
    }
    if not due:
        return None
    for key in outdated_keys(feeds):
        # Soon, but not at once: a list may change for ever.
        if key in due and pace < math.inf:
            due[key] = min(due[key], (feeds[key].tried_on or 0.0) + _AGAIN * snapshot.pace)
    answered = {
        key: feed.fetched_on for key in due if (feed := feeds[key]).problem is None and feed.fetched_on is not None
    }
    if oldest := min(answered, key=answered.__getitem__, default=None):
        due[oldest] = min(due[oldest], max(standing.listed_on, answered[oldest]) + pace / len(keys))
    key = min(due, key=due.__getitem__)
    is_begun = any(feed.fetched_on is not None for feed in feeds.values())
    urgent_at = max(due[key], standing.listed_on) + _HELD_UP if is_begun else due[key]
    return Swept(key, due[key], urgent_at, _room_at(snapshot, standing, feeds, key))


def _due_at(feed: Feed[object], pace: float, by_wish: float) -> float:
    """When a page is due out of turn, where all are asked in `pace` seconds: never by time, if that is infinite."""
    if feed.tried_on is None:
        return -math.inf
    if feed.problem is not None and pace < math.inf:
        return min(by_wish, feed.problem.next_try)
    return min(by_wish, feed.tried_on + _OVERDUE * pace)


def _room_at(snapshot: Snapshot, standing: Standing, feeds: Mapping[PageKey, Feed[object]], key: PageKey) -> float:
    """Evenly, so that a key press finds room at any moment; in a burst only where little was sent lately.

    While everything fails, a page an interval has to do, unless a person wishes for more.
    """
    if sum(other in standing.in_flight for other in feeds) >= MAX_SWEPT:
        return math.inf
    is_down = any(feed.problem is not None and feed.problem.streak > 0 for feed in feeds.values())
    if is_down and standing.wished.get(key, math.inf) > standing.now:
        return standing.listed_on + snapshot.pace
    share = snapshot.spending.share
    evenly = standing.listed_on + WINDOW / max(1, share - KEPT_FOR_WISHES)
    return min(evenly, room_by_time(snapshot.spending))
