"""Models as the JSON bodies the API documents: its fields in its order, then extension fields that are known.

Sources: the API's pages list-runners, get-runner, get-runner-history and get-runner-stats. Header values are in
the clear here and only here, because that is what the API answers.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.api.models import Device, Runner, RunnerPage, RunnerStats, Timestamp, Workflow
    from comfytui.api.statuses import RunnerState


EXTENSION_FIELDS = ("queue_running", "queue_pending", "clock_skew")


def serialize_page(page: RunnerPage) -> dict[str, object]:
    """One page of List Runners (page list-runners)."""
    return {"runners": [serialize_runner(runner) for runner in page.runners], "total": page.total}


def serialize_runner(runner: Runner) -> dict[str, object]:
    """A runner (page get-runner), with the extension fields that its fleet tells; its header values are revealed."""
    extensions = {name: getattr(runner, name) for name in EXTENSION_FIELDS if name in runner.model_fields_set}
    return {
        "id": runner.id,
        "user_id": runner.user_id,
        "name": runner.name,
        "status": runner.status,
        "endpoint": runner.endpoint,
        "tags": list(runner.tags),
        "headers": {name: secret.get_secret_value() for name, secret in runner.headers.items()},
        "created_at": _time(runner.created_at),
        "updated_at": _time(runner.updated_at),
        **extensions,
    }


def serialize_history(workflows: tuple[Workflow, ...]) -> list[dict[str, object]]:
    """A runner's history, a bare list (page get-runner-history)."""
    return [serialize_workflow(workflow) for workflow in workflows]


def serialize_workflow(workflow: Workflow) -> dict[str, object]:
    """A workflow (page get-runner-history); times that have not come yet are null."""
    return {
        "id": workflow.id,
        "name": workflow.name,
        "status": workflow.status,
        "tags": list(workflow.tags),
        "created_at": _time(workflow.created_at),
        "updated_at": _time(workflow.updated_at),
        "started_at": _time(workflow.started_at),
        "completed_at": _time(workflow.completed_at),
    }


def serialize_stats(stats: RunnerStats) -> dict[str, object]:
    """What a runner's machine says of itself (page get-runner-stats); sizes are in bytes, what is not known is null."""
    return {
        "system": {
            "os": stats.system.os,
            "ram_free": stats.system.ram_free,
            "ram_total": stats.system.ram_total,
            "comfyui_version": stats.system.comfyui_version,
            "python_version": stats.system.python_version,
        },
        "devices": [_device_body(device) for device in stats.devices],
        "dev_mode": stats.dev_mode,
        "extensions": list(stats.extensions),
    }


def _device_body(device: Device) -> dict[str, object]:
    return {
        "name": device.name,
        "type": device.type,
        "vram_total": device.vram_total,
        "vram_free": device.vram_free,
    }


def serialize_error(status: int, message: str) -> dict[str, object]:
    """The body of every answer that says no (page api/errors)."""
    return {"status": status, "message": message}


def serialize_unreachable(state: RunnerState, reason: str) -> dict[str, object]:
    """Return the extension of an error that says that a runner's machine gave no answer, which is no fault of ours.

    Args:
        state: State of the runner.
        reason: Reason why there is no answer, without the runner's name.
    """
    return {"runner": {"state": state, "reason": reason}}


def _time(moment: Timestamp | None) -> str | None:
    """ISO 8601 in UTC, with milliseconds only if there are any: the API's examples are whole seconds."""
    if moment is None or isinstance(moment, str):
        return moment
    precision = "milliseconds" if moment.microsecond >= 1_000 else "seconds"
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"
