"""How long a screen may be left alone: until time by itself changes what it shows. Pure."""

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
"""Seconds from one drawing to the next where something is counted in seconds."""

IDLE_TICK_S = 5.0
"""The same where nothing is: ages are coarse, and no older than this when they are told anew."""

_MIN_DELAY_S = 0.02


def feed_valid_s(feed: Feed[object], now: float, interval: float) -> float:
    """Seconds for which time alone changes nothing of how far a feed may be trusted, at most CALM.

    Problems count down to the next try, what is late counts up, and what is live becomes late on time.

    Args:
        feed: Of whatever is shown.
        now: The engine's monotonic clock.
        interval: Seconds between polls of it.
    """
    if feed.problem is not None:
        return TICK_S
    if feed.fetched_monotonic is None:
        return IDLE_TICK_S
    left = feed.fetched_monotonic + LATE_AFTER_INTERVALS * interval - now
    return min(left, IDLE_TICK_S) if left >= 0 else TICK_S


def list_valid_s(seen: SnapshotSummary, at: RenderContext) -> float:
    """As `feed_lasts`, of the list in view, and of a cool-down, which is counted too."""
    if seen.snapshot.usage.cooldown_left(at.monotonic) > 0:
        return TICK_S
    return feed_valid_s(seen.page_feed, at.monotonic, seen.list_interval_s)


def runner_valid_s(snapshot: Snapshot, runner_id: str | None, at: RenderContext) -> float:
    """As `feed_lasts`, of what is polled of the runner under the cursor."""
    now, health = at.monotonic, snapshot.health(runner_id)
    # What is wrong with a checkup is said without a countdown.
    checked = IDLE_TICK_S if health.problem is not None else feed_valid_s(health, now, health_interval(at.interval_s))
    details, history = snapshot.runner(runner_id), snapshot.history(runner_id)
    return min(checked, feed_valid_s(details, now, at.interval_s), feed_valid_s(history, now, at.interval_s))


def shortest(seconds: Iterable[float]) -> float:
    """The least of these, at most CALM and no less than a moment: what has its time now is drawn now."""
    return max(_MIN_DELAY_S, min(seconds, default=IDLE_TICK_S))


class DeferredCall:
    """Acts once, at the moment that was named last.

    Putting that off costs next to nothing, other than with a timer of Textual's, which is a task, and wakes its widget.
    """

    def __init__(self, owner: DOMNode, act: Callable[[], None]) -> None:
        """Make an alarm; nothing happens before `ring_in`.

        Args:
            owner: Among whose messages it has its turn.
            act: What is to be done.
        """
        self._owner = owner
        self._act = act
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def schedule(self, seconds: float) -> None:
        """Act so many seconds from now, whatever was said before."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + seconds
        if self._handle is None or self._handle.when() > self._due:
            self.stop()
            self._handle = loop.call_at(self._due, self._call)

    def stop(self) -> None:
        """Do nothing any more."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None

    def _call(self) -> None:
        self._handle = None
        if (left := self._due - asyncio.get_running_loop().time()) > 0:
            # It was put off meanwhile.
            self.schedule(left)
        else:
            self._owner.call_later(self._act)


class Debouncer:
    """Acts at once on a wish that comes alone, and once more when a burst of them has ended.

    So one key press is answered without delay, and a key held down asks for nothing on the way.
    """

    def __init__(self, owner: DOMNode, delay_s: float, act: Callable[[], None]) -> None:
        """Make a pace.

        Args:
            owner: Whose timer it is.
            delay_s: Seconds without a wish that end a burst.
            act: What is wished.
        """
        self._owner = owner
        self._quiet = delay_s
        self._act = act
        self._timer: Timer | None = None
        self._again = False

    def trigger(self) -> None:
        """Act now, or when the burst that this belongs to has ended."""
        self._again = self._timer is not None
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._owner.set_timer(self._quiet, self._burst_ended)
        if not self._again:
            self._act()

    def flush(self) -> None:
        """Act at once, and not again for what was wished before."""
        self._again = False
        self._act()

    def _burst_ended(self) -> None:
        self._timer = None
        if self._again:
            self.flush()


class CoalescingDelay:
    """A short rest that whoever is in a hurry can end.

    Args:
        seconds: How long it is where nobody is.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over: asyncio.Future[None] | None = None

    async def wait(self) -> None:
        """Return once it is over."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        alarm = loop.call_later(self._seconds, self.flush)
        try:
            await self._over
        finally:
            alarm.cancel()
            self._over = None

    def flush(self) -> None:
        """Let it be over now; nothing where there is none."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
