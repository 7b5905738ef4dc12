"""Timers: time until a screen must be redrawn, deferred call, debouncer and coalescing delay."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from comfytui.engine.feed import LATE_AFTER_INTERVALS
from comfytui.engine.intervals import health_interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from textual.dom import DOMNode
    from textual.timer import Timer

    from comfytui.engine.feed import Feed
    from comfytui.engine.snapshot import Snapshot
    from comfytui.render.freshness import RenderContext, SnapshotSummary


TICK_S = 1.0
"""Seconds between redraws while something counts seconds."""

IDLE_TICK_S = 5.0
"""Seconds between redraws else, for ages are coarse."""

_MIN_DELAY_S = 0.02


def feed_valid_s(feed: Feed[object], now: float, interval: float) -> float:
    """Return seconds for which the freshness of a feed reads the same, at most IDLE_TICK_S.

    Problems count down to the next try, late feeds count up, and live feeds become late on time.

    Args:
        feed: Feed that is shown.
        now: Present time of the engine's monotonic clock.
        interval: Seconds between polls of the feed.
    """
    if feed.problem is not None:
        return TICK_S
    if feed.fetched_monotonic is None:
        return IDLE_TICK_S
    left = feed.fetched_monotonic + LATE_AFTER_INTERVALS * interval - now
    return min(left, IDLE_TICK_S) if left >= 0 else TICK_S


def list_valid_s(seen: SnapshotSummary, at: RenderContext) -> float:
    """Return the same for the list in view, and for a cooldown, which counts down."""
    if seen.snapshot.usage.cooldown_left(at.monotonic) > 0:
        return TICK_S
    return feed_valid_s(seen.page_feed, at.monotonic, seen.list_interval_s)


def runner_valid_s(snapshot: Snapshot, runner_id: str | None, at: RenderContext) -> float:
    """Return the same for the feeds of the runner under the cursor."""
    now, health = at.monotonic, snapshot.health(runner_id)
    # The problem of a health check has no countdown.
    checked = IDLE_TICK_S if health.problem is not None else feed_valid_s(health, now, health_interval(at.interval_s))
    details, history = snapshot.runner(runner_id), snapshot.history(runner_id)
    return min(checked, feed_valid_s(details, now, at.interval_s), feed_valid_s(history, now, at.interval_s))


def shortest(seconds: Iterable[float]) -> float:
    """Return the least of these seconds, at most IDLE_TICK_S and at least _MIN_DELAY_S."""
    return max(_MIN_DELAY_S, min(seconds, default=IDLE_TICK_S))


class DeferredCall:
    """Call at the last scheduled time.

    Rescheduling is cheap; a timer of Textual is a task that wakes its widget.
    """

    def __init__(self, owner: DOMNode, act: Callable[[], None]) -> None:
        """Create a call; nothing happens before `schedule`.

        Args:
            owner: Node whose message queue runs the call.
            act: Function to call.
        """
        self._owner = owner
        self._act = act
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def schedule(self, seconds: float) -> None:
        """Schedule the call in this many seconds, replacing the last schedule."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + seconds
        if self._handle is None or self._handle.when() > self._due:
            self.stop()
            self._handle = loop.call_at(self._due, self._call)

    def stop(self) -> None:
        """Cancel the call."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None

    def _call(self) -> None:
        self._handle = None
        if (left := self._due - asyncio.get_running_loop().time()) > 0:
            # It was postponed meanwhile.
            self.schedule(left)
        else:
            self._owner.call_later(self._act)


class Debouncer:
    """Debouncer that calls at once on a single trigger, and once more when a burst has ended.

    So one key press acts without delay, and a key held down requests nothing on the way.
    """

    def __init__(self, owner: DOMNode, delay_s: float, act: Callable[[], None]) -> None:
        """Create a debouncer.

        Args:
            owner: Node of the timer.
            delay_s: Seconds without a trigger that end a burst.
            act: Function to call.
        """
        self._owner = owner
        self._quiet = delay_s
        self._act = act
        self._timer: Timer | None = None
        self._again = False

    def trigger(self) -> None:
        """Call now, or when the burst has ended."""
        self._again = self._timer is not None
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._owner.set_timer(self._quiet, self._burst_ended)
        if not self._again:
            self._act()

    def flush(self) -> None:
        """Call at once, and not again for earlier triggers."""
        self._again = False
        self._act()

    def _burst_ended(self) -> None:
        self._timer = None
        if self._again:
            self.flush()


class CoalescingDelay:
    """Short delay that can be ended early.

    Args:
        seconds: Length of the delay.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Wait until the delay is over."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        alarm = loop.call_later(self._seconds, self.flush)
        try:
            await self._over
        finally:
            alarm.cancel()
            self._over = None

    def flush(self) -> None:
        """End the delay now, if there is one."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
