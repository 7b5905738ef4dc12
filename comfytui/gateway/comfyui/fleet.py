"""Plain ComfyUI servers as the gateway's fleet: each is a runner, and each job that it has a workflow."""

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
    """A `Fleet` of servers, asked over the network, each on its own: none waits for another.

    A server is asked only while somebody asked for its runner in the last minute, by itself or on a page of the list,
    and then as much for many who ask as for one. All questions to the fleet come from one event loop.

    Args:
        servers: Which ones, each address once; the list of runners keeps their order.
        clock: All times and waits.
        ca_bundle: Certificates to trust beside the system's.
        timeout: Seconds that a server has for a whole answer.
        introduction: Seconds that servers are waited for, together, that are told of for the first time.
        log: Keeps a record of each request to a server.

    Attributes:
        events: Announces the revisions of its runners.
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
        # One moment for all: the API lists the newest created first, and these keep the order that a person gave.
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
        """One page, in the order given, with what is known; all are active.

        No server is waited for, but for a moment the first time. Those on the page are watched from now on, side by
        side, so that whoever asks for one of them next is told at once if it does not answer.
        """
        boxes = list(self._boxes.values()) if status in (None, RunnerStatus.ACTIVE) else []
        shown = boxes[(page - 1) * per_page : page * per_page]
        for box in shown:
            box.touch()
        await self._introduce(shown)
        return RunnerPage(runners=tuple(box.runner() for box in shown), total=len(boxes))

    async def get_runner(self, runner_id: str) -> Runner:
        """One server by id, with what is known of it, and watched from now on; UnknownRunner if there is none."""
        box = self._box(runner_id)
        box.touch()
        await self._introduce([box])
        return box.runner()

    async def get_history(self, runner_id: str) -> tuple[Workflow, ...]:
        """A server's newest ten jobs.

        Raises:
            UnknownRunner: There is no such server.
            RunnerUnreachable: It does not answer, or does not tell its jobs; or has not within a second or two.
        """
        return await self._box(runner_id).history()

    async def get_stats(self, runner_id: str) -> RunnerStats:
        """What a server's machine says of itself, at most a quarter of a minute old.

        Raises:
            UnknownRunner: There is no such server.
            RunnerUnreachable: It does not answer, or does not tell that.
        """
        return await self._box(runner_id).stats()

    async def aclose(self) -> None:
        """Stop asking, and close all connections and event streams."""
        self.events.close()
        await asyncio.gather(*(box.aclose() for box in self._boxes.values()))

    def _announce_all(self) -> None:
        for box in self._boxes.values():
            box.announce()

    async def _introduce(self, boxes: Sequence[ServerMonitor]) -> None:
        """Who asks but once, as a command does, would never see a version or a device."""
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
