"""Servers and jobs in the API's words."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta

import pytest
from pydantic import SecretStr

from comfytui.api.models import Device, RunnerStats, SystemStats
from comfytui.api.statuses import WorkflowStatus
from comfytui.config.settings import Server
from comfytui.gateway.comfyui.mapping import (
    ServerState,
    UpdateTimes,
    runner_id_for,
    runner_tags,
    to_runner,
    to_workflow,
)
from comfytui.gateway.comfyui.models import Job, parse_stats
from comfytui.gateway.serializers import serialize_runner, serialize_workflow
from tests.support.clock import START
from tests.support.comfyui_jobs import recording

SERVER = Server("http://gpu2:8188", "gpu2:8188", {"Authorization": SecretStr("Basic c2VjcmV0")})


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_finished_job() -> None:
    job = Job("hero", WorkflowStatus.FAILED, 3, created=at(0), started=at(2), ended=at(5), prefix="p", document="d")
    assert serialize_workflow(to_workflow(job, "Hero", ("no longer listed",))) == {
        "id": "hero",
        "name": "Hero",
        "status": "failed",
        "tags": ["no longer listed"],
        "created_at": "2026-11-21T14:00:00Z",
        "updated_at": "2026-11-21T14:00:05Z",
        "started_at": "2026-11-21T14:00:02Z",
        "completed_at": "2026-11-21T14:00:05Z",
    }


@pytest.mark.parametrize(
    ("job", "updated"),
    [
        (Job("j", WorkflowStatus.QUEUED), None),
        (Job("j", WorkflowStatus.QUEUED, created=at(1)), at(1)),
        (Job("j", WorkflowStatus.RUNNING, created=at(1), started=at(2)), at(2)),
        (Job("j", WorkflowStatus.FAILED, created=at(1), started=at(2), noticed=at(9)), at(9)),
        (Job("j", WorkflowStatus.COMPLETED, created=at(8), started=at(2), ended=at(3)), at(8)),
    ],
)
def test_a_job_was_updated_at_the_newest_time_known(job: Job, updated: datetime | None) -> None:
    workflow = to_workflow(job, "j")
    assert workflow.updated_at == updated
    assert workflow.completed_at == job.ended
    assert workflow.tags == ()


def test_unread_parts_are_told_behind_the_tags() -> None:
    words = "the answer to /queue is larger than 8 MB and was cut off"
    assert to_runner(SERVER, None, START, ServerState(unread=(words,))).tags == ("comfyui", words)
    state = ServerState.of(371, 0, (words,), 0.0)
    assert to_runner(SERVER, None, START, state).tags == ("comfyui", words, "371 jobs wait or run")


@pytest.mark.parametrize(
    ("remaining", "running", "told", "words"),
    [
        (None, 0, (None, None), ()),
        (0, 1, (0, 0), ()),
        (1, 0, (1, 0), ()),
        (4, 1, (1, 3), ()),
        (400, 1, (1, 399), ("399 jobs wait",)),
        (400, 2, (2, 398), ("398 jobs wait",)),
    ],
)
def test_length_of_the_queue_is_as_the_server_tells_it(
    remaining: int | None, running: int, told: tuple[int | None, int | None], words: tuple[str, ...]
) -> None:
    runner = to_runner(SERVER, None, START, ServerState.of(remaining, running, (), 0.0))
    assert (runner.queue_running, runner.queue_pending) == told
    assert runner.tags == ("comfyui", *words)
    assert runner.tells_queue


def test_the_id_of_a_server_is_that_of_its_address() -> None:
    assert runner_id_for("http://127.0.0.1:8188") == "dab08e5e-0c07-5569-879b-fd2442bcdc83"
    assert uuid.UUID(runner_id_for("http://gpu2:8188")).version == 5


@pytest.mark.parametrize(
    ("stats", "tags"),
    [
        (parse_stats(recording("0.33.0", "idle-system_stats")), ("comfyui-0.33.0", "cpu")),
        (parse_stats(recording("0.3.64", "idle-system_stats")), ("comfyui-0.3.64", "cpu")),
        (RunnerStats(), ("comfyui",)),
        (
            RunnerStats(SystemStats(comfyui_version="1"), (Device(type="cuda"), Device(), Device(type="cuda"))),
            ("comfyui-1", "cuda"),
        ),
    ],
)
def test_the_tags_of_a_server(stats: RunnerStats, tags: tuple[str, ...]) -> None:
    assert runner_tags(stats) == tags


def test_a_server_of_which_nothing_is_known_yet() -> None:
    assert serialize_runner(to_runner(SERVER, None, at(20), ServerState())) == {
        "id": runner_id_for("http://gpu2:8188"),
        "user_id": "00000000-0000-0000-0000-000000000000",
        "name": "gpu2:8188",
        "status": "active",
        "endpoint": "http://gpu2:8188",
        "tags": ["comfyui"],
        "headers": {"Authorization": "••••••••"},
        "created_at": "2026-11-21T14:00:20Z",
        "updated_at": "2026-11-21T14:00:20Z",
        "queue_running": None,
        "queue_pending": None,
    }


def test_runner_is_updated_when_something_changes_but_its_queue() -> None:
    updates = UpdateTimes()
    old, new = (parse_stats(recording(version, "idle-system_stats")) for version in ("0.3.64", "0.33.0"))
    steps = [
        (None, ServerState(), 0),
        (None, ServerState(1, 9, ahead=300.0), 0),
        (old, ServerState(0, 0), 0),
        (old, ServerState(1, 3), 0),
        (old, ServerState(1, 9), 0),
        (old, ServerState(1, 8), 0),
        (new, ServerState(1, 2), 60),
        (new, ServerState(0, 0), 60),
        (new, ServerState(0, 0, ahead=300.0), 80),
        (new, ServerState(1, 0, ahead=300.0), 80),
    ]
    for second, (stats, state, updated) in enumerate(steps):
        runner = to_runner(SERVER, stats, START, state)
        runner = updates.dated(runner, state, at(second * 10), is_introduced=stats is not None)
        assert (runner.created_at, runner.updated_at) == (START, at(updated))
        assert runner.queue_pending == state.waiting
