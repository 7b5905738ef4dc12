"""Plain ComfyUI servers as a fleet: each server is a runner, each job a workflow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
from comfytui.api.statuses import RunnerStatus
from comfytui.gateway.comfyui.client import ANSWER_SECONDS
from comfytui.gateway.comfyui.mapping import runner_id_for
from comfytui.gateway.comfyui.monitor import ServerMonitor
from comfytui.gateway.events import EventHub
from comfytui.gateway.fleet import RunnerNotFoundError

if TYPE_CHECKING:
    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.config.settings import Server


INTRODUCTION_SECONDS = 0.3
"""Seconds after which a list is shown without what slow servers are, where there will be another one."""


class ComfyUIFleet:
    """Fleet of ComfyUI servers, each monitored independently of the others.

    A server is polled only if its runner was requested in the last minute, by itself or on a page of the list; many
    clients cost as much as one. All requests to the fleet come from one event loop.

    Args:
        servers: The servers, each address once; the list of runners keeps their order.
        clock: Clock of all times and waits.
        ca_bundle: Certificates to trust; see ComfyUIClient.
        timeout: Seconds for a whole answer of a server.
        introduction: Seconds to wait for servers, together, before the first response about them.
        log: Log of requests to servers.

    Attributes:
        events: Hub of the runners' revisions.
    """

    def __init__(
        self,
        servers: Sequence[Server],
        clock: Clock,
        *,
        ca_bundle: Path | None = None,
        timeout: float = ANSWER_SECONDS,
        introduction: float = INTRODUCTION_SECONDS,
        log: RequestLog | None = None,
    ) -> None:
        self._introduction = introduction
        # The same creation time for all keeps the configured order, as the API lists the newest first.
        since = clock.now()
        self.events = EventHub(clock, self._announce_all)
        self._boxes = {
            runner_id_for(server.url): ServerMonitor(
                server, clock, since, self.events, ca_bundle=ca_bundle, timeout=timeout, log=log
            )
            for server in servers
        }
        self._introduced: set[ServerMonitor] = set()

    async def list_runners(self, page: int, per_page: int, status: RunnerStatus | None) -> RunnerPage:
        """Return a page in the order of configuration, with what is known; all are active.

        Servers are waited for only the first time, and briefly. Those on the page are monitored from now on, so that
        a later request for one of them knows at once if it does not answer.
        """
        boxes = list(self._boxes.values()) if status in (None, RunnerStatus.ACTIVE) else []
        shown = boxes[(page - 1) * per_page : page * per_page]
        for box in shown:
            box.touch()
        await self._introduce(shown)
        return RunnerPage(runners=tuple(box.runner() for box in shown), total=len(boxes))

    async def get_runner(self, runner_id: str) -> Runner:
        """Return a server by its id, monitored from now on; raises RunnerNotFoundError."""
        box = self._box(runner_id)
        box.touch()
        await self._introduce([box])
        return box.runner()

    async def get_history(self, runner_id: str) -> tuple[Workflow, ...]:
        """Return the newest ten jobs of a server.

        Raises:
            RunnerNotFoundError: There is no such server.
            RunnerUnreachableError: It does not answer, or not with its jobs, or not soon enough.
        """
        return await self._box(runner_id).history()

    async def get_stats(self, runner_id: str) -> RunnerStats:
        """Return the stats of a server's machine, at most 15 seconds old.

        Raises:
            RunnerNotFoundError: There is no such server.
            RunnerUnreachableError: It does not answer, or not with its stats.
        """
        return await self._box(runner_id).stats()

    async def aclose(self) -> None:
        """Stop monitoring, and close all connections and event streams."""
        self.events.close()
        await asyncio.gather(*(box.aclose() for box in self._boxes.values()))

    def _announce_all(self) -> None:
        for box in self._boxes.values():
            box.announce()

    async def _introduce(self, boxes: Sequence[ServerMonitor]) -> None:
        """Wait briefly for servers that are new: a command asks once and would see no version or device."""
        strangers = [box for box in boxes if box not in self._introduced]
        self._introduced.update(strangers)
        introductions = [asyncio.create_task(box.wait_identified()) for box in strangers]
        try:
            if introductions:
                await asyncio.wait(introductions, timeout=self._introduction)
        finally:
            for introduction in introductions:
                introduction.cancel()

    def _box(self, runner_id: str) -> ServerMonitor:
        try:
            return self._boxes[runner_id]
        except KeyError:
            raise RunnerNotFoundError(runner_id) from None
