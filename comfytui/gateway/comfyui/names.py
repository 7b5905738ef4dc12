"""What a job is called, though ComfyUI gives it no name: after its saved workflow, its files, or its id."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.gateway.comfyui.models import Job

__all__ = ["document_id_of", "name_of", "prefix_of_filename", "read_userdata_list", "short_id"]

_COUNTED = re.compile(r"(?P<prefix>.*)_\d{5,}_?(?:-audio)?\.\w+", re.DOTALL)
_TEMPORARY = re.compile(r".*_temp_[a-z]{5}_\d{5,}_?\.\w+", re.DOTALL)
_SHORT = 8
_LARGEST = 1_000_000
_LONGEST = 1_000
_SURELY_MILLISECONDS = 1e11
_NO_TIME = 1e15


def name_of(job: Job, saved: Mapping[str, str]) -> str:
    """A name for a job: its saved workflow's, else that of the files it makes, else the beginning of its id.

    Args:
        job: The job.
        saved: The paths of saved workflows, by the id of the document inside.
    """
    file = _last_part(saved.get(job.document, "")) if job.document else ""
    return file.removesuffix(".json") or _last_part(job.prefix) or short_id(job.id)


def short_id(id: str) -> str:
    """As much of an id as people need to tell jobs apart."""
    return id[:_SHORT]


def prefix_of_filename(filename: str) -> str:
    """The prefix that a file was saved under: `ComfyUI` for `ComfyUI_00012_.png`; none for a temporary preview.

    A file that was not counted is named as a whole, but for its extension.
    """
    if _TEMPORARY.fullmatch(filename):
        return ""
    counted = _COUNTED.fullmatch(filename)
    return counted["prefix"] if counted else filename.rpartition(".")[0] or filename


def read_userdata_list(body: object) -> tuple[tuple[str, float], ...]:
    """Read `/userdata?dir=workflows&full_info=true`: path and time of change of each saved workflow, newest first.

    Times are seconds since 1970. Files that cannot be workflows, by name or by size (1 MB and more), are left out, as
    are paths that cannot be asked for or have more than 1,000 characters, and what is no file; without a list there
    are none.
    """
    return tuple(sorted(_files(body), key=lambda file: (-file[1], file[0])))


def document_id_of(body: object) -> str:
    """The id of a saved workflow, given what its file holds; empty where it has none."""
    id = body.get("id") if isinstance(body, Mapping) else None
    return id if isinstance(id, str) else ""


def _files(body: object) -> Iterator[tuple[str, float]]:
    for entry in body if isinstance(body, list) else ():
        if not isinstance(entry, Mapping):
            continue
        path, size = entry.get("path"), entry.get("size")
        is_large = isinstance(size, (int, float)) and size >= _LARGEST
        if isinstance(path, str) and path.endswith(".json") and _is_decent(path) and not is_large:
            yield path, _seconds(entry.get("modified"))


def _is_decent(path: str) -> bool:
    try:
        return len(path) <= _LONGEST and bool(path.encode())
    except UnicodeEncodeError:
        # Half a pair of surrogates, as JSON may hold it and no URL.
        return False


def _seconds(modified: object) -> float:
    """Older servers tell seconds, newer ones milliseconds."""
    if not isinstance(modified, (int, float)) or not 0 <= modified < _NO_TIME:
        return 0
    return modified / 1000 if modified >= _SURELY_MILLISECONDS else modified


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
