"""Jobs seen of a server, kept across cleared histories and restarts, which ComfyUI forgets."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from heapq import nlargest, nsmallest
from typing import TYPE_CHECKING, Literal, TypeAlias

from comfytui.api.statuses import LAST_SEEN_RUNNING, WorkflowStatus
from comfytui.clock import EPOCH
from comfytui.gateway.comfyui.models import queue_position

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.gateway.comfyui.models import Job


NO_LONGER_LISTED = "no longer listed"
NEXT = 3
"""Number of waiting jobs that are shown, which run next."""
_MOST = 200
_SLACK = timedelta(seconds=5)
"""Up to this difference a server's clock is not corrected."""

_Times: TypeAlias = Literal["created", "started", "ended"]
_TIMES: tuple[_Times, ...] = ("created", "started", "ended")


@dataclass(frozen=True, slots=True)
class TrackedJob:
    """A job as known from all readings.

    Attributes:
        job: The job with all times by our clock, and with estimates where the server tells nothing.
        tags: What became of it that the server does not say (`NO_LONGER_LISTED`, `LAST_SEEN_RUNNING`).
        told: The job as the server told it last, with times by its own clock.
    """

    job: Job
    tags: tuple[str, ...] = ()
    told: Job | None = field(default=None, compare=False)


class JobHistory:
    """Jobs of one server: those of the last reading and up to 200 older ones."""

    def __init__(self) -> None:
        self._known: dict[str, TrackedJob] = {}
        self._taken_at: datetime | None = None

    def merge(
        self,
        active: Sequence[Job] | None,
        finished: Sequence[Job] | None,
        now: datetime,
        *,
        all_active: bool = True,
        all_finished: bool = False,
        gap: tuple[str, str] | None = None,
        ahead: float = 0.0,
        arrivals: Callable[[int], Sequence[datetime]] = lambda _: (),
        apart: Sequence[Job] = (),
    ) -> None:
        """Merge a reading.

        Args:
            active: Waiting and running jobs, read first; running ones are always among them. None if unreadable.
            finished: The newest finished jobs, read after that; None if unreadable.
            now: Time of the reading.
            all_active: True if all waiting jobs are listed.
            all_finished: True if all finished jobs are listed.
            gap: Ids of two listed jobs; waiting jobs created between them are not listed.
            ahead: Seconds by which the server's clock is ahead of ours.
            apart: Finished jobs read one by one, because they are older than those listed.
            arrivals: Returns when that many new jobs were queued, oldest first, or nothing if that is not known.
        """
        by_id = _by_id(active or (), (*(finished or ()), *apart))
        listed = {id: _inherit(job, self._known.get(id), ahead) for id, job in by_id.items()}
        self._date(listed, arrivals)
        of_list = {id: known for id, known in listed.items() if id not in {job.id for job in apart}}
        view = _Coverage(
            gap=_between(gap, listed) if gap and not all_active else None,
            created_since=None if all_finished else _oldest(of_list, "created"),
            ended_since=None if all_finished else _oldest(of_list, "ended"),
            running_at=self._taken_at,
            tells_active=active is not None,
            tells_finished=finished is not None,
        )
        missing = (known for id, known in self._known.items() if id not in listed)
        unlisted = [after for known in missing if (after := view.resolve_missing(known, now))]
        self._estimate_starts(listed, unlisted, now)
        self._known = listed | {known.job.id: known for known in _limited(unlisted, listed)}
        self._taken_at = now

    def set_prefix(self, id: str, prefix: str) -> None:
        """Set the output prefix of a known job."""
        known = self._known.get(id)
        if known is not None and prefix:
            self._known[id] = replace(known, job=replace(known.job, prefix=prefix))

    def shown(self, count: int = 10) -> tuple[TrackedJob, ...]:
        """Return running jobs, the next three in the queue, then the newest ended, at most `count`."""
        running = [known for known in self._known.values() if known.job.status is WorkflowStatus.RUNNING]
        waiting = [known for known in self._known.values() if known.job.status is WorkflowStatus.QUEUED]
        ended = [known for known in self._known.values() if not _is_active(known.job)]
        running.sort(key=_age, reverse=True)
        return (*running, *nsmallest(NEXT, waiting, key=_turn), *nlargest(count, ended, key=_end))[:count]

    @property
    def running(self) -> int:
        """Number of jobs that ran at the last reading."""
        return sum(known.job.status is WorkflowStatus.RUNNING for known in self._known.values())

    def _date(self, listed: dict[str, TrackedJob], arrivals: Callable[[int], Sequence[datetime]]) -> None:
        """Set missing creation times of new jobs, if messages told of each arrival."""
        new = [known for id, known in listed.items() if known.job.created is None and not self._has(id, known.job)]
        told = arrivals(len(new))
        if self._taken_at is None:
            # Jobs of the first reading are not new.
            return
        for known, arrival in zip(sorted(new, key=_age), told, strict=False):
            created = min(arrival, known.job.started or arrival)
            listed[known.job.id] = replace(known, job=replace(known.job, created=created))

    def _has(self, id: str, job: Job) -> bool:
        known = self._known.get(id)
        return known is not None and _is_same(job, known.job)

    def _estimate_starts(self, listed: dict[str, TrackedJob], unlisted: Sequence[TrackedJob], now: datetime) -> None:
        """Set the estimated start of each running job.

        Jobs run one at a time, and a server tells the start of a job only after its end. So a job began when it was
        queued and the job before it had ended.
        """
        last_end = max((each.job.ended for each in (*listed.values(), *unlisted) if each.job.ended), default=EPOCH)
        for id, known in listed.items():
            if known.job.status is WorkflowStatus.RUNNING and not known.job.started:
                listed[id] = replace(known, job=replace(known.job, started=self._start(known.job, last_end, now)))

    def _start(self, job: Job, last_end: datetime, now: datetime) -> datetime | None:
        if job.created and (last_end > EPOCH or not job.number or (self._taken_at or now) <= job.created):
            return max(last_end, job.created)
        if job.created:
            # It may have waited for jobs that are no longer in the history.
            return None
        before = self._known.get(job.id)
        ran_before = before is not None and before.job.status is WorkflowStatus.RUNNING and _is_same(job, before.job)
        if self._taken_at is None or ran_before:
            # It may have run for hours before it was first seen.
            return None
        return last_end if self._taken_at <= last_end <= now else now


@dataclass(frozen=True, slots=True)
class _Coverage:
    """Range of a reading; older jobs are not missing from it.

    Attributes:
        gap: Waiting jobs created between these times are not listed; None if all of them are.
        created_since: Creation of the oldest finished job listed; None if all of them are, or that is not told.
        ended_since: The first end of a finished job listed; likewise.
        running_at: Time of the reading before this one, at which jobs known as running still ran.
        tells_active: Whether it tells what waits and runs: what it does not tell of is as it was.
        tells_finished: Whether it tells what is finished.
    """

    gap: tuple[datetime, datetime] | None
    created_since: datetime | None
    ended_since: datetime | None
    running_at: datetime | None
    tells_active: bool
    tells_finished: bool

    def resolve_missing(self, known: TrackedJob, now: datetime) -> TrackedJob | None:
        """Return the new state of a job that the reading does not list, or None to forget it."""
        job = known.job
        if not (self.tells_active if _is_active(job) else self.tells_finished):
            return known
        match job.status:
            case WorkflowStatus.QUEUED:
                return known if self.gap and job.created and self.gap[0] <= job.created <= self.gap[1] else None
            case WorkflowStatus.RUNNING if not self.tells_finished or self._may_have_ended_unseen(job):
                # It may have ended well unseen, so any status could be wrong.
                return None
            case WorkflowStatus.RUNNING:
                failed = replace(job, status=WorkflowStatus.FAILED, noticed=now)
                return replace(known, job=failed, tags=(LAST_SEEN_RUNNING,))
            case _:
                is_hidden = _is_before(job.created, self.created_since) or _is_before(job.ended, self.ended_since)
                return known if is_hidden or known.tags else replace(known, tags=(NO_LONGER_LISTED,))

    def _may_have_ended_unseen(self, job: Job) -> bool:
        if job.created is not None:
            return _is_before(job.created, self.created_since)
        # Without creation times finished jobs are listed by their ends.
        return self.running_at is not None and _is_before(self.running_at - _SLACK, self.ended_since)


def _by_id(active: Sequence[Job], finished: Sequence[Job]) -> dict[str, Job]:
    """Return jobs by id; an id may be listed twice if sent again, or if its job ended in between."""
    ended = {job.id: job for job in sorted(finished, key=_age_of)}
    waiting_first = sorted(active, key=lambda job: (job.status is WorkflowStatus.RUNNING, _age_of(job)))
    return ended | {job.id: job for job in waiting_first if not _is_same(job, ended.get(job.id))}


def _inherit(job: Job, known: TrackedJob | None, ahead: float) -> TrackedJob:
    """Return a listed job by our clock, completed with earlier knowledge."""
    before = known if known and _is_same(job, known.job) else None
    earlier = before.job if before else None
    times = {name: _by_our_clock(name, job, before, ahead) for name in _TIMES}
    runs_on = earlier is not None and earlier.status is job.status is WorkflowStatus.RUNNING
    continued = replace(
        job,
        created=times["created"] or (earlier.created if earlier else None),
        started=times["started"] or (earlier.started if earlier and runs_on else None),
        ended=times["ended"],
        prefix=job.prefix or (earlier.prefix if earlier else ""),
        document=job.document or (earlier.document if earlier else ""),
    )
    return TrackedJob(continued, told=job)


def _by_our_clock(name: _Times, job: Job, before: TrackedJob | None, ahead: float) -> datetime | None:
    """Return a time of a job by our clock; known times stay if the server's clock is set."""
    told = getattr(job, name)
    if not isinstance(told, datetime):
        return None
    if before and before.told and getattr(before.told, name) == told:
        kept = getattr(before.job, name)
        return kept if isinstance(kept, datetime) else None
    try:
        return told - timedelta(seconds=ahead)
    except OverflowError:
        return told


def _limited(unlisted: Sequence[TrackedJob], listed: Mapping[str, TrackedJob]) -> list[TrackedJob]:
    """Return the jobs to keep of those that a reading does not list."""
    started = [(known.job.started, known.job.number) for known in listed.values()]
    begun = [(start, number) for start, number in started if start is not None and number is not None]
    ended = nlargest(_MOST, (known for known in unlisted if not _is_active(known.job)), key=_end)
    waiting = (known for known in unlisted if known.job.status is WorkflowStatus.QUEUED)
    still = [known for known in nsmallest(_MOST, waiting, key=_turn) if not _was_overtaken(known.job, begun)]
    others = (known for known in unlisted if known.job.status is WorkflowStatus.RUNNING)
    return [*others, *still, *ended]


def _was_overtaken(job: Job, begun: Sequence[tuple[datetime, float]]) -> bool:
    """Return True if a later job began after this one was queued, so this one no longer waits."""
    return any(start > (job.created or start) and number > (job.number or 0) for start, number in begun)


def _between(gap: tuple[str, str], listed: Mapping[str, TrackedJob]) -> tuple[datetime, datetime] | None:
    """Return a time between the creation of two jobs, or None if unknown."""
    older, newer = (listed[id].job.created if id in listed else None for id in gap)
    return (older, newer) if older and newer else None


def _is_same(job: Job, other: Job | None) -> bool:
    """Return True if two jobs of an id are the same: an id sent again gets another number."""
    return other is not None and (None in (job.number, other.number) or job.number == other.number)


def _is_active(job: Job) -> bool:
    return job.status in (WorkflowStatus.QUEUED, WorkflowStatus.RUNNING)


def _is_before(moment: datetime | None, since: datetime | None) -> bool:
    return moment is not None and since is not None and moment <= since


def _oldest(listed: Mapping[str, TrackedJob], name: _Times) -> datetime | None:
    """Return the earliest time of finished jobs, or None if unknown."""
    times = (getattr(known.job, name) for known in listed.values() if not _is_active(known.job))
    return min((time for time in times if isinstance(time, datetime)), default=None)


def _age(known: TrackedJob) -> tuple[datetime, float, str]:
    return _age_of(known.job)


def _age_of(job: Job) -> tuple[datetime, float, str]:
    """Sort key by age, oldest first: a job put in front gets the next number, negated."""
    return job.created or job.started or EPOCH, abs(job.number or 0), job.id


def _turn(known: TrackedJob) -> tuple[bool, float, str]:
    return queue_position(known.job)


def _end(known: TrackedJob) -> tuple[datetime, float, str]:
    """Sort key by the end, or by the last known time of a job."""
    job = known.job
    return job.ended or job.noticed or job.started or job.created or EPOCH, abs(job.number or 0), job.id


_MOST_ARRIVALS = 1_000


class QueueArrivals:
    """Times at which the queue of one server grew since the last reading.

    Args:
        clock: Dates the messages.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._remaining: int | None = None
        self._moments: list[datetime] = []

    def note(self, remaining: int | None) -> None:
        """Record the number of jobs, or None if messages begin or cease."""
        if remaining is None or self._remaining is None:
            self._moments.clear()
        else:
            grown = min(remaining - self._remaining, _MOST_ARRIVALS - len(self._moments))
            self._moments += [self._clock.now()] * grown
        self._remaining = remaining

    def take(self, count: int, began: datetime) -> Sequence[datetime]:
        """Return the arrival times of new jobs, oldest first, or nothing if the counts differ.

        Args:
            count: How many new jobs a reading lists.
            began: When the reading began: what was queued later may be listed, or not.
        """
        before = [moment for moment in self._moments if moment <= began]
        told = next((moments for moments in (before, list(self._moments)) if len(moments) == count), [])
        self._moments = self._moments[len(before) :] if len(told) == len(before) else []
        return told
