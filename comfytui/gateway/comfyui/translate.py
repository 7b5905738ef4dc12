"""A ComfyUI server and its jobs in the API's words (pages get-runner and get-runner-history)."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import TYPE_CHECKING

from comfytui.api.models import Runner, RunnerStats, Workflow
from comfytui.api.statuses import RunnerStatus

if TYPE_CHECKING:
    from comfytui.config.servers import Server
    from comfytui.gateway.comfyui.models import Job

__all__ = ["runner_id", "runner_of", "tags_of", "workflow_of"]

_PRODUCT = "comfyui"
_MASK = "••••••••"
_NOBODY = str(uuid.UUID(int=0))


def workflow_of(job: Job, name: str, tags: tuple[str, ...] = ()) -> Workflow:
    """A job as the API's workflow; it was updated at the newest of the times known."""
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


def runner_id(url: str) -> str:
    """The id of the server at a normalised address: the same wherever and whenever it is watched."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, url))


def tags_of(stats: RunnerStats) -> tuple[str, ...]:
    """The tags of a server: its version and the types of its devices, such as `comfyui-0.33.0` and `cuda`."""
    version = stats.system.comfyui_version
    types = (device.type for device in stats.devices if device.type)
    return tuple(dict.fromkeys((f"{_PRODUCT}-{version}" if version else _PRODUCT, *types)))


def runner_of(
    server: Server,
    stats: RunnerStats | None,
    first_watched: datetime,
    last_seen: datetime | None,
    unread: tuple[str, ...] = (),
) -> Runner:
    """A server as the API's runner, which nobody owns and which is always active: ComfyUI knows of neither.

    Args:
        server: As people named it; the values of its headers do not leave this place.
        stats: What it last said of itself, if it has said anything yet.
        first_watched: When it was first watched.
        last_seen: When it last gave a good answer. Told to the minute, so that a runner that goes on answering does
            not change with each poll.
        unread: What of its jobs could not be read, in sentences: the API has no other place for them.
    """
    answered = last_seen.replace(second=0, microsecond=0) if last_seen else first_watched
    return Runner.model_validate(
        {
            "id": runner_id(server.url),
            "user_id": _NOBODY,
            "name": server.name,
            "status": RunnerStatus.ACTIVE,
            "endpoint": server.url,
            "tags": (*(tags_of(stats) if stats else (_PRODUCT,)), *unread),
            "headers": dict.fromkeys(server.headers, _MASK),
            "created_at": first_watched,
            "updated_at": max(first_watched, answered),
        }
    )
