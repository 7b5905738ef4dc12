from __future__ import annotations

import json
from typing import Any

import pytest

from comfytui.gateway.comfyui.job_reader import QUEUE_PREFIX_BYTES, parse_truncated_queue
from tests.support.comfyui_jobs import recording


def beginning(queue: object, left_out: int) -> bytes:
    return json.dumps(queue).encode()[:-left_out]


def ids(glimpsed: bytes) -> list[str] | None:
    jobs = parse_truncated_queue(glimpsed)
    return None if jobs is None else [job.id[:8] for job in jobs]


@pytest.mark.parametrize("version", ["0.33.0", "0.3.64"])
def test_the_beginning_of_a_recorded_queue(version: str) -> None:
    queue = recording(version, "running-queue")
    (running,), pending = queue["queue_running"], queue["queue_pending"]
    assert ids(beginning(queue, 3)) == [running[1][:8], *(item[1][:8] for item in pending[:-1])]
    # The last that was read is whole or is not there.
    assert ids(beginning(queue, len(json.dumps(pending)))) == [running[1][:8]]


@pytest.mark.parametrize(("whole", "told"), [(1, 1), (2, 1), (3, 2), (6, 2), (7, 3), (8, 3)])
def test_beginning_of_a_heap_tells_the_next_jobs_that_are_certain(whole: int, told: int) -> None:
    pending: list[list[Any]] = [[number, f"w{number}"] for number in (-3, 7, 0.5, 9, 8, 3, 1, 12)]
    queue = {"queue_running": [], "queue_pending": [*pending[:whole], [0, "cut off"]]}
    assert ids(beginning(queue, 10)) == ["w-3", "w0.5", "w1"][:told]


@pytest.mark.parametrize(
    "text",
    [
        *("", "<html>", "7", "[[0, 1]]", '{"queue_running"', '{"queue_running": ', '{"queue_running": [[1, "a"]'),
        *('{"queue_running": []', '{"queue_running": [] "queue_pending": []', '{"queue_running": {}'),
        '{"queue_pending": [[1, "a"]], "queue_running": [[0, "b"]',
        '{"queue_running": [], "other": [], "queue_pending": []',
        '{"queue_running": [' + "[" * QUEUE_PREFIX_BYTES,
        '{"queue_running": [[' + "9" * 10_000,
    ],
)
def test_prefix_without_all_running_jobs_is_ignored(text: str) -> None:
    assert parse_truncated_queue(text.encode()) is None


def test_invalid_utf8_in_a_prefix_is_harmless() -> None:
    text = b'\xef\xbb\xbf { "queue_running" : [ [ 1 , "a\xff]" ] ] ,\n"queue_pending" : [ [ 2 , "b" ] , [ 3 , "c'
    assert ids(text) == ["a�]", "b"]
