"""Revision numbers of a server's state, by which clients know which responses are current."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from comfytui.api.events import RunnerRevisions

if TYPE_CHECKING:
    from datetime import datetime

    from comfytui.api.models import Runner


class MonitorState(NamedTuple):
    """State from which responses about a server are made.

    Attributes:
        runner: The box as a runner; when it last answered is no change.
        history: What its history is made of; anything that can be compared.
        is_reachable: False after a contact that failed.
        is_live: True while changes of its jobs are heard of as they happen.
    """

    runner: Runner
    history: tuple[object, ...]
    is_reachable: bool
    is_live: bool


class ServerRevisions:
    """Counter of changes of each part of a server's state.

    Numbers begin with the milliseconds of the start, so they differ after a restart of the gateway.

    Args:
        id: The runner's id.
        started: When the gateway began.
    """

    def __init__(self, id: str, started: datetime) -> None:
        self._id = id
        self._state: MonitorState | None = None
        self._last = self._runner = self._history = self._stats = int(started.timestamp() * 1000)

    def update(self, state: MonitorState) -> RunnerRevisions:
        """Return the revisions of the newest state, the same ones if nothing changed."""
        state = state._replace(runner=_without_contact(state.runner))
        before, self._state = self._state, state
        if before is not None and before != state:
            self._count(before, state)
        return RunnerRevisions(self._id, self._runner, self._history, self._stats, state.is_live)

    def _count(self, before: MonitorState, state: MonitorState) -> None:
        self._last += 1
        if state.runner != before.runner:
            self._runner = self._last
        if state.history != before.history:
            self._history = self._last
        if state.is_reachable != before.is_reachable:
            self._stats = self._last


def _without_contact(runner: Runner) -> Runner:
    return runner.model_copy(update={"updated_at": None})
