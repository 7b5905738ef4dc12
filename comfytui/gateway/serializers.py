"""JSON bodies of the API: documented fields in documented order, then known extension fields.

Sources: the API's pages list-runners, get-runner, get-runner-history and get-runner-stats. Header values are in
clear here and only here, because the API sends them so.
"""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.api.models import Device, Runner, RunnerPage, RunnerStats, Timestamp, Workflow
    from comfytui.api.statuses import RunnerState


EXTENSION_FIELDS = ("queue_running", "queue_pending", "clock_skew")


def serialize_page(page: RunnerPage) -> dict[str, object]:
    """Return a page of List Runners (page list-runners)."""
    return {"runners": [serialize_runner(runner) for runner in page.runners], "total": page.total}


def serialize_runner(runner: Runner) -> dict[str, object]:
    """Return a runner (page get-runner) with its extension fields and header values in clear."""
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
    """Return a runner's history, a bare list (page get-runner-history)."""
    return [serialize_workflow(workflow) for workflow in workflows]


def serialize_workflow(workflow: Workflow) -> dict[str, object]:
    """Return a workflow (page get-runner-history); times in the future are null."""
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
    """Return the stats of a runner's machine (page get-runner-stats): sizes in bytes, null if unknown."""
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
    """Return the body of an error (page api/errors)."""
    return {"status": status, "message": message}


def serialize_unreachable(state: RunnerState, reason: str) -> dict[str, object]:
    """Return the extension fields of an error: the machine of a runner gave no answer.

    Args:
        state: State of the runner.
        reason: Cause, without the runner's name.
    """
    return {"runner": {"state": state, "reason": reason}}


def _time(moment: Timestamp | None) -> str | None:
    """Return ISO 8601 in UTC, with milliseconds only if there are any, as in the API's examples."""
    if moment is None or isinstance(moment, str):
        return moment
    precision = "milliseconds" if moment.microsecond >= 1_000 else "seconds"
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec=precision) + "Z"
