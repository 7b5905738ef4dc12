"""Jobs as ComfyUI tells of them: in /api/jobs, in /queue and in /history; made up, or as they were recorded."""

from __future__ import annotations

import heapq
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

__all__ = [
    "JOB_STATES",
    "RECORDINGS",
    "ScriptedJob",
    "history_of",
    "is_poisoned",
    "job",
    "jobs_page",
    "jobs_refusal",
    "queue_of",
    "recorded_jobs",
    "recording",
    "wanted_states",
]

Json: TypeAlias = dict[str, Any]

RECORDINGS = Path(__file__).parent.parent / "fixtures" / "comfyui"
"""What two versions really said, a folder each."""

FINISHED = ("completed", "failed", "cancelled")

JOB_STATES = ("pending", "in_progress", *FINISHED)
"""What /api/jobs calls them; the last was not known before 0.9."""


@dataclass(frozen=True, slots=True)
class ScriptedJob:
    """A job in the forms that the routes give it.

    Attributes:
        id: Its prompt id.
        state: pending, in_progress, completed, failed or cancelled, as /api/jobs says it.
        listed: Its entry in /api/jobs.
        item: Its item in /queue, which is the `prompt` of its entry in /history.
        outcome: The rest of its entry in /history; empty while it is not finished.
        is_poison: Whether /api/jobs cannot tell of it, as of one whose `extra_pnginfo` is null.
    """

    id: str
    state: str
    listed: Json
    item: list[Any]
    outcome: Json
    is_poison: bool = False

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED


def job(
    id: str,
    state: str = "completed",
    *,
    number: float = 0,
    created: int = 1_795_280_000_000,
    started: int | None = None,
    ended: int | None = None,
    prefix: str = "ComfyUI",
    document: str = "",
    error: str = "",
    size: int = 0,
    is_poison: bool = False,
) -> ScriptedJob:
    """Make up a job; times are milliseconds since 1970.

    Args:
        id: Its prompt id.
        state: pending, in_progress, completed, failed or cancelled.
        number: Its place in the queue.
        created: When it was queued; servers before 0.3.69 do not tell.
        started: When it began, if it ended; else 10 ms after it was queued.
        ended: When it ended; else a second after it began.
        prefix: What its files are called, folder included; without one it only previews.
        document: The id of the saved workflow that it comes from.
        error: What went wrong; a completed job with one is what ComfyUI makes of a cycle in the graph.
        size: Bytes that its graph takes in /queue and /history beyond the few it needs.
        is_poison: Whether /api/jobs answers 500 for it.
    """
    extra = _extra(created, document, size, is_poison)
    item = [number, id, _graph(prefix), extra, ["2"]]
    listed = {"id": id, "status": state, "priority": number, "create_time": created}
    listed |= {"outputs_count": 0, "previewable_outputs_count": 0} | ({"workflow_id": document} if document else {})
    if state not in FINISHED:
        return ScriptedJob(id, state, listed, item, {}, is_poison)
    started = created + 10 if started is None else started
    ended = started + 1000 if ended is None else ended
    failure = error or ("Something went wrong" if state == "failed" else "")
    outcome = _outcome(id, state, started, ended, failure)
    listed |= {"execution_start_time": started, "execution_end_time": ended}
    if failure:
        listed["execution_error"] = outcome["status"]["messages"][-1][1]
    elif state == "completed":
        image = _image(prefix)
        outcome["outputs"] = {"2": {"images": [image]}}
        listed |= {"outputs_count": 1, "previewable_outputs_count": 1}
        listed["preview_output"] = {**image, "nodeId": "2", "mediaType": "images"}
    return ScriptedJob(id, state, listed, item, outcome, is_poison)


def _extra(created: int, document: str, size: int, is_poison: bool) -> Json:
    workflow = {"id": document, "extra": {"padding": "x" * size}}
    info = None if is_poison else {"workflow": workflow if document or size else None}
    return {"extra_pnginfo": info, "client_id": "owner", "create_time": created}


def _graph(prefix: str) -> Json:
    image = {"class_type": "EmptyImage", "inputs": {"width": 64, "height": 64, "batch_size": 1, "color": 0}}
    name = {"filename_prefix": prefix} if prefix else {}
    output = {"class_type": "SaveImage" if prefix else "PreviewImage", "inputs": {"images": ["1", 0], **name}}
    return {"1": image, "2": output}


def _image(prefix: str) -> Json:
    folder, _, name = (prefix or "ComfyUI_temp_abcde").rpartition("/")
    return {"filename": f"{name}_00001_.png", "subfolder": folder, "type": "output" if prefix else "temp"}


def _outcome(id: str, state: str, started: int, ended: int, error: str) -> Json:
    details: Json = {"prompt_id": id, "timestamp": ended}
    if error:
        last = ["execution_error", {**details, "node_id": "2", "exception_message": error, "traceback": []}]
    else:
        last = ["execution_interrupted" if state == "cancelled" else "execution_success", details]
    is_good = state == "completed"
    messages = [["execution_start", {"prompt_id": id, "timestamp": started}], last]
    status = {"status_str": "success" if is_good else "error", "completed": is_good, "messages": messages}
    return {"outputs": {}, "status": status, "meta": {}}


def queue_of(jobs: Iterable[ScriptedJob], tells_creation: bool) -> Json:
    """What /queue answers: the waiting ones in the order of a heap, which is not that of their numbers."""
    heap: list[tuple[float, int, list[Any]]] = []
    running = []
    for index, each in enumerate(jobs):
        if each.state == "in_progress":
            running.append(_told(each.item, tells_creation))
        elif not each.is_finished:
            heapq.heappush(heap, (each.item[0], index, _told(each.item, tells_creation)))
    return {"queue_running": running, "queue_pending": [item for _, _, item in heap]}


def history_of(jobs: Iterable[ScriptedJob], query: Mapping[str, str], tells_creation: bool) -> Json:
    """What /history answers: oldest first, of two with the same id the later one.

    Raises:
        ValueError: A limit is no number.
    """
    told = {each.id: {"prompt": _told(each.item, tells_creation), **each.outcome} for each in jobs if each.is_finished}
    if "max_items" not in query:
        return told
    count, offset = int(query["max_items"]), int(query.get("offset", -1))
    start = offset if offset >= 0 else max(0, len(told) - count)
    return dict(list(told.items())[start : start + max(0, count)])


def wanted_states(query: Mapping[str, str]) -> set[str]:
    """The states that /api/jobs is asked for; none is all."""
    return {each.strip().lower() for each in query.get("status", "").split(",") if each.strip()}


def jobs_refusal(query: Mapping[str, str], wanted: set[str], known: Sequence[str]) -> str:
    """Why /api/jobs cannot be asked this; empty where it can."""
    if unknown := sorted(wanted.difference(known)):
        return f"Invalid status value(s): {', '.join(unknown)}. Valid values: {', '.join(known)}"
    if query.get("sort_by", "created_at") not in ("created_at", "execution_duration"):
        return "sort_by must be 'created_at' or 'execution_duration'"
    if query.get("sort_order", "desc") not in ("asc", "desc"):
        return "sort_order must be 'asc' or 'desc'"
    for name in ("limit", "offset"):
        if not query.get(name, "1").removeprefix("-").isdecimal():
            return f"{name} must be an integer"
    return "" if int(query.get("limit", 1)) > 0 else "limit must be a positive integer"


def is_poisoned(jobs: Iterable[ScriptedJob], wanted: set[str]) -> bool:
    """Whether /api/jobs comes across a job that it cannot tell of: asked for one finished state, it reads them all."""
    read = wanted.union(FINISHED if wanted.intersection(FINISHED) else ()) or set(JOB_STATES)
    return any(each.is_poison and each.state in read for each in jobs)


def jobs_page(jobs: Iterable[ScriptedJob], query: Mapping[str, str], wanted: set[str]) -> Json:
    """What /api/jobs answers to a query that is not refused."""
    found = [each.listed for each in jobs if each.state in wanted]
    if "workflow_id" in query:
        found = [each for each in found if each.get("workflow_id") == query["workflow_id"]]
    key = _duration if query.get("sort_by") == "execution_duration" else _creation
    found.sort(key=key, reverse=query.get("sort_order") != "asc")
    limit = int(query["limit"]) if "limit" in query else None
    offset = max(0, int(query.get("offset", 0)))
    end = len(found) if limit is None else offset + limit
    pagination = {"offset": offset, "limit": limit, "total": len(found), "has_more": end < len(found)}
    return {"jobs": found[offset:end], "pagination": pagination}


def _creation(listed: Json) -> float:
    return float(listed.get("create_time", 0))


def _duration(listed: Json) -> float:
    return float(listed.get("execution_end_time", 0) - listed.get("execution_start_time", 0))


def _told(item: list[Any], tells_creation: bool) -> list[Any]:
    if tells_creation:
        return item
    number, id, graph, extra, outputs = item
    return [number, id, graph, {name: value for name, value in extra.items() if name != "create_time"}, outputs]


def recording(version: str, name: str) -> Any:
    """A recorded body."""
    return json.loads((RECORDINGS / f"v{version}" / f"{name}.json").read_text())


def recorded_jobs(version: str, is_running: bool) -> list[ScriptedJob]:
    """What was there at the end of the recording; or in the middle, with one running and two waiting.

    0.3.64 has no /api/jobs, and so nothing is `listed`.
    """
    listed: dict[str, Json] = {}
    if version == "0.33.0":
        names = ("jobs-all", "running-jobs-active") if is_running else ("jobs-all",)
        listed = {each["id"]: each for name in names for each in recording(version, name)["jobs"]}
    history = recording(version, "history-all")
    queue = recording(version, "running-queue") if is_running else {"queue_running": [], "queue_pending": []}
    before = [each[0] for each in queue["queue_running"]] or [float("inf")]
    finished = [
        _recorded(_state(entry), entry["prompt"], listed, {name: entry[name] for name in ("outputs", "status", "meta")})
        for entry in history.values()
        if not is_running or 0 <= entry["prompt"][0] < before[0]
    ]
    running = [_recorded("in_progress", item, listed, {}) for item in queue["queue_running"]]
    return finished + running + [_recorded("pending", item, listed, {}) for item in queue["queue_pending"]]


def _recorded(state: str, item: list[Any], listed: Mapping[str, Json], outcome: Json) -> ScriptedJob:
    return ScriptedJob(item[1], state, listed.get(item[1], {}), item, outcome)


def _state(entry: Json) -> str:
    """How /api/jobs calls what /history tells: cycles are completed there."""
    events: Sequence[str] = [event for event, _ in entry["status"]["messages"]]
    if "execution_interrupted" in events:
        return "cancelled"
    return "completed" if entry["status"]["completed"] else "failed"
