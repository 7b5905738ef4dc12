"""Announcement of changes of simulated runners as time passes."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from comfytui.api.events import RunnerRevisions
from comfytui.gateway.demo.workflows import WorkloadLane, changes_around, from_epoch, to_epoch
from comfytui.gateway.events import EventHub

if TYPE_CHECKING:
    from comfytui.clock import Clock


LINGER_SECONDS = 60.0
"""Seconds for which a runner's changes are announced after its last request."""


class DemoEvents:
    """Revisions of recently requested runners, computed only while a stream is open.

    The revision of a history is the second of its last change: the same in every process.

    Args:
        clock: Source of the time of changes.
        lanes: Work of each runner, by its id; None for runners without work.
    """

    def __init__(self, clock: Clock, lanes: Mapping[str, WorkloadLane | None]) -> None:
        self.hub = EventHub(clock, self._refresh)
        self._clock = clock
        self._lanes = lanes
        self._asked_at: dict[str, float] = {}
        self._due: dict[str, int | None] = {}
        self._task: asyncio.Task[None] | None = None

    def follow(self, runner_ids: Iterable[str]) -> None:
        """Announce the changes of these runners for the next minute."""
        asked = dict.fromkeys(runner_ids, self._clock.monotonic())
        are_known = asked.keys() <= self._asked_at.keys()
        self._asked_at |= asked
        if self.hub.has_streams and not are_known:
            self._restart()

    async def aclose(self) -> None:
        """End all streams."""
        self.hub.close()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _refresh(self) -> None:
        if self._task is None or self._task.done():
            self._restart()

    def _restart(self) -> None:
        if self._task is not None:
            self._task.cancel()
        self._announce_changes()
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while self.hub.has_streams:
            due = min((second for second in self._due.values() if second is not None), default=None)
            seconds = LINGER_SECONDS if due is None else (from_epoch(due) - self._clock.now()).total_seconds()
            await self._clock.sleep(min(max(seconds, 0.0), LINGER_SECONDS))
            self._announce_changes()

    def _announce_changes(self) -> None:
        now, oldest = to_epoch(self._clock.now()), self._clock.monotonic() - LINGER_SECONDS
        for runner_id, asked_at in list(self._asked_at.items()):
            if asked_at < oldest:
                self._forget(runner_id)
            elif runner_id not in self._due or (self._due[runner_id] or now + 1) <= now:
                self._announce(runner_id, now, is_live=True)

    def _forget(self, runner_id: str) -> None:
        del self._asked_at[runner_id]
        self._announce(runner_id, to_epoch(self._clock.now()), is_live=False)
        self._due.pop(runner_id, None)

    def _announce(self, runner_id: str, now: int, *, is_live: bool) -> None:
        lane = self._lanes[runner_id]
        last, self._due[runner_id] = (0, None) if lane is None else changes_around(lane, now)
        self.hub.announce(RunnerRevisions(runner_id, runner=0, history=last, stats=0, is_live=is_live))
