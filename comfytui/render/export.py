"""Runners and workflows as they leave the dashboard: JSON, CSV, text; whole, exact, and without a secret."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias

from comfytui.redaction import MASK

if TYPE_CHECKING:
    from comfytui.api.models import Runner, Timestamp, Workflow


Item: TypeAlias = Mapping[str, object]
"""A runner or a workflow as data without secrets, by field: text, a list of tags, headers by name, None for null."""

RUNNER_FIELDS = ("id", "user_id", "name", "status", "endpoint", "tags", "headers", "created_at", "updated_at")
"""A runner's fields by the API's names, in the order of page get-runner."""

_EXTENSIONS = ("queue_running", "queue_pending", "clock_skew")

WORKFLOW_FIELDS = ("id", "name", "status", "tags", "created_at", "updated_at", "started_at", "completed_at")
"""A workflow's fields by the API's names, in the order of page get-runner-history."""

# Spreadsheets of East Asia take the wide signs for the narrow ones, and some leave out blanks before either.
_FORMULA = tuple("=+-@＝＋－＠")


def runner_to_dict(runner: Runner) -> dict[str, object]:
    """A runner's fields by the API's names, in the order of page get-runner; those it does not name come last.

    Extension fields of the gateway are there if they are known.

    Times are ISO 8601 in UTC, or the text that was sent where that is no time. Header values are masked; the rest of
    a runner holds no secrets.
    """
    known: dict[str, object] = {
        "id": runner.id,
        "user_id": runner.user_id,
        "name": runner.name,
        "status": _word(runner.status),
        "endpoint": runner.endpoint,
        "tags": list(runner.tags),
        "headers": dict.fromkeys(runner.headers, MASK),
        "created_at": _time(runner.created_at),
        "updated_at": _time(runner.updated_at),
    }
    extensions = {name: getattr(runner, name) for name in _EXTENSIONS}
    told = {name: value for name, value in extensions.items() if value is not None}
    return _with_extras(known | told, runner.extras)


def workflow_to_dict(workflow: Workflow) -> dict[str, object]:
    """A workflow's fields in the order of page get-runner-history, as `runner_data` gives a runner's."""
    known: dict[str, object] = {
        "id": workflow.id,
        "name": workflow.name,
        "status": _word(workflow.status),
        "tags": list(workflow.tags),
        "created_at": _time(workflow.created_at),
        "updated_at": _time(workflow.updated_at),
        "started_at": _time(workflow.started_at),
        "completed_at": _time(workflow.completed_at),
    }
    return _with_extras(known, workflow.extras)


def runner_json(runner: Runner) -> str:
    """A runner as one JSON object over several lines, without a line break at its end."""
    return _json(runner_to_dict(runner))


def workflow_json(workflow: Workflow) -> str:
    """A workflow as one JSON object over several lines, without a line break at its end."""
    return _json(workflow_to_dict(workflow))


def to_json(items: Iterable[Item]) -> str:
    """The items as a JSON array, for a file."""
    return f"{_json([*items])}\n"


def to_csv(items: Sequence[Item], fields: Sequence[str] = ()) -> str:
    """The items as CSV below a line with the names of these fields and all that any item has; nothing without any.

    Null is an empty cell, tags are joined by blanks, headers are `name=••••••••`. A cell that a spreadsheet would
    take for a formula begins with an apostrophe.
    """
    header = list(dict.fromkeys((*fields, *(name for item in items for name in item))))
    if not header:
        return ""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(map(_cell, header))
    writer.writerows([_cell(item.get(name)) for name in header] for item in items)
    return written.getvalue()


def to_text(lines: Iterable[str]) -> str:
    """The lines of a screen without the blanks behind them, for a file."""
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _with_extras(known: dict[str, object], extras: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Known fields first; one that only looks like a known one, now that its name is clean, is not let in."""
    return known | {name: value for name, value in extras if name not in known}


def _word(status: str | None) -> str | None:
    return None if status is None else str(status)


def _time(value: Timestamp | None) -> str | None:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _json(data: object) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False)


def _cell(value: object) -> str:
    text = _flat(value)
    return f"'{text}" if text.lstrip().startswith(_FORMULA) or text.startswith("\t") else text


def _flat(value: object) -> str:
    match value:
        case None:
            return ""
        case Mapping():
            return " ".join(f"{name}={_flat(each)}" for name, each in value.items())
        case list():
            return " ".join(map(_flat, value))
        case _:
            return str(value)


_LONGEST_NAME = 200
_LONGEST_SUBJECT = 40


class ExportFormat(StrEnum):
    """What a view can be saved as; the value is the ending of the file's name."""

    TEXT = "txt"
    CSV = "csv"
    JSON = "json"
    SVG = "svg"


_BY_ENDING = {kind.value: kind for kind in ExportFormat}


def format_for_name(name: str) -> ExportFormat | None:
    """What a file of this name holds, by its ending; None where that says nothing."""
    stem, _, ending = name.rpartition(".")
    return _BY_ENDING.get(ending.lower()) if stem else None


def suggest_file_name(what: str, when: datetime, kind: ExportFormat) -> str:
    """The name offered for a file: `comfytui-runners-20260131-142500.txt`, for what was seen and when.

    Of `what` only letters, digits, - and _ get into the name.
    """
    subject = "-".join(re.findall(r"[\w-]+", what))[:_LONGEST_SUBJECT]
    day = f"{when.year:04}{when:%m%d-%H%M%S}"
    return "-".join(filter(None, ("comfytui", subject, f"{day}.{kind}")))


def validate_file_name(name: str) -> str | None:
    """The sentence that says why a file cannot have this name; None where it can."""
    if not name.strip():
        return "A file needs a name."
    if "/" in name or "\\" in name:
        return "No / and no \\: the file goes into this directory."
    if not name.isprintable():
        return "The name has characters that cannot be shown."
    if len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        return "The name is too long."
    if format_for_name(name) is None:
        *others, last = (f".{kind}" for kind in ExportFormat)
        return f"The name is to end in {', '.join(others)} or {last}."
    return None


def strip_external_assets(svg: str) -> str:
    """A picture of Textual's without the fonts that it would fetch and the page it would advertise."""
    svg = re.sub(r"@font-face\s*{[^}]*}\s*", "", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"
