"""Runners and workflows in order. Pure.

What is not known comes last, whichever way the rest goes; ties go by name, then by id, and always upwards.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.query.collation import fold, natural_key
from comfytui.query.filter import Requirement, has_requirements
from comfytui.query.workflows import display_name, durations, last_change, last_run, queue_counts

if TYPE_CHECKING:
    from comfytui.api.models import Runner, Timestamp, Workflow
    from comfytui.query.filter import RunnerData


RUNNER_KEYS = ("name", "status", "reach", "last", "when", "queue", "tags", "endpoint", "created", "updated")
"""What runners can be sorted by."""

WORKFLOW_KEYS = ("name", "status", "took", "created", "waited", "tags", "started", "completed", "updated")
"""What workflows can be sorted by."""

_OF_HISTORY = frozenset({"last", "when", "queue"})
_NEEDS = dict.fromkeys(_OF_HISTORY, frozenset({Requirement.HISTORY})) | {"reach": frozenset({Requirement.REACHABILITY})}
_GREATEST_FIRST = frozenset({"when", "queue", "took", "waited", "created", "started", "completed", "updated"})

_RUNNER_RANKS = {status: rank for rank, status in enumerate((RunnerStatus.ACTIVE, RunnerStatus.DISABLED))}
# What a person has to look at first.
_WORKFLOW_RANKS = {
    status: rank
    for rank, status in enumerate(
        (
            WorkflowStatus.FAILED,
            WorkflowStatus.INVALID,
            WorkflowStatus.RUNNING,
            WorkflowStatus.QUEUED,
            WorkflowStatus.UPLOADED,
            WorkflowStatus.ACCEPTED,
            WorkflowStatus.COMPLETED,
            WorkflowStatus.CANCELLED,
        )
    )
}

_Value: TypeAlias = tuple[float, str]
_Item = TypeVar("_Item")


class Sort(NamedTuple):
    """An order.

    Attributes:
        key: What decides, one of RUNNER_KEYS or of WORKFLOW_KEYS.
        descending: Whether the greatest, newest or longest comes first.
    """

    key: str
    descending: bool = False

    @property
    def flipped(self) -> Sort:
        """The same the other way round."""
        return self._replace(descending=not self.descending)


def default_order(key: str) -> Sort:
    """By this key the way one expects it: the newest, the longest and the most first, all else upwards."""
    return Sort(key, descending=key in _GREATEST_FIRST)


def requirements(sort: Sort) -> frozenset[Requirement]:
    """What must be known of runners beyond the list to sort them so."""
    return _NEEDS.get(sort.key, frozenset())


def is_decidable(sort: Sort, facts: RunnerData) -> bool:
    """Whether all is known of a runner that the order looks at."""
    return has_requirements(requirements(sort), facts)


def sort_runners(runners: Sequence[RunnerData], sort: Sort) -> list[RunnerData]:
    """The runners in order; where it asks for workflows, those without any come before those not known.

    Raises:
        KeyError: The key is none of RUNNER_KEYS.
    """
    value_of = _RUNNER_VALUES[sort.key]
    tied = sorted(runners, key=lambda facts: _tie(facts.runner))
    if sort.key in _OF_HISTORY:
        tied.sort(key=lambda facts: facts.history is None)
    return _sorted([(value_of(facts), facts) for facts in tied], descending=sort.descending)


def sort_workflows(workflows: Sequence[Workflow], sort: Sort, now: datetime) -> list[Workflow]:
    """The workflows in order; `now` is until when what goes on has lasted.

    Raises:
        KeyError: The key is none of WORKFLOW_KEYS.
    """
    value_of = _WORKFLOW_VALUES[sort.key]
    tied = sorted(workflows, key=_tie)
    return _sorted([(value_of(workflow, now), workflow) for workflow in tied], descending=sort.descending)


def _sorted(items: Sequence[tuple[_Value | None, _Item]], *, descending: bool) -> list[_Item]:
    """Those that have a value by it, then the others; those that are equal in it stay as they are."""
    known = sorted(
        ((value, item) for value, item in items if value is not None), key=lambda pair: pair[0], reverse=descending
    )
    return [*(item for _, item in known), *(item for value, item in items if value is None)]


def _tie(item: Runner | Workflow) -> tuple[str, str]:
    return natural_key(display_name(item.name, item.id)), item.id


def _of_name(item: Runner | Workflow) -> _Value:
    return 0.0, natural_key(display_name(item.name, item.id))


def _of_text(text: str | None) -> _Value | None:
    return (0.0, natural_key(text)) if text else None


def _of_tags(tags: Sequence[str]) -> _Value | None:
    return _of_text(" ".join(tags))


def _of_moment(moment: Timestamp | None) -> _Value | None:
    return (moment.timestamp(), "") if isinstance(moment, datetime) else None


def _of_seconds(seconds: float | None) -> _Value | None:
    return None if seconds is None else (seconds, "")


def _of_runner_status(runner: Runner) -> _Value | None:
    status = runner.status
    return None if status is None else (_RUNNER_RANKS.get(status, len(_RUNNER_RANKS)), fold(status))


def _of_workflow_status(workflow: Workflow) -> _Value | None:
    status = workflow.status
    return None if status is None else (_WORKFLOW_RANKS.get(status, len(_WORKFLOW_RANKS)), fold(status))


def _of_last(facts: RunnerData) -> _Value | None:
    last = last_run(facts.history or ())
    return None if last is None else _of_workflow_status(last)


def _of_when(facts: RunnerData) -> _Value | None:
    last = last_run(facts.history or ())
    return None if last is None else _of_moment(last_change(last))


def _of_reach(facts: RunnerData) -> _Value | None:
    return None if facts.reachable is None else (0.0 if facts.reachable else 1.0, "")


def _of_queue(facts: RunnerData) -> _Value | None:
    counts = queue_counts(facts.runner, facts.history)
    return None if counts is None else (float(sum(counts)), "")


_RUNNER_VALUES: Mapping[str, Callable[[RunnerData], _Value | None]] = {
    "name": lambda facts: _of_name(facts.runner),
    "status": lambda facts: _of_runner_status(facts.runner),
    "reach": _of_reach,
    "last": _of_last,
    "when": _of_when,
    "queue": _of_queue,
    "tags": lambda facts: _of_tags(facts.runner.tags),
    "endpoint": lambda facts: _of_text(facts.runner.endpoint),
    "created": lambda facts: _of_moment(facts.runner.created_at),
    "updated": lambda facts: _of_moment(facts.runner.updated_at),
}
_WORKFLOW_VALUES: Mapping[str, Callable[[Workflow, datetime], _Value | None]] = {
    "name": lambda workflow, _: _of_name(workflow),
    "status": lambda workflow, _: _of_workflow_status(workflow),
    "took": lambda workflow, now: _of_seconds(durations(workflow, now).ran),
    "created": lambda workflow, _: _of_moment(workflow.created_at),
    "waited": lambda workflow, now: _of_seconds(durations(workflow, now).waited),
    "tags": lambda workflow, _: _of_tags(workflow.tags),
    "started": lambda workflow, _: _of_moment(workflow.started_at),
    "completed": lambda workflow, _: _of_moment(workflow.completed_at),
    "updated": lambda workflow, _: _of_moment(workflow.updated_at),
}
