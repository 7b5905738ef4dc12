"""Files that a view is saved in: their names, their kinds, and writing one without harm to another."""

from __future__ import annotations

import contextlib
import os
import re
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from comfytui.config.files import cause
from comfytui.config.paths import shown

__all__ = ["Format", "check_name", "default_name", "format_of", "save_file", "self_contained"]

_LONGEST_NAME = 200
_LONGEST_SUBJECT = 40
_MODE = 0o600


class Format(StrEnum):
    """What a view can be saved as; the value is the ending of the file's name."""

    TEXT = "txt"
    CSV = "csv"
    JSON = "json"
    SVG = "svg"


_BY_ENDING = {kind.value: kind for kind in Format}


def format_of(name: str) -> Format | None:
    """What a file of this name holds, by its ending; None where that says nothing."""
    stem, _, ending = name.rpartition(".")
    return _BY_ENDING.get(ending.lower()) if stem else None


def default_name(what: str, when: datetime, kind: Format) -> str:
    """The name offered for a file: `comfytui-runners-20260131-142500.txt`, for what was seen and when.

    Of `what` only letters, digits, - and _ get into the name.
    """
    subject = "-".join(re.findall(r"[\w-]+", what))[:_LONGEST_SUBJECT]
    day = f"{when.year:04}{when:%m%d-%H%M%S}"
    return "-".join(filter(None, ("comfytui", subject, f"{day}.{kind}")))


def check_name(name: str) -> str | None:
    """The sentence that says why a file cannot have this name; None where it can."""
    if not name.strip():
        return "A file needs a name."
    if "/" in name or "\\" in name:
        return "No / and no \\: the file goes into this directory."
    if not name.isprintable():
        return "The name has characters that cannot be shown."
    if len(name.encode("utf-8", "replace")) > _LONGEST_NAME:
        return "The name is too long."
    if format_of(name) is None:
        *others, last = (f".{kind}" for kind in Format)
        return f"The name is to end in {', '.join(others)} or {last}."
    return None


def self_contained(svg: str) -> str:
    """A picture of Textual's without the fonts that it would fetch and the page it would advertise."""
    svg = re.sub(r"@font-face\s*{[^}]*}\s*", "", svg)
    svg = re.sub(r"<!--.*?-->\s*", "", svg, flags=re.DOTALL)
    svg = svg.replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def save_file(directory: Path, name: str, text: str) -> str | None:
    """Write a new file that only this user may read; the sentence that says why it could not be, None where it was.

    A file that is there already, or a link, stays as it is. A file that cannot be written whole is not left behind.
    """
    if (wrong := check_name(name)) is not None:
        return wrong
    path = directory / name
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE)
    except FileExistsError:
        return f"{name} is there already, and was not overwritten."
    except OSError as error:
        return _failed(path, error)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
    except OSError as error:
        with contextlib.suppress(OSError):
            path.unlink()
        return _failed(path, error)
    return None


def _failed(path: Path, error: OSError) -> str:
    return f"{shown(path)} cannot be written: {cause(error)}."
