"""What stays known of jobs while one half of them cannot be read."""

from __future__ import annotations

from datetime import timedelta

from comfytui.api.statuses import WorkflowStatus
from comfytui.gateway.comfyui.job_history import JobHistory
from comfytui.gateway.comfyui.models import Job
from tests.support.clock import START

QUEUED, RUNNING, COMPLETED = WorkflowStatus.QUEUED, WorkflowStatus.RUNNING, WorkflowStatus.COMPLETED


def job(id: str, status: WorkflowStatus, number: int) -> Job:
    created = START + timedelta(seconds=number)
    ended = created + timedelta(seconds=10) if status is COMPLETED else None
    return Job(id, status, number, created, created if ended else None, ended)


def shown(memory: JobHistory) -> list[tuple[str, WorkflowStatus, tuple[str, ...]]]:
    return [(known.job.id, known.job.status, known.tags) for known in memory.shown()]


def test_active_jobs_stay_without_a_queue() -> None:
    memory = JobHistory()
    waiting = [job("runs", RUNNING, 1), job("waits", QUEUED, 2), job("waits too", QUEUED, 3)]
    memory.merge(waiting, [job("ran", COMPLETED, 0)], START)
    memory.merge(None, [job("ran", COMPLETED, 0), job("waits", COMPLETED, 2)], START, all_active=False)
    assert shown(memory) == [
        ("runs", RUNNING, ()),
        ("waits too", QUEUED, ()),
        ("waits", COMPLETED, ()),
        ("ran", COMPLETED, ()),
    ]


def test_finished_jobs_stay_without_a_history() -> None:
    memory = JobHistory()
    memory.merge([job("runs", RUNNING, 1)], [job("ran", COMPLETED, 0)], START)
    memory.merge([job("waits", QUEUED, 2)], None, START)
    # How the one that ran has ended is not known: nothing is said of it.
    assert shown(memory) == [("waits", QUEUED, ()), ("ran", COMPLETED, ())]
