"""An answer in the form that was asked for, or the one that suits where it goes."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from comfytui.cli.output import is_terminal, write_json, write_line, write_lines, write_text
from comfytui.cli.status import ExitStatus
from comfytui.cli.tables import Table, aligned, plain

__all__ = ["SCHEMA", "Answer", "write"]

SCHEMA = 1
"""The version of the JSON documents."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What there is to say.

    Attributes:
        document: As JSON, but for its version.
        items: One by one, for a line each.
        rows: The same for CSV.
        fields: What the cells of CSV are called, even where there are no rows.
        table: For people, made only if it is wanted.
        status: What the process ends with.
    """

    document: Mapping[str, object]
    items: Sequence[Mapping[str, object]]
    rows: Callable[[], Sequence[Mapping[str, object]]]
    fields: Sequence[str]
    table: Callable[[], Table]
    status: ExitStatus = ExitStatus.OK


def write(answer: Answer, form: str | None) -> None:
    """Write it as `json`, `ndjson` or `csv`; None is a table on a terminal, and columns elsewhere.

    Raises:
        PipeClosedError: Nobody reads any more.
        OutputError: It cannot be written.
    """
    match form:
        case "json":
            write_json({"schema": SCHEMA, **answer.document})
        case "ndjson":
            for item in answer.items:
                write_line(item)
        case "csv":
            from comfytui.tui.present.export import to_csv

            write_text(to_csv(answer.rows(), answer.fields))
        case _ if is_terminal():
            write_lines(aligned(answer.table(), shutil.get_terminal_size().columns))
        case _:
            write_lines(plain(answer.table()))
