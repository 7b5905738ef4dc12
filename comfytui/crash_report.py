"""Crash reports without values, safe to share: types, places and lines of source.

Neither variables nor messages of exceptions are in them: both hold tokens, header values and addresses with passwords.
What is left, types, places and lines of source, is what a bug is found with.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from comfytui import __version__
from comfytui.config.paths import display_path, state_dir
from comfytui.files import ensure_private_dir, os_error_message

REPORTS_KEPT = 10

_MOST_ERRORS = 30
_MOST_FRAMES = 40


def format_report(
    error: BaseException | None, now: datetime, size: tuple[int, int] | None = None, seen: Sequence[str] = ()
) -> str:
    """Return the report of an exception and its causes.

    Args:
        error: The exception, or None if it is no longer available.
        now: When, in UTC.
        size: Columns and rows of the terminal.
        seen: Lines to end with, which hold no values either.
    """
    import platform

    cells = f"{size[0]}x{size[1]}, " if size else ""
    term = os.environ.get("TERM", "")[:40]
    return "\n".join(
        [
            f"comfytui {__version__} crashed at {now:%Y-%m-%d %H:%M:%S} UTC.",
            "This report holds no values: no variable, and no message of an exception.",
            "",
            f"python    {platform.python_version()} on {sys.platform}",
            f"textual   {_version_of('textual')}",
            f"terminal  {cells}TERM={term if term.isprintable() else ascii(term)}",
            *(line for each in _exception_chain(error) for line in _about(*each)),
            *seen,
            "",
        ]
    )


def write_report(text: str, directory: Path, now: datetime) -> Path:
    """Write a report for this user alone, forget the oldest beyond REPORTS_KEPT, and return the new one's path.

    Raises:
        OSError: It cannot be written.
    """
    path = ensure_private_dir(directory) / f"crash-{now:%Y%m%dT%H%M%S.%fZ}.txt"
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace") as file:
        file.write(text)
    for old in sorted(directory.glob("crash-*.txt"))[:-REPORTS_KEPT]:
        with contextlib.suppress(OSError):
            old.unlink()
    return path


def record_crash(error: BaseException | None, size: tuple[int, int] | None = None, seen: Sequence[str] = ()) -> str:
    """Write a report to the state directory and return a message about it; never raises."""
    from comfytui.clock import SystemClock

    now, name = SystemClock().now(), _name(_wrapped(error) or error)
    try:
        path = write_report(format_report(error, now, size, seen), state_dir(), now)
    except OSError as failure:
        return f"Crashed ({name}), and no report could be written: {os_error_message(failure)}."
    return f"Crashed ({name}). A report without secrets is in {display_path(path)}"


def install_excepthook(say: Callable[[str], None]) -> None:
    """Record uncaught exceptions of all threads and print one line in place of a traceback.

    Args:
        say: Prints a message.
    """

    def on_exception(error: BaseException | None) -> None:
        if not isinstance(error, (KeyboardInterrupt, SystemExit)) and not _is_closed_terminal(error):
            say(record_crash(error))

    sys.excepthook = lambda _kind, error, _trace: on_exception(error)
    threading.excepthook = lambda args: on_exception(args.exc_value)
    sys.unraisablehook = lambda args: on_exception(args.exc_value)


def _is_closed_terminal(error: BaseException | None) -> bool:
    """Return True if writing failed because the terminal is gone, which is not a crash."""
    return isinstance(error, OSError) and error.errno == errno.EIO


def _exception_chain(error: BaseException | None) -> Iterator[tuple[str, BaseException]]:
    """Yield an exception and its causes and members, each once, with its relation."""
    seen: set[int] = set()
    waiting = [] if error is None else [("", error)]
    while waiting and len(seen) < _MOST_ERRORS:
        relation, each = waiting.pop(0)
        if id(each) in seen:
            continue
        seen.add(id(each))
        yield relation, each
        waiting = _related(each) + waiting


def _related(error: BaseException) -> list[tuple[str, BaseException]]:
    inner = list(error.exceptions) if isinstance(error, BaseExceptionGroup) else []
    if (wrapped := _wrapped(error)) is not None:
        inner.append(wrapped)
    found = [("within it: ", each) for each in inner]
    if error.__cause__ is not None:
        found.append(("caused by: ", error.__cause__))
    elif error.__context__ is not None and not error.__suppress_context__:
        found.append(("while handling: ", error.__context__))
    return found


def _wrapped(error: BaseException | None) -> BaseException | None:
    """Return the exception of a worker, which Textual wraps without chaining."""
    wrapped = getattr(error, "error", None)
    return wrapped if isinstance(wrapped, BaseException) else None


def _about(relation: str, error: BaseException) -> list[str]:
    lines = ["", f"{relation}{_name(error)}"]
    frames = traceback.extract_tb(error.__traceback__)
    if len(frames) > _MOST_FRAMES:
        lines.append(f"  … {len(frames) - _MOST_FRAMES} more")
    for frame in frames[-_MOST_FRAMES:]:
        lines.append(f"  {display_path(Path(frame.filename))}:{frame.lineno}:{frame.name}")
        # CPython 3.13 also has the source lines of `python -c`, which may hold secrets.
        lines += [f"      {frame.line}"] if frame.line and not frame.filename.startswith("<") else []
    return lines


def _name(error: BaseException | None) -> str:
    kind = type(error)
    if error is None:
        return "unknown"
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _version_of(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return "unknown"
