"""Servers that list more jobs than anybody asked for or could look at."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from comfytui.gateway.comfyui.models import MOST, JobList, parse_history, parse_jobs, parse_queue


def ids(listed: JobList) -> list[str]:
    return [job.id for job in listed.jobs]


@pytest.mark.parametrize(("told", "total"), [(5, 5), (2, 5), (9, 9), (None, None)])
def test_job_list_is_limited_to_the_requested_count(told: int | None, total: int | None) -> None:
    entries = [{"id": f"j{number}", "status": "in_progress"} for number in range(5)]
    listed = parse_jobs({"jobs": entries, "pagination": {"total": told}}, most=3)
    assert (ids(listed), listed.total) == (["j0", "j1", "j2"], total)


def test_long_queue_is_read_as_far_as_it_runs_next() -> None:
    # Numbers below zero are in front of all others.
    pending = [[number, f"w{abs(number)}"] for number in (1, 4, 2, 3, -5)]
    listed = parse_queue({"queue_running": [[0, "r"]], "queue_pending": pending}, most=3)
    assert (ids(listed), listed.total) == (["r", "w5", "w1", "w2"], 6)
    listed = parse_queue({"queue_running": [[0, "r"], [9, "s"]], "queue_pending": [None, [1, "w"]]}, most=1)
    assert (ids(listed), listed.total) == (["r", "w"], 4)


def test_last_jobs_of_a_long_history_are_kept() -> None:
    listed = parse_history({f"j{number}": {"prompt": [number, "j"]} for number in range(5)}, most=2)
    assert (ids(listed), listed.total) == (["j3", "j4"], 5)


@pytest.mark.parametrize(
    ("read", "body"),
    [
        (parse_jobs, {"jobs": [{"id": "j", "status": "pending"}] * 150_000}),
        (parse_queue, {"queue_running": [[1, "j"]] * 150_000, "queue_pending": []}),
        (parse_queue, {"queue_running": [], "queue_pending": [[1, "j"]] * 150_000}),
        (parse_history, {str(number): {"prompt": [1, "j"]} for number in range(150_000)}),
    ],
)
def test_endless_job_list_is_cut(read: Callable[[object], JobList], body: object) -> None:
    assert len(read(body).jobs) == MOST
