"""A believable fleet that needs no graphics card: made from a seed, moved by a clock.

What it answers is a pure function of the seed, the number of runners and `Clock.now()`: no answer depends on
questions before it, and two processes with the same three give the same answers, byte for byte. Which runners
there are, and their status, never changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
from comfytui.api.statuses import WorkflowStatus
from comfytui.gateway.fleet import RunnerUnreachable, UnknownRunner
from comfytui.gateway.roster import USER_ID, Record, roster
from comfytui.gateway.simulated_events import SimulatedEvents
from comfytui.gateway.vitals import stats_of
from comfytui.gateway.workload import from_seconds, newest_workflows, to_seconds

if TYPE_CHECKING:
    from comfytui.api.statuses import RunnerStatus
    from comfytui.clock import Clock
    from comfytui.gateway.events import EventHub

__all__ = ["SimulatedFleet"]

DEFAULT_RUNNERS = 120
HISTORY_LENGTH = 10


class SimulatedFleet:
    """A `Fleet` of made-up runners whose workflows come and go as the clock's time passes.

    The two newest runners are the ones of the API's pages, "Production GPU Runner", which is always busy, and
    "Development Runner". A fleet of `DEFAULT_RUNNERS` shows every status of a workflow at every instant after its
    newest runner's first day.

    Args:
        clock: Only its `now` counts for answers; it also times the events.
        runners: How many there are, 0 or more.
        seed: Which of the possible worlds.
    """

    def __init__(self, clock: Clock, runners: int = DEFAULT_RUNNERS, seed: int = 0) -> None:
        self._clock = clock
        self._records = tuple(roster(runners, seed))
        self._by_id = {record.id: record for record in self._records}
        self._events = SimulatedEvents(clock, {record.id: record.lane for record in self._records})

    @property
    def events(self) -> EventHub:
        """Announces the changes of runners that were asked for within the last minute."""
        return self._events.hub

    async def list_runners(self, page: int, per_page: int, status: RunnerStatus | None) -> RunnerPage:
        """One page, newest created first."""
        records = [record for record in self._records if status is None or record.status == status]
        shown = records[(page - 1) * per_page : page * per_page]
        self._events.follow(record.id for record in shown)
        return RunnerPage(runners=tuple(_as_runner(record) for record in shown), total=len(records))

    async def get_runner(self, runner_id: str) -> Runner:
        """One runner by id; UnknownRunner if there is none."""
        return _as_runner(self._record(runner_id))

    async def get_history(self, runner_id: str) -> tuple[Workflow, ...]:
        """A runner's newest ten workflows as they are now; UnknownRunner if there is no such runner."""
        lane = self._record(runner_id).lane
        now = to_seconds(self._clock.now())
        return () if lane is None else newest_workflows(lane, now, HISTORY_LENGTH)

    async def get_stats(self, runner_id: str) -> RunnerStats:
        """What a runner's machine says of itself now.

        Raises:
            UnknownRunner: There is no such runner.
            RunnerUnreachable: The machine is one of those that are switched off, which never changes.
        """
        record = self._record(runner_id)
        if not record.is_on:
            raise RunnerUnreachable("it does not answer: no connection within 5 s")
        workflows = await self.get_history(runner_id)
        busy = any(workflow.status is WorkflowStatus.RUNNING for workflow in workflows)
        return stats_of(record.machine, to_seconds(self._clock.now()), busy=busy)

    async def aclose(self) -> None:
        """Stop announcing changes; nothing else is held open."""
        await self._events.aclose()

    def _record(self, runner_id: str) -> Record:
        try:
            return self._by_id[runner_id]
        except KeyError:
            raise UnknownRunner(runner_id) from None


def _as_runner(record: Record) -> Runner:
    return Runner.model_validate(
        {
            "id": record.id,
            "user_id": USER_ID,
            "name": record.name,
            "status": record.status,
            "endpoint": record.endpoint,
            "tags": record.tags,
            "headers": record.headers,
            "created_at": from_seconds(record.created),
            "updated_at": from_seconds(record.updated),
        }
    )
