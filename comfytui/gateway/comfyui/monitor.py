"""Monitor of one ComfyUI server: few requests, and only while clients are interested."""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.api.histories import MAX_HISTORY
from comfytui.api.statuses import RunnerState
from comfytui.gateway.comfyui.client import ANSWER_SECONDS, ComfyUIClient
from comfytui.gateway.comfyui.contact import LATE_SECONDS, Contact, Silence
from comfytui.gateway.comfyui.errors import ComfyUIError
from comfytui.gateway.comfyui.events import EventListener
from comfytui.gateway.comfyui.heartbeat import CLOSED_MESSAGE, Heartbeat
from comfytui.gateway.comfyui.job_history import JobHistory, QueueArrivals
from comfytui.gateway.comfyui.job_names import OutputPrefixLookup, SavedWorkflowIndex, job_name
from comfytui.gateway.comfyui.job_reader import ACTIVE, JOBS, MIN_PAUSE_S, JobReader, JobsReading, get_parsed
from comfytui.gateway.comfyui.mapping import ServerState, UpdateTimes, runner_id_for, to_runner, to_workflow
from comfytui.gateway.comfyui.models import parse_jobs, parse_remaining, parse_stats
from comfytui.gateway.comfyui.revisions import MonitorState, ServerRevisions
from comfytui.gateway.comfyui.single_flight import SingleFlight, wait_at_most
from comfytui.gateway.fleet import RunnerUnreachableError

if TYPE_CHECKING:
    from datetime import datetime

    from comfytui.api.models import Runner, RunnerStats, Workflow
    from comfytui.api.request_log import RequestLog
    from comfytui.clock import Clock
    from comfytui.config.settings import Server
    from comfytui.gateway.events import EventHub


STATS_TTL_S = 14.0
"""For how long the machine's numbers are passed on without asking again: one dashboard asks every 15 s."""
IDLE_TTL_S = 30.0
"""For how long jobs are believed unchanged where the queue is empty and a change would be told."""
JOBS_TTL_S = 10.0
"""The same where it could change unseen."""
WATCHED_SECONDS = 10.0
"""Seconds after a request for the jobs in which a change is read at once."""
REFRESH_TIMEOUT_S = 1.0
"""Seconds to wait for news and names if older data can be returned meanwhile."""
ANNOUNCED_SECONDS = 180.0
"""Seconds after a question for the jobs during which event streams are told of each change."""
GATHER_SECONDS = 0.05
"""Seconds from a change to its reading, for the start or end of a job comes in several messages."""
UNSEEN_SECONDS = 55.0
"""Seconds from one reading that is for event streams to the next, where no change was told."""
FIRST_CONTACT_TIMEOUT_S = 7.0
"""Seconds to wait if nothing is known yet, enough for most slow servers."""


@dataclass(frozen=True, slots=True)
class _Check:
    """Stats of a machine or the error, the seconds it took, and how long it is valid."""

    outcome: RunnerStats | Silence
    took: float
    good_until: float


_NEVER = _Check(Silence(RunnerState.WAITING, ""), 0.0, -math.inf)
_CLOSED = Silence(RunnerState.UNREACHABLE, CLOSED_MESSAGE)


class ServerMonitor:
    """Monitor of a server: keeps its jobs and stats up to date.

    It belongs to one running event loop.

    Args:
        server: Which one.
        clock: All times and waits.
        since: When the runner that it is was created: ComfyUI knows of no such time.
        events: Announces what changed.
        ca_bundle: Certificates to trust beside the system's.
        timeout: Seconds that the server has for a whole answer.
        log: Keeps a record of each request to the server.
    """

    def __init__(
        self,
        server: Server,
        clock: Clock,
        since: datetime,
        events: EventHub,
        *,
        ca_bundle: Path | None = None,
        timeout: float = ANSWER_SECONDS,
        log: RequestLog | None = None,
    ) -> None:
        self._server = server
        self._clock = clock
        self._since = since
        self._contact = Contact(clock)
        self._client = ComfyUIClient(
            server, ca_bundle=ca_bundle, timeout=timeout, contact=self._contact, log=log, clock=clock
        )
        self._arrivals = QueueArrivals(clock)
        self._signals = EventListener(server, self._hear, clock, ca_bundle=ca_bundle, on_remaining=self._note_remaining)
        self._pulse = Heartbeat(self._remaining, self._contact, self._signals, clock, self._greet, self._note_queue)
        self._reader = JobReader(self._client, clock, self._contact)
        self._events = events
        self._revisions = ServerRevisions(runner_id_for(server.url), clock.now())
        self._reading = SingleFlight(self._read_jobs)
        self._following = SingleFlight(self._follow)
        self._naming = SingleFlight(self._announce_names)
        self._checking = SingleFlight(self._read_stats)
        self._saved = SavedWorkflowIndex(self._client, clock, self._reading.wait_idle)
        self._memory = JobHistory()
        self._updates = UpdateTimes()
        self._prefixes = OutputPrefixLookup(self._client, self._reading.wait_idle, self._memory.set_prefix)
        self._is_changed = True
        self._read_at: float | None = None
        self._reading_since = self._next_at = self._named_by = 0.0
        self._wanted_at = -math.inf
        self._read_remaining = 0
        self._remaining_now: int | None = None
        self._unread = ""
        self._partly: tuple[str, ...] = ()
        self._stats: RunnerStats | None = None
        self._checked = _NEVER
        self._is_introducing = False

    def touch(self) -> None:
        """Monitor the server for the next minute; returns at once."""
        self._pulse.touch()

    async def wait_identified(self) -> None:
        """Monitor the server and wait until it is identified or failed."""
        if self._stats is None and not self._pulse.has_contact:
            # Together with the heartbeat: a slow server takes long for each answer.
            self._is_introducing = True
            self._begin_checking()
        await self._pulse.wait_contact()
        await self._checking.wait_idle()

    def runner(self) -> Runner:
        """The server as a runner, from last knowledge without a request."""
        ahead = self._client.server_clock.skew
        state = ServerState.of(self._remaining_now, self._memory.running, self._partly, ahead)
        runner = to_runner(self._server, self._stats, self._since, state)
        return self._updates.dated(runner, state, self._clock.now(), is_introduced=self._stats is not None)

    async def history(self) -> tuple[Workflow, ...]:
        """Return the newest jobs: known ones if fresh, else after a wait, short if any are known.

        Raises:
            RunnerUnreachable: It does not answer, or does not tell its jobs; or not yet, and it is not waited for.
        """
        self._wanted_at = self._clock.monotonic()
        until = self._wanted_at + FIRST_CONTACT_TIMEOUT_S
        self._pulse.touch()
        # Together with the heartbeat: a busy server takes long for each answer.
        if self._contact.silence is None and not self._is_fresh():
            self._begin_reading()
        await self._pulse.wait_contact_for(FIRST_CONTACT_TIMEOUT_S)
        self._check_contact()
        if not self._is_fresh():
            await self._catch_up(until)
        await self._wait_for_names(until)
        # The newest contact counts, of whichever request.
        self._check_contact()
        return self._known_jobs()

    def _known_jobs(self) -> tuple[Workflow, ...]:
        if self._unread:
            raise self._unreachable(Silence(RunnerState.PARTIAL, self._unread))
        if self._read_at is None:
            raise self._unreachable(Silence(RunnerState.LATE, "slow, has not told its jobs yet"))
        if self._is_late:
            age = self._clock.monotonic() - self._read_at
            raise self._unreachable(Silence(RunnerState.LATE, f"slow, last told its jobs {age:.0f} s ago"))
        shown = self._memory.shown(MAX_HISTORY)
        if self._partly and not shown:
            # Without an answer it is unknown if there are jobs.
            raise self._unreachable(Silence(RunnerState.PARTIAL, self._partly[0]))
        self._saved.request(known.job.document for known in shown)
        return tuple(to_workflow(known.job, job_name(known.job, self._saved.paths), known.tags) for known in shown)

    async def stats(self) -> RunnerStats:
        """Return the machine's stats, at most STATS_TTL_S old; waits for the first contact.

        Known stats are delayed as long as the server took, up to a second, so that a client that measures the
        latency measures the server and not the gateway.

        Raises:
            RunnerUnreachable: It does not answer, or does not tell that.
        """
        until = self._clock.monotonic() + FIRST_CONTACT_TIMEOUT_S
        self._pulse.touch()
        # Together with the heartbeat: a busy server takes long for each answer.
        checking = self._begin_checking() if self._contact.silence is None else None
        await self._pulse.wait_contact_for(FIRST_CONTACT_TIMEOUT_S)
        self._check_contact()
        if (checking := checking or self._begin_checking()) is not None:
            await wait_at_most(checking, self._clock, until - self._clock.monotonic())
            outcome = _CLOSED if checking.cancelled() else checking.result() if checking.done() else self._late()
        else:
            outcome = self._checked.outcome
            await self._clock.sleep(min(self._checked.took, REFRESH_TIMEOUT_S))
        self._check_contact()
        if isinstance(outcome, Silence):
            raise self._unreachable(outcome)
        return outcome

    async def aclose(self) -> None:
        """Stop monitoring and close all connections."""
        questions = (self._following, self._naming, self._pulse, self._saved, self._prefixes, self._reading)
        for part in (*questions, self._checking, self._client):
            await part.aclose()

    def _begin_checking(self) -> asyncio.Task[RunnerStats | Silence] | None:
        """Return the task that requests stats, a new one if they are too old, or None."""
        is_old = self._clock.monotonic() >= self._checked.good_until
        return self._checking.start_or_join() if is_old or self._checking.is_running else None

    def _check_contact(self) -> None:
        if (silence := self._contact.silence) is not None:
            raise self._unreachable(silence)

    @property
    def _is_late(self) -> bool:
        """True if a reading of the jobs takes long."""
        return self._reading.is_running and self._clock.monotonic() - self._reading_since > LATE_SECONDS

    def _late(self) -> Silence:
        """Return the reason why a pending request is not answered yet."""
        return self._contact.silence or Silence(RunnerState.LATE, "slow, has not told its memories yet")

    def _unreachable(self, silence: Silence) -> RunnerUnreachableError:
        return RunnerUnreachableError(silence.reason, silence.state, self._server.name)

    def announce(self) -> None:
        """Announce changes since the last time, if any stream is open."""
        if not self._events.has_streams:
            return
        is_old = self._read_at is not None and self._clock.monotonic() - self._read_at >= UNSEEN_SECONDS
        if (self._is_changed or is_old) and self._is_followed():
            self._is_changed = True
            self._following.start_or_join()
        silence = self._contact.silence.state if self._contact.silence else None
        is_known = self._read_at is not None and silence is None and not self._unread and not self._is_late
        jobs = self._memory.shown(MAX_HISTORY)
        state = MonitorState(
            runner=self.runner(),
            history=(silence, self._unread, self._partly, jobs, self._saved.paths),
            is_reachable=silence is None,
            is_live=is_known and self._signals.is_open and self._is_followed(),
        )
        self._events.announce(self._revisions.update(state))

    def _is_followed(self) -> bool:
        """Return True if changes of jobs are announced to event streams as they happen."""
        is_asked_for = self._clock.monotonic() - self._wanted_at < ANNOUNCED_SECONDS
        return is_asked_for and self._events.has_streams and self._pulse.is_watching

    async def _follow(self) -> None:
        """Read the jobs soon after they changed; failures are left to polls."""
        while self._is_changed and self._is_followed() and self._contact.silence is None:
            await self._clock.sleep(max(GATHER_SECONDS, self._next_at - self._clock.monotonic()))
            self._begin_reading()
            await self._reading.wait_idle()
            if self._unread:
                return

    async def _announce_names(self) -> None:
        await self._named()
        self.announce()

    def _hear(self) -> None:
        """Process a change notification, unless the jobs were read since."""
        if self._is_changed or self._read_at is None or self._signals.changed_monotonic >= self._read_at:
            if self._remaining_now not in (None, self._pulse.remaining):
                self._pulse.remaining = self._remaining_now
                self._note_queue()
            self._suspect()
        self.announce()

    def _suspect(self) -> None:
        self._is_changed = True
        self.announce()
        if self._next_at > self._clock.monotonic():
            # It is not read for a while, unless its queue shrinks.
            self._pulse.hurry()

    def _note_remaining(self, remaining: int | None) -> None:
        """Process the number of jobs in a message, which comes before the next heartbeat."""
        self._arrivals.note(remaining)
        if remaining is not None:
            self._remaining_now = remaining

    def _note_queue(self) -> None:
        """Read changed jobs if clients are interested; at once if the queue has halved or drained."""
        self._is_changed = True
        self._remaining_now = self._pulse.remaining
        now, remaining = self._clock.monotonic(), self._pulse.remaining or 0
        if remaining < self._read_remaining and remaining * 2 <= self._read_remaining:
            self._next_at = now
        if now - self._wanted_at < WATCHED_SECONDS and not self._is_followed():
            self._begin_reading()
        self.announce()

    def _greet(self) -> None:
        """Reset after a new contact: the version may differ, and causes of failures be gone."""
        self._unread, self._next_at = "", 0.0
        self._reader.reset()
        if not (self._is_introducing and self._stats is not None):
            self._checking.start_or_join()
        self._is_introducing = False

    def _is_fresh(self) -> bool:
        if self._is_changed or self._read_at is None or self._reading.is_running:
            return False
        is_quiet = self._pulse.remaining == 0 and self._signals.is_open
        return self._clock.monotonic() - self._read_at < (IDLE_TTL_S if is_quiet else JOBS_TTL_S)

    async def _catch_up(self, until: float) -> None:
        """Read the jobs if due, and wait for that until a deadline, unless the last one failed."""
        now = self._clock.monotonic()
        reading = self._begin_reading()
        if reading is None:
            return
        if not self._unread:
            patience = FIRST_CONTACT_TIMEOUT_S if self._read_at is None else REFRESH_TIMEOUT_S
            await wait_at_most(reading, self._clock, min(until, self._reading_since + patience) - now)
        if reading.done() and not reading.cancelled():
            # A programming error is raised where the result is awaited.
            reading.result()

    def _begin_reading(self) -> asyncio.Task[None] | None:
        """Return the task that reads the jobs, a new one if due, or None."""
        now = self._clock.monotonic()
        if not self._reading.is_running:
            if now < self._next_at:
                return None
            self._reading_since = now
        return self._reading.start_or_join()

    async def _wait_for_names(self, until: float) -> None:
        """Wait briefly for names after the first reading: a client that asks once would miss them."""
        left = min(until, self._named_by) - self._clock.monotonic()
        if left <= 0:
            return
        naming = asyncio.create_task(self._named())
        try:
            await wait_at_most(naming, self._clock, left)
        finally:
            naming.cancel()

    async def _named(self) -> None:
        for names in (self._saved, self._prefixes):
            await names.wait_idle()

    async def _read_jobs(self) -> None:
        began, began_at, self._is_changed = self._clock.monotonic(), self._clock.now(), False
        remaining = self._pulse.remaining
        try:
            reading = await self._reader.read()
        except ComfyUIError as problem:
            # Errors of the contact are reported by it and end with its next success.
            self._unread = "" if self._contact.silence else str(problem)
            self._is_changed = True
        else:
            self._unread, self._read_at, self._partly = "", began, reading.problems
            if remaining is None:
                remaining = self._pulse.remaining or 0
            # A long queue is listed in part, and a too large one not at all.
            self._read_remaining = max(remaining, len(reading.active.jobs))
            self._take(reading, began_at)
            self._look_for_names()
        finally:
            pause = MIN_PAUSE_S if self._contact.silence else self._reader.pause
            self._next_at = self._clock.monotonic() + pause
        self.announce()
        self._naming.start_or_join()

    def _take(self, reading: JobsReading, began: datetime) -> None:
        active, finished = reading.active, reading.finished
        if active.is_all and active.problem is None and self._signals.changed_monotonic < self._reading_since:
            # Otherwise the next heartbeat would report as a change what was read already.
            self._remaining_now = self._pulse.remaining = len(active.jobs)
        self._memory.merge(
            active.jobs if active.is_told else None,
            finished.jobs if finished.is_told else None,
            self._clock.now(),
            all_active=active.is_all,
            all_finished=finished.is_all,
            gap=active.gap,
            apart=reading.apart,
            ahead=self._client.server_clock.skew,
            arrivals=lambda count: self._arrivals.take(count, began),
        )

    def _look_for_names(self) -> None:
        if not (self._saved.is_running or self._prefixes.is_running):
            self._named_by = self._clock.monotonic() + REFRESH_TIMEOUT_S
        shown = [known.job for known in self._memory.shown(MAX_HISTORY)]
        self._saved.request(job.document for job in shown)
        self._prefixes.request(job for job in shown if job.document not in self._saved.paths)

    async def _read_stats(self) -> RunnerStats | Silence:
        began, outcome = self._clock.monotonic(), await self._machine()
        took = self._clock.monotonic() - began
        self._checked = _Check(outcome, took, good_until=began + took + STATS_TTL_S)
        self.announce()
        return outcome

    async def _machine(self) -> RunnerStats | Silence:
        try:
            self._stats = await get_parsed(self._client, "/system_stats", parse_stats)
        except ComfyUIError as problem:
            return self._contact.silence or Silence(RunnerState.PARTIAL, str(problem))
        return self._stats

    async def _remaining(self) -> int:
        try:
            return await get_parsed(self._client, "/prompt", parse_remaining)
        except ComfyUIError as problem:
            if not problem.is_answer or (counted := await self._counted()) is None:
                raise
            return counted

    async def _counted(self) -> int | None:
        """Return the number of jobs by the job list, for a server whose `/prompt` fails."""
        try:
            return (await get_parsed(self._client, JOBS, parse_jobs, {"status": ACTIVE, "limit": 1})).total
        except ComfyUIError:
            return None
