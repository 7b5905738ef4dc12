"""One allowance for all dashboards of a person on this machine, for they share its address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.api.allowance import ALONE, LIMIT, MAX_COOL_DOWN, REMEMBERED, SHARE, WINDOW, Send, Spending, Use
from comfytui.api.ledger import Claim, Ledger, Standing, Trouble
from comfytui.api.line import Line, Place
from comfytui.api.worker import Worker

if TYPE_CHECKING:
    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock

__all__ = ["SharedAllowance"]

_PATIENCE = 1.0
_RETRY_SECONDS = 60.0
# Who waits looks again this often in a window: others may have left, or begun to cool down.
_LOOKS = 10
# By their ranks.
_USES = tuple(Use)


class SharedAllowance:
    """An allowance that several processes spend together, by way of a file (`comfytui.api.ledger`).

    While others wait, no process gets more than its part: the share divided by the processes seen in the window. Where
    the file cannot be used, this process spends ALONE by itself, says so once in the log, and tries again a minute
    later. All that may block happens in a thread.

    Args:
        clock: Its monotonic clock must be the one that all processes share, CLOCK_MONOTONIC.
        path: The file.
        host: The API host that the allowance is for.
        share: How many requests all processes may send within a window.
        log: Where it is noted that the file cannot be used.
        window: Seconds.
    """

    def __init__(
        self, clock: Clock, path: Path, host: str, share: int = SHARE, *, log: RequestLog, window: float = WINDOW
    ) -> None:
        self._clock = clock
        self._path = path
        self._share = share
        self._window = window
        self._log = log
        self._line = Line()
        self._worker = Worker("allowance")
        self._ledger = Ledger(clock, path, host, share, window)
        self._standing = Standing((), share, share, 0.0)
        self._sent: tuple[float, ...] = ()
        self._sent_of: Standing | None = None
        self._unsaved: tuple[Send, ...] = ()
        self._cooling_until = 0.0
        self._alone_until: float | None = None

    @property
    def spending(self) -> Spending:
        """What all who share spent when this process last looked; what it spent itself while it is on its own."""
        now, sent = self._clock.monotonic(), self._sent
        if self._sent_of is not self._standing or (sent and now - sent[0] > REMEMBERED):
            sent = tuple([send.at for send in self._standing.sends if now - send.at <= REMEMBERED])
            self._sent, self._sent_of = sent, self._standing
        until = max(self._cooling_until, self._standing.cooling_until)
        return Spending(sent, until if until > now else None, self._standing.share)

    def wait_for(self, use: Use) -> float:
        """Seconds until a request for this use may be sent if nobody more urgent comes, as last known; 0.0 is now."""
        return self._wait(use, self._line.before(use.rank))

    async def take(self, use: Use) -> None:
        """Return once one request may be sent, which is recorded as sent by then."""
        with self._line.place(use.rank) as place:
            try:
                await self._take(use, place)
            except asyncio.CancelledError:
                if place.granted is not None:
                    self._return(place.granted)
                raise

    def cool_down(self, seconds: float) -> None:
        """Let nobody who shares send anything for so long, at most MAX_COOL_DOWN; of two, the longer one wins."""
        until = self._clock.monotonic() + min(seconds, MAX_COOL_DOWN)
        self._cooling_until = max(self._cooling_until, until)
        if self._alone_until is None:
            self._worker.submit(partial(self._ledger.tell, self._cooling_until))

    def close(self) -> None:
        """Close the file, as far as that goes at once; nothing may be taken afterwards."""
        self._worker.submit(self._ledger.close)
        self._worker.close()

    async def _take(self, use: Use, place: Place) -> None:
        await place.reached()
        if use is not Use.WISH:
            # Nobody waits for it, so it waits for whatever else is about to be asked.
            await self._line.grown()
            await place.reached()
        while place.granted is None and (delay := await self._claim(use, place)) > 0:
            await self._clock.sleep(min(delay, self._window / _LOOKS))
            await place.reached()

    async def _claim(self, use: Use, place: Place) -> float:
        """Seconds to wait; 0.0 when a request was granted and recorded.

        Those who wait behind are asked for as well: to ask is most of what it costs.
        """
        if self._alone_until is not None and self._clock.monotonic() < self._alone_until:
            return self._claim_alone(use)
        unsaved, self._unsaved = self._unsaved, ()
        behind = place.behind
        uses = (use, *(_USES[other.rank] for other in behind))
        outcome = await self._ask(partial(self._ledger.claim, uses, unsaved, self._cooling_until))
        if isinstance(outcome, Trouble):
            self._unsaved = unsaved + self._unsaved
            self._part_with(outcome)
            return self._claim_alone(use)
        self._rejoin()
        self._standing = outcome.standing
        self._hand_on(outcome.rows[1:], behind)
        return outcome.wait

    def _hand_on(self, rows: Sequence[int], places: Sequence[Place]) -> None:
        """Give them what was granted for them; what nobody waits for any more is not spent."""
        for place, row in zip(places, rows, strict=False):
            if place.is_left:
                self._return(row)
            else:
                place.granted = row

    def _claim_alone(self, use: Use) -> float:
        wait = self._wait(use)
        if wait <= 0:
            now = self._clock.monotonic()
            recent = tuple(send for send in self._unsaved if now - send.at <= REMEMBERED)
            self._unsaved = (*recent, Send(now, use))
            self._standing = self._standing._replace(sends=(*self._standing.sends, Send(now, use)))
        return wait

    def _wait(self, use: Use, ahead: int = 0) -> float:
        now = self._clock.monotonic()
        return max(self._standing.wait(use, now, self._window, ahead), self._cooling_until - now)

    async def _ask(self, claim: Callable[[], Claim | Trouble]) -> Claim | Trouble:
        future = self._worker.submit(claim)
        try:
            async with asyncio.timeout(_PATIENCE):
                return await asyncio.wrap_future(future)
        except TimeoutError:
            self._abandon(future)
            return Trouble("it does not answer")
        except asyncio.CancelledError:
            self._abandon(future)
            raise

    def _abandon(self, future: Future[Claim | Trouble]) -> None:
        """See to it that what nobody waits for any more is not spent."""
        if not future.cancel():
            future.add_done_callback(self._give_back)

    def _give_back(self, future: Future[Claim | Trouble]) -> None:
        outcome = future.result()
        if isinstance(outcome, Claim):
            self._return(*outcome.rows)

    def _return(self, *rows: int) -> None:
        for row in rows:
            self._worker.submit(partial(self._ledger.give_back, row))

    def _part_with(self, trouble: Trouble) -> None:
        """Go on without the others; what this process sent so far still counts."""
        now = self._clock.monotonic()
        if self._alone_until is None:
            self._log.note(
                f"the request budget cannot be shared with other terminals by way of {self._path}: {trouble.words}; "
                f"this one spends at most {ALONE} of {LIMIT} requests in {WINDOW:g} s by itself"
            )
        mine = tuple(send for send in self._standing.sends if send.mine and now - send.at <= REMEMBERED)
        share = min(ALONE, self._share)
        self._standing = self._standing._replace(sends=mine, share=share, part=share)
        self._alone_until = now + _RETRY_SECONDS

    def _rejoin(self) -> None:
        if self._alone_until is not None:
            self._alone_until = None
            self._log.note("the request budget is shared with other terminals again")
