"""How many requests may be sent, and when: the one gate that every request passes.

The API answers 40 requests in 10 seconds per IP address, all endpoints together; who asks more is answered 429, and
nothing at all during the 10 seconds after (pages api/authentication and api/errors). Every tool and person behind one
address shares the 40, so this package spends half of it. What was sent is kept with its time: a bucket that leaks
would let nearly twice the limit through within one window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

WINDOW = 10.0
"""Seconds over which the API counts requests."""

LIMIT = 40
"""Requests that the API answers within a WINDOW, from one address."""

SHARE = 20
"""Requests within a WINDOW that all dashboards of one person on one machine spend together."""

ALONE = 6
"""Requests within a WINDOW that a process sends when it cannot know of others: six such stay below the LIMIT."""

COOL_DOWN = 10.0
"""Seconds during which the API processes nothing after a 429."""

MAX_COOL_DOWN = 120.0
"""Seconds that no request to stay away exceeds, whatever a server says."""

MARGIN = 0.05
"""Seconds that a WINDOW is taken to be longer, for requests that travel faster than the ones before."""

FRESH = 0.25
"""Seconds after which a permit that was not used has to be renewed."""

LATE = 0.03
"""Seconds between the grant and the sending of a request that its record may be off by, less than MARGIN."""

REMEMBERED = 60.0
"""Seconds for which sends are remembered."""

KEPT_FOR_WISHES = 2
"""Requests of each WINDOW that nothing but a key press may spend."""

_STEP = 5


class Use(StrEnum):
    """What a request is for, the most urgent first."""

    WISH = "wish"
    """A person pressed a key for it."""

    POLL = "poll"
    """What a person looks at, asked again by time."""

    ROTATION = "rotation"
    """The histories of other runners in view, one after another."""

    @property
    def rank(self) -> int:
        """0 for the most urgent."""
        return _RANKS[self]


_RANKS = {use: rank for rank, use in enumerate(Use)}


class Spending(NamedTuple):
    """What was spent of the allowance, as far as known.

    Attributes:
        sent: When requests were sent by all who share, in seconds of the monotonic clock, newest last; those of the
            last REMEMBERED seconds.
        cooling_until: Until when nothing is sent, None when nothing was said or that time has come.
        share: How many requests all who share may send within a WINDOW.
        waiting: How many requests of this process wait to be sent.
        is_limited: False if requests are not counted: the server is in this process.
    """

    sent: tuple[float, ...] = ()
    cooling_until: float | None = None
    share: int = SHARE
    waiting: int = 0
    is_limited: bool = True

    def slot_free_at(self, limit: int) -> float:
        """Return when fewer than `limit` requests (1 or more) are within a WINDOW; minus infinity if now."""
        return self.sent[-limit] + WINDOW if len(self.sent) >= limit else -math.inf

    def count(self, now: float) -> int:
        """How many requests were sent within the last WINDOW."""
        return sum(now - at <= WINDOW for at in self.sent)

    def peak(self, now: float) -> int:
        """The most that any WINDOW of the last minute held, rounded up to a multiple of five to keep it calm."""
        recent = [at for at in self.sent if now - at <= REMEMBERED]
        most = first = 0
        for last, at in enumerate(recent):
            while at - recent[first] > WINDOW:
                first += 1
            most = max(most, last - first + 1)
        return math.ceil(most / _STEP) * _STEP

    def cooling(self, now: float) -> float:
        """Seconds until requests are sent again, 0.0 when they are."""
        return 0.0 if self.cooling_until is None else max(0.0, self.cooling_until - now)


class Grant(NamedTuple):
    """Record of a request that may be sent.

    Attributes:
        number: Identifies the request within its process.
        at: Moment it counts as sent, in seconds of the monotonic clock.
    """

    number: int
    at: float


class Permit(Protocol):
    """Permission to send one request, which counts as sent since it was granted."""

    async def confirm(self) -> None:
        """Wait until the request may be sent now: at once if the permit is fresh, else it is renewed."""
        ...

    def mark_sent(self) -> None:
        """Record that the request is on the wire since now."""
        ...

    def release(self) -> None:
        """Give the permit back: nothing was sent."""
        ...


class Allowance(Protocol):
    """Who says when a request may be sent."""

    @property
    def spending(self) -> Spending:
        """What was spent, as last known; asks nobody."""
        ...

    def wait_for(self, use: Use) -> float:
        """Seconds until a request for this use may be sent, as far as known; 0.0 is now; asks nobody."""
        ...

    async def take(self, use: Use) -> Permit:
        """Return once one request may be sent, which is recorded as sent by then.

        It waits as long as the window and a cool-down demand: first come, first served within a use, and no use
        before a more urgent one. Who is cancelled while waiting takes nothing and holds nobody up.
        """
        ...

    def cool_down(self, seconds: float) -> None:
        """Let nobody who shares send anything for so long, at most MAX_COOL_DOWN; of two, the longer one wins."""
        ...


OnSent: TypeAlias = Callable[[], None] | None
"""Whom to tell that a request was taken leave for and is sent now; None for nobody."""


class Send(NamedTuple):
    """One request that was sent.

    Attributes:
        at: When, in seconds of the monotonic clock.
        use: What for.
        mine: Whether this process sent it.
        number: Its number within this process; 0 for those of other processes.
    """

    at: float
    use: Use
    mine: bool = True
    number: int = 0


def ready_at(
    use: Use, sends: Sequence[Send], *, share: int, part: int, window: float = WINDOW, ahead: int = 0
) -> float:
    """When a request may be sent, in seconds of the monotonic clock; minus infinity where nothing stands against it.

    Args:
        use: What for: all but a wish leaves KEPT_FOR_WISHES, the rotation takes half of the share at most.
        sends: What was sent, oldest first.
        share: How many requests a window may hold, whoever sends them.
        part: How many of them may be this process's.
        window: Seconds.
        ahead: How many requests of this process go first.
    """
    kept = ahead if use is Use.WISH else ahead + KEPT_FOR_WISHES
    span = window + MARGIN
    ready = max(
        _opens_at([send.at for send in sends], share - kept, span),
        _opens_at([send.at for send in sends if send.mine], part - kept, span),
    )
    if use is not Use.ROTATION:
        return ready
    return max(ready, _opens_at([send.at for send in sends if send.use is use], share // 2, span))


def _opens_at(sent: Sequence[float], room: int, span: float) -> float:
    """When fewer than `room` of these are left within a span; a room of nothing is taken as one of one."""
    over = len(sent) - max(1, room)
    return sent[over] + span if over >= 0 else -math.inf
