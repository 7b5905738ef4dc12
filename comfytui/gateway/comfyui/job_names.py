"""Names of jobs: saved workflows of a server, output prefixes, short ids."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from comfytui.api.statuses import WorkflowStatus
from comfytui.gateway.comfyui.errors import (
    ComfyUIError,
    HTTPStatusError,
    ResponseTooLargeError,
    UnparsableResponseError,
)
from comfytui.gateway.comfyui.job_reader import get_parsed
from comfytui.gateway.comfyui.models import parse_history
from comfytui.gateway.comfyui.single_flight import SingleFlight

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.gateway.comfyui.client import ComfyUIClient
    from comfytui.gateway.comfyui.models import Job


LOOKUP_INTERVAL_S = 45.0
"""Seconds between two looks at the list of files: what is saved or renamed is noticed within a minute."""
MAX_FILES = 20
"""Files that are read at a time; of more, the others are the next time."""

File: TypeAlias = tuple[str, float]
"""A path and a time of change: what is read once is not read again."""

# Errors of the file itself, not of the server.
_FLAWS = (HTTPStatusError, ResponseTooLargeError, UnparsableResponseError)
_LIST = {"dir": "workflows", "recurse": "true", "split": "false", "full_info": "true"}


class SavedWorkflowIndex:
    """Index of saved workflows by document id, read in the background, each file once.

    Attributes:
        paths: The path of the file that each document is saved in, by the document's id.

    Args:
        client: Asks the box.
        clock: Tells when to look again.
        quiet: Returns once nothing more urgent is asked of the box.
    """

    def __init__(self, client: ComfyUIClient, clock: Clock, quiet: Callable[[], Awaitable[None]]) -> None:
        self._client = client
        self._clock = clock
        self._quiet = quiet
        self._looking = SingleFlight(self._look)
        self._again_at: float | None = None
        self._documents: dict[File, str] = {}
        self._unanswered: set[File] = set()
        self._listed: set[str] = set()
        self.paths: Mapping[str, str] = {}

    def request(self, documents: Iterable[str]) -> None:
        """Start to look for the files of documents, unless that was done recently."""
        if not any(documents):
            return
        if self._again_at is None or self._clock.monotonic() >= self._again_at:
            self._again_at = self._clock.monotonic() + LOOKUP_INTERVAL_S
            self._looking.start_or_join()

    @property
    def is_running(self) -> bool:
        """True while files are read."""
        return self._looking.is_running

    async def wait_idle(self) -> None:
        """Wait until no file is read."""
        await self._looking.wait_idle()

    async def aclose(self) -> None:
        """Stop reading."""
        await self._looking.aclose()

    async def _look(self) -> None:
        try:
            await self._quiet()
            files = await get_parsed(self._client, "/userdata", parse_userdata_list, _LIST)
        except ComfyUIError:
            # A server without saved workflows answers that there is no such directory.
            return
        self._documents = {file: self._documents[file] for file in files if file in self._documents}
        self._unanswered &= set(files)
        unread = [file for file in files if file not in self._documents]
        # New files come first and unanswered ones last, so that they do not block the others each time.
        listed, self._listed = self._listed, {path for path, _ in files}
        unread.sort(key=lambda file: (file in self._unanswered, file[0] in listed))
        for file in unread[:MAX_FILES]:
            await self._read(file)
            self.paths = self._by_document(files)
        # The file may have been deleted.
        self.paths = self._by_document(files)

    def _by_document(self, files: Sequence[File]) -> Mapping[str, str]:
        # Of files with the same document the one changed last comes first and is kept.
        return {document: file[0] for file in reversed(files) if (document := self._documents.get(file))}

    async def _read(self, file: File) -> None:
        """Read the document id of a file; a file that cannot be read is skipped."""
        await self._quiet()
        try:
            address = f"/userdata/{quote(f'workflows/{file[0]}', safe='')}"
            self._documents[file] = await get_parsed(self._client, address, workflow_id)
        except _FLAWS:
            self._documents[file] = ""
        except ComfyUIError:
            self._unanswered.add(file)


_CAME_TO_NOTHING = (WorkflowStatus.FAILED, WorkflowStatus.CANCELLED)


class OutputPrefixLookup:
    """Lookup of output prefixes of failed and cancelled jobs in their graphs, each once.

    The job list names only files that exist, and graphs are large.

    Args:
        client: Asks the box.
        quiet: Returns once nothing more urgent is asked of the box.
        learn: Is told what a graph says: the job's id, and the prefix.
    """

    def __init__(
        self, client: ComfyUIClient, quiet: Callable[[], Awaitable[None]], learn: Callable[[str, str], None]
    ) -> None:
        self._client = client
        self._quiet = quiet
        self._learn = learn
        self._asking = SingleFlight(self._ask_all)
        self._wanted: list[str] = []
        self._seen: set[tuple[str, float | None]] = set()

    def request(self, jobs: Iterable[Job]) -> None:
        """Start to look up jobs without result or prefix that were not looked up the last time."""
        nameless = {(job.id, job.number) for job in jobs if job.status in _CAME_TO_NOTHING and not job.prefix}
        self._wanted += sorted(id for id, _ in nameless - self._seen)
        self._seen = nameless
        if self._wanted:
            self._asking.start_or_join()

    @property
    def is_running(self) -> bool:
        """True while files are read."""
        return self._asking.is_running

    async def wait_idle(self) -> None:
        """Wait until nothing is looked up."""
        await self._asking.wait_idle()

    async def aclose(self) -> None:
        """Stop looking up."""
        await self._asking.aclose()

    async def _ask_all(self) -> None:
        while self._wanted:
            await self._quiet()
            id = self._wanted.pop()
            try:
                told = await get_parsed(self._client, f"/history/{quote(id, safe='')}", parse_history)
            except ComfyUIError:
                # Its name stays the short id, since nothing more can be known.
                continue
            for job in told.jobs:
                self._learn(id, job.prefix)


_SHORT = 8
_LARGEST = 1_000_000
_LONGEST = 1_000
_SURELY_MILLISECONDS = 1e11
_NO_TIME = 1e15


def job_name(job: Job, saved: Mapping[str, str]) -> str:
    """Return a job's name: its saved workflow's, else its output prefix, else its short id.

    Args:
        job: The job.
        saved: The paths of saved workflows, by the id of the document inside.
    """
    file = _last_part(saved.get(job.document, "")) if job.document else ""
    return file.removesuffix(".json") or _last_part(job.prefix) or short_id(job.id)


def short_id(id: str) -> str:
    """Return the first characters of an id."""
    return id[:_SHORT]


def parse_userdata_list(body: object) -> tuple[tuple[str, float], ...]:
    """Parse `/userdata?dir=workflows&full_info=true` into paths and times of change, newest first.

    Times are seconds since 1970. Files that cannot be workflows by name or size (1 MB and more) are left out, as are
    paths that cannot be requested or have more than 1,000 characters. Anything but a list gives none.
    """
    return tuple(sorted(_files(body), key=lambda file: (-file[1], file[0])))


def workflow_id(body: object) -> str:
    """Return the id in a saved workflow file, or an empty string."""
    id = body.get("id") if isinstance(body, Mapping) else None
    return id if isinstance(id, str) else ""


def _files(body: object) -> Iterator[tuple[str, float]]:
    for entry in body if isinstance(body, list) else ():
        if not isinstance(entry, Mapping):
            continue
        path, size = entry.get("path"), entry.get("size")
        is_large = isinstance(size, (int, float)) and size >= _LARGEST
        if isinstance(path, str) and path.endswith(".json") and _is_requestable(path) and not is_large:
            yield path, _seconds(entry.get("modified"))


def _is_requestable(path: str) -> bool:
    try:
        return len(path) <= _LONGEST and bool(path.encode())
    except UnicodeEncodeError:
        # A lone surrogate: valid in JSON, but not in a URL.
        return False


def _seconds(modified: object) -> float:
    """Return seconds; newer servers send milliseconds."""
    if not isinstance(modified, (int, float)) or not 0 <= modified < _NO_TIME:
        return 0
    return modified / 1000 if modified >= _SURELY_MILLISECONDS else modified


def _last_part(path: str) -> str:
    return re.split(r"[/\\]", path.rstrip("/\\"))[-1]
