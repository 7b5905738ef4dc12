"""Data: the only writer to standard output. It is UTF-8 wherever it goes, and never anything but data."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Iterable

from comfytui.config.files import cause

__all__ = [
    "OutputError",
    "PipeClosedError",
    "check",
    "flush",
    "given_up",
    "is_terminal",
    "write_json",
    "write_line",
    "write_lines",
    "write_text",
]


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
    check()
    stream = sys.stdout
    if isinstance(stream, io.TextIOWrapper) and stream.encoding.lower() != "utf-8":
        stream.reconfigure(encoding="utf-8")
    try:
        stream.write(text)
    except OSError as error:
        raise given_up(error) from None
    flush()


def check() -> None:
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
        raise given_up(error) from None


def is_terminal() -> bool:
    """Whether somebody looks at what is written."""
    return sys.stdout is not None and sys.stdout.isatty()


def given_up(error: OSError) -> PipeClosedError | OutputError:
    """What it means that standard output could not be written to; whatever else is, goes into nothing."""
    # Python flushes once more when it ends, and would complain; let it do so into nothing.
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, sys.stdout.fileno())
    os.close(nothing)
    if isinstance(error, BrokenPipeError):
        return PipeClosedError()
    return OutputError(f"What there is to say cannot be written: {cause(error)}.")
