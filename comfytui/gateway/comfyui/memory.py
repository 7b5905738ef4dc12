"""What was seen of a server's jobs, across cleared histories and restarts: ComfyUI itself forgets both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from comfytui.api.statuses import WorkflowStatus

if TYPE_CHECKING:
    from comfytui.gateway.comfyui.models import Job

__all__ = ["LAST_SEEN_RUNNING", "NO_LONGER_LISTED", "Known", "Memory"]

NO_LONGER_LISTED = "no longer listed"
LAST_SEEN_RUNNING = "last seen running"
_MOST = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Known:
    """A job as far as it is known.

    Attributes:
        job: What the server said of it, and where it said nothing: when it was first seen, about when it began.
        tags: What became of it that the server does not say (`NO_LONGER_LISTED`, `LAST_SEEN_RUNNING`).
    """

    job: Job
    tags: tuple[str, ...] = ()


class Memory:
    """The jobs of one server, at most 200 of them, or as many as its last reading listed."""

    def __init__(self) -> None:
        self._known: dict[str, Known] = {}

    def take(
        self,
        active: Sequence[Job] | None,
        finished: Sequence[Job] | None,
        now: datetime,
        *,
        all_active: bool = True,
        all_finished: bool = False,
    ) -> None:
        """Take in a reading.

        Args:
            active: What waits or runs, read first; what runs is always among it. None if that could not be read.
            finished: The newest of what is finished, read after that; None likewise.
            now: When that was.
            all_active: Whether all that waits is listed, and not the newest of it only.
            all_finished: Whether all that is finished is listed, and not the newest of it only.
        """
        by_id = _by_id(active or (), finished or ())
        listed = {id: _continued(job, self._known.get(id), now) for id, job in by_id.items()}
        view = _View.of(listed.values(), all_active=all_active, all_finished=all_finished)
        view = replace(view, tells_active=active is not None, tells_finished=finished is not None)
        missing = (known for id, known in self._known.items() if id not in listed)
        kept = sorted((after for known in missing if (after := view.without(known, now))), key=_age, reverse=True)
        found = {job.id: Known(job) for job in listed.values()}
        found |= {known.job.id: known for known in kept[: max(0, _MOST - len(found))]}
        last_end = max((known.job.ended for known in found.values() if known.job.ended), default=_EPOCH)
        self._known = {id: _begun(known, last_end) for id, known in found.items()}

    def learn(self, id: str, prefix: str) -> None:
        """Take in what the files of a known job would be called."""
        known = self._known.get(id)
        if known is not None and prefix:
            self._known[id] = replace(known, job=replace(known.job, prefix=prefix))

    def newest(self, count: int = 10) -> tuple[Known, ...]:
        """The jobs that were created last, newest first; one that runs is among them, however old it is."""
        by_age = sorted(self._known.values(), key=_age, reverse=True)
        chosen = sorted(by_age, key=lambda known: known.job.status is not WorkflowStatus.RUNNING)[:count]
        return tuple(sorted(chosen, key=_age, reverse=True))


@dataclass(frozen=True, slots=True)
class _View:
    """How far back a reading goes: what is older than that is not missing from it.

    Attributes:
        waiting_since: When the oldest of those that wait was created; None if all of them are listed.
        created_since: When the oldest of those that are finished was created; None if all of them are listed.
        ended_since: When the first of those that are finished ended; None if all of them are listed.
        tells_active: Whether it tells what waits and runs: what it does not tell of is as it was.
        tells_finished: Whether it tells what is finished.
    """

    waiting_since: datetime | None
    created_since: datetime | None
    ended_since: datetime | None
    tells_active: bool = True
    tells_finished: bool = True

    @classmethod
    def of(cls, listed: Iterable[Job], *, all_active: bool, all_finished: bool) -> _View:
        jobs = tuple(listed)
        waiting = () if all_active else tuple(job for job in jobs if job.status is WorkflowStatus.QUEUED)
        finished = () if all_finished else tuple(job for job in jobs if not _is_active(job))
        return cls(
            waiting_since=_oldest(job.created for job in waiting),
            created_since=_oldest(job.created for job in finished),
            ended_since=_oldest(job.ended for job in finished),
        )

    def without(self, known: Known, now: datetime) -> Known | None:
        """What is to be known of a job that the reading does not list; None if nothing is."""
        job = known.job
        is_hidden = _is_before(job.created, self.created_since) or _is_before(job.ended, self.ended_since)
        if not (self.tells_active if _is_active(job) else self.tells_finished):
            return known
        match job.status:
            case WorkflowStatus.QUEUED:
                return known if _is_before(job.created, self.waiting_since) else None
            case WorkflowStatus.RUNNING if is_hidden or not self.tells_finished:
                # It may have ended well, out of sight: whatever were said of it could be wrong.
                return None
            case WorkflowStatus.RUNNING:
                return Known(replace(job, status=WorkflowStatus.FAILED, noticed=now), (LAST_SEEN_RUNNING,))
            case _:
                return known if is_hidden or known.tags else Known(job, (NO_LONGER_LISTED,))


def _by_id(active: Sequence[Job], finished: Sequence[Job]) -> dict[str, Job]:
    """Each id once. The same id may have been sent again, or its job have ended between the two readings."""
    ended = {job.id: job for job in sorted(finished, key=_age_of)}
    waiting_first = sorted(active, key=lambda job: (job.status is WorkflowStatus.RUNNING, _age_of(job)))
    return ended | {job.id: job for job in waiting_first if not _is_same(job, ended.get(job.id))}


def _continued(job: Job, known: Known | None, now: datetime) -> Job:
    """A job with what was known of it before and is not said now."""
    earlier = known.job if known and _is_same(job, known.job) else None
    first_seen = earlier.created if earlier and earlier.created else now
    runs_on = earlier is not None and earlier.status is job.status is WorkflowStatus.RUNNING
    return replace(
        job,
        created=job.created or min(first_seen, job.started or first_seen),
        started=job.started or (earlier.started if earlier and runs_on else None),
        prefix=job.prefix or (earlier.prefix if earlier else ""),
        document=job.document or (earlier.document if earlier else ""),
    )


def _begun(known: Known, last_end: datetime) -> Known:
    """A job that runs, with a time at which it began: once it was there and the one before it had ended.

    Jobs run one at a time, and a server does not say when one began before that one has ended.
    """
    job = known.job
    if job.status is not WorkflowStatus.RUNNING or job.started:
        return known
    return replace(known, job=replace(job, started=max(last_end, job.created or last_end)))


def _is_same(job: Job, other: Job | None) -> bool:
    """Whether two jobs of the same id are the same job: whoever sends an id again gets another number."""
    return other is not None and (None in (job.number, other.number) or job.number == other.number)


def _is_active(job: Job) -> bool:
    return job.status in (WorkflowStatus.QUEUED, WorkflowStatus.RUNNING)


def _is_before(moment: datetime | None, since: datetime | None) -> bool:
    return moment is not None and since is not None and moment <= since


def _oldest(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment), default=None)


def _age(known: Known) -> tuple[datetime, float, str]:
    return _age_of(known.job)


def _age_of(job: Job) -> tuple[datetime, float, str]:
    """What jobs are sorted by, oldest first: one that is put in front gets the next number too, but below zero."""
    return job.created or job.started or _EPOCH, abs(job.number or 0), job.id
