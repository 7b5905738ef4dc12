"""How fast to ask: the interval in force, the way back from failures, the rhythm of the rotation. Pure."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

from comfytui.ratelimit.window import KEPT_FOR_WISHES, LIMIT, WINDOW

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfytui.engine.protocol import Attention
    from comfytui.ratelimit.window import Spending


MAX_BACK_OFF = 30.0
"""Seconds that nobody waits longer for the next try, unless the interval in force is longer."""

JITTER = 0.2
"""How far a wait may be off either way, as a part of it, so that many who failed together do not return together."""

STATS_EVERY = 15.0
"""Seconds between requests for a runner's stats, however much they are wished for: each asks the runner itself."""

CHECK_EVERY = 60.0
"""The same for runners that are not under the cursor."""

ALONG = 0.5
"""The part of an interval before its time that a poll goes along with others: a processor woken once works for less.

From then on they are due together, so that no more is asked for that.
"""

EARLY = 0.1
"""Seconds that a round of the rotation begins early to go along with polls, which come by when they were answered."""

CHANGES_APART = 1.0
"""Seconds between requests for a resource whose changes are announced, however often it changes."""

PAGES_APART = 1.5
"""The same for a page, of which any row may change."""

BATCHES_APART = 1.5
"""Seconds between batches of requests for changes of runners that the cursor is not on: each request alone costs more.

The first change after a pause is requested at once.
"""

BATCH_LASTS = 0.1
"""Seconds within which requests belong to one such batch."""

CHANGES_APART_OF_PACE = 0.2
"""The same as a part of the interval in force, for terminals that nobody looks at."""

MAX_BURST = LIMIT // 2
"""Requests that the rotation never exceeds at once."""

UNFOCUSED_FACTOR = 4.0
RESPONSE_FACTOR = 2.0

# What polls and rotation may spend of the share; the rest is there when a key is pressed.
_BY_TIME = 0.75
_ROTATION = 0.5
# What of that is enough: a view of 25 tells all within half a minute, and again within a whole one.
_ENOUGH = 0.8
_AT_REST = 0.6
# What the pages of a whole list may, and what is asked of the runner beside them.
_SWEEP = 0.4
_BESIDE_SWEEP = 0.25

# What takes longer has waited for the allowance, not for the server.
_LONGEST_RESPONSE = 10.0
_NEWEST_WEIGHT = 0.3
_MOST_DOUBLINGS = 10


def pace(interval: float, attention: Attention, response_time: float, share: int) -> float:
    """The interval in force: seconds from an answer to the next poll of the same thing.

    It is `interval`, four times that where nobody looks, and never less than twice the response time or than what the
    share bears. Where one of the latter two decides it is whole seconds, so that it does not flicker.

    Args:
        interval: What was asked for, in seconds.
        attention: How much is polled, and whether anybody looks.
        response_time: Seconds that answers take, smoothed.
        share: Requests that may be sent within a WINDOW.
    """
    watched = attention.focused or attention.wallboard
    wanted = interval * (1.0 if watched else UNFOCUSED_FACTOR)
    least = max(RESPONSE_FACTOR * response_time, bearable(attention, share))
    return wanted if wanted >= least else float(math.ceil(least))


def bearable(attention: Attention, share: int) -> float:
    """Seconds between polls of all that is attended that leave a quarter of the share to key presses.

    The pages of a whole list have their own pace.
    """
    if attention.whole and attention.runner_id is not None:
        return 2 * WINDOW / (share * _BESIDE_SWEEP)
    return _attended(attention) * WINDOW / (share * _BY_TIME)


def _attended(attention: Attention) -> int:
    """How many things are polled by the interval: the list, and of the runner its history and its details."""
    return 1 if attention.runner_id is None else 3


def sweep(pages: int, share: int) -> float:
    """Seconds in which each of so many pages can be asked once by the part of the share that is theirs.

    None at all where there is but one, which is polled as other things are.
    """
    return pages * WINDOW / (share * _SWEEP) if pages > 1 else 0.0


def list_pace(in_force: float, pages: int, share: int) -> float:
    """Seconds in which a list of so many pages is confirmed: the interval in force, longer where that is too short."""
    least = sweep(pages, share)
    return in_force if in_force >= least else float(math.ceil(least))


def stats_pace(in_force: float) -> float:
    """Seconds between checks of the runner under the cursor."""
    return max(STATS_EVERY, in_force)


def back_off(interval: float, streak: int, jitter: float) -> float:
    """Seconds to wait after a failure: one interval at first, then doubling to MAX_BACK_OFF, never below an interval.

    Args:
        interval: The interval in force.
        streak: Failures in a row, 1 or more.
        jitter: What all waits but the first are multiplied with: 1.0, give or take JITTER.
    """
    if streak <= 1:
        return interval
    doubled = min(interval * 2.0 ** min(streak - 1, _MOST_DOUBLINGS), MAX_BACK_OFF)
    return max(interval, min(doubled * jitter, MAX_BACK_OFF))


def rotation_spacing(interval: float, in_force: float, share: int, attention: Attention) -> float:
    """Seconds from one request of the rotation to the next, slowed down as polls are.

    It is half of the share, evenly, as far as polls leave that: what it takes from them would have them late. But the
    longer the interval is, the longer they may wait for their turn.
    """
    evenly = share * _ROTATION
    left = share - KEPT_FOR_WISHES - _attended(attention) * WINDOW / in_force
    taken = min(evenly, max(left, evenly * min(1.0, in_force / WINDOW)))
    return WINDOW / taken * max(1.0, in_force / interval)


class Burst(NamedTuple):
    """How the rotation asks: at once, for a processor that is woken once works for less.

    Attributes:
        most: How many it asks at most.
        at_rest: How many once all in view is known.
        seconds: From one burst to the next.
    """

    most: int
    at_rest: int
    seconds: float


def rotation_burst(interval: float, in_force: float, share: int, attention: Attention) -> Burst:
    """As many as the rotation's rhythm lets through between two polls, with which they go along."""
    spacing = rotation_spacing(interval, in_force, share, attention)
    count = max(1, math.floor(min(in_force / spacing, share * _ROTATION, MAX_BURST)))
    most, at_rest = (max(1, math.floor(count * part)) for part in (_ENOUGH, _AT_REST))
    return Burst(most, at_rest, count * spacing)


def room_at(sent: Sequence[float], most: int) -> float:
    """When fewer than so many requests are within a WINDOW; minus infinity where that is so already.

    Args:
        sent: Send times of all who share, on the monotonic clock, newest last.
        most: 1 or more.
    """
    return sent[-most] + WINDOW if len(sent) >= most else -math.inf


def room_by_time(spending: Spending) -> float:
    """When there is room for what nobody waits for."""
    return room_at(spending.sent, by_time(spending.share))


def by_time(share: int) -> int:
    """How many requests of a window nobody has to wait for: a quarter of the share stays for key presses."""
    return max(1, math.floor(share * _BY_TIME))


def smoothed(response_time: float, newest: float) -> float:
    """The response time after one more answer; 0.0 stands for none so far."""
    newest = min(newest, _LONGEST_RESPONSE)
    return newest if response_time == 0.0 else response_time + _NEWEST_WEIGHT * (newest - response_time)
