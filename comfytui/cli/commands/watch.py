"""`runners --watch`: what changes in a fleet, told as it is seen. The engine asks, this tells."""

from __future__ import annotations

import asyncio
import gc
import math
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC
from enum import StrEnum
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from comfytui.api.errors import InvalidArgumentError, UnauthorizedError
from comfytui.api.statuses import RunnerStatus
from comfytui.cli.client import run_command
from comfytui.cli.commands.runners import parse_filter
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.output import SCHEMA, write_line
from comfytui.config.settings import DEFAULT_INTERVAL
from comfytui.engine.engine import Engine
from comfytui.engine.feed import Feed
from comfytui.engine.protocol import MAX_SCANNED_RUNNERS, PageKey, Reconnect, SetViewport, Viewport
from comfytui.engine.reducer import MAX_HISTORIES
from comfytui.engine.snapshot import certain_monotonic
from comfytui.query.filter import Query, Requirement, RunnerData
from comfytui.query.view import ListView, ListViewBuilder
from comfytui.render.export import runner_to_dict
from comfytui.render.freshness import describe_problem
from comfytui.render.times import format_hms

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from comfytui.api.models import Runner
    from comfytui.backends import Connect
    from comfytui.cli.context import CommandContext
    from comfytui.cli.progress import Progress
    from comfytui.clock import Clock
    from comfytui.engine.feed import Problem
    from comfytui.engine.protocol import RunnerSource
    from comfytui.engine.snapshot import Snapshot
    from comfytui.ratelimit.window import RateLimiter


_SLOW_S = 1.0
# Times that the source of a refused token is asked again, ten seconds apart.
_MAX_RENEWALS = 3

Emit: TypeAlias = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """What is watched.

    Attributes:
        status: The runners of this status, None for all.
        query: Those that match.
        interval: Seconds between two looks at the list, 1 or more; longer where the budget does not bear it.
    """

    status: RunnerStatus | None = None
    query: Query = field(default_factory=Query)
    interval: float = DEFAULT_INTERVAL


def run(args: argparse.Namespace) -> int:
    """Print each change as a line of JSON until interrupted; raises as `comfytui.cli.client.perform` does."""
    gc.enable()
    query = parse_filter(args.filter)
    status = None if args.status is None else RunnerStatus(args.status)

    async def work(at: CommandContext, progress: Progress) -> ExitCode:
        watched = WatchOptions(status, query, at.settings.interval)
        pipe = _standard_output()
        await watch(at.connect, at.clock, at.rate_limiter, watched, write_line, progress.print, pipe, at.renew)
        return ExitCode.OK

    return run_command(args, work)


def _standard_output() -> int | None:
    try:
        return None if sys.stdout is None else sys.stdout.fileno()
    except OSError:
        return None


async def watch(
    connect: Connect,
    clock: Clock,
    rate_limiter: RateLimiter,
    watched: WatchOptions,
    emit: Emit,
    narrate: Callable[[str], None],
    pipe: int | None = None,
    renew: Callable[[], Awaitable[bool]] | None = None,
) -> None:
    """Tell of each runner once, then of each change, until cancelled or nobody listens any more.

    Args:
        connect: Makes the source of answers.
        clock: Says when things are due, and dates the events.
        rate_limiter: Where the source takes leave for each request.
        watched: What is watched.
        emit: Takes each event (`event_data`); what it raises ends this and is raised.
        narrate: Takes what people should know: that answers fail, and that they come again.
        pipe: What is written to, as a file descriptor; where that is a pipe, its other end closing ends this.
        renew: Looks for a newer token once one that was taken is refused; None if there cannot be one.

    Raises:
        UnauthorizedError: The API refuses the token, or there is none.
        InvalidArgumentError: A setting keeps it from being asked at all.
        ExceptionGroup: A request raised something that is no ComfyControlError: a bug.
    """
    entrance = _FailFastConnector(connect)
    viewport = Viewport(page=PageKey(status=watched.status), all_pages=True)
    engine = Engine(entrance.connect, clock, viewport=viewport, interval=watched.interval, rate_limiter=rate_limiter)
    teller = _ChangeReporter(watched.query, clock, emit, narrate)
    running = asyncio.create_task(engine.run())
    waiting = asyncio.create_task(_notify_if_slow(clock, lambda: teller.has_data, narrate))
    try:
        with _on_pipe_closed(pipe, running.cancel):
            async for snapshot in engine.subscribe():
                if await _renew_token(snapshot, renew, narrate):
                    engine.perform(Reconnect())
                    continue
                entrance.check(snapshot)
                teller.report(snapshot)
                engine.perform(SetViewport(teller.viewport(snapshot)))
    finally:
        waiting.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _renew_token(
    snapshot: Snapshot, renew: Callable[[], Awaitable[bool]] | None, narrate: Callable[[str], None]
) -> bool:
    """Wait for a newer token where one that was taken before is refused; return True if there is one."""
    if snapshot.auth_problem is None or snapshot.page.value is None or renew is None:
        return False
    narrate("token rejected; looking for a newer one where it came from")
    for _ in range(_MAX_RENEWALS):
        if await renew():
            narrate("token renewed")
            return True
    return False


async def _notify_if_slow(clock: Clock, heard: Callable[[], bool], narrate: Callable[[str], None]) -> None:
    await clock.sleep(_SLOW_S)
    if not heard():
        narrate("waiting for an answer")


class _FailFastConnector:
    """Connects, and knows when there is no use in trying again."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._refusal: InvalidArgumentError | None = None

    async def connect(self) -> RunnerSource:
        """A source of answers; raises ComfyControlError."""
        try:
            return await self._connect()
        except InvalidArgumentError as error:
            self._refusal = error
            raise

    def check(self, snapshot: Snapshot) -> None:
        """Raise UnauthorizedError or InvalidArgumentError where that stands against every answer."""
        if self._refusal is not None:
            raise self._refusal
        if snapshot.auth_problem is not None:
            raise UnauthorizedError("GET", "/v1/runner", snapshot.auth_problem.message, 401)


class _ChangeReporter:
    """Tells what is new in one snapshot after another, and nothing twice."""

    def __init__(self, query: Query, clock: Clock, emit: Emit, narrate: Callable[[str], None]) -> None:
        self._query = query
        self._clock = clock
        self._emit = emit
        self._narrate = narrate
        self._viewer = ListViewBuilder()
        self._view = ListView()
        self._told = ReportedState()
        self._heard = False
        self._trouble = ""
        self._limits: frozenset[str] = frozenset()

    @property
    def has_data(self) -> bool:
        """Whether there was an answer, or is trouble that was told."""
        return self._heard

    def report(self, snapshot: Snapshot) -> None:
        """Write what has changed, and say what has become of asking."""
        self._heard = self._heard or snapshot.page != Feed()
        self._view = self._viewer.build(snapshot, self._query, None)
        changes, self._told = diff(self._told, observe(snapshot, self._view, self._query))
        at = self._clock.now()
        for change in changes:
            self._emit(event_to_dict(change, at))
        self._report_changes(snapshot)

    def viewport(self, snapshot: Snapshot) -> Viewport:
        """What the engine should ask so that all can be judged."""
        return viewport_for(snapshot.viewport, self._query, self._view)

    def _report_changes(self, snapshot: Snapshot) -> None:
        problem = snapshot.page.problem
        # Not since when: the pages of a long list neither fail nor come back all at once.
        trouble = "" if problem is None else describe_problem(problem)
        if trouble != self._trouble:
            self._narrate("live again" if problem is None else f"{_since(snapshot.page, problem)}: {trouble}")
        self._trouble = trouble
        now = frozenset(describe_limits(self._query, self._view))
        for words in sorted(now - self._limits):
            self._narrate(words)
        self._limits |= now


def event_to_dict(change: FleetChange, at: datetime) -> dict[str, object]:
    """An event as it is written: a runner as `comfytui.render.export` has it, the time ISO 8601 in UTC."""
    data: dict[str, object] = {
        "schema": SCHEMA,
        "event": str(change.event),
        "at": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "runner_id": change.runner_id,
    }
    return data if change.runner is None else data | {"runner": runner_to_dict(change.runner)}


def _since(page: Feed[object], problem: Problem) -> str:
    """Since when the list cannot be trusted."""
    return f"{'not known' if page.value is None else 'stale'} since {format_hms(problem.since_at)}"


@contextmanager
def _on_pipe_closed(pipe: int | None, end: Callable[[], object]) -> Iterator[None]:
    """Call `end` once when the other end of a pipe is closed: in a quiet fleet nothing is written that would tell."""
    if pipe is None or not stat.S_ISFIFO(os.fstat(pipe).st_mode):
        yield
        return
    loop = asyncio.get_running_loop()

    def hang_up() -> None:
        loop.remove_reader(pipe)
        end()

    loop.add_reader(pipe, hang_up)
    try:
        yield
    finally:
        loop.remove_reader(pipe)


_LIVE = ("queue_running", "queue_pending")


class EventType(StrEnum):
    """What has happened to a runner, as it is written."""

    RUNNER = "runner"
    """It was there when everything was looked at for the first time."""
    ADDED = "added"
    """It is there, or is what is looked for, since then."""
    CHANGED = "changed"
    """One of its fields is another."""
    REMOVED = "removed"
    """It is there no more, or no more what is looked for."""


@dataclass(frozen=True, slots=True)
class FleetChange:
    """Something to tell: of a runner that was removed there is nothing but its id."""

    event: EventType
    runner_id: str
    runner: Runner | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen of a fleet at one moment; times are of one monotonic clock.

    Attributes:
        found: The runners that are looked for, by id, in order.
        listed: The ids of all that are listed, looked for or not.
        departed: The ids of those that are known not to be registered any more.
        whole: Whether everything was looked at.
        seen_on: When the newest part of the list was answered.
        sure_on: What was in no part of the list at this moment, and still is not, is gone. The parts are answered one
            after another, and a runner that moves from one to another may be in neither for a while.
    """

    found: Mapping[str, Runner] = field(default_factory=dict)
    listed: AbstractSet[str] = frozenset()
    removed: AbstractSet[str] = frozenset()
    whole: bool = True
    seen_on: float = 0.0
    sure_on: float = math.inf


@dataclass(frozen=True, slots=True)
class ReportedState:
    """What was told so far.

    Attributes:
        runners: Those that are there, by id, as told last.
        missing: Of them those that were not seen lately, each with the moment it was first not seen.
        whole: Whether everything was looked at once.
    """

    runners: Mapping[str, Runner] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    whole: bool = False


def diff(reported: ReportedState, sight: Observation) -> tuple[tuple[FleetChange, ...], ReportedState]:
    """What there is to tell now, in the order of the list and removals last, and what is told once that is done."""
    missing = _missing(reported, sight)
    changes = (
        *_seen(reported, sight),
        *(FleetChange(EventType.REMOVED, each) for each in _removed(reported, sight, missing)),
    )
    kept = {runner_id: reported.runners[runner_id] for runner_id in missing}
    return changes, ReportedState({**kept, **sight.found}, missing, reported.whole or sight.whole)


def _seen(reported: ReportedState, sight: Observation) -> Iterator[FleetChange]:
    for runner_id, runner in sight.found.items():
        before = reported.runners.get(runner_id)
        if before is None:
            yield FleetChange(EventType.ADDED if reported.whole else EventType.RUNNER, runner_id, runner)
        elif before is not runner and _has_changed(before, runner):
            yield FleetChange(EventType.CHANGED, runner_id, runner)


def _has_changed(before: Runner, after: Runner) -> bool:
    if after.tells_queue and before.updated_at == after.updated_at:
        # Our gateway dates every change, so anything else is what it had not learned yet.
        return False
    return _compared(before) != _compared(after)


def _compared(runner: Runner) -> dict[str, object]:
    """Return a runner's fields without the length of its queue, which changes with all that it does."""
    return {name: value for name, value in runner_to_dict(runner).items() if name not in _LIVE}


def _missing(reported: ReportedState, sight: Observation) -> dict[str, float]:
    """Those of which is not known yet whether they are gone."""
    unseen = (each for each in reported.runners if each not in sight.listed and each not in sight.removed)
    since = {each: reported.missing.get(each, sight.seen_on) for each in unseen}
    return {each: moment for each, moment in since.items() if moment >= sight.sure_on}


def _removed(reported: ReportedState, sight: Observation, missing: Mapping[str, float]) -> Iterator[str]:
    return (each for each in reported.runners if each not in sight.found and each not in missing)


def viewport_for(viewport: Viewport, query: Query, view: ListView) -> Viewport:
    """What is looked at, with as many runners as can be remembered whose histories or checks the query asks for."""
    ids = tuple(runner.id for runner in _with_requirements(query, view))
    return viewport._replace(
        visible_ids=ids if Requirement.HISTORY in query.requirements else (),
        health_check_ids=ids if Requirement.REACHABILITY in query.requirements else (),
    )


def observe(snapshot: Snapshot, view: ListView, query: Query) -> Observation:
    """What a view of the whole list shows.

    It is whole once all pages, none from before the list last changed, and all that the query needs were asked for.
    """
    answered_on = _response_monotonic(snapshot)
    return Observation(
        found={runner.id: runner for runner in view.runners if runner.id not in view.missing},
        listed={runner.id for runner in view.loaded} - view.missing,
        removed={removal.runner_id for removal in snapshot.removed},
        whole=view.searched.is_complete
        and not view.is_changing
        and all(_was_requested(snapshot, each, query) for each in _with_requirements(query, view)),
        seen_on=max(answered_on, default=0.0),
        sure_on=certain_monotonic(answered_on, snapshot.response_time),
    )


def describe_limits(query: Query, view: ListView) -> Iterator[str]:
    """What is not looked at, in words."""
    if view.searched.capped:
        yield f"only the newest {MAX_SCANNED_RUNNERS:,} runners are watched"
    if len(_undecided(query, view)) > MAX_HISTORIES:
        yield f"more than the list tells is looked at for the newest {MAX_HISTORIES} runners alone"


def _with_requirements(query: Query, view: ListView) -> tuple[Runner, ...]:
    return _undecided(query, view)[:MAX_HISTORIES]


def _undecided(query: Query, view: ListView) -> tuple[Runner, ...]:
    """The runners of which more must be known than the list tells: all that it does not rule out."""
    if not query.requirements:
        return ()
    by_list = Query(terms=tuple(term for term in query.terms if term.requirement is None))
    return tuple(runner for runner in view.loaded if by_list.matches(RunnerData(runner)))


def _was_requested(snapshot: Snapshot, runner: Runner, query: Query) -> bool:
    feeds: dict[Requirement, Feed[object]] = {
        Requirement.HISTORY: snapshot.history(runner.id),
        Requirement.REACHABILITY: snapshot.health(runner.id),
    }
    return all(feeds[need].tried_monotonic is not None for need in query.requirements)


def _response_monotonic(snapshot: Snapshot) -> list[float]:
    moments = (snapshot.page_feed(key).fetched_monotonic for key in snapshot.page_keys)
    return [-inf if moment is None else moment for moment in moments]
