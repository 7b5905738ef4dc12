"""Protocol between the routes of the gateway and a source of runners."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
    from comfytui.api.statuses import RunnerState, RunnerStatus
    from comfytui.gateway.events import EventHub


class RunnerNotFoundError(LookupError):
    """The fleet has no runner with this id."""


class RunnerUnreachableError(Exception):
    """The machine of a runner gave no usable answer; the text is a message for users.

    Args:
        reason: The message.
        state: State of the runner as an extension of the response, or None if the gateway knows the runner from
            another source than its machine.
        name: Name of the machine, which is not part of the reason.
    """

    def __init__(self, reason: str, state: RunnerState | None = None, name: str = "") -> None:
        super().__init__(reason)
        self.state = state
        self.name = name


class Fleet(Protocol):
    """Source of runners and their workflows; arguments are valid by the API's rules already."""

    @property
    def events(self) -> EventHub:
        """Hub of the runners' revisions."""
        ...

    async def list_runners(self, page: int, per_page: int, status: RunnerStatus | None) -> RunnerPage:
        """Return a page, newest created first; beyond the end an empty one with the same total."""
        ...

    async def get_runner(self, runner_id: str) -> Runner:
        """Return the runner with a lower-case id.

        Raises:
            RunnerNotFoundError: There is no such runner.
        """
        ...

    async def get_history(self, runner_id: str) -> tuple[Workflow, ...]:
        """Return the ten newest workflows of a runner, newest created first.

        Raises:
            RunnerNotFoundError: There is no such runner.
            RunnerUnreachableError: Only its machine knows them, and it gave no answer.
        """
        ...

    async def get_stats(self, runner_id: str) -> RunnerStats:
        """Return the stats of a runner's machine.

        Raises:
            RunnerNotFoundError: There is no such runner.
            RunnerUnreachableError: The machine gave no answer.
        """
        ...

    async def aclose(self) -> None:
        """Close all connections; the fleet is not used afterwards."""
        ...
