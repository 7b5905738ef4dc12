"""Heartbeat of a server: polls the length of its queue while clients are interested."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from comfytui.gateway.comfyui.errors import ComfyUIError
from comfytui.gateway.comfyui.single_flight import wait_at_most

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.gateway.comfyui.contact import Contact


HEARTBEAT_S = 5.0
LEAST_SECONDS = 1.0
"""Seconds between two beats at least, however often a change is heard of."""
IDLE_TIMEOUT_S = 60.0
"""Seconds for which a server is watched after the last request for it."""
CLOSED_MESSAGE = "is not watched any more"
"""Why there is no answer at the very end."""


class ChangeListener(Protocol):
    """Connection for change notifications of a server (`events.EventListener`)."""

    async def run(self) -> None:
        """Keep the connection open until cancelled."""
        ...


class Heartbeat:
    """Heartbeat of a server, which beats only if the server was requested within the last minute.

    Attributes:
        remaining: Jobs that waited or ran at the last good beat, or None before the first.

    Args:
        ask: Returns the number of jobs that wait or run; raises ComfyUIError.
        contact: Notified of the outcome of each beat.
        wire: Kept open while the server is monitored, from the first good contact on.
        clock: Times the beats.
        on_contact: Told when the box begins to answer.
        on_change: Told when its jobs may have changed.
    """

    def __init__(
        self,
        ask: Callable[[], Awaitable[int]],
        contact: Contact,
        wire: ChangeListener,
        clock: Clock,
        on_contact: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._ask = ask
        self._contact = contact
        self._wire = wire
        self._clock = clock
        self._on_contact = on_contact
        self._on_change = on_change
        self._task: asyncio.Task[None] | None = None
        self._wanted_at = self._began_at = 0.0
        self._is_there = False
        self._is_closed = False
        self._met = asyncio.Event()
        self._hurry = asyncio.Event()
        self.remaining: int | None = None

    @property
    def has_contact(self) -> bool:
        """True if a contact succeeded or failed since monitoring began."""
        return self._met.is_set()

    @property
    def is_watching(self) -> bool:
        """True while the server is monitored."""
        return self._task is not None

    def touch(self) -> None:
        """Monitor the server for the next minute; returns at once."""
        self._wanted_at = self._clock.monotonic()
        if self._task is None and not self._is_closed:
            self._met.clear()
            self._began_at = self._wanted_at
            self._task = asyncio.create_task(self._run())

    async def wait_contact(self) -> None:
        """Monitor the server and wait for its first contact."""
        self.touch()
        await self._met.wait()

    async def wait_contact_for(self, seconds: float) -> bool:
        """Wait for the first contact, at most a number of seconds from the start. Return True if it was.

        The seconds count from the start of monitoring, so many waiters in a row do not add up.
        """
        self.touch()
        if not self.has_contact:
            meeting = asyncio.create_task(self._met.wait())
            try:
                await wait_at_most(meeting, self._clock, self._began_at + seconds - self._clock.monotonic())
            finally:
                meeting.cancel()
        return self.has_contact

    def hurry(self) -> None:
        """Beat soon rather than HEARTBEAT_S after the last beat, if monitored; returns at once."""
        self._hurry.set()

    async def aclose(self) -> None:
        """Stop monitoring for good; waiters and later callers get no contact."""
        self._is_closed = True
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._contact.failed(CLOSED_MESSAGE)
        self._met.set()

    def _is_wanted(self) -> bool:
        return self._clock.monotonic() - self._wanted_at < IDLE_TIMEOUT_S

    async def _run(self) -> None:
        try:
            # It may be monitored again while the connection is being closed.
            while self._is_wanted():
                await self._watch()
        finally:
            self._task = None
            self._met.set()

    async def _watch(self) -> None:
        self._is_there = False
        wire: asyncio.Task[None] | None = None
        try:
            while self._is_wanted():
                await self._beat()
                if wire is None and self._is_there:
                    wire = asyncio.create_task(self._wire.run())
                await self._rest()
        finally:
            if wire is not None:
                wire.cancel()
                await asyncio.gather(wire, return_exceptions=True)

    async def _rest(self) -> None:
        """Wait for the next beat: HEARTBEAT_S, or LEAST_SECONDS after `hurry`."""
        rested_at = self._clock.monotonic()
        hurrying = asyncio.create_task(self._hurry.wait())
        try:
            await wait_at_most(hurrying, self._clock, HEARTBEAT_S)
        finally:
            hurrying.cancel()
        await self._clock.sleep(rested_at + LEAST_SECONDS - self._clock.monotonic())
        self._hurry.clear()

    async def _beat(self) -> None:
        try:
            remaining = await self._ask()
        except ComfyUIError as problem:
            self._is_there = False
            self._contact.failed(str(problem))
        else:
            self._found(remaining)
        self._met.set()

    def _found(self, remaining: int) -> None:
        is_new, self._is_there = not self._is_there, True
        before, self.remaining = self.remaining, remaining
        self._contact.answered()
        if is_new:
            self._on_contact()
        if is_new or remaining != before:
            self._on_change()
