"""Simulated fleet: plain records of runners, cheap enough for ten thousand, and the Fleet over them."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from typing import TYPE_CHECKING, ClassVar

from pydantic import SecretStr

from comfytui.api.histories import MAX_HISTORY
from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow
from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.config.settings import DEFAULT_RUNNERS
from comfytui.gateway.demo import catalog
from comfytui.gateway.demo.events import DemoEvents
from comfytui.gateway.demo.machine_stats import Machine, machine_stats
from comfytui.gateway.demo.workflows import (
    BURST_SECONDS,
    BURST_STEPS,
    SeededRandom,
    WorkloadLane,
    from_epoch,
    newest_workflows,
    to_epoch,
)
from comfytui.gateway.fleet import RunnerNotFoundError, RunnerUnreachableError

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.gateway.demo.catalog import Gpu, Purpose
    from comfytui.gateway.events import EventHub


USER_ID = "7c9e6679-7425-40de-944b-e07fc1f90ae7"

_HOUR = 3_600
_DAY = 24 * _HOUR
_SPREAD = 600 * _DAY
_USUAL_SIZE = 120
_PRODUCTION_CREATED = to_epoch(datetime(2024, 1, 15, 10, 30, tzinfo=UTC))
_DEVELOPMENT_CREATED = to_epoch(datetime(2024, 1, 14, 8, 20, tzinfo=UTC))


class _LoadProfile(Enum):
    """Amount of work of a runner."""

    BUSY = auto()
    STEADY = auto()
    IDLE = auto()
    UNUSED = auto()
    DISABLED = auto()


# Counts of 24 runners each: the default 120 hold a whole relay of busy ones, and an eighth is disabled.
_BLOCK = {
    _LoadProfile.BUSY: 9,
    _LoadProfile.STEADY: 7,
    _LoadProfile.IDLE: 4,
    _LoadProfile.UNUSED: 1,
    _LoadProfile.DISABLED: 3,
}


@dataclass(frozen=True, slots=True)
class DemoRunner:
    """Record of a simulated runner; times are whole seconds since the Unix epoch.

    `lane` is None for a runner without work; `is_on` is True if its machine can be reached.
    """

    id: str
    name: str
    status: RunnerStatus
    endpoint: str
    tags: tuple[str, ...]
    headers: dict[str, SecretStr]
    created: int
    updated: int
    lane: WorkloadLane | None
    machine: Machine
    is_on: bool


def build_runners(runners: int, seed: int) -> Iterator[DemoRunner]:
    """Return runners, newest created first: the two of the API's pages, then made-up ones."""
    numbers: Counter[str] = Counter()
    # The newest runner starts later, so that it is in the midst of its work at the full hour.
    places = itertools.islice(itertools.cycle(range(BURST_STEPS)), BURST_STEPS // 2, None)
    switches = _PowerStates(seed)
    created = _DEVELOPMENT_CREATED
    dice = SeededRandom(f"{seed}/roster")
    for index, role in enumerate(itertools.islice(_roles(seed), runners)):
        work = _LaneSpec(f"{seed}/{index}", role, next(places) if role is _LoadProfile.BUSY else None)
        if index == 0:
            yield _production(dice, work)
        elif index == 1:
            yield _development(dice, work)
        else:
            created -= 1 + round(dice.uniform(0.2, 1.8) * _SPREAD / max(runners, _USUAL_SIZE))
            yield _made_up(dice, work, created, numbers, is_on=switches.is_on(role))


class _PowerStates:
    """Power states of machines: some of those with little work are off, busy ones never."""

    _EVERY: ClassVar[Mapping[_LoadProfile, int]] = {
        _LoadProfile.IDLE: 3,
        _LoadProfile.UNUSED: 3,
        _LoadProfile.DISABLED: 2,
    }

    def __init__(self, seed: int) -> None:
        self._counted = Counter(dict.fromkeys(_LoadProfile, seed))

    def is_on(self, role: _LoadProfile) -> bool:
        """Return True if the next machine of a runner with this load can be reached."""
        self._counted[role] += 1
        return role not in self._EVERY or self._counted[role] % self._EVERY[role] > 0


@dataclass(frozen=True, slots=True)
class _LaneSpec:
    """Parameters of a runner's lane that are fixed before the runner is made up."""

    key: str
    role: _LoadProfile
    place: int | None


def _roles(seed: int) -> Iterator[_LoadProfile]:
    """Yield load profiles without end; the first two are those of the documented runners."""
    dice = SeededRandom(f"{seed}/roles")
    whole = [role for role, count in _BLOCK.items() for _ in range(count)]
    rest = list(whole)
    for role in (_LoadProfile.BUSY, _LoadProfile.STEADY):
        rest.remove(role)
        yield role
    while True:
        dice.shuffle(rest)
        yield from rest
        rest = list(whole)


def _production(dice: SeededRandom, work: _LaneSpec) -> DemoRunner:
    """Return the first example of page list-runners, completed as on page get-runner."""
    purpose, card, created = catalog.IMAGE_GENERATION, catalog.A100, _PRODUCTION_CREATED
    return DemoRunner(
        id="550e8400-e29b-41d4-a716-446655440000",
        name="Production GPU Runner",
        status=RunnerStatus.ACTIVE,
        endpoint="https://my-comfy.example.com",
        tags=("production", card.tag, purpose.tag),
        headers={"Authorization": SecretStr("Bearer secret_token"), "X-Custom-Header": SecretStr("value")},
        created=created,
        updated=created,
        lane=_lane(dice, work, purpose, card, since=created, until=None, flaky=False),
        machine=Machine(work.key, card),
        is_on=True,
    )


def _development(dice: SeededRandom, work: _LaneSpec) -> DemoRunner:
    """Return the second example of page list-runners."""
    purpose, card, created = catalog.IMAGE_GENERATION, catalog.CPU, _DEVELOPMENT_CREATED
    return DemoRunner(
        id="660e8400-e29b-41d4-a716-446655440001",
        name="Development Runner",
        status=RunnerStatus.ACTIVE,
        endpoint="http://192.168.1.100:8188",
        tags=("development", card.tag),
        headers={},
        created=created,
        updated=created,
        lane=_lane(dice, work, purpose, card, since=created, until=None, flaky=False),
        machine=Machine(work.key, card),
        is_on=True,
    )


def _made_up(dice: SeededRandom, work: _LaneSpec, created: int, numbers: Counter[str], *, is_on: bool) -> DemoRunner:
    """Return a runner that was created at a time; `numbers` counts the names so far."""
    disabled = work.role is _LoadProfile.DISABLED
    purpose = dice.choice(catalog.PURPOSES)
    card = catalog.CPU if work.role is not _LoadProfile.BUSY and dice.random() < 0.1 else dice.choice(catalog.CARDS)
    name = _name(dice, card, numbers)
    age = _PRODUCTION_CREATED - created
    updated = created + round(age * dice.uniform(0.3, 1.0)) if disabled or dice.random() < 0.6 else created
    lane = _lane(dice, work, purpose, card, created, updated if disabled else None, flaky=dice.random() < 0.12)
    return DemoRunner(
        id=dice.id(),
        name=name,
        status=RunnerStatus.DISABLED if disabled else RunnerStatus.ACTIVE,
        endpoint=_endpoint(dice, name),
        tags=(dice.choice(catalog.ENVIRONMENTS), card.tag, purpose.tag),
        headers=_headers(dice),
        created=created,
        updated=updated,
        lane=lane,
        machine=Machine(work.key, card),
        is_on=is_on,
    )


def _lane(
    dice: SeededRandom, work: _LaneSpec, purpose: Purpose, card: Gpu, since: int, until: int | None, *, flaky: bool
) -> WorkloadLane | None:
    rhythm = _rhythm(dice, work.role)
    if rhythm is None:
        return None
    slot, jobs, pause = rhythm
    return WorkloadLane(
        key=work.key,
        since=since,
        until=until,
        slot=slot,
        origin=dice.randrange(slot) if work.place is None else work.place * BURST_SECONDS,
        jobs=jobs,
        pause=pause,
        kinds=purpose.kinds,
        speed=card.speed,
        flaky=flaky,
        relay=work.place,
    )


def _rhythm(dice: SeededRandom, role: _LoadProfile) -> tuple[int, int, float] | None:
    """Return a lane's slot length, workflows a slot and pause between them, or None without work."""
    match role:
        case _LoadProfile.UNUSED:
            return None
        case _LoadProfile.BUSY:
            return BURST_STEPS * BURST_SECONDS, 13, 30.0
        case _LoadProfile.IDLE:
            return dice.choice((8 * _HOUR, _DAY, 3 * _DAY, 6 * _DAY)), dice.randint(2, 6), 150.0
        case _LoadProfile.STEADY | _LoadProfile.DISABLED:
            slot = dice.choice((1_500, 1_800, 2_100, 2_400))
            return slot, dice.randint(3, 6), slot / 9


def _name(dice: SeededRandom, card: Gpu, numbers: Counter[str]) -> str:
    stem = dice.choice(catalog.STEMS).format(card=card.model)
    numbers[stem] += 1
    return f"{stem}-{numbers[stem]:02}"


def _endpoint(dice: SeededRandom, name: str) -> str:
    match dice.randrange(3):
        case 0:
            return f"https://{name}.comfy.example.com"
        case 1:
            return f"http://10.{dice.randrange(256)}.{dice.randrange(256)}.{dice.randint(2, 254)}:8188"
        case _:
            return f"http://192.168.{dice.randrange(256)}.{dice.randint(2, 254)}:8188"


def _headers(dice: SeededRandom) -> dict[str, SecretStr]:
    if dice.random() < 0.6:
        return {}
    name = dice.choice(catalog.HEADER_NAMES)
    secret = f"{dice.getrandbits(160):040x}"
    return {name: SecretStr(f"Bearer {secret}" if name == "Authorization" else secret)}


class DemoFleet:
    """A `Fleet` of made-up runners whose workflows come and go as the clock's time passes.

    The two newest runners are the ones of the API's pages, "Production GPU Runner", which is always busy, and
    "Development Runner". A fleet of `DEFAULT_RUNNERS` shows every status of a workflow at every instant after its
    newest runner's first day.

    Args:
        clock: Its `now` decides about responses; it also times the events.
        runners: Number of runners, 0 or more.
        seed: Seed of everything that is random.
    """

    def __init__(self, clock: Clock, runners: int = DEFAULT_RUNNERS, seed: int = 0) -> None:
        self._clock = clock
        self._records = tuple(build_runners(runners, seed))
        self._by_id = {record.id: record for record in self._records}
        self._events = DemoEvents(clock, {record.id: record.lane for record in self._records})

    @property
    def events(self) -> EventHub:
        """Hub of changes of runners that were requested within the last minute."""
        return self._events.hub

    async def list_runners(self, page: int, per_page: int, status: RunnerStatus | None) -> RunnerPage:
        """Return a page, newest created first."""
        records = [record for record in self._records if status is None or record.status == status]
        shown = records[(page - 1) * per_page : page * per_page]
        self._events.follow(record.id for record in shown)
        return RunnerPage(runners=tuple(_as_runner(record) for record in shown), total=len(records))

    async def get_runner(self, runner_id: str) -> Runner:
        """Return a runner by its id; raises RunnerNotFoundError."""
        return _as_runner(self._record(runner_id))

    async def get_history(self, runner_id: str) -> tuple[Workflow, ...]:
        """Return the ten newest workflows of a runner; raises RunnerNotFoundError."""
        lane = self._record(runner_id).lane
        now = to_epoch(self._clock.now())
        return () if lane is None else newest_workflows(lane, now, MAX_HISTORY)

    async def get_stats(self, runner_id: str) -> RunnerStats:
        """Return the stats of a runner's machine.

        Raises:
            RunnerNotFoundError: There is no such runner.
            RunnerUnreachableError: The machine is switched off, which never changes.
        """
        record = self._record(runner_id)
        if not record.is_on:
            raise RunnerUnreachableError("it does not answer: no connection within 5 s")
        workflows = await self.get_history(runner_id)
        busy = any(workflow.status is WorkflowStatus.RUNNING for workflow in workflows)
        return machine_stats(record.machine, to_epoch(self._clock.now()), busy=busy)

    async def aclose(self) -> None:
        """Stop announcing changes."""
        await self._events.aclose()

    def _record(self, runner_id: str) -> DemoRunner:
        try:
            return self._by_id[runner_id]
        except KeyError:
            raise RunnerNotFoundError(runner_id) from None


def _as_runner(record: DemoRunner) -> Runner:
    return Runner.model_validate(
        {
            "id": record.id,
            "user_id": USER_ID,
            "name": record.name,
            "status": record.status,
            "endpoint": record.endpoint,
            "tags": record.tags,
            "headers": record.headers,
            "created_at": from_epoch(record.created),
            "updated_at": from_epoch(record.updated),
        }
    )
