"""What the API sends, in a few words: only an id is needed, other fields are given as they come in JSON."""

from __future__ import annotations

from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow, parse_stats

__all__ = ["make_page", "make_runner", "make_stats", "make_workflow"]

_GB = 1024**3


def make_runner(runner_id: str = "r1", **fields: object) -> Runner:
    """An active runner named after its id, unless `fields` say otherwise."""
    return Runner.model_validate({"id": runner_id, "name": f"Runner {runner_id}", "status": "active", **fields})


def make_workflow(workflow_id: str = "w1", **fields: object) -> Workflow:
    """A queued workflow named after its id, unless `fields` say otherwise."""
    return Workflow.model_validate({"id": workflow_id, "name": f"Workflow {workflow_id}", "status": "queued", **fields})


def make_page(*runners: Runner, total: int | None = None, unreadable: int = 0) -> RunnerPage:
    """A page of these runners, which are all there are unless `total` says otherwise."""
    return RunnerPage(runners=runners, total=len(runners) if total is None else total, invalid_count=unreadable)


def make_stats(**fields: object) -> RunnerStats:
    """A machine with one card, half of whose memory is free, unless `fields` say otherwise."""
    card = {"name": "cuda:0 NVIDIA GeForce RTX 4090", "type": "cuda", "vram_total": 24 * _GB, "vram_free": 12 * _GB}
    system = {
        "os": "posix",
        "ram_total": 64 * _GB,
        "ram_free": 48 * _GB,
        "comfyui_version": "0.33.0",
        "python_version": "3.12.12 (main, Oct 15 2025, 00:00:00) [GCC 13.3.0]",
    }
    return parse_stats({"system": system, "devices": [card], "dev_mode": False, "extensions": [], **fields})
