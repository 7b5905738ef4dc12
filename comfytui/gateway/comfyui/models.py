"""Parsers of ComfyUI's JSON into frozen values, tolerant of missing, unknown and mistyped fields.

Jobs come from three routes that share only ids: `/api/jobs` (since 0.6), and `/queue` and `/history` before it. Each
is parsed into a `Job`. Entries that are no jobs are left out; only a body of another kind is an error.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from math import isfinite

from comfytui.api.models import RunnerStats
from comfytui.api.models import parse_stats as read_runner_stats
from comfytui.api.statuses import WorkflowStatus
from comfytui.clock import EPOCH
from comfytui.redaction import redact_value

MOST = 1_000
"""Jobs of one kind that are taken in, whatever a server lists."""
# More real jobs, each with its graph, do not fit into the size limit.
_MOST_SENT = 20_000
_MOST_REMAINING = 10**9

_STATUSES = {
    "pending": WorkflowStatus.QUEUED,
    "in_progress": WorkflowStatus.RUNNING,
    "completed": WorkflowStatus.COMPLETED,
    "cancelled": WorkflowStatus.CANCELLED,
    "failed": WorkflowStatus.FAILED,
    "success": WorkflowStatus.COMPLETED,
    "error": WorkflowStatus.FAILED,
}
_UNKNOWN = WorkflowStatus("unknown")
_ENDS = ("execution_success", "execution_error", "execution_interrupted")


@dataclass(frozen=True, slots=True)
class Job:
    """Job of a ComfyUI server; times are in UTC by the server's clock.

    Attributes:
        id: Prompt id: a UUID, unless a client of an old server chose another.
        status: Status by the API's names; `unknown` for a finished job without an outcome.
        number: Number in the queue, the lowest first; negative for a job that was put in front.
        created: When it was queued; servers before 0.3.69 do not tell.
        started: When it began to run; not told before it has ended.
        ended: When it ended, well or not.
        prefix: What the files it saves are called, folder included; empty where that is not known.
        document: The id of the workflow it came from, which many jobs share; empty where that is not known.
        noticed: Time when it was found missing, for a job without a known end.
    """

    id: str
    status: WorkflowStatus
    number: float | None = None
    created: datetime | None = None
    started: datetime | None = None
    ended: datetime | None = None
    prefix: str = ""
    document: str = ""
    noticed: datetime | None = None


@dataclass(frozen=True, slots=True)
class JobList:
    """Jobs of one answer.

    Attributes:
        jobs: Those taken in.
        total: Total of the requested jobs, or None if unknown.
    """

    jobs: tuple[Job, ...]
    total: int | None


def parse_jobs(body: object, most: int = MOST, *, tells_cancelled: bool = True) -> JobList:
    """Parse the answer of `/api/jobs`, at most `most` jobs, in the order sent.

    Args:
        body: The answer.
        most: How many.
        tells_cancelled: Whether the server knows of cancelled jobs: before 0.9 those are failed ones without an error.

    Raises:
        ValueError: It lists no jobs; the text says what was expected.
    """
    entries = as_mapping(body).get("jobs")
    if not isinstance(entries, list):
        raise ValueError("expected an object with a list of jobs")
    told = as_count(as_mapping(as_mapping(body).get("pagination")).get("total"))
    jobs = tuple(job for entry in entries[:most] if (job := _listed(as_mapping(entry), tells_cancelled)))
    return JobList(jobs, None if told is None else max(told, len(entries)))


def parse_queue(body: object, most: int = MOST) -> JobList:
    """Parse the answer of `/queue`: running jobs, then waiting ones in run order.

    Of more than `most` waiting jobs those that run first are kept.

    Raises:
        ValueError: It is no queue; the text says what was expected.
    """
    running, pending = as_mapping(body).get("queue_running"), as_mapping(body).get("queue_pending")
    if not isinstance(running, list) or not isinstance(pending, list):
        raise ValueError("expected an object with queue_running and queue_pending")
    # Waiting jobs come in heap order, not in run order.
    waiting = heapq.nsmallest(most, _queued(pending[:_MOST_SENT], WorkflowStatus.QUEUED), key=queue_position)
    jobs = (*_queued(running[:most], WorkflowStatus.RUNNING), *waiting)
    return JobList(jobs, len(jobs) + max(0, len(running) - most) + max(0, len(pending) - most))


def parse_history(body: object, most: int = MOST) -> JobList:
    """Parse the answer of `/history`: the last finished jobs, in the order sent.

    Raises:
        ValueError: It is no history; the text says what was expected.
    """
    if not isinstance(body, dict):
        raise ValueError("expected an object of finished jobs")
    newest = [*islice(reversed(body.items()), most)][::-1]
    return JobList(tuple(job for id, entry in newest if (job := _finished(id, as_mapping(entry)))), len(body))


def parse_remaining(body: object) -> int:
    """Parse the answer of `/prompt`: the number of jobs; ValueError with a message otherwise."""
    remaining = as_count(as_mapping(as_mapping(body).get("exec_info")).get("queue_remaining"))
    if remaining is None or remaining > _MOST_REMAINING:
        raise ValueError("expected exec_info with queue_remaining")
    return remaining


def parse_stats(body: object) -> RunnerStats:
    """Parse the answer of `/system_stats` into the API's stats (page get-runner-stats).

    ComfyUI sends neither development mode nor extensions.

    Raises:
        ValueError: It tells of no system; the text says what was expected.
    """
    stats = as_mapping(body)
    if not isinstance(stats.get("system"), Mapping):
        raise ValueError("expected an object with a system")
    told = {name: stats.get(name) for name in ("system", "devices")}
    return read_runner_stats({**told, "dev_mode": False, "extensions": []})


def queue_position(job: Job) -> tuple[bool, float, str]:
    """Return the sort key of waiting jobs in run order: the queue compares numbers, then ids."""
    return job.number is None, job.number or 0, job.id


def _listed(entry: Mapping[str, object], tells_cancelled: bool) -> Job | None:
    id, word = as_text(entry.get("id")), as_text(entry.get("status"))
    if not id or not word:
        return None
    status = _STATUSES.get(word.lower()) or WorkflowStatus(redact_value(word))
    return Job(
        id=id,
        status=_corrected(status, bool(entry.get("execution_error")), tells_cancelled),
        number=as_number(entry.get("priority")),
        created=as_timestamp(entry.get("create_time")),
        started=as_timestamp(entry.get("execution_start_time")),
        ended=as_timestamp(entry.get("execution_end_time")),
        prefix=_prefix_of_output(as_mapping(entry.get("preview_output"))),
        document=as_text(entry.get("workflow_id")),
    )


def _corrected(status: WorkflowStatus, has_error: bool, tells_cancelled: bool) -> WorkflowStatus:
    """Return the final status of a job that is listed with a status."""
    if status is WorkflowStatus.COMPLETED and has_error:
        # A cycle that shows only while the job runs.
        return WorkflowStatus.FAILED
    if status is WorkflowStatus.FAILED and not has_error and not tells_cancelled:
        return WorkflowStatus.CANCELLED
    return status


def _prefix_of_output(output: Mapping[str, object]) -> str:
    if output.get("type") != "output":
        return ""
    folder, prefix = as_text(output.get("subfolder")), filename_prefix(as_text(output.get("filename")))
    return f"{folder}/{prefix}" if folder else prefix


def _queued(items: list[object], status: WorkflowStatus) -> Iterator[Job]:
    for item in items:
        told = _QueueItem.parse(item)
        if told.id:
            yield Job(told.id, status, told.number, told.created, prefix=told.prefix, document=told.document)


def _finished(id: object, entry: Mapping[str, object]) -> Job | None:
    prompt, status = entry.get("prompt"), as_mapping(entry.get("status"))
    if not isinstance(id, str) or not id or not isinstance(prompt, list):
        return None
    told = _QueueItem.parse(prompt)
    times = _times(status.get("messages"))
    return Job(
        id=id,
        status=_final_status(as_text(status.get("status_str")), times),
        number=told.number,
        created=told.created,
        started=times.get("execution_start"),
        ended=next((times[event] for event in _ENDS if times.get(event)), None),
        prefix=told.prefix,
        document=told.document,
    )


def _times(messages: object) -> dict[str, datetime | None]:
    """Return the times of a job's events, the last of each kind, or None if missing."""
    pairs = messages if isinstance(messages, list) else []
    return {
        pair[0]: as_timestamp(as_mapping(pair[1]).get("timestamp"))
        for pair in pairs
        if isinstance(pair, list) and len(pair) > 1 and isinstance(pair[0], str)
    }


def _final_status(word: str, events: Mapping[str, object]) -> WorkflowStatus:
    if "execution_error" in events:
        return WorkflowStatus.FAILED
    if "execution_interrupted" in events:
        return WorkflowStatus.CANCELLED
    return _STATUSES.get(word, _UNKNOWN)


@dataclass(frozen=True, slots=True)
class _QueueItem:
    """Parsed `[number, prompt id, graph, extra data, outputs to execute]`, any of which may be missing."""

    id: str
    number: float | None
    created: datetime | None
    prefix: str
    document: str

    @classmethod
    def parse(cls, item: object) -> _QueueItem:
        parts = [*(item if isinstance(item, list) else []), None, None, None, None, None]
        extra = as_mapping(parts[3])
        workflow = as_mapping(as_mapping(extra.get("extra_pnginfo")).get("workflow"))
        return cls(
            id=as_text(parts[1]),
            number=as_number(parts[0]),
            created=as_timestamp(extra.get("create_time")),
            prefix=_prefix_of_graph(as_mapping(parts[2]), parts[4]),
            document=as_text(workflow.get("id")),
        )


def _prefix_of_graph(graph: Mapping[str, object], outputs: object) -> str:
    """Return the output prefix of the first saving node that is executed."""
    executed = outputs if isinstance(outputs, list) else list(graph)
    for name in graph:
        prefix = as_text(as_mapping(as_mapping(graph[name]).get("inputs")).get("filename_prefix"))
        if prefix and name in executed:
            return prefix
    return ""


def as_mapping(value: object) -> Mapping[str, object]:
    """Return an object, or an empty one."""
    return value if isinstance(value, Mapping) else {}


def as_text(value: object) -> str:
    """Return a text, or an empty one."""
    return value if isinstance(value, str) else ""


def as_count(value: object) -> int | None:
    """Return a whole number, zero or more, or None."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def as_number(value: object) -> float | None:
    """Return a finite number, or None."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def as_timestamp(value: object) -> datetime | None:
    """Return the time of milliseconds since 1970, or None."""
    number = as_number(value)
    if number is None or number <= 0:
        return None
    try:
        return EPOCH + timedelta(milliseconds=number)
    except OverflowError:
        return None


_COUNTED = re.compile(r"(?P<prefix>.*)_\d{5,}_?(?:-audio)?\.\w+", re.DOTALL)


_TEMPORARY = re.compile(r".*_temp_[a-z]{5}_\d{5,}_?\.\w+", re.DOTALL)


def filename_prefix(filename: str) -> str:
    """Return a file's output prefix: `ComfyUI` for `ComfyUI_00012_.png`, empty for previews.

    For a file without a counter it is the name without the extension.
    """
    if _TEMPORARY.fullmatch(filename):
        return ""
    counted = _COUNTED.fullmatch(filename)
    return counted["prefix"] if counted else filename.rpartition(".")[0] or filename
