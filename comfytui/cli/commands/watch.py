"""`runners --watch`: changes of a fleet as a stream of events."""

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
from comfytui.config.settings import DEFAULT_INTERVAL_S
from comfytui.engine.engine import Engine
from comfytui.engine.feed import Feed
from comfytui.engine.protocol import MAX_SCANNED_RUNNERS, PageKey, Reconnect, SetViewport, Viewport
from comfytui.engine.reducer import MAX_HISTORIES
from comfytui.engine.snapshot import certain_monotonic
from comfytui.query.columns import Requirement
from comfytui.query.filter import Query, RunnerData
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
# Tries to renew a rejected token, ten seconds apart.
_MAX_RENEWALS = 3

Emit: TypeAlias = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """Options of the watch.

    Attributes:
        status: Status of the runners, or None for all.
        query: Filter.
        interval: Seconds between polls, 1 or more; longer if the rate limit requires it.
    """

    status: RunnerStatus | None = None
    query: Query = field(default_factory=Query)
    interval: float = DEFAULT_INTERVAL_S


def run(args: argparse.Namespace) -> int:
    """Print each change as a line of JSON until interrupted; raises as `run_command` does."""
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
    """Report each runner once, then each change, until cancelled or the reader is gone.

    Args:
        connect: Connects to the backend.
        clock: Clock of the polls and of the events.
        rate_limiter: Rate limiter of the requests.
        watched: Options.
        emit: Called with each event (`event_to_dict`); its errors end the watch and are raised.
        narrate: Called with messages about failures and recoveries.
        pipe: File descriptor of the output; if it is a pipe, closing its other end ends the watch.
        renew: Looks for a newer token after a rejection, or None if there cannot be one.

    Raises:
        UnauthorizedError: The token is rejected or missing.
        InvalidArgumentError: A setting is invalid.
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
    """Wait for a newer token after a rejection; return True if there is one."""
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
    """Connector that ends the watch on errors that no retry can mend."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._refusal: InvalidArgumentError | None = None

    async def connect(self) -> RunnerSource:
        """Return a source of responses; raises ComfyControlError."""
        try:
            return await self._connect()
        except InvalidArgumentError as error:
            self._refusal = error
            raise

    def check(self, snapshot: Snapshot) -> None:
        """Raise UnauthorizedError or InvalidArgumentError if every request fails with it."""
        if self._refusal is not None:
            raise self._refusal
        if snapshot.auth_problem is not None:
            raise UnauthorizedError("GET", "/v1/runner", snapshot.auth_problem.message, 401)


class _ChangeReporter:
    """Reporter of the changes from one snapshot to the next."""

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
        """True if there was a response, or a problem that was reported."""
        return self._heard

    def report(self, snapshot: Snapshot) -> None:
        """Emit the changes of a snapshot, and report failures and recoveries."""
        self._heard = self._heard or snapshot.page != Feed()
        self._view = self._viewer.build(snapshot, self._query, None)
        changes, self._told = diff(self._told, observe(snapshot, self._view, self._query))
        at = self._clock.now()
        for change in changes:
            self._emit(event_to_dict(change, at))
        self._report_changes(snapshot)

    def viewport(self, snapshot: Snapshot) -> Viewport:
        """Return the viewport that the engine needs to decide the filter."""
        return viewport_for(snapshot.viewport, self._query, self._view)

    def _report_changes(self, snapshot: Snapshot) -> None:
        problem = snapshot.page.problem
        # Without the time, for the pages of a long list neither fail nor recover all at once.
        trouble = "" if problem is None else describe_problem(problem)
        if trouble != self._trouble:
            self._narrate("live again" if problem is None else f"{_since(snapshot.page, problem)}: {trouble}")
        self._trouble = trouble
        now = frozenset(describe_limits(self._query, self._view))
        for words in sorted(now - self._limits):
            self._narrate(words)
        self._limits |= now


def event_to_dict(change: FleetChange, at: datetime) -> dict[str, object]:
    """Return an event as JSON: the runner as in `comfytui.render.export`, the time in UTC."""
    data: dict[str, object] = {
        "schema": SCHEMA,
        "event": str(change.event),
        "at": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "runner_id": change.runner_id,
    }
    return data if change.runner is None else data | {"runner": runner_to_dict(change.runner)}


def _since(page: Feed[object], problem: Problem) -> str:
    """Return the text since when the list is stale."""
    return f"{'not known' if page.value is None else 'stale'} since {format_hms(problem.since_at)}"


@contextmanager
def _on_pipe_closed(pipe: int | None, end: Callable[[], object]) -> Iterator[None]:
    """Call `end` once when the reader of a pipe is gone, which no write would tell in a quiet fleet."""
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
    """Kind of an event."""

    RUNNER = "runner"
    """The runner was there at the first complete look."""
    ADDED = "added"
    """The runner was added, or matches now."""
    CHANGED = "changed"
    """A field of the runner changed."""
    REMOVED = "removed"
    """The runner was removed, or does not match any more."""


@dataclass(frozen=True, slots=True)
class FleetChange:
    """Change of a fleet; of a removed runner only the id is known."""

    event: EventType
    runner_id: str
    runner: Runner | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """Observation of a fleet; times are monotonic.

    Attributes:
        found: Matching runners by id, in order.
        listed: Ids of all listed runners.
        departed: Ids of runners known to be removed.
        whole: True if all pages and details are known.
        seen_on: Time of the newest response of the list.
        sure_on: Time since when a runner missing from all pages is gone: one that moves from page to page may be in
            neither for a while.
    """

    found: Mapping[str, Runner] = field(default_factory=dict)
    listed: AbstractSet[str] = frozenset()
    removed: AbstractSet[str] = frozenset()
    whole: bool = True
    seen_on: float = 0.0
    sure_on: float = math.inf


@dataclass(frozen=True, slots=True)
class ReportedState:
    """State reported so far.

    Attributes:
        runners: Runners by id, as last reported.
        missing: Runners not listed lately, each with the time since when.
        whole: True once everything was looked at.
    """

    runners: Mapping[str, Runner] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    whole: bool = False


def diff(reported: ReportedState, sight: Observation) -> tuple[tuple[FleetChange, ...], ReportedState]:
    """Return the events since `reported`, removals last, and the new reported state."""
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
        # The gateway dates every change, so other differences are details that it learned late.
        return False
    return _compared(before) != _compared(after)


def _compared(runner: Runner) -> dict[str, object]:
    """Return a runner's fields without the length of its queue, which changes with all that it does."""
    return {name: value for name, value in runner_to_dict(runner).items() if name not in _LIVE}


def _missing(reported: ReportedState, sight: Observation) -> dict[str, float]:
    """Return the runners that may be gone, with the time since when they are missing."""
    unseen = (each for each in reported.runners if each not in sight.listed and each not in sight.removed)
    since = {each: reported.missing.get(each, sight.seen_on) for each in unseen}
    return {each: moment for each, moment in since.items() if moment >= sight.sure_on}


def _removed(reported: ReportedState, sight: Observation, missing: Mapping[str, float]) -> Iterator[str]:
    return (each for each in reported.runners if each not in sight.found and each not in missing)


def viewport_for(viewport: Viewport, query: Query, view: ListView) -> Viewport:
    """Return the viewport with the runners whose histories or health the filter needs, up to the limit."""
    ids = tuple(runner.id for runner in _with_requirements(query, view))
    return viewport._replace(
        visible_ids=ids if Requirement.HISTORY in query.requirements else (),
        health_check_ids=ids if Requirement.REACHABILITY in query.requirements else (),
    )


def observe(snapshot: Snapshot, view: ListView, query: Query) -> Observation:
    """Return the observation of a view of the whole list.

    It is whole once all pages since the list's last change, and all that the filter needs, were requested.
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
    """Yield messages about runners that are not watched."""
    if view.searched.capped:
        yield f"only the newest {MAX_SCANNED_RUNNERS:,} runners are watched"
    if len(_undecided(query, view)) > MAX_HISTORIES:
        yield f"more than the list tells is looked at for the newest {MAX_HISTORIES} runners alone"


def _with_requirements(query: Query, view: ListView) -> tuple[Runner, ...]:
    return _undecided(query, view)[:MAX_HISTORIES]


def _undecided(query: Query, view: ListView) -> tuple[Runner, ...]:
    """Return the runners that the list alone does not rule out."""
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
