"""What the API sends, in a few words: only an id is needed, other fields are given as they come in JSON."""

from __future__ import annotations

from comfytui.api.models import Runner, RunnerPage, Workflow

__all__ = ["make_page", "make_runner", "make_workflow"]


def make_runner(runner_id: str = "r1", **fields: object) -> Runner:
    """An active runner named after its id, unless `fields` say otherwise."""
    return Runner.model_validate({"id": runner_id, "name": f"Runner {runner_id}", "status": "active", **fields})


def make_workflow(workflow_id: str = "w1", **fields: object) -> Workflow:
    """A queued workflow named after its id, unless `fields` say otherwise."""
    return Workflow.model_validate({"id": workflow_id, "name": f"Workflow {workflow_id}", "status": "queued", **fields})


def make_page(*runners: Runner, total: int | None = None, unreadable: int = 0) -> RunnerPage:
    """A page of these runners, which are all there are unless `total` says otherwise."""
    return RunnerPage(runners=runners, total=len(runners) if total is None else total, unreadable=unreadable)
