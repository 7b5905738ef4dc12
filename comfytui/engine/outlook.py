"""What a plan is made from: what is known, how things stand beside that, and when something is due by it. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from comfytui.engine.intervals import (
    ALONG,
    BATCH_LASTS,
    BATCHES_APART,
    CHANGES_APART,
    CHANGES_APART_OF_PACE,
    EARLY,
    PAGES_APART,
    room_at,
)
from comfytui.engine.protocol import PageKey
from comfytui.engine.rotating import Round, all_along, burst_of, lacks_any
from comfytui.ratelimit.window import KEPT_FOR_WISHES, MARGIN

if TYPE_CHECKING:
    from comfytui.engine.feed import Feed
    from comfytui.engine.intervals import Burst
    from comfytui.engine.protocol import Resource
    from comfytui.engine.snapshot import Snapshot
    from comfytui.ratelimit.window import Use


# Seconds after a request in which others go along with it.
_BURST = 0.05
# Seconds that what goes along with others waits for them at most.
_PATIENCE = 5.0
# Seconds that polls wait at most for room for what goes along with them.
_PUT_OFF = 0.1


class Standing(NamedTuple):
    """How things stand, beside what the snapshot says; all moments are of the monotonic clock.

    Attributes:
        now: The present moment.
        waits: Seconds until the allowance has room for a request, by its use.
        in_flight: What has been asked and not been answered, with its use: never due.
        wished: What is wanted whatever its age, paused or not, each from its moment on.
        since: What was last tried before this moment is due, unless paused; of a whole list the age of a page decides.
        beat_on: When something was last asked that others go along with (`comfytui.engine.planner.is_beat`).
        pointed_on: When the cursor came to its runner.
        round: The burst that the rotation is in.
        listed_on: When a page of the list was last asked.
        changed: Resources that changed since they were last requested, with the moment of that request.
        changes_on: When the last batch for changes of other runners than the cursor's began.
    """

    now: float
    waits: Mapping[Use, float] = MappingProxyType({})
    in_flight: Mapping[Resource, Use] = MappingProxyType({})
    wished: Mapping[Resource, float] = MappingProxyType({})
    since: float = -math.inf
    beat_on: float = -math.inf
    pointed_on: float = -math.inf
    round: Round = Round()
    listed_on: float = -math.inf
    changed: Mapping[Resource, float] = MappingProxyType({})
    changes_on: float = -math.inf

    def let_at(self, use: Use) -> float:
        """When the allowance lets a request be sent; minus infinity where it does now."""
        wait = self.waits.get(use, 0.0)
        return self.now + wait if wait > 0 else -math.inf


class Outlook(NamedTuple):
    """A snapshot, and what may be asked of it from how things stand; made by `look_out`.

    Attributes:
        snapshot: What is known.
        standing: How things stand beside that.
        pace: The interval in force.
        horizon: Until when what comes due is asked now, if there is room for it.
        burst: How the rotation asks.
        is_lacking: Whether something that is wanted in view may never have been asked.
        room_at: When there is room for all that goes along with each other.
    """

    snapshot: Snapshot
    standing: Standing
    pace: float
    horizon: float
    burst: Burst
    is_lacking: bool
    room_at: float

    def due_at(self, feed: Feed[object]) -> float:
        """When something is due by its age or its problem: never while paused, once it was tried."""
        if feed.tried_on is None:
            return -math.inf
        if self.snapshot.attention.paused:
            return math.inf
        if feed.tried_on < self.standing.since:
            return -math.inf
        return feed.problem.next_try if feed.problem is not None else feed.tried_on + self.pace

    def changed_at(self, resource: Resource) -> float:
        """Return when a resource is due because a change was announced; never, if none was, or while paused."""
        requested_on = self.standing.changed.get(resource)
        if requested_on is None or self.snapshot.attention.paused:
            return math.inf
        apart = PAGES_APART if isinstance(resource, PageKey) else CHANGES_APART
        return requested_on + max(apart, CHANGES_APART_OF_PACE * self.pace)

    def batched_change_at(self, resource: Resource) -> float:
        """Return when a change of another runner than the cursor's is due: with others, if some were just requested."""
        standing = self.standing
        is_same_batch = standing.now - standing.changes_on <= BATCH_LASTS
        return max(self.changed_at(resource), -math.inf if is_same_batch else standing.changes_on + BATCHES_APART)

    def checked_at(self, runner_id: str, least: float) -> float:
        """When a runner is to be checked by time: at least so many seconds after the last try, however that ended."""
        feed = self.snapshot.checkup(runner_id)
        if feed.tried_on is None:
            return -math.inf
        if feed.tried_on < self.standing.since:
            return feed.tried_on + least
        next_try = feed.problem.next_try if feed.problem is not None else -math.inf
        return max(feed.tried_on + max(least, self.pace), next_try)

    @property
    def is_along(self) -> bool:
        """Whether what is asked now goes along with others."""
        return self.horizon > self.standing.now

    def put_off(self, moment: float) -> float:
        """When what is due at a moment may go with all that goes along with it, where that is hardly later.

        What finds no room with the others is asked apart, which costs more than a poll loses by that wait. Minus
        infinity where there is nothing to wait for.
        """
        goes_along = self.is_along and moment <= self.horizon
        return self.room_at if not goes_along and self.room_at <= moment + _PUT_OFF else -math.inf

    def in_company(self, moment: float) -> float:
        """When to ask what is due at a moment and may wait: along with others, or once it has waited for that."""
        is_now = self.is_along and moment <= self.standing.now
        return -math.inf if is_now else moment + min(self.pace, _PATIENCE)

    def early(self, moment: float) -> float:
        """When something begins that may begin a little early: minus infinity where that lets it go along with others.

        Those come by when they were answered, a few milliseconds off each time.
        """
        return -math.inf if self.is_along and moment <= self.standing.now + EARLY else moment


def look_out(snapshot: Snapshot, standing: Standing) -> Outlook:
    """What is due, and a little more where something was asked just now, which that goes along with."""
    pace, is_along = snapshot.pace, standing.now - standing.beat_on < _BURST
    burst, is_lacking, spending = burst_of(snapshot), lacks_any(snapshot), snapshot.spending
    count = all_along(snapshot.attention, burst.most if is_lacking else burst.at_rest)
    room = room_at(spending.sent, max(1, spending.share - KEPT_FOR_WISHES - count + 1)) + MARGIN
    horizon = standing.now + (ALONG * pace if is_along else 0.0)
    return Outlook(snapshot, standing, pace, horizon, burst, is_lacking, room)
