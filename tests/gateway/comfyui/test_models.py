"""What two versions of ComfyUI really answered, and what none should: read into the same values."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfytui.api.models import Device, RunnerStats, SystemStats
from comfytui.api.statuses import WorkflowStatus
from comfytui.gateway.comfyui.models import (
    Job,
    JobList,
    parse_history,
    parse_jobs,
    parse_queue,
    parse_remaining,
    parse_stats,
)
from tests.support.comfyui_jobs import recording

QUEUED, RUNNING = WorkflowStatus.QUEUED, WorkflowStatus.RUNNING
COMPLETED, FAILED, CANCELLED = WorkflowStatus.COMPLETED, WorkflowStatus.FAILED, WorkflowStatus.CANCELLED

VERSIONS = ["0.33.0", "0.3.64"]

# What each recorded case came to, by the name it was recorded under, and what its files are called.
CASES = {
    "ok-save": (COMPLETED, "monitor_test"),
    "ok-chain": (COMPLETED, "chain/img"),
    "batch": (COMPLETED, "batch"),
    "ok-cached": (COMPLETED, ""),
    "progress": (COMPLETED, ""),
    "sleep": (COMPLETED, ""),
    "partial-invalid": (COMPLETED, ""),
    "fail-save": (FAILED, "../../outside"),
    "fail-canny": (FAILED, "never"),
    "fail-late": (FAILED, ""),
    "fail-cycle": (FAILED, ""),
    "long": (CANCELLED, ""),
}
INTERRUPTED = {"0.33.0": "9fbe1955-72a0-49b6-910e-c3309ffa13d9", "0.3.64": "874e4594-0180-443c-9828-135b01d24732"}

Reader = Callable[[object], object]

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=12,
)


def moment(milliseconds: int) -> datetime:
    return datetime.fromtimestamp(milliseconds // 1000, UTC).replace(microsecond=milliseconds % 1000 * 1000)


def case_of(entry: Any) -> str:
    """The name that a recorded job was submitted under; empty where it came with no workflow."""
    extra = entry["prompt"][3].get("extra_pnginfo", {}).get("workflow", {}).get("extra", {})
    return str(extra.get("monitor_test_name", ""))


# The node of that case was not there in the older one.
@pytest.mark.parametrize(
    ("version", "case"), [(v, case) for v in VERSIONS for case in CASES if (v, case) != ("0.3.64", "progress")]
)
def test_every_recorded_case_in_the_history(version: str, case: str) -> None:
    body = recording(version, "history-all")
    entries = {id: entry for id, entry in body.items() if case_of(entry) == case and id != INTERRUPTED[version]}
    jobs = parse_history(entries).jobs
    assert jobs
    for job in jobs:
        assert (job.status, job.prefix) == CASES[case]
        assert job.document == entries[job.id]["prompt"][3]["extra_pnginfo"]["workflow"]["id"]


@pytest.mark.parametrize("version", VERSIONS)
def test_an_interrupted_job_was_cancelled(version: str) -> None:
    jobs = {job.id: job for job in parse_history(recording(version, "history-all")).jobs}
    assert jobs[INTERRUPTED[version]].status is CANCELLED


def test_both_ways_to_ask_tell_the_same_of_finished_jobs() -> None:
    history = parse_history(recording("0.33.0", "history-all")).jobs
    listed = {job.id: job for job in parse_jobs(recording("0.33.0", "jobs-all")).jobs}
    assert len(history) == len(listed) == 19
    for job in history:
        other = listed[job.id]
        # What a failed job would have saved is told by its graph only.
        assert other.prefix == (job.prefix if job.status is COMPLETED else "")
        assert job == Job(**{**fields(other), "prefix": job.prefix})


def test_both_ways_to_ask_tell_the_same_of_what_is_under_way() -> None:
    queue = parse_queue(recording("0.33.0", "running-queue")).jobs
    listed = {job.id: job for job in parse_jobs(recording("0.33.0", "running-jobs-active")).jobs}
    assert [job.status for job in queue] == [RUNNING, QUEUED, QUEUED]
    assert [Job(**{**fields(job), "prefix": ""}) for job in queue] == [listed[job.id] for job in queue]


def fields(job: Job) -> dict[str, Any]:
    return {name: getattr(job, name) for name in Job.__slots__}


def test_a_listed_job_in_full() -> None:
    jobs = {job.number: job for job in parse_jobs(recording("0.33.0", "jobs-all")).jobs}
    assert jobs[1] == Job(
        id="e877be5b-7ee2-4161-b9db-743d78183b38",
        status=COMPLETED,
        number=1,
        created=moment(1795279846223),
        started=moment(1795279846225),
        ended=moment(1795279846528),
        prefix="chain/img",
        document="a1a86cbc-dea0-500a-a6ed-28dc2d8af11f",
    )


def test_total_of_jobs() -> None:
    assert parse_jobs(recording("0.33.0", "jobs-all")).total == 19
    assert parse_jobs({"jobs": []}).total is None


def test_an_old_server_does_not_tell_when_a_job_was_created() -> None:
    queue, history = (
        parse_queue(recording("0.3.64", "running-queue")),
        parse_history(recording("0.3.64", "history-all")),
    )
    assert {job.created for job in (*queue.jobs, *history.jobs)} == {None}


def test_a_job_put_in_front_is_the_next_one() -> None:
    assert [job.number for job in parse_queue(recording("0.3.64", "running-queue")).jobs] == [16, -18, 17]


def test_waiting_jobs_are_ordered_by_number() -> None:
    body = recording("0.33.0", "queue-heap-order")
    heap = [item[0] for item in body["queue_pending"]]
    assert [job.number for job in parse_queue(body).jobs[1:]] == sorted(heap) != heap


def test_equal_numbers_are_in_the_order_of_ids_and_those_without_one_last() -> None:
    pending = [[None, "n"], [2, "b"], [2.0, "a"], [True, "t"], [float("nan"), "x"], [10**400, "o"], [0.5, "h"]]
    jobs = parse_queue({"queue_running": [], "queue_pending": pending}).jobs
    assert [job.id for job in jobs] == ["h", "a", "b", "n", "o", "t", "x"]


def test_an_id_that_is_no_uuid_is_as_it_is() -> None:
    (job,) = parse_queue({"queue_running": [[1, "hero shot #3"]], "queue_pending": []}).jobs
    assert job == Job("hero shot #3", RUNNING, 1.0)


@pytest.mark.parametrize(
    ("entry", "status"),
    [
        ({"status": "completed", "execution_error": {"node_id": "3"}}, FAILED),
        ({"status": "completed", "execution_error": None}, COMPLETED),
        ({"status": "failed"}, FAILED),
        ({"status": "CANCELLED"}, CANCELLED),
        ({"status": "in_progress"}, RUNNING),
        ({"status": "paused"}, WorkflowStatus("paused")),
    ],
)
def test_the_status_of_a_listed_job(entry: dict[str, object], status: WorkflowStatus) -> None:
    assert [job.status for job in parse_jobs({"jobs": [{"id": "j", **entry}]}).jobs] == [status]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ({"status_str": "success", "completed": True, "messages": [["execution_error", {}]]}, FAILED),
        ({"status_str": "error", "messages": [["execution_interrupted", {}]]}, CANCELLED),
        ({"status_str": "error", "messages": [["execution_interrupted", {}], ["execution_error", {}]]}, FAILED),
        ({"status_str": "error", "messages": []}, FAILED),
        ({"status_str": "success", "messages": [["execution_error"], "execution_error", [{}, {}]]}, COMPLETED),
        (None, WorkflowStatus("unknown")),
        ({"status_str": ["success"]}, WorkflowStatus("unknown")),
    ],
)
def test_the_status_of_a_finished_job(status: object, expected: WorkflowStatus) -> None:
    (job,) = parse_history({"j": {"prompt": [1, "j"], "status": status}}).jobs
    assert job.status == expected


@pytest.mark.parametrize("sent", [None, True, "1795279846223", 0, -1, 1e300, 10**400, float("nan"), float("inf"), []])
def test_invalid_times_are_none(sent: object) -> None:
    (job,) = parse_jobs({"jobs": [{"id": "j", "status": "pending", "create_time": sent}]}).jobs
    assert job.created is None


@pytest.mark.parametrize(
    ("output", "prefix"),
    [
        ({"filename": "a_00001_.png", "subfolder": "", "type": "output"}, "a"),
        ({"filename": "a_00001_.png", "subfolder": "x/y", "type": "output"}, "x/y/a"),
        ({"filename": "a_00001_.png", "subfolder": "", "type": "temp"}, ""),
        ({"filename": None, "subfolder": 3, "type": "output"}, ""),
        ("a_00001_.png", ""),
    ],
)
def test_the_prefix_of_a_listed_job(output: object, prefix: str) -> None:
    (job,) = parse_jobs({"jobs": [{"id": "j", "status": "completed", "preview_output": output}]}).jobs
    assert job.prefix == prefix


@pytest.mark.parametrize(
    ("graph", "outputs", "prefix"),
    [
        ({"1": {"inputs": {"filename_prefix": ["7", 0]}}, "2": {"inputs": {"filename_prefix": "b"}}}, ["1", "2"], "b"),
        ({"1": {"inputs": {"filename_prefix": "a"}}, "2": {"inputs": {"filename_prefix": "b"}}}, ["2"], "b"),
        ({"1": {"inputs": {"filename_prefix": "a"}}}, None, "a"),
        ({"1": {"inputs": None}, "2": "SaveImage"}, ["1", "2"], ""),
        ("graph", ["1"], ""),
    ],
)
def test_the_prefix_in_a_graph(graph: object, outputs: object, prefix: str) -> None:
    (job,) = parse_queue({"queue_running": [[1, "j", graph, {}, outputs]], "queue_pending": []}).jobs
    assert job.prefix == prefix


@pytest.mark.parametrize("info", [None, {"workflow": None}, {"workflow": {"id": 7}}, "workflow"])
def test_a_job_without_a_workflow_has_no_document(info: object) -> None:
    (job,) = parse_queue({"queue_running": [[1, "j", {}, {"extra_pnginfo": info}, []]], "queue_pending": []}).jobs
    assert job == Job("j", RUNNING, 1.0)


def test_invalid_jobs_are_left_out() -> None:
    listed = [None, "j", {}, {"id": 3, "status": "pending"}, {"id": "", "status": "pending"}, {"id": "j", "status": 1}]
    assert parse_jobs({"jobs": listed}).jobs == ()
    assert parse_queue({"queue_running": [None, 3, [], [1], [1, None]], "queue_pending": [{}, "j"]}) == JobList((), 0)
    assert parse_history({"j": None, "k": {}, "l": {"prompt": None}, "": {"prompt": [1, "m"]}}).jobs == ()


@pytest.mark.parametrize("read", [parse_jobs, parse_queue, parse_history, parse_remaining, parse_stats])
@pytest.mark.parametrize("body", [None, [], "queue", 3, True])
def test_another_kind_of_body_is_refused_in_words(read: Reader, body: object) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        read(body)


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (parse_jobs, {"error": "no"}),
        (parse_queue, {"queue_running": []}),
        (parse_queue, {"queue_running": None, "queue_pending": []}),
        (parse_remaining, {"exec_info": {}}),
        (parse_remaining, {"exec_info": {"queue_remaining": True}}),
        (parse_remaining, {"exec_info": {"queue_remaining": -1}}),
        (parse_stats, {"devices": []}),
    ],
)
def test_a_body_that_lacks_what_matters_is_refused_in_words(read: Reader, body: object) -> None:
    with pytest.raises(ValueError, match=r"^expected "):
        read(body)


@given(anything, anything, anything)
@settings(max_examples=60, deadline=None)
def test_whatever_an_entry_holds_is_read(first: object, second: object, third: object) -> None:
    times = dict.fromkeys(("create_time", "execution_start_time", "priority", "preview_output"), first)
    parse_jobs({"jobs": [first, {"id": second, "status": "completed", **times}], "pagination": third})
    extra = {"create_time": second, "extra_pnginfo": {"workflow": third}}
    parse_queue({"queue_running": [first], "queue_pending": [second, [third, "j", {"1": first}, extra, second]]})
    messages = [first, ["execution_start", second], ["execution_error", {"timestamp": third}]]
    assert len(parse_history({"j": {"prompt": [first, second], "status": {"messages": messages}}}).jobs) == 1
    assert parse_stats({"system": {"os": first, "ram_free": second}, "devices": third}).dev_mode is False


def test_remaining_jobs_are_parsed() -> None:
    assert parse_remaining({"exec_info": {"queue_remaining": 3}}) == 3


@pytest.mark.parametrize(
    ("version", "os", "free"), [("0.33.0", "linux", 24232419328), ("0.3.64", "posix", 24194023424)]
)
def test_stats_are_those_of_the_api(version: str, os: str, free: int) -> None:
    python = "3.11.7 (main, May  9 2026, 07:35:25) [GCC 12.2.0]"
    assert parse_stats(recording(version, "idle-system_stats")) == RunnerStats(
        system=SystemStats(os, 25276502016, free, version, python),
        devices=(Device("cpu", "cpu", 25276502016, free),),
        dev_mode=False,
        extensions=(),
    )


def test_stats_that_say_little() -> None:
    sent = {"system": {"comfyui_version": None}, "dev_mode": True, "extensions": ["x"]}
    assert parse_stats(sent) == RunnerStats(dev_mode=False)
