"""Data: the only writer to standard output. It is UTF-8 wherever it goes, and never anything but data."""

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
    """Nobody reads any more, so there is nothing left to do; `comfytui.cli.main` ends quietly, with status 0."""


class OutputError(Exception):
    """Standard output takes nothing any more; the message is a sentence."""


def write_json(value: object) -> None:
    """One JSON document over several lines; raises as `write_text` does."""
    write_text(f"{json.dumps(value, indent=2, ensure_ascii=False)}\n")


def write_line(value: object) -> None:
    """One JSON object on a line of its own (NDJSON); raises as `write_text` does."""
    write_text(f"{json.dumps(value, ensure_ascii=False, separators=(',', ':'))}\n")


def write_lines(lines: Iterable[str]) -> None:
    """Lines of text, together; raises as `write_text` does."""
    write_text("".join(f"{line}\n" for line in lines))


def write_text(text: str) -> None:
    """Text as it is, out of Python's hands once this returns.

    Raises:
        PipeClosedError: Nobody reads any more.
        OutputError: It cannot be written, as where a disk is full or standard output is closed.
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
    """Raise OutputError where standard output is closed, so that nothing is begun in vain."""
    if sys.stdout is None:
        raise OutputError("What there is to say cannot be written: standard output is closed.")


def flush() -> None:
    """See what was written out of Python's hands; raises PipeClosedError or OutputError as `write_text` does."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except OSError as error:
        raise output_error(error) from None


def is_terminal() -> bool:
    """Whether somebody looks at what is written."""
    return sys.stdout is not None and sys.stdout.isatty()


def output_error(error: OSError) -> PipeClosedError | OutputError:
    """What it means that standard output could not be written to; whatever else is, goes into nothing."""
    # Python flushes once more when it ends, and would complain; let it do so into nothing.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
    if isinstance(error, BrokenPipeError):
        return PipeClosedError()
    return OutputError(f"What there is to say cannot be written: {os_error_message(error)}.")


SCHEMA = 1
"""The version of the JSON documents."""


@dataclass(frozen=True, slots=True)
class CommandOutput:
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
    status: ExitCode = ExitCode.OK


def write_output(answer: CommandOutput, form: str | None) -> None:
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
            from comfytui.render.export import to_csv

            write_text(to_csv(answer.rows(), answer.fields))
        case _ if is_terminal():
            write_lines(aligned(answer.table(), shutil.get_terminal_size().columns))
        case _:
            write_lines(tab_separated(answer.table()))


ABSENT = "–"
"""What stands in a table for nothing; between tabs nothing does."""

_GAP = "  "
_LEAST = 4
_SHORT = 10
_IDENTITY = ("name", "id")
_BREAKS = re.compile(r"[\t\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, as many as there are titles; without titles it has no line above them."""

    titles: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tab_separated(table: Table) -> Iterator[str]:
    """A line for each row: whole cells with tabs between them and nothing above."""
    return ("\t".join(_BREAKS.sub(" ", cell) for cell in row) for row in table.rows)


def aligned(table: Table, width: int) -> Iterator[str]:
    """The titles and a line for each row, in columns that fit the width; the last are left out where it is narrow."""
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
    """How wide the columns are, with gaps between them, for a line of this width.

    The widest give way first, those that are kept after the others, short ones last and none below 4 cells; where
    even that is too wide, the last columns are left out. The first is always there.

    Args:
        wanted: How wide each would be.
        width: Cells of a line.
        kept: Places of columns by which a row is known; the last of them says nothing once it is cut.
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
    """Take from the widest of these as long as all are too wide, and there is something to take."""
    while sum(widths) > room and places and max(widths[place] for place in places) > least:
        widths[max(places, key=lambda place: (widths[place], place))] -= 1
