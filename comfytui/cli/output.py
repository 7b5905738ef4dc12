"""Output: the only writer to standard output, always UTF-8, and data only."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from comfytui.cli.exit_codes import ExitCode
from comfytui.files import os_error_message


class PipeClosedError(Exception):
    """The reader of standard output is gone; `comfytui.cli.main` ends quietly with status 0."""


class OutputError(Exception):
    """Standard output cannot be written; the message is for users."""


def write_json(value: object) -> None:
    """Write a JSON document over several lines; raises as `write_text` does."""
    write_text(f"{json.dumps(value, indent=2, ensure_ascii=False)}\n")


def write_line(value: object) -> None:
    """Write a JSON object on a line of its own (NDJSON); raises as `write_text` does."""
    write_text(f"{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n")


def write_lines(lines: Iterable[str]) -> None:
    """Write lines of text at once; raises as `write_text` does."""
    write_text("".join(f"{line}\n" for line in lines))


def write_text(text: str) -> None:
    """Write text and flush it.

    Raises:
        PipeClosedError: The reader is gone.
        OutputError: It cannot be written: the disk is full, or standard output is closed.
    """
    require_stdout()
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
        stream.reconfigure(encoding="utf-8")
    try:
        stream.write(text)
    except OSError as error:
        raise output_error(error) from None
    flush()


def require_stdout() -> None:
    """Raise OutputError if standard output is closed, before any work is done."""
    if sys.stdout is None:
        raise OutputError("What there is to say cannot be written: standard output is closed.")


def flush() -> None:
    """Flush standard output; raises as `write_text` does."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        raise output_error(error) from None


def is_terminal() -> bool:
    """Return True if standard output is a terminal."""
    return sys.stdout is not None and sys.stdout.isatty()


def output_error(error: OSError) -> PipeClosedError | OutputError:
    """Map a write failure to PipeClosedError or OutputError and redirect stdout to /dev/null."""
    # Python flushes again at exit and would report the failure once more.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
    if isinstance(error, BrokenPipeError):
        return PipeClosedError()
    return OutputError(f"What there is to say cannot be written: {os_error_message(error)}.")


SCHEMA = 1
"""Version of the JSON documents."""


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """Output of a command in all its formats.

    Attributes:
        document: JSON document, without its version.
        items: Items for NDJSON.
        rows: Rows for CSV.
        fields: Titles of the CSV columns.
        table: Builds the table for people.
        status: Exit status.
    """

    document: Mapping[str, object]
    items: Sequence[Mapping[str, object]]
    rows: Callable[[], Sequence[Mapping[str, object]]]
    fields: Sequence[str]
    table: Callable[[], Table]
    status: ExitCode = ExitCode.OK


def write_output(answer: CommandOutput, form: str | None) -> None:
    """Write the output as `json`, `ndjson`, `csv`, or None: a table on a terminal, tab-separated elsewhere.

    Raises:
        PipeClosedError: The reader is gone.
        OutputError: It cannot be written.
    """
    match form:
        case "json":
            write_json({"schema": SCHEMA, **answer.document})
        case "ndjson":
            for item in answer.items:
                write_line(item)
        case "csv":
            from comfytui.render.export import to_csv

            write_text(to_csv(answer.rows(), answer.fields))
        case _ if is_terminal():
            write_lines(aligned(answer.table(), shutil.get_terminal_size().columns))
        case _:
            write_lines(tab_separated(answer.table()))


ABSENT = "–"
"""Text of an empty cell in a table; tab-separated cells stay empty."""

_GAP = "  "
_LEAST = 4
_SHORT = 10
_IDENTITY = ("name", "id")
_BREAKS = re.compile(r"[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Table:
    """Table of rows with as many cells as titles; without titles it has no heading."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tab_separated(table: Table) -> Iterator[str]:
    """Yield a line per row, tab-separated, without a heading."""
    return ("\t".join(_BREAKS.sub(" ", cell) for cell in row) for row in table.rows)


def aligned(table: Table, width: int) -> Iterator[str]:
    """Yield the heading and a line per row, in aligned columns that fit the width."""
    from comfytui.render.cells import cell_width, line, pad

    rows = [tuple(cell or ABSENT for cell in row) for row in table.rows]
    if any(table.titles):
        rows.insert(0, tuple(title.upper() for title in table.titles))
    wanted = [max(cell_width(line(row[place])) for row in rows) for place in range(len(table.titles))] if rows else []
    kept = [table.titles.index(title) for title in _IDENTITY if title in table.titles]
    widths = fit_widths(wanted, width, kept)
    for row in rows:
        cells = ("".join(span.text for span in pad(line(cell), size)) for cell, size in zip(row, widths, strict=False))
        yield _GAP.join(cells).rstrip()


def fit_widths(wanted: Sequence[int], width: int, kept: Sequence[int] = ()) -> list[int]:
    """Return the widths of the columns of a line, which has gaps between them.

    The widest shrink first, identifying columns after the others, none below 4 cells; if that is still too wide, the
    last columns are left out. The first is always kept.

    Args:
        wanted: Preferred width of each column.
        width: Cells of a line.
        kept: Indices of the identifying columns; the last of them is useless once it is cut.
    """
    widths = [min(each, max(1, width)) for each in wanted]
    while len(widths) > 1 and _available_width(width, widths) < sum(min(_LEAST, each) for each in widths):
        widths.pop()
    room = _available_width(width, widths)
    long = [place for place, each in enumerate(widths) if each > _SHORT]
    others = [place for place in long if place not in kept]
    names = [place for place in long if place in kept[:-1]]
    for places, least in ((others, _LEAST), (names, _SHORT), (long, _LEAST), (range(len(widths)), _LEAST)):
        _fair_share(widths, places, room, least)
    return widths if sum(widths) <= room else [max(1, room)]


def _available_width(width: int, widths: Sequence[int]) -> int:
    return width - len(_GAP) * (len(widths) - 1)


def _fair_share(widths: list[int], places: Sequence[int], room: int, least: int) -> None:
    """Shrink the widest of these columns while all together are too wide."""
    while sum(widths) > room and places and max(widths[place] for place in places) > least:
        widths[max(places, key=lambda place: (widths[place], place))] -= 1
