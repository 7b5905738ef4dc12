"""Sliding-window rate limit: how many requests may be sent, and when.

The API answers 40 requests in 10 seconds per IP address, all endpoints together; more are answered 429, and so is
everything during the 10 seconds after (pages api/authentication and api/errors). All clients behind one address
share the 40, so comfytui sends half of them. Send times are kept: a leaky bucket would let nearly twice the limit
through within one window.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import NamedTuple, Protocol, TypeAlias

WINDOW_S = 10.0
"""Seconds over which the API counts requests."""

API_LIMIT = 40
"""Requests that the API answers within a WINDOW_S, from one address."""

SHARED_LIMIT = 20
"""Requests within a WINDOW_S that all processes of a user on one machine send together."""

SOLO_LIMIT = 6
"""Requests within a WINDOW_S of a process that cannot know of others: six such processes stay below the API_LIMIT."""

COOLDOWN_S = 10.0
"""Seconds during which the API processes nothing after a 429."""

MAX_COOLDOWN_S = 120.0
"""Seconds that no request to stay away exceeds, whatever a server says."""

WINDOW_MARGIN_S = 0.05
"""Seconds added to a WINDOW_S, for requests that travel faster than earlier ones."""

PERMIT_FRESH_S = 0.25
"""Seconds after which a permit that was not used has to be renewed."""

SEND_TOLERANCE_S = 0.03
"""Seconds by which the recorded send time may be off, less than WINDOW_MARGIN_S."""

HISTORY_S = 60.0
"""Seconds for which sends are remembered."""

RESERVED_FOR_USER = 2
"""Requests of each WINDOW_S that are reserved for key presses."""

_RESERVED_PER_RANK = 5


class Priority(StrEnum):
    """Priority of a request, the most urgent first."""

    USER = "user"
    """A user waits for the response."""

    POLL = "poll"
    """A resource in view is polled."""

    BACKGROUND = "background"
    """A row in view is refreshed in rotation."""

    @property
    def rank(self) -> int:
        """0 for the most urgent."""
        return _RANKS[self]


_RANKS = {priority: rank for rank, priority in enumerate(Priority)}


class Usage(NamedTuple):
    """Use of the rate limit, as far as known.

    Attributes:
        sent_monotonic: When all processes sent requests in the last HISTORY_S seconds, newest last.
        blocked_until: End of a cooldown on the monotonic clock, or None if there is none.
        limit: Requests that all processes may send within a WINDOW_S.
        waiting: How many requests of this process wait to be sent.
        is_limited: False if requests are not counted: the server is in this process.
    """

    sent_monotonic: tuple[float, ...] = ()
    blocked_until: float | None = None
    limit: int = SHARED_LIMIT
    waiting: int = 0
    is_limited: bool = True

    def slot_free_at(self, limit: int) -> float:
        """Return when fewer than `limit` requests (1 or more) are within a WINDOW_S; minus infinity if now."""
        return self.sent_monotonic[-limit] + WINDOW_S if len(self.sent_monotonic) >= limit else -math.inf

    def in_window(self, now: float) -> int:
        """Return the number of requests within the last WINDOW_S."""
        return sum(now - at <= WINDOW_S for at in self.sent_monotonic)

    def peak_per_window(self, now: float) -> int:
        """Return the most requests in any WINDOW_S of the last minute, rounded up to a multiple of five."""
        recent = [at for at in self.sent_monotonic if now - at <= HISTORY_S]
        most = first = 0
        for last, at in enumerate(recent):
            while at - recent[first] > WINDOW_S:
                first += 1
            most = max(most, last - first + 1)
        return math.ceil(most / _RESERVED_PER_RANK) * _RESERVED_PER_RANK

    def cooldown_left(self, now: float) -> float:
        """Return the seconds that are left of a cooldown."""
        return 0.0 if self.blocked_until is None else max(0.0, self.blocked_until - now)


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


class RateLimiter(Protocol):
    """Decides when a request may be sent."""

    @property
    def usage(self) -> Usage:
        """Last known use of the limit; no I/O."""
        ...

    def delay(self, priority: Priority) -> float:
        """Return the seconds until a request of this priority may be sent, as far as known; no I/O."""
        ...

    async def acquire(self, priority: Priority) -> Permit:
        """Return once one request may be sent, which is recorded as sent by then.

        Waits for room in the window and the end of a cooldown. Order is by priority, then by arrival. A cancelled
        caller takes nothing and holds up no other.
        """
        ...

    def block_for(self, seconds: float) -> None:
        """Block all processes for these seconds, at most MAX_COOLDOWN_S; of two cooldowns, the longer one counts."""
        ...


OnSent: TypeAlias = Callable[[], None] | None
"""Called when the rate limiter let a request through and it is sent now."""


class SentRequest(NamedTuple):
    """Request that was sent.

    Attributes:
        monotonic: Time of sending, in seconds of the monotonic clock.
        priority: Its priority.
        own: True if this process sent it.
        number: Its number within this process; 0 for those of other processes.
    """

    monotonic: float
    priority: Priority
    own: bool = True
    number: int = 0


def available_at(
    priority: Priority,
    sends: Sequence[SentRequest],
    *,
    limit: int,
    quota: int,
    window: float = WINDOW_S,
    ahead: int = 0,
) -> float:
    """Return when a request may be sent, in seconds of the monotonic clock; minus infinity if now.

    Args:
        priority: Priority: all but USER leave RESERVED_FOR_USER, BACKGROUND takes half of the limit at most.
        sends: Requests that were sent, oldest first.
        limit: Requests that a window may hold, of all processes.
        quota: Requests of these that this process may send.
        window: Seconds.
        ahead: Requests of this process that go first.
    """
    kept = ahead if priority is Priority.USER else ahead + RESERVED_FOR_USER
    span = window + WINDOW_MARGIN_S
    ready = max(
        _slot_free_at([send.monotonic for send in sends], limit - kept, span),
        _slot_free_at([send.monotonic for send in sends if send.own], quota - kept, span),
    )
    if priority is not Priority.BACKGROUND:
        return ready
    return max(ready, _slot_free_at([send.monotonic for send in sends if send.priority is priority], limit // 2, span))


def _slot_free_at(sent: Sequence[float], limit: int, span: float) -> float:
    """Return when fewer than `limit` of these, at least one, are left within a span."""
    over = len(sent) - max(1, limit)
    return sent[over] + span if over >= 0 else -math.inf
