"""Mapping of a ComfyUI server and its jobs to the API's models (pages get-runner, get-runner-history)."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from comfytui.api.models import Runner, RunnerStats, Workflow
from comfytui.api.statuses import RunnerStatus
from comfytui.gateway.comfyui.job_history import NEXT
from comfytui.redaction import MASK, redact_url

if TYPE_CHECKING:
    from datetime import datetime

    from comfytui.config.settings import Server
    from comfytui.gateway.comfyui.models import Job


_PRODUCT = "comfyui"
_NOBODY = str(uuid.UUID(int=0))


def to_workflow(job: Job, name: str, tags: tuple[str, ...] = ()) -> Workflow:
    """Return a job as a workflow; its `updated_at` is the newest known time."""
    times = (job.created, job.started, job.ended, job.noticed)
    return Workflow.model_validate(
        {
            "id": job.id,
            "name": name,
            "status": job.status,
            "tags": tags,
            "created_at": job.created,
            "updated_at": max((time for time in times if time), default=None),
            "started_at": job.started,
            "completed_at": job.ended,
        }
    )


def runner_id_for(url: str) -> str:
    """Return the runner id of a normalized address, the same on every machine."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, url))


def runner_tags(stats: RunnerStats) -> tuple[str, ...]:
    """Return a server's tags: version and device types, such as `comfyui-0.33.0` and `cuda`."""
    version = stats.system.comfyui_version
    types = (device.type for device in stats.devices if device.type)
    return tuple(dict.fromkeys((f"{_PRODUCT}-{version}" if version else _PRODUCT, *types)))


@dataclass(frozen=True, slots=True)
class ServerState:
    """State of a server that changes while it works.

    Attributes:
        running: Number of running jobs, or None if not known.
        waiting: Number of waiting jobs, or None if not known.
        unread: What of its jobs could not be read, in sentences: the API has no other place for them.
        ahead: Seconds by which its clock is ahead of ours; 0.0 unless they are more than 5 s apart.
    """

    running: int | None = None
    waiting: int | None = None
    unread: tuple[str, ...] = ()
    ahead: float = 0.0

    @classmethod
    def of(cls, remaining: int | None, running: int, unread: tuple[str, ...], ahead: float) -> Self:
        """Return the state of a server.

        Args:
            remaining: How many jobs wait or run, as it told last; None if it has not told.
            running: How many ran at the last reading of its jobs.
            unread: As above.
            ahead: As above.
        """
        if remaining is None:
            return cls(unread=unread, ahead=ahead)
        # At least one job runs while others wait; more are known from the last reading.
        running = min(remaining, max(1, running))
        return cls(running, remaining - running, unread, ahead)

    @property
    def queue_text(self) -> tuple[str, ...]:
        """Sentence about the length of its queue, if the history does not tell it."""
        running, waiting = self.running or 0, self.waiting or 0
        if self.unread and running + waiting:
            return (f"{running + waiting} jobs wait or run",)
        return (f"{waiting} jobs wait",) if waiting > NEXT else ()


def to_runner(
    server: Server,
    stats: RunnerStats | None,
    first_watched: datetime,
    state: ServerState,
) -> Runner:
    """Return a server as a runner without owner that is always active: ComfyUI has neither.

    Args:
        server: Its settings; the values of its headers are not passed on.
        stats: What it last said of itself, if it has said anything yet.
        first_watched: When it was first watched.
        state: What else is known of it.
    """
    return Runner.model_validate(
        {
            "id": runner_id_for(server.url),
            "user_id": _NOBODY,
            "name": redact_url(server.name),
            "status": RunnerStatus.ACTIVE,
            "endpoint": server.url,
            "tags": (*(runner_tags(stats) if stats else (_PRODUCT,)), *state.unread, *state.queue_text),
            "headers": dict.fromkeys(server.headers, MASK),
            "created_at": first_watched,
            "updated_at": first_watched,
            "queue_running": state.running,
            "queue_pending": state.waiting,
            **({"clock_skew": round(state.ahead)} if state.ahead else {}),
        }
    )


class UpdateTimes:
    """Time of the last change of a runner, found by comparison."""

    def __init__(self) -> None:
        self._told: Runner | None = None
        self._changed_at: datetime | None = None

    def dated(self, runner: Runner, state: ServerState, now: datetime, *, is_introduced: bool) -> Runner:
        """Return the runner with `updated_at`: the last change of anything but its queue length.

        Args:
            runner: The present runner.
            state: Its present state.
            now: The time.
            is_introduced: True if its server has identified itself; a first description is no change.
        """
        tags = tuple(tag for tag in runner.tags if tag not in state.queue_text)
        told = runner.model_copy(update={"queue_running": None, "queue_pending": None, "tags": tags})
        if self._told is not None and told != self._told:
            self._changed_at = now
        self._told = told if is_introduced else None
        return runner.model_copy(update={"updated_at": self._changed_at}) if self._changed_at else runner
