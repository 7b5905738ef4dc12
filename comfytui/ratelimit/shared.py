"""Rate limiter shared by all processes of a user on this machine, which share its address."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from comfytui.ratelimit.local import RENEWED, Waiter, WaitQueue
from comfytui.ratelimit.permit import IssuedPermit
from comfytui.ratelimit.store import (
    AcquireResult,
    RateLimitStore,
    RequestedSlot,
    SharedState,
    SlotChange,
    StoreUnavailable,
)
from comfytui.ratelimit.window import (
    API_LIMIT,
    HISTORY_S,
    MAX_COOLDOWN_S,
    SHARED_LIMIT,
    SOLO_LIMIT,
    WINDOW_S,
    Grant,
    Priority,
    SentRequest,
    Usage,
)
from comfytui.threads import DaemonWorker

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.ratelimit.window import Permit


# Longer than a transaction takes on a busy machine, and than setting aside a file whose lock is never released.
_STORE_TIMEOUT_S = 5.0
# Interval at which a process on its own tries the file again.
_SOLO_S = 10.0
# Looks per window of a waiter, for other processes may have left or begun a cooldown.
_POLLS_PER_WINDOW = 10
# In order of their ranks.
_PRIORITIES = tuple(Priority)
_MAX_CHANGES = 500

_Answer: TypeAlias = "Future[AcquireResult | StoreUnavailable]"


class SharedRateLimiter:
    """Rate limiter shared by all processes of a user through a file (`comfytui.ratelimit.store`).

    While others wait, no process gets more than its quota: the limit divided by the processes seen in the window. If
    the file cannot be used, this process sends up to SOLO_LIMIT requests on its own, notes that once in the log, and
    tries again now and then. All I/O happens in a thread.

    Args:
        clock: Clock whose monotonic time all processes share, CLOCK_MONOTONIC.
        paths: Places of the file, best first.
        api: Address of the API that is limited.
        limit: Requests that all processes may send within a window.
        note: Called with a message if the file cannot be used.
        window: Seconds.
    """

    def __init__(
        self,
        clock: Clock,
        paths: Sequence[Path],
        api: str,
        share: int = SHARED_LIMIT,
        *,
        note: Callable[[str], None],
        window: float = WINDOW_S,
    ) -> None:
        self._clock = clock
        self._share = share
        self._window = window
        self._note = note
        self._line = WaitQueue()
        self._worker = DaemonWorker("allowance")
        self._ledger = RateLimitStore(clock, paths, api, share, window)
        self._numbers = itertools.count(1)
        self._standing = SharedState((), share, share, 0.0)
        self._sent: tuple[float, ...] = ()
        self._sent_of: SharedState | None = None
        # Changes that are not in the store yet.
        self._changes: deque[SlotChange] = deque(maxlen=_MAX_CHANGES)
        self._is_flushing = False
        self._renewed: dict[int, Priority] = {}
        self._cooling_until = 0.0
        self._alone_until: float | None = None
        self._probe: _Answer | None = None

    @property
    def usage(self) -> Usage:
        """Usage of all processes as last known, or of this process while it is on its own."""
        now, sent, is_alone = self._clock.monotonic(), self._sent, self._alone_until is not None
        if self._sent_of is not self._standing or (sent and now - sent[0] > HISTORY_S):
            sends = self._standing.sends
            sent = tuple(
                [each.monotonic for each in sends if now - each.monotonic <= HISTORY_S and (each.own or not is_alone)]
            )
            self._sent, self._sent_of = sent, self._standing
        until = max(self._cooling_until, self._standing.blocked_until)
        share = self._standing.quota if is_alone else self._standing.limit
        return Usage(sent, until if until > now else None, share, len(self._line))

    def delay(self, priority: Priority) -> float:
        """Return the seconds until a request may be sent unless a more urgent one comes, as last known."""
        return self._local_delay(priority, self._line.ahead_of(priority.rank))

    async def acquire(self, priority: Priority) -> Permit:
        """Return once one request may be sent, which is recorded as sent by then."""
        return IssuedPermit(self, self._clock, priority, await self._grant(priority))

    async def renew(self, number: int, priority: Priority) -> Grant:
        """Wait until a granted request may be sent after all and record it as sent then."""
        self._renewed[number] = priority
        try:
            return await self._grant(priority, number)
        finally:
            del self._renewed[number]

    async def _grant(self, priority: Priority, number: int = 0) -> Grant:
        # A request that is renewed holds a connection, which the others need.
        with self._line.enter(RENEWED if number else priority.rank, number) as place:
            try:
                return await self._granted(priority, place)
            except asyncio.CancelledError:
                if place.grant is not None:
                    self.withdraw(place.grant.number, priority)
                raise

    def move(self, number: int, priority: Priority, at: float) -> None:
        """Count a granted request as sent at a later moment."""
        others = self._sends_without(number)
        self._standing = self._standing._replace(sends=(*others, SentRequest(at, priority, number=number)))
        self._queue_change(SlotChange(number, priority, at))

    def withdraw(self, number: int, priority: Priority) -> None:
        """Stop counting a granted request: it was not sent."""
        self._standing = self._standing._replace(sends=self._sends_without(number))
        self._queue_change(SlotChange(number, priority, None))

    def block_for(self, seconds: float) -> None:
        """Block all processes for these seconds, at most MAX_COOLDOWN_S; the longer of two cooldowns counts."""
        until = self._clock.monotonic() + min(seconds, MAX_COOLDOWN_S)
        self._cooling_until = max(self._cooling_until, until)
        self._flush()

    def close(self) -> None:
        """Close the file without waiting; nothing is acquired afterwards."""
        self._worker.submit(self._ledger.close)
        self._worker.close()

    async def _granted(self, priority: Priority, waiter: Waiter) -> Grant:
        await waiter.wait_turn()
        if priority is not Priority.USER:
            # Background requests yield once so that a batch is acquired in one transaction.
            await self._line.settle()
            await waiter.wait_turn()
        while waiter.grant is None:
            if (delay := await self._acquire_shared(priority, waiter)) > 0:
                await self._clock.sleep(min(delay, self._window / _POLLS_PER_WINDOW))
                await waiter.wait_turn()
        return waiter.grant

    async def _acquire_shared(self, priority: Priority, waiter: Waiter) -> float:
        """Return the seconds to wait; 0.0 once a request was granted and recorded.

        Waiters behind are asked for as well, for a transaction costs more than a grant.
        """
        if self._alone_until is not None and not self._resume_sharing():
            return self._acquire_locally(priority, waiter)
        places = [waiter, *waiter.waiting_behind]
        wanted = [RequestedSlot(each.request or next(self._numbers), self._priority_for(each)) for each in places]
        changes = self._take_changes()
        outcome = await self._query_store(wanted, changes)
        if isinstance(outcome, StoreUnavailable):
            self._changes.extendleft(reversed(changes))
            self._go_solo(outcome)
            return self._acquire_locally(priority, waiter)
        self._standing = outcome.state
        self._distribute(outcome.grants, places)
        return outcome.delay

    def _priority_for(self, waiter: Waiter) -> Priority:
        return self._renewed[waiter.request] if waiter.request else _PRIORITIES[waiter.rank]

    def _distribute(self, grants: Sequence[Grant], waiters: Sequence[Waiter]) -> None:
        """Hand out grants to their waiters and release those of waiters that have left."""
        for place, grant in zip(waiters, grants, strict=False):
            if place.has_left:
                self.withdraw(grant.number, Priority.POLL)
            else:
                place.grant = grant

    def _acquire_locally(self, priority: Priority, waiter: Waiter) -> float:
        wait = self._local_delay(priority, number=waiter.request)
        if wait <= 0:
            waiter.grant = grant = Grant(waiter.request or next(self._numbers), self._clock.monotonic())
            self.move(grant.number, priority, grant.at)
        return wait

    def _local_delay(self, priority: Priority, ahead: int = 0, number: int = 0) -> float:
        now = self._clock.monotonic()
        return max(self._standing.delay(priority, now, self._window, ahead, number), self._cooling_until - now)

    async def _query_store(
        self, wanted: Sequence[RequestedSlot], changes: Sequence[SlotChange]
    ) -> AcquireResult | StoreUnavailable:
        future = self._worker.submit(partial(self._ledger.acquire, wanted, changes, self._cooling_until))
        try:
            async with asyncio.timeout(_STORE_TIMEOUT_S):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            self._cancel(future)
            self._probe = future
            return StoreUnavailable("it does not answer")
        except asyncio.CancelledError:
            if future.cancel():
                self._changes.extendleft(reversed(changes))
            self._cancel(future)
            raise

    def _cancel(self, future: _Answer) -> None:
        """Release the grants of a transaction whose waiters have left."""
        if not future.cancel():
            future.add_done_callback(self._release)

    def _release(self, future: _Answer) -> None:
        """Withdraw grants; called in any thread."""
        outcome = future.result()
        if isinstance(outcome, AcquireResult):
            # A renewed request keeps its number.
            numbers = [grant.number for grant in outcome.grants if grant.number not in self._renewed]
            self._changes.extend(SlotChange(number, Priority.POLL, None) for number in numbers)
            self._flush()

    def _sends_without(self, number: int) -> tuple[SentRequest, ...]:
        since = self._clock.monotonic() - HISTORY_S
        return tuple(send for send in self._standing.sends if send.number != number and send.monotonic >= since)

    def _queue_change(self, change: SlotChange) -> None:
        self._changes.append(change)
        self._flush()

    def _take_changes(self) -> list[SlotChange]:
        taken: list[SlotChange] = []
        while self._changes:
            taken.append(self._changes.popleft())
        return taken

    def _flush(self) -> None:
        """Write all changes to the store in one transaction."""
        if self._alone_until is None and not self._is_flushing:
            self._is_flushing = True
            self._worker.submit(self._flush_now)

    def _flush_now(self) -> None:
        self._is_flushing = False
        changes = self._take_changes()
        if isinstance(self._ledger.acquire((), changes, self._cooling_until), StoreUnavailable):
            self._changes.extendleft(reversed(changes))

    def _go_solo(self, failure: StoreUnavailable) -> None:
        """Go on without the file; sends known so far still count."""
        if self._alone_until is None:
            self._note(
                "the request budget cannot be shared with other terminals by way of "
                f"{self._ledger.path}: {failure.message}; "
                f"this one spends at most {SOLO_LIMIT} of {API_LIMIT} requests in {WINDOW_S:g} s by itself"
            )
        part = min(SOLO_LIMIT, self._share)
        self._standing = self._standing._replace(limit=self._share, quota=part)
        self._alone_until = self._clock.monotonic() + _SOLO_S

    def _resume_sharing(self) -> bool:
        """Return True if the file can be used again, which is tried while this process goes on alone."""
        now = self._clock.monotonic()
        if self._probe is not None and self._probe.done():
            outcome = None if self._probe.cancelled() else self._probe.result()
            self._probe, self._alone_until = None, now + _SOLO_S
            if isinstance(outcome, AcquireResult):
                self._alone_until = None
                self._note("the request budget is shared with other terminals again")
                return True
        elif self._probe is None and self._alone_until is not None and now >= self._alone_until:
            self._probe = self._worker.submit(partial(self._ledger.acquire, (), (), self._cooling_until))
        return False
