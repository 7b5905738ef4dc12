from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from comfytui.api.statuses import WorkflowStatus
from comfytui.query.workflows import Durations, durations, elapsed
from tests.support.builders import make_workflow

if TYPE_CHECKING:
    from comfytui.api.models import Workflow

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


QUEUED = make_workflow(created_at=ago(46))
RUNNING = make_workflow(status="running", created_at=ago(300), started_at=ago(190))
COMPLETED = make_workflow(status="completed", created_at=ago(3600), started_at=ago(3580), completed_at=ago(3450))
INVALID = make_workflow(status="invalid", created_at=ago(60), updated_at=ago(58))
BARE = make_workflow(status=None)


@pytest.mark.parametrize(
    ("workflow", "time"),
    [
        (QUEUED, Durations(46, waiting=True, ran=None, running=False)),
        (RUNNING, Durations(110, waiting=False, ran=190, running=True)),
        (COMPLETED, Durations(20, waiting=False, ran=130, running=False)),
        (INVALID, Durations(None, waiting=False, ran=None, running=False)),
        (BARE, Durations(None, waiting=False, ran=None, running=False)),
        (make_workflow(created_at="soon"), Durations(None, waiting=True, ran=None, running=False)),
        (make_workflow(status="running", created_at=ago(9)), Durations(None, waiting=False, ran=None, running=True)),
        (make_workflow(status="paused", created_at=ago(9)), Durations(None, waiting=False, ran=None, running=False)),
    ],
)
def test_durations_of_a_workflow(workflow: Workflow, time: Durations) -> None:
    assert durations(workflow, NOW) == time


@pytest.mark.parametrize("status", [WorkflowStatus.ACCEPTED, WorkflowStatus.UPLOADED, WorkflowStatus.QUEUED])
def test_unstarted_workflow_waits(status: WorkflowStatus) -> None:
    assert durations(make_workflow(status=status, created_at=ago(7)), NOW).waiting


def test_elapsed_needs_two_times() -> None:
    assert elapsed(NOW, NOW + timedelta(minutes=2)) == 120.0
    assert elapsed(NOW, NOW - timedelta(seconds=1)) == -1.0
    for start, end in ((None, NOW), (NOW, None), ("soon", NOW), (NOW, "later"), (None, None)):
        assert elapsed(start, end) is None
