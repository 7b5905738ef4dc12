"""Text of table columns, and parsing of the command line's --columns and --sort. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from comfytui.config.settings import SettingsError
from comfytui.query import sorting
from comfytui.query.filter import NO_WORKFLOWS
from comfytui.query.sorting import Sort, default_order
from comfytui.query.workflows import display_name, durations, last_run, queue_counts
from comfytui.render.export import runner_to_dict, workflow_to_dict

if TYPE_CHECKING:
    from comfytui.api.models import Workflow
    from comfytui.query.columns import Requirement
    from comfytui.query.filter import RunnerData


UNKNOWN = "?"
"""Placeholder for a value that could not be fetched."""


def parse_columns(text: str | None, known: Sequence[str], default: Sequence[str]) -> tuple[str, ...]:
    """Return the requested columns in order, each once, or the default ones without a request.

    Raises:
        SettingsError: A column is unknown; the message names the known ones.
    """
    if text is None:
        return tuple(default)
    names = tuple(dict.fromkeys(name.strip().casefold() for name in text.split(",")))
    if not set(names) <= set(known):
        raise SettingsError(f"--columns: expected one or more of {', '.join(known)}, separated by commas.")
    return names


def parse_sort(text: str | None, known: Sequence[str]) -> Sort | None:
    """Return the sort order of `--sort`, by default in the usual direction of its key, or None without the option.

    Raises:
        SettingsError: The key is unknown; the message names the known ones.
    """
    if text is None:
        return None
    key, colon, direction = text.strip().casefold().partition(":")
    if key not in known or (colon and direction not in _DIRECTIONS):
        raise SettingsError(f"--sort: expected one of {', '.join(known)}, optionally followed by :asc or :desc.")
    return Sort(key, _DIRECTIONS[direction]) if colon else default_order(key)


def requirements(columns: Sequence[str]) -> frozenset[Requirement]:
    """Return the data beyond the list that these columns need."""
    return frozenset(requirement for name in columns for requirement in sorting.requirements(Sort(name)))


def _runner_field(name: str) -> Callable[[RunnerData], str]:
    return lambda data: _text(runner_to_dict(data.runner)[name])


def _last(data: RunnerData) -> str:
    if data.history is None:
        return UNKNOWN
    last = last_run(data.history)
    return _text(workflow_to_dict(last)["status"]) if last else NO_WORKFLOWS


def _when(data: RunnerData) -> str:
    if data.history is None:
        return UNKNOWN
    last = last_run(data.history)
    if last is None:
        return ""
    fields = workflow_to_dict(last)
    return _text(fields["completed_at"] or fields["started_at"] or fields["created_at"])


def _queue(data: RunnerData) -> str:
    """Return the numbers of running and waiting workflows, such as `1+399`."""
    counts = queue_counts(data.runner, data.history)
    return UNKNOWN if counts is None else f"{counts[0]}+{counts[1]}"


def _reach(data: RunnerData) -> str:
    return UNKNOWN if data.reachable is None else "yes" if data.reachable else "no"


def _workflow_field(name: str) -> Callable[[Workflow, datetime], str]:
    return lambda workflow, _: _text(workflow_to_dict(workflow)[name])


def _text(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else "" if value is None else str(value)


def _duration_text(seconds: float | None) -> str:
    from comfytui.render.times import exact_duration

    return "" if seconds is None else exact_duration(seconds)


_DIRECTIONS = {"asc": False, "desc": True}

RUNNER_TEXTS: Mapping[str, Callable[[RunnerData], str]] = {
    "id": _runner_field("id"),
    "name": lambda data: display_name(data.runner.name, data.runner.id),
    "status": _runner_field("status"),
    "reach": _reach,
    "last": _last,
    "when": _when,
    "queue": _queue,
    "tags": _runner_field("tags"),
    "endpoint": _runner_field("endpoint"),
    "created": _runner_field("created_at"),
    "updated": _runner_field("updated_at"),
}
"""Text of a runner's columns, by column; empty if there is none, UNKNOWN if it could not be fetched."""

WORKFLOW_TEXTS: Mapping[str, Callable[[Workflow, datetime], str]] = {
    "id": _workflow_field("id"),
    "name": lambda workflow, _: display_name(workflow.name, workflow.id),
    "status": _workflow_field("status"),
    "took": lambda workflow, now: _duration_text(durations(workflow, now).ran),
    "created": _workflow_field("created_at"),
    "waited": lambda workflow, now: _duration_text(durations(workflow, now).waited),
    "tags": _workflow_field("tags"),
    "started": _workflow_field("started_at"),
    "completed": _workflow_field("completed_at"),
    "updated": _workflow_field("updated_at"),
}
"""Text of a workflow's columns at a given time, by column."""
