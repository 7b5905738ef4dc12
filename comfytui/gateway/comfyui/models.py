"""What a ComfyUI server answers, as frozen values: tolerant of what is missing, unknown or of another kind.

Jobs are told in three places that agree in nothing but their ids: `/api/jobs` (since 0.6), and `/queue` and `/history`
before it. Each is read into the same `Job`. Entries that are no jobs are left out; only a body that is something else
altogether is refused.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from math import isfinite

from comfytui.api.models import RunnerStats
from comfytui.api.models import parse_stats as read_runner_stats
from comfytui.api.statuses import WorkflowStatus
from comfytui.redaction import redact_value

MOST = 1_000
"""Jobs of one kind that are taken in, whatever a server lists."""
# More real ones, each with its graph, do not fit into an answer that is taken.
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
    """One job of a ComfyUI server. Times are in UTC, by the server's clock.

    Attributes:
        id: Its prompt id: a UUID, unless whoever sent it to an old server chose otherwise.
        status: Where it stands, in the API's words; `unknown` for a finished one of which nothing more is told.
        number: Its place in the queue, the lowest first; negative for one that was put in front.
        created: When it was queued; servers before 0.3.69 do not tell.
        started: When it began to run; not told before it has ended.
        ended: When it ended, well or not.
        prefix: What the files it saves are called, folder included; empty where that is not known.
        document: The id of the workflow it came from, which many jobs share; empty where that is not known.
        noticed: When it was found gone, for one whose end nobody told.
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
class Jobs:
    """One answer that lists jobs, as far as it was taken in.

    Attributes:
        jobs: Those taken in.
        total: How many there are in all that were asked for; None where that was not said.
    """

    jobs: tuple[Job, ...]
    total: int | None


def read_jobs(body: object, most: int = MOST, *, tells_cancelled: bool = True) -> Jobs:
    """Read the answer of `/api/jobs`: the first so many of it, in the order sent.

    Args:
        body: The answer.
        most: How many.
        tells_cancelled: Whether the server knows of cancelled jobs: before 0.9 those are failed ones without an error.

    Raises:
        ValueError: It lists no jobs; the text says what was expected.
    """
    entries = mapping_of(body).get("jobs")
    if not isinstance(entries, list):
        raise ValueError("expected an object with a list of jobs")
    told = count_of(mapping_of(mapping_of(body).get("pagination")).get("total"))
    jobs = tuple(job for entry in entries[:most] if (job := _listed(mapping_of(entry), tells_cancelled)))
    return Jobs(jobs, None if told is None else max(told, len(entries)))


def read_queue(body: object, most: int = MOST) -> Jobs:
    """Read the answer of `/queue`: what runs, then what waits, in the order in which it will run.

    Of more than `most` waiting jobs, those that run first are read.

    Raises:
        ValueError: It is no queue; the text says what was expected.
    """
    running, pending = mapping_of(body).get("queue_running"), mapping_of(body).get("queue_pending")
    if not isinstance(running, list) or not isinstance(pending, list):
        raise ValueError("expected an object with queue_running and queue_pending")
    # Waiting jobs come in heap order, which is not the order in which they run.
    waiting = heapq.nsmallest(most, _queued(pending[:_MOST_SENT], WorkflowStatus.QUEUED), key=queue_position)
    jobs = (*_queued(running[:most], WorkflowStatus.RUNNING), *waiting)
    return Jobs(jobs, len(jobs) + max(0, len(running) - most) + max(0, len(pending) - most))


def read_history(body: object, most: int = MOST) -> Jobs:
    """Read the answer of `/history`: the last so many finished jobs, in the order sent.

    Raises:
        ValueError: It is no history; the text says what was expected.
    """
    if not isinstance(body, dict):
        raise ValueError("expected an object of finished jobs")
    newest = [*islice(reversed(body.items()), most)][::-1]
    return Jobs(tuple(job for id, entry in newest if (job := _finished(id, mapping_of(entry)))), len(body))


def read_remaining(body: object) -> int:
    """Read the answer of `/prompt`: how many jobs wait or run; ValueError with words where no ComfyUI says so."""
    remaining = count_of(mapping_of(mapping_of(body).get("exec_info")).get("queue_remaining"))
    if remaining is None or remaining > _MOST_REMAINING:
        raise ValueError("expected exec_info with queue_remaining")
    return remaining


def read_stats(body: object) -> RunnerStats:
    """Read the answer of `/system_stats`, in the shape of the API's (page get-runner-stats).

    ComfyUI tells neither of a development mode nor of extensions: there are none, then.

    Raises:
        ValueError: It tells of no system; the text says what was expected.
    """
    stats = mapping_of(body)
    if not isinstance(stats.get("system"), Mapping):
        raise ValueError("expected an object with a system")
    told = {name: stats.get(name) for name in ("system", "devices")}
    return read_runner_stats({**told, "dev_mode": False, "extensions": []})


def queue_position(job: Job) -> tuple[bool, float, str]:
    """Return the sort key of waiting jobs in run order: the queue compares numbers, then ids."""
    return job.number is None, job.number or 0, job.id


def _listed(entry: Mapping[str, object], tells_cancelled: bool) -> Job | None:
    id, word = text_of(entry.get("id")), text_of(entry.get("status"))
    if not id or not word:
        return None
    status = _STATUSES.get(word.lower()) or WorkflowStatus(redact_value(word))
    return Job(
        id=id,
        status=_corrected(status, bool(entry.get("execution_error")), tells_cancelled),
        number=number_of(entry.get("priority")),
        created=moment_of(entry.get("create_time")),
        started=moment_of(entry.get("execution_start_time")),
        ended=moment_of(entry.get("execution_end_time")),
        prefix=_prefix_of_output(mapping_of(entry.get("preview_output"))),
        document=text_of(entry.get("workflow_id")),
    )


def _corrected(status: WorkflowStatus, has_error: bool, tells_cancelled: bool) -> WorkflowStatus:
    """What became of a job that is listed so."""
    if status is WorkflowStatus.COMPLETED and has_error:
        # A cycle that shows only while the job runs.
        return WorkflowStatus.FAILED
    if status is WorkflowStatus.FAILED and not has_error and not tells_cancelled:
        return WorkflowStatus.CANCELLED
    return status


def _prefix_of_output(output: Mapping[str, object]) -> str:
    if output.get("type") != "output":
        return ""
    folder, prefix = text_of(output.get("subfolder")), prefix_of_filename(text_of(output.get("filename")))
    return f"{folder}/{prefix}" if folder else prefix


def _queued(items: list[object], status: WorkflowStatus) -> Iterator[Job]:
    for item in items:
        told = _Item.of(item)
        if told.id:
            yield Job(told.id, status, told.number, told.created, prefix=told.prefix, document=told.document)


def _finished(id: object, entry: Mapping[str, object]) -> Job | None:
    prompt, status = entry.get("prompt"), mapping_of(entry.get("status"))
    if not isinstance(id, str) or not id or not isinstance(prompt, list):
        return None
    told = _Item.of(prompt)
    times = _times(status.get("messages"))
    return Job(
        id=id,
        status=_outcome(text_of(status.get("status_str")), times),
        number=told.number,
        created=told.created,
        started=times.get("execution_start"),
        ended=next((times[event] for event in _ENDS if times.get(event)), None),
        prefix=told.prefix,
        document=told.document,
    )


def _times(messages: object) -> dict[str, datetime | None]:
    """When each event that a job's messages tell of was, the last of its kind; None where that is not told."""
    pairs = messages if isinstance(messages, list) else []
    return {
        pair[0]: moment_of(mapping_of(pair[1]).get("timestamp"))
        for pair in pairs
        if isinstance(pair, list) and len(pair) > 1 and isinstance(pair[0], str)
    }


def _outcome(word: str, events: Mapping[str, object]) -> WorkflowStatus:
    if "execution_error" in events:
        return WorkflowStatus.FAILED
    if "execution_interrupted" in events:
        return WorkflowStatus.CANCELLED
    return _STATUSES.get(word, _UNKNOWN)


@dataclass(frozen=True, slots=True)
class _Item:
    """What is read of `[number, prompt id, graph, extra data, outputs to execute]`, of which any may be missing."""

    id: str
    number: float | None
    created: datetime | None
    prefix: str
    document: str

    @classmethod
    def of(cls, item: object) -> _Item:
        parts = [*(item if isinstance(item, list) else []), None, None, None, None, None]
        extra = mapping_of(parts[3])
        workflow = mapping_of(mapping_of(extra.get("extra_pnginfo")).get("workflow"))
        return cls(
            id=text_of(parts[1]),
            number=number_of(parts[0]),
            created=moment_of(extra.get("create_time")),
            prefix=_prefix_of_graph(mapping_of(parts[2]), parts[4]),
            document=text_of(workflow.get("id")),
        )


def _prefix_of_graph(graph: Mapping[str, object], outputs: object) -> str:
    """What the first of its nodes that is to save files calls them; what is not executed saves none."""
    executed = outputs if isinstance(outputs, list) else list(graph)
    for name in graph:
        prefix = text_of(mapping_of(mapping_of(graph[name]).get("inputs")).get("filename_prefix"))
        if prefix and name in executed:
            return prefix
    return ""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def mapping_of(value: object) -> Mapping[str, object]:
    """An object; an empty one for what is none."""
    return value if isinstance(value, Mapping) else {}


def text_of(value: object) -> str:
    """A text; an empty one for what is none."""
    return value if isinstance(value, str) else ""


def count_of(value: object) -> int | None:
    """A whole number, zero or more; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def number_of(value: object) -> float | None:
    """A number that is finite; None for what is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def moment_of(value: object) -> datetime | None:
    """A moment told in milliseconds since 1970; None for what is none."""
    number = number_of(value)
    if number is None or number <= 0:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=number)
    except OverflowError:
        return None


_COUNTED = re.compile(r"(?P<prefix>.*)_\d{5,}_?(?:-audio)?\.\w+", re.DOTALL)


_TEMPORARY = re.compile(r".*_temp_[a-z]{5}_\d{5,}_?\.\w+", re.DOTALL)


def prefix_of_filename(filename: str) -> str:
    """The prefix that a file was saved under: `ComfyUI` for `ComfyUI_00012_.png`; none for a temporary preview.

    A file that was not counted is named as a whole, but for its extension.
    """
    if _TEMPORARY.fullmatch(filename):
        return ""
    counted = _COUNTED.fullmatch(filename)
    return counted["prefix"] if counted else filename.rpartition(".")[0] or filename
