"""What has been asked and not been answered: at most one request a resource."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine, Mapping
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.api.allowance import Use
    from comfytui.engine.planner import Ask
    from comfytui.engine.resources import Resource

__all__ = ["MAX_FLIGHTS", "Flights"]

MAX_FLIGHTS = 8
"""Requests under way, beyond which those that nobody waits for any more are given up: connections are few."""


class Flights:
    """Requests under way, as tasks. `landed` is called whenever one has ended, however it did."""

    def __init__(self, landed: Callable[[], None]) -> None:
        self._landed = landed
        self._uses: dict[Resource, Use] = {}
        self._tasks: dict[Resource, asyncio.Task[None]] = {}

    @property
    def uses(self) -> Mapping[Resource, Use]:
        """What is under way, and what for, the longest under way first."""
        return MappingProxyType(self._uses)

    def launch(self, group: asyncio.TaskGroup, ask: Ask, request: Coroutine[None, None, None]) -> None:
        """Let this request go its way."""
        # Before the task is made: an eager one may be answered before create_task returns.
        self._uses[ask.resource] = ask.use
        task = group.create_task(request)
        self._tasks[ask.resource] = task
        # No `finally` in the request does this: a task that is cancelled before its first step has none.
        task.add_done_callback(partial(self._land, ask.resource))

    def make_room(self, wanted: Collection[Resource]) -> None:
        """Where too many are under way, give up the oldest that is none of the wanted."""
        if len(self._tasks) >= MAX_FLIGHTS:
            unwanted = (task for resource, task in self._tasks.items() if resource not in wanted)
            if (oldest := next(unwanted, None)) is not None:
                oldest.cancel()

    def give_up(self) -> None:
        """Cancel all; none of them publishes anything from here on."""
        for task in self._tasks.values():
            task.cancel()

    def _land(self, resource: Resource, _task: asyncio.Task[None]) -> None:
        del self._uses[resource], self._tasks[resource]
        self._landed()
