"""Workflows of a simulated runner as a pure function of its lane and the time.

Time is cut into slots, each planned on its own from a seed: workflows arrive in it, queue, run one at a time, and all
end before it does. So the state at any time needs the plans of a few slots, and nothing from before. Times are whole
seconds since the Unix epoch.

Statuses and their order: the API's page concepts/workflows.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from comfytui.api.models import Workflow
from comfytui.api.statuses import WorkflowStatus
from comfytui.clock import EPOCH

if TYPE_CHECKING:
    from comfytui.gateway.demo.catalog import WorkflowKind


BURST_STEPS = 40
BURST_SECONDS = 15
"""Runners of a relay begin their slots one such step after another, `RELAY_STEPS` of them around a whole slot.

The first two workflows of their slots are timed such that each status that passes quickly lasts a step at the least,
and the outcome of the fourth takes turns: so a whole relay shows every status at every instant.
"""

_RELAY_OUTCOMES = (WorkflowStatus.CANCELLED, WorkflowStatus.INVALID, WorkflowStatus.FAILED)
_RELAY_FIRST_RUNS = 30
_RELAY_SPOILT = 3
_LEAST_ROOM = 20
_OUTCOMES = (WorkflowStatus.COMPLETED, *_RELAY_OUTCOMES)
_ODDS = (88, 5, 3, 4)
_FLAKY_ODDS = (46, 6, 5, 43)


class SeededRandom(random.Random):
    """Random numbers drawn from a key; the same key gives the same numbers in every process."""

    def id(self) -> str:
        """Return an id of the API's form: UUID, version 4."""
        return str(uuid.UUID(int=self.getrandbits(128), version=4))


@dataclass(frozen=True, slots=True)
class WorkloadLane:
    """Arrival of work at one runner.

    Attributes:
        key: Seed of this lane's random numbers, the fleet's seed included.
        since: Creation of the runner; nothing is created earlier.
        until: Time at which it was disabled, when everything has ended, or None if it is active.
        slot: Length of its slots.
        origin: Start of one of its slots.
        jobs: Workflows a slot, at most.
        pause: Average seconds between two arrivals.
        kinds: Kinds of workflow.
        speed: Speed of its card (`Gpu.speed`).
        flaky: True if much of its work fails.
        relay: Index in the relay, or None if it is in none.
    """

    key: str
    since: int
    until: int | None
    slot: int
    origin: int
    jobs: int
    pause: float
    kinds: tuple[WorkflowKind, ...]
    speed: float
    flaky: bool
    relay: int | None


@dataclass(frozen=True, slots=True)
class _SimulatedJob:
    """Whole life of a workflow: each status with the second at which it begins, in order."""

    id: str
    kind: WorkflowKind
    moves: tuple[tuple[int, WorkflowStatus], ...]

    @property
    def created(self) -> int:
        return self.moves[0][0]

    @property
    def ended(self) -> int:
        return self.moves[-1][0]

    @property
    def started(self) -> int | None:
        return next((second for second, status in self.moves if status is WorkflowStatus.RUNNING), None)


def newest_workflows(lane: WorkloadLane, now: int, count: int) -> tuple[Workflow, ...]:
    """Return the newest workflows of a lane as they are at a second, newest first."""
    found: list[Workflow] = []
    for job in _jobs_backwards(lane, now):
        if len(found) == count:
            break
        found.append(_as_of(job, now))
    return tuple(found)


def changes_around(lane: WorkloadLane, now: int) -> tuple[int, int | None]:
    """Return the seconds of the newest change until `now`, or 0, and of the next, or None."""
    if lane.until is not None and lane.until <= now:
        return lane.until, None
    slot = (now - lane.origin) // lane.slot
    later = (second for index in (slot, slot + 1) for second in _change_seconds(lane, index) if second > now)
    # If two slots are empty, the one behind them is examined when it begins.
    following = min(later, default=lane.origin + (slot + 2) * lane.slot)
    while lane.origin + slot * lane.slot >= lane.since:
        if earlier := [second for second in _change_seconds(lane, slot) if second <= now]:
            return max(earlier), following
        slot -= 1
    return 0, following


def to_epoch(moment: datetime) -> int:
    """Return the whole seconds since the Unix epoch of an aware datetime."""
    return (moment - EPOCH) // timedelta(seconds=1)


def from_epoch(seconds: int) -> datetime:
    """Return the time in UTC of a number of seconds since the Unix epoch."""
    return EPOCH + timedelta(seconds=seconds)


def _jobs_backwards(lane: WorkloadLane, now: int) -> Iterator[_SimulatedJob]:
    latest = now if lane.until is None else min(now, lane.until)
    slot = (latest - lane.origin) // lane.slot
    while lane.origin + slot * lane.slot >= lane.since:
        for job in reversed(_plan(lane, slot)):
            if job.created <= now and (lane.until is None or job.ended <= lane.until):
                yield job
        slot -= 1


def _change_seconds(lane: WorkloadLane, slot: int) -> Iterator[int]:
    return (second for job in _plan(lane, slot) for second, _ in job.moves)


def _as_of(job: _SimulatedJob, now: int) -> Workflow:
    updated, status = [move for move in job.moves if move[0] <= now][-1]
    started = job.started
    has_started = started is not None and started <= now
    return Workflow.model_validate(
        {
            "id": job.id,
            "name": job.kind.name,
            "status": status,
            "tags": job.kind.tags,
            "created_at": from_epoch(job.created),
            "updated_at": from_epoch(updated),
            "started_at": from_epoch(started) if started is not None and has_started else None,
            "completed_at": from_epoch(updated) if has_started and status is not WorkflowStatus.RUNNING else None,
        }
    )


def _plan(lane: WorkloadLane, slot: int) -> list[_SimulatedJob]:
    """Return the workflows of one slot in the order of creation."""
    dice = SeededRandom(f"{lane.key}/{slot}")
    begin = lane.origin + slot * lane.slot
    kinds = dice.sample(lane.kinds, len(lane.kinds))
    jobs: list[_SimulatedJob] = []
    arrival = free = begin
    for number in range(lane.jobs):
        kind = kinds[number % len(kinds)]
        wait = _QueueTimes.of(dice, arrival, free, patient=lane.relay is not None and number == 0)
        room = begin + lane.slot - wait.runs
        if room < _LEAST_ROOM:
            break
        seconds = min(room, _run_seconds(dice, lane, kind, number))
        job = _SimulatedJob(dice.id(), kind, _cursor_debounce(dice, wait, seconds, _outcome(dice, lane, slot, number)))
        jobs.append(job)
        free = free if job.started is None else job.ended
        arrival += _pause(dice, lane, number)
    return jobs


@dataclass(frozen=True, slots=True)
class _QueueTimes:
    """Times of a workflow until it could run."""

    accepted: int
    uploaded: int
    queued: int
    runs: int

    @classmethod
    def of(cls, dice: SeededRandom, arrival: int, free: int, *, patient: bool) -> _QueueTimes:
        """Return the times of a workflow that arrives at a runner that is free from a second on."""
        uploaded = arrival + (dice.randint(BURST_SECONDS, BURST_SECONDS + 3) if patient else dice.randint(1, 3))
        # The shortest of these two waits together end a whole step later than the longest first one alone.
        queued = uploaded + (dice.randint(BURST_SECONDS + 3, BURST_SECONDS + 7) if patient else dice.randint(1, 6))
        return cls(arrival, uploaded, queued, max(queued, free) + 1)


def _cursor_debounce(
    dice: SeededRandom, wait: _QueueTimes, seconds: int, outcome: WorkflowStatus
) -> tuple[tuple[int, WorkflowStatus], ...]:
    accepted = (wait.accepted, WorkflowStatus.ACCEPTED)
    uploaded = (wait.uploaded, WorkflowStatus.UPLOADED)
    queued = (wait.queued, WorkflowStatus.QUEUED)
    running = (wait.runs, WorkflowStatus.RUNNING)
    in_queue = wait.runs - wait.queued
    match outcome:
        case WorkflowStatus.INVALID:
            return accepted, (wait.uploaded, outcome)
        case WorkflowStatus.CANCELLED if in_queue > 10 and dice.random() < 0.5:
            return accepted, uploaded, queued, (wait.queued + dice.randint(3, in_queue - 1), outcome)
        case WorkflowStatus.FAILED if dice.random() < 0.15:
            return accepted, uploaded, (wait.queued, outcome)
        case WorkflowStatus.COMPLETED:
            return accepted, uploaded, queued, running, (wait.runs + seconds, outcome)
        case _:
            return accepted, uploaded, queued, running, (wait.runs + dice.randint(1, seconds), outcome)


def _run_seconds(dice: SeededRandom, lane: WorkloadLane, kind: WorkflowKind, number: int) -> int:
    seconds = kind.seconds * dice.uniform(0.75, 1.5) / lane.speed
    # The first few workflows of a slot must fit in, however slow the runner is.
    longest = lane.slot / 5 * dice.uniform(0.75, 1)
    shortest = _RELAY_FIRST_RUNS if lane.relay is not None and number == 0 else 2
    return max(shortest, round(min(seconds, longest)))


def _outcome(dice: SeededRandom, lane: WorkloadLane, slot: int, number: int) -> WorkflowStatus:
    if lane.relay is not None and number < _RELAY_SPOILT:
        return WorkflowStatus.COMPLETED
    if lane.relay is not None and number == _RELAY_SPOILT:
        return _RELAY_OUTCOMES[(slot + lane.relay) % len(_RELAY_OUTCOMES)]
    return dice.choices(_OUTCOMES, _FLAKY_ODDS if lane.flaky else _ODDS)[0]


def _pause(dice: SeededRandom, lane: WorkloadLane, number: int) -> int:
    """Return the seconds between two arrivals; some come in bursts."""
    if (lane.relay is not None and number == 0) or dice.random() < 0.35:
        return dice.randint(2, 8)
    return round(lane.pause * dice.uniform(0.9, 2.1))
