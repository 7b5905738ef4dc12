"""`runners --watch`: what changes in a fleet, told as it is seen. The engine asks, this tells."""

from __future__ import annotations

import asyncio
import gc
import os
import stat
import sys
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC
from typing import TYPE_CHECKING, TypeAlias

from comfytui.api.errors import InvalidArgument, Unauthorized
from comfytui.api.statuses import RunnerStatus
from comfytui.cli.asking import perform
from comfytui.cli.changes import Told, diff
from comfytui.cli.listing import query_of
from comfytui.cli.output import write_line
from comfytui.cli.sighting import attention_for, limits, sight_of
from comfytui.cli.status import ExitStatus
from comfytui.cli.writing import SCHEMA
from comfytui.config.settings import DEFAULT_INTERVAL
from comfytui.engine.actions import Attend, Reconnect
from comfytui.engine.engine import Engine
from comfytui.engine.feed import Feed
from comfytui.engine.query import Query
from comfytui.engine.resources import PageKey
from comfytui.engine.snapshot import Attention
from comfytui.engine.view import View, Viewer
from comfytui.tui.present.export import runner_data
from comfytui.tui.present.problems import cause
from comfytui.tui.present.units import to_the_second

if TYPE_CHECKING:
    import argparse
    from datetime import datetime

    from comfytui.api.allowance import Allowance
    from comfytui.cli.changes import Change
    from comfytui.cli.diagnostics import Progress
    from comfytui.cli.opening import Opened
    from comfytui.clock import Clock
    from comfytui.engine.feed import Problem
    from comfytui.engine.resources import RunnerSource
    from comfytui.engine.snapshot import Snapshot
    from comfytui.sources import Connect

__all__ = ["Watched", "event_data", "run", "watch"]

_LONG = 1.0
# Times that the source of a refused token is asked again, ten seconds apart.
_RENEWALS = 3

Emit: TypeAlias = Callable[[Mapping[str, object]], None]


@dataclass(frozen=True, slots=True)
class Watched:
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
    """Print each change as a line of JSON until interrupted; raises as `comfytui.cli.asking.perform` does."""
    gc.enable()
    query = query_of(args.filter)
    status = None if args.status is None else RunnerStatus(args.status)

    async def work(at: Opened, progress: Progress) -> ExitStatus:
        watched = Watched(status, query, at.settings.interval)
        pipe = _standard_output()
        await watch(at.connect, at.clock, at.allowance, watched, write_line, progress.say, pipe, at.renew)
        return ExitStatus.OK

    return perform(args, work)


def _standard_output() -> int | None:
    try:
        return None if sys.stdout is None else sys.stdout.fileno()
    except OSError:
        return None


async def watch(
    connect: Connect,
    clock: Clock,
    allowance: Allowance,
    watched: Watched,
    emit: Emit,
    narrate: Callable[[str], None],
    pipe: int | None = None,
    renew: Callable[[], Awaitable[bool]] | None = None,
) -> None:
    """Tell of each runner once, then of each change, until cancelled or nobody listens any more.

    Args:
        connect: Makes the source of answers.
        clock: Says when things are due, and dates the events.
        allowance: Where the source takes leave for each request.
        watched: What is watched.
        emit: Takes each event (`event_data`); what it raises ends this and is raised.
        narrate: Takes what people should know: that answers fail, and that they come again.
        pipe: What is written to, as a file descriptor; where that is a pipe, its other end closing ends this.
        renew: Looks for a newer token once one that was taken is refused; None if there cannot be one.

    Raises:
        Unauthorized: The API refuses the token, or there is none.
        InvalidArgument: A setting keeps it from being asked at all.
        ExceptionGroup: A request raised something that is no ComfyControlError: a bug.
    """
    entrance = _Entrance(connect)
    attention = Attention(page=PageKey(status=watched.status), whole=True)
    engine = Engine(entrance.connect, clock, attention=attention, interval=watched.interval, allowance=allowance)
    teller = _Teller(watched.query, clock, emit, narrate)
    running = asyncio.create_task(engine.run())
    waiting = asyncio.create_task(_waited(clock, lambda: teller.heard, narrate))
    try:
        with _hung_up(pipe, running.cancel):
            async for snapshot in engine.subscribe():
                if await _is_renewed(snapshot, renew, narrate):
                    engine.perform(Reconnect())
                    continue
                entrance.check(snapshot)
                teller.tell(snapshot)
                engine.perform(Attend(teller.attention(snapshot)))
    finally:
        waiting.cancel()
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def _is_renewed(
    snapshot: Snapshot, renew: Callable[[], Awaitable[bool]] | None, narrate: Callable[[str], None]
) -> bool:
    """Wait for a newer token where one that was taken before is refused; return True if there is one."""
    if snapshot.needs_token is None or snapshot.page.value is None or renew is None:
        return False
    narrate("token rejected; looking for a newer one where it came from")
    for _ in range(_RENEWALS):
        if await renew():
            narrate("token renewed")
            return True
    return False


async def _waited(clock: Clock, heard: Callable[[], bool], narrate: Callable[[str], None]) -> None:
    await clock.sleep(_LONG)
    if not heard():
        narrate("waiting for an answer")


class _Entrance:
    """Connects, and knows when there is no use in trying again."""

    def __init__(self, connect: Connect) -> None:
        self._connect = connect
        self._refusal: InvalidArgument | None = None

    async def connect(self) -> RunnerSource:
        """A source of answers; raises ComfyControlError."""
        try:
            return await self._connect()
        except InvalidArgument as error:
            self._refusal = error
            raise

    def check(self, snapshot: Snapshot) -> None:
        """Raise Unauthorized or InvalidArgument where that stands against every answer."""
        if self._refusal is not None:
            raise self._refusal
        if snapshot.needs_token is not None:
            raise Unauthorized("GET", "/v1/runner", snapshot.needs_token.message, 401)


class _Teller:
    """Tells what is new in one snapshot after another, and nothing twice."""

    def __init__(self, query: Query, clock: Clock, emit: Emit, narrate: Callable[[str], None]) -> None:
        self._query = query
        self._clock = clock
        self._emit = emit
        self._narrate = narrate
        self._viewer = Viewer()
        self._view = View()
        self._told = Told()
        self._heard = False
        self._trouble = ""
        self._limits: frozenset[str] = frozenset()

    @property
    def heard(self) -> bool:
        """Whether there was an answer, or is trouble that was told."""
        return self._heard

    def tell(self, snapshot: Snapshot) -> None:
        """Write what has changed, and say what has become of asking."""
        self._heard = self._heard or snapshot.page != Feed()
        self._view = self._viewer.view(snapshot, self._query, None)
        changes, self._told = diff(self._told, sight_of(snapshot, self._view, self._query))
        at = self._clock.now()
        for change in changes:
            self._emit(event_data(change, at))
        self._say(snapshot)

    def attention(self, snapshot: Snapshot) -> Attention:
        """What the engine should ask so that all can be judged."""
        return attention_for(snapshot.attention, self._query, self._view)

    def _say(self, snapshot: Snapshot) -> None:
        problem = snapshot.page.problem
        # Not since when: the pages of a long list neither fail nor come back all at once.
        trouble = "" if problem is None else cause(problem)
        if trouble != self._trouble:
            self._narrate("live again" if problem is None else f"{_since(snapshot.page, problem)}: {trouble}")
        self._trouble = trouble
        now = frozenset(limits(self._query, self._view))
        for words in sorted(now - self._limits):
            self._narrate(words)
        self._limits |= now


def event_data(change: Change, at: datetime) -> dict[str, object]:
    """An event as it is written: a runner as `comfytui.tui.present.export` has it, the time ISO 8601 in UTC."""
    data: dict[str, object] = {
        "schema": SCHEMA,
        "event": str(change.event),
        "at": at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "runner_id": change.runner_id,
    }
    return data if change.runner is None else data | {"runner": runner_data(change.runner)}


def _since(page: Feed[object], problem: Problem) -> str:
    """Since when the list cannot be trusted."""
    return f"{'not known' if page.value is None else 'stale'} since {to_the_second(problem.since)}"


@contextmanager
def _hung_up(pipe: int | None, end: Callable[[], object]) -> Iterator[None]:
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
