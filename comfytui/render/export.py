"""Runners and workflows as JSON, CSV and text, complete, exact and without secrets."""

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
"""Runner or workflow as data without secrets, by field name.

Values are text, a list of tags, headers by name, or None for null.
"""

RUNNER_FIELDS = ("id", "user_id", "name", "status", "endpoint", "tags", "headers", "created_at", "updated_at")
"""Fields of a runner, named and ordered as on page get-runner."""

_EXTENSIONS = ("queue_running", "queue_pending", "clock_skew")

WORKFLOW_FIELDS = ("id", "name", "status", "tags", "created_at", "updated_at", "started_at", "completed_at")
"""Fields of a workflow, named and ordered as on page get-runner-history."""

# East Asian spreadsheets read full-width signs like the ASCII ones, and some skip blanks before either.
_FORMULA = tuple("=+-@＝＋－＠")


def runner_to_dict(runner: Runner) -> dict[str, object]:
    """Return a runner's fields in the order of page get-runner; undocumented fields come last.

    Extension fields of the gateway are included if known. Times are ISO 8601 in UTC, or the text that was sent if it is
    no valid time. Header values are redacted; a runner holds no other secrets.
    """
    known: dict[str, object] = {
        "id": runner.id,
        "user_id": runner.user_id,
        "name": runner.name,
        "status": _status_text(runner.status),
        "endpoint": runner.endpoint,
        "tags": list(runner.tags),
        "headers": dict.fromkeys(runner.headers, MASK),
        "created_at": _time(runner.created_at),
        "updated_at": _time(runner.updated_at),
    }
    extensions = {name: getattr(runner, name) for name in _EXTENSIONS}
    present = {name: value for name, value in extensions.items() if value is not None}
    return _with_extras(known | present, runner.extras)


def workflow_to_dict(workflow: Workflow) -> dict[str, object]:
    """Return a workflow's fields in the order of page get-runner-history, in the format of `runner_to_dict`."""
    known: dict[str, object] = {
        "id": workflow.id,
        "name": workflow.name,
        "status": _status_text(workflow.status),
        "tags": list(workflow.tags),
        "created_at": _time(workflow.created_at),
        "updated_at": _time(workflow.updated_at),
        "started_at": _time(workflow.started_at),
        "completed_at": _time(workflow.completed_at),
    }
    return _with_extras(known, workflow.extras)


def runner_json(runner: Runner) -> str:
    """Return a runner as an indented JSON object without a trailing newline."""
    return _json(runner_to_dict(runner))


def workflow_json(workflow: Workflow) -> str:
    """Return a workflow as an indented JSON object without a trailing newline."""
    return _json(workflow_to_dict(workflow))


def to_json(items: Iterable[Item]) -> str:
    """Return the items as a JSON array for a file."""
    return f"{_json([*items])}\n"


def to_csv(items: Sequence[Item], fields: Sequence[str] = ()) -> str:
    """Return the items as CSV with a header of `fields` and all other fields; empty without any field.

    Null becomes an empty cell, tags are joined by spaces, headers are `name=••••••••`. A cell that a spreadsheet would
    run as a formula is prefixed with an apostrophe.
    """
    header = list(dict.fromkeys((*fields, *(name for item in items for name in item))))
    if not header:
        return ""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(_cell, header))
    writer.writerows([_cell(item.get(name)) for name in header] for item in items)
    return buffer.getvalue()


def to_text(lines: Iterable[str]) -> str:
    """Return the lines of a screen without trailing spaces, for a file."""
    return "".join(f"{line.rstrip()}\n" for line in lines)


def _with_extras(known: dict[str, object], extras: Iterable[tuple[str, str]]) -> dict[str, object]:
    """Return known fields, then undocumented ones; one whose sanitized name equals a known name is dropped."""
    return known | {name: value for name, value in extras if name not in known}


def _status_text(status: str | None) -> str | None:
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
            return " ".join(f"{name}={_flat(item)}" for name, item in value.items())
        case list():
            return " ".join(map(_flat, value))
        case _:
            return str(value)


_MAX_NAME_BYTES = 200
_MAX_SUBJECT_CHARS = 40


class ExportFormat(StrEnum):
    """File format of a saved view; the value is the file name's extension."""

    TEXT = "txt"
    CSV = "csv"
    JSON = "json"
    SVG = "svg"


_BY_EXTENSION = {kind.value: kind for kind in ExportFormat}


def format_for_name(name: str) -> ExportFormat | None:
    """Return the format of a file by its extension, or None if it is unknown."""
    stem, _, extension = name.rpartition(".")
    return _BY_EXTENSION.get(extension.lower()) if stem else None


def suggest_file_name(what: str, when: datetime, kind: ExportFormat) -> str:
    """Return a default file name, such as `comfytui-runners-20260131-142500.txt`.

    Only letters, digits, - and _ of `what` become part of it.
    """
    subject = "-".join(re.findall(r"[\w-]+", what))[:_MAX_SUBJECT_CHARS]
    day = f"{when.year:04}{when:%m%d-%H%M%S}"
    return "-".join(filter(None, ("comfytui", subject, f"{day}.{kind}")))


def validate_file_name(name: str) -> str | None:
    """Return why a file cannot have this name, as a sentence, or None if it can."""
    if not name.strip():
        return "Enter a file name."
    if "/" in name or "\\" in name:
        return "Leave out / and \\: the file is saved in this directory."
    if not name.isprintable():
        return "The name contains unprintable characters."
    if len(name.encode("utf-8", "replace")) > _MAX_NAME_BYTES:
        return "The name is too long."
    if format_for_name(name) is None:
        *others, last = (f".{kind}" for kind in ExportFormat)
        return f"The name must end in {', '.join(others)} or {last}."
    return None


def strip_external_assets(svg: str) -> str:
    """Return an SVG of Textual's without the web fonts and links that it would load."""
    svg = re.sub(r"@font-face\s*{[^}]*}\s*", "", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"
