"""What can stand in the columns of a table, and what the command line says of columns and order. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from comfytui.config.settings import SettingsError
from comfytui.query import sorting
from comfytui.query.sorting import Sort, default_order
from comfytui.query.workflows import display_name, durations, last_run, queue_counts
from comfytui.render.export import runner_to_dict, workflow_to_dict

if TYPE_CHECKING:
    from comfytui.api.models import Workflow
    from comfytui.query.filter import Requirement, RunnerData


UNKNOWN = "?"
"""What could not be found out."""

DEFAULT_RUNNER_COLUMNS = ("id", "name", "status", "tags", "endpoint")
DEFAULT_WORKFLOW_COLUMNS = ("id", "name", "status", "created", "took")

_NO_WORKFLOWS = "none"


def parse_columns(text: str | None, known: Sequence[str], usual: Sequence[str]) -> tuple[str, ...]:
    """The columns that were asked for, in that order, each once; the usual ones where none were.

    Raises:
        SettingsError: There is no such column; the sentence names those that there are.
    """
    if text is None:
        return tuple(usual)
    names = tuple(dict.fromkeys(name.strip().casefold() for name in text.split(",")))
    if not set(names) <= set(known):
        raise SettingsError(f"--columns: expected some of {', '.join(known)}, with commas between them.")
    return names


def parse_sort(text: str | None, known: Sequence[str]) -> Sort | None:
    """What `--sort` asks for, the way one expects it where it does not say which; None where it is not there.

    Raises:
        SettingsError: There is no such key; the sentence names those that there are.
    """
    if text is None:
        return None
    key, colon, way = text.strip().casefold().partition(":")
    if key not in known or (colon and way not in _WAYS):
        raise SettingsError(f"--sort: expected one of {', '.join(known)}, and perhaps :asc or :desc behind it.")
    return Sort(key, _WAYS[way]) if colon else default_order(key)


def requirements(columns: Sequence[str]) -> frozenset[Requirement]:
    """What must be known of runners beyond the list to fill these columns."""
    return frozenset(need for name in columns for need in sorting.requirements(Sort(name)))


def _told(name: str) -> Callable[[RunnerData], str]:
    return lambda facts: _text(runner_to_dict(facts.runner)[name])


def _last(facts: RunnerData) -> str:
    if facts.history is None:
        return UNKNOWN
    last = last_run(facts.history)
    return _text(workflow_to_dict(last)["status"]) if last else _NO_WORKFLOWS


def _when(facts: RunnerData) -> str:
    if facts.history is None:
        return UNKNOWN
    last = last_run(facts.history)
    if last is None:
        return ""
    told = workflow_to_dict(last)
    return _text(told["completed_at"] or told["started_at"] or told["created_at"])


def _queue(facts: RunnerData) -> str:
    """Return how many workflows run and wait, such as `1+399`."""
    counts = queue_counts(facts.runner, facts.history)
    return UNKNOWN if counts is None else f"{counts[0]}+{counts[1]}"


def _reach(facts: RunnerData) -> str:
    return UNKNOWN if facts.reachable is None else "yes" if facts.reachable else "no"


def _said(name: str) -> Callable[[Workflow, datetime], str]:
    return lambda workflow, _: _text(workflow_to_dict(workflow)[name])


def _text(value: object) -> str:
    return " ".join(value) if isinstance(value, list) else "" if value is None else str(value)


def _lasted(seconds: float | None) -> str:
    from comfytui.render.times import exact_duration

    return "" if seconds is None else exact_duration(seconds)


_WAYS = {"asc": False, "desc": True}

RUNNER_COLUMNS: Mapping[str, Callable[[RunnerData], str]] = {
    "id": _told("id"),
    "name": lambda facts: display_name(facts.runner.name, facts.runner.id),
    "status": _told("status"),
    "reach": _reach,
    "last": _last,
    "when": _when,
    "queue": _queue,
    "tags": _told("tags"),
    "endpoint": _told("endpoint"),
    "created": _told("created_at"),
    "updated": _told("updated_at"),
}
"""What a runner's columns hold, by name; empty is nothing, UNKNOWN what could not be asked."""

WORKFLOW_COLUMNS: Mapping[str, Callable[[Workflow, datetime], str]] = {
    "id": _said("id"),
    "name": lambda workflow, _: display_name(workflow.name, workflow.id),
    "status": _said("status"),
    "took": lambda workflow, now: _lasted(durations(workflow, now).ran),
    "created": _said("created_at"),
    "waited": lambda workflow, now: _lasted(durations(workflow, now).waited),
    "tags": _said("tags"),
    "started": _said("started_at"),
    "completed": _said("completed_at"),
    "updated": _said("updated_at"),
}
"""What a workflow's columns hold at a given time, by name."""
