"""Sort orders of runners and workflows. Pure.

Unknown values come last in both directions; ties are ordered by name, then by id, always ascending.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeAlias, TypeVar

from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.query.collation import fold_case, natural_key
from comfytui.query.columns import RUNNER_COLUMNS, WORKFLOW_COLUMNS, Requirement, column_keys
from comfytui.query.filter import has_requirements
from comfytui.query.workflows import display_name, durations, last_change, last_run, queue_counts

if TYPE_CHECKING:
    from comfytui.api.models import Runner, Timestamp, Workflow
    from comfytui.query.filter import RunnerData


RUNNER_KEYS = column_keys(RUNNER_COLUMNS)
"""Sort keys of runners."""

WORKFLOW_KEYS = column_keys(WORKFLOW_COLUMNS)
"""Sort keys of workflows."""

_REQUIREMENTS = {
    column.key: frozenset({column.requirement}) for column in RUNNER_COLUMNS if column.requirement is not None
}
_DESCENDING_KEYS = frozenset(column.key for column in (*RUNNER_COLUMNS, *WORKFLOW_COLUMNS) if column.descending)

_RUNNER_RANKS = {status: rank for rank, status in enumerate((RunnerStatus.ACTIVE, RunnerStatus.DISABLED))}
# Statuses that need attention come first.
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
    """Sort order.

    Attributes:
        key: One of RUNNER_KEYS or WORKFLOW_KEYS.
        descending: True if the greatest, newest or longest comes first.
    """

    key: str
    descending: bool = False

    @property
    def reversed(self) -> Sort:
        """Same key in the opposite direction."""
        return self._replace(descending=not self.descending)


def default_order(key: str) -> Sort:
    """Return the usual order of a key: newest, longest and most first, everything else ascending."""
    return Sort(key, descending=key in _DESCENDING_KEYS)


def requirements(sort: Sort) -> frozenset[Requirement]:
    """Return the data beyond the list that an order needs."""
    return _REQUIREMENTS.get(sort.key, frozenset())


def is_decidable(sort: Sort, data: RunnerData) -> bool:
    """Return True if all data of a runner that an order needs is known."""
    return has_requirements(requirements(sort), data)


def sort_runners(runners: Sequence[RunnerData], sort: Sort) -> list[RunnerData]:
    """Return runners in order; sorted by workflows, runners without any come before unknown ones.

    Raises:
        KeyError: The key is not in RUNNER_KEYS.
    """
    get_value = _RUNNER_VALUES[sort.key]
    by_name = sorted(runners, key=lambda data: _tie_break(data.runner))
    if Requirement.HISTORY in requirements(sort):
        by_name.sort(key=lambda data: data.history is None)
    return _sorted([(get_value(data), data) for data in by_name], descending=sort.descending)


def sort_workflows(workflows: Sequence[Workflow], sort: Sort, now: datetime) -> list[Workflow]:
    """Return workflows in order; ongoing durations end at `now`.

    Raises:
        KeyError: The key is not in WORKFLOW_KEYS.
    """
    get_value = _WORKFLOW_VALUES[sort.key]
    by_name = sorted(workflows, key=_tie_break)
    return _sorted([(get_value(workflow, now), workflow) for workflow in by_name], descending=sort.descending)


def _sorted(items: Sequence[tuple[_Value | None, _Item]], *, descending: bool) -> list[_Item]:
    """Return items with a value in order, then those without; the sort is stable."""
    known = sorted(
        ((value, item) for value, item in items if value is not None), key=lambda pair: pair[0], reverse=descending
    )
    return [*(item for _, item in known), *(item for value, item in items if value is None)]


def _tie_break(item: Runner | Workflow) -> tuple[str, str]:
    return natural_key(display_name(item.name, item.id)), item.id


def _name_value(item: Runner | Workflow) -> _Value:
    return 0.0, natural_key(display_name(item.name, item.id))


def _text_value(text: str | None) -> _Value | None:
    return (0.0, natural_key(text)) if text else None


def _tags_value(tags: Sequence[str]) -> _Value | None:
    return _text_value(" ".join(tags))


def _time_value(time: Timestamp | None) -> _Value | None:
    return (time.timestamp(), "") if isinstance(time, datetime) else None


def _seconds_value(seconds: float | None) -> _Value | None:
    return None if seconds is None else (seconds, "")


def _runner_status_value(runner: Runner) -> _Value | None:
    status = runner.status
    return None if status is None else (_RUNNER_RANKS.get(status, len(_RUNNER_RANKS)), fold_case(status))


def _workflow_status_value(workflow: Workflow) -> _Value | None:
    status = workflow.status
    return None if status is None else (_WORKFLOW_RANKS.get(status, len(_WORKFLOW_RANKS)), fold_case(status))


def _last_value(data: RunnerData) -> _Value | None:
    last = last_run(data.history or ())
    return None if last is None else _workflow_status_value(last)


def _when_value(data: RunnerData) -> _Value | None:
    last = last_run(data.history or ())
    return None if last is None else _time_value(last_change(last))


def _reach_value(data: RunnerData) -> _Value | None:
    return None if data.reachable is None else (0.0 if data.reachable else 1.0, "")


def _queue_value(data: RunnerData) -> _Value | None:
    counts = queue_counts(data.runner, data.history)
    return None if counts is None else (float(sum(counts)), "")


_RUNNER_VALUES: Mapping[str, Callable[[RunnerData], _Value | None]] = {
    "name": lambda data: _name_value(data.runner),
    "status": lambda data: _runner_status_value(data.runner),
    "reach": _reach_value,
    "last": _last_value,
    "when": _when_value,
    "queue": _queue_value,
    "tags": lambda data: _tags_value(data.runner.tags),
    "endpoint": lambda data: _text_value(data.runner.endpoint),
    "created": lambda data: _time_value(data.runner.created_at),
    "updated": lambda data: _time_value(data.runner.updated_at),
}
_WORKFLOW_VALUES: Mapping[str, Callable[[Workflow, datetime], _Value | None]] = {
    "name": lambda workflow, _: _name_value(workflow),
    "status": lambda workflow, _: _workflow_status_value(workflow),
    "took": lambda workflow, now: _seconds_value(durations(workflow, now).ran),
    "created": lambda workflow, _: _time_value(workflow.created_at),
    "waited": lambda workflow, now: _seconds_value(durations(workflow, now).waited),
    "tags": lambda workflow, _: _tags_value(workflow.tags),
    "started": lambda workflow, _: _time_value(workflow.started_at),
    "completed": lambda workflow, _: _time_value(workflow.completed_at),
    "updated": lambda workflow, _: _time_value(workflow.updated_at),
}
