"""What the gateway's routes ask of whoever has the runners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
    from comfytui.api.statuses import RunnerState, RunnerStatus
    from comfytui.gateway.events import EventHub


class RunnerNotFoundError(LookupError):
    """No runner of the fleet has this id."""


class RunnerUnreachableError(Exception):
    """A runner's machine gave no usable answer; the text says why, for people.

    Args:
        reason: The text.
        state: State of the runner as an extension of the answer; None where the gateway does not ask the machine
            itself for all that it tells of the runner.
        name: Name of the machine, which the reason does not hold.
    """

    def __init__(self, reason: str, state: RunnerState | None = None, name: str = "") -> None:
        super().__init__(reason)
        self.state = state
        self.name = name


class Fleet(Protocol):
    """Runners and their workflows; arguments come in as the API documents them, already checked."""

    @property
    def events(self) -> EventHub:
        """Announces the revisions of its runners."""
        ...

    async def list_runners(self, page: int, per_page: int, status: RunnerStatus | None) -> RunnerPage:
        """One page, newest created first; beyond the end an empty one with the same total."""
        ...

    async def get_runner(self, runner_id: str) -> Runner:
        """One runner by its lower-case id; UnknownRunner if there is none."""
        ...

    async def get_history(self, runner_id: str) -> tuple[Workflow, ...]:
        """A runner's newest ten workflows, newest created first.

        Raises:
            UnknownRunner: There is no such runner.
            RunnerUnreachable: What it does can only be learnt from the machine itself, and that does not tell.
        """
        ...

    async def get_stats(self, runner_id: str) -> RunnerStats:
        """What the runner's machine says of itself now.

        Raises:
            UnknownRunner: There is no such runner.
            RunnerUnreachable: It does not say anything.
        """
        ...

    async def aclose(self) -> None:
        """Let go of everything that is held open; nothing is asked of the fleet afterwards."""
        ...
