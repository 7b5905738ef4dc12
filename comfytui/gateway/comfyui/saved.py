"""Which file each document of a box is saved in: the names that people gave their workflows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import quote

from comfytui.gateway.comfyui.flight import Flight
from comfytui.gateway.comfyui.names import document_id_of, read_userdata_list
from comfytui.gateway.comfyui.problems import BoxProblem, Garbled, Refused, TooLarge
from comfytui.gateway.comfyui.reading import ask

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.gateway.comfyui.client import BoxClient

__all__ = ["SavedWorkflows"]

LOOK_SECONDS = 45.0
"""Seconds between two looks at the list of files: what is saved or renamed is noticed within a minute."""
MOST_FILES = 20
"""Files that are read at a time; of more, the others are the next time."""

File: TypeAlias = tuple[str, float]
"""A path and a time of change: what is read once is not read again."""

# What is wrong with the file itself, and not with the box while it was asked.
_FLAWS = (Refused, TooLarge, Garbled)
_LIST = {"dir": "workflows", "recurse": "true", "split": "false", "full_info": "true"}


class SavedWorkflows:
    """Reads the files of saved workflows in the background: the list of them seldom, each of them once.

    Attributes:
        paths: The path of the file that each document is saved in, by the document's id.

    Args:
        client: Asks the box.
        clock: Tells when to look again.
        quiet: Returns once nothing more urgent is asked of the box.
    """

    def __init__(self, client: BoxClient, clock: Clock, quiet: Callable[[], Awaitable[None]]) -> None:
        self._client = client
        self._clock = clock
        self._quiet = quiet
        self._looking = Flight(self._look)
        self._again_at: float | None = None
        self._documents: dict[File, str] = {}
        self._unanswered: set[File] = set()
        self._listed: set[str] = set()
        self.paths: Mapping[str, str] = {}

    def want(self, documents: Iterable[str]) -> None:
        """Begin to look for the files of these documents, if there are any, unless that was done lately."""
        if not any(documents):
            return
        if self._again_at is None or self._clock.monotonic() >= self._again_at:
            self._again_at = self._clock.monotonic() + LOOK_SECONDS
            self._looking.join()

    @property
    def is_under_way(self) -> bool:
        """Whether something is being found out."""
        return self._looking.is_under_way

    async def landed(self) -> None:
        """Return once nothing is looked for."""
        await self._looking.landed()

    async def aclose(self) -> None:
        """Stop looking."""
        await self._looking.aclose()

    async def _look(self) -> None:
        try:
            await self._quiet()
            files = await ask(self._client, "/userdata", read_userdata_list, _LIST)
        except BoxProblem:
            # A box that has saved nothing, too, says that there is no such directory.
            return
        self._documents = {file: self._documents[file] for file in files if file in self._documents}
        self._unanswered &= set(files)
        unread = [file for file in files if file not in self._documents]
        # New ones come first; those that had no answer are behind the others, lest they be in their way each time.
        listed, self._listed = self._listed, {path for path, _ in files}
        unread.sort(key=lambda file: (file in self._unanswered, file[0] in listed))
        for file in unread[:MOST_FILES]:
            await self._read(file)
            self.paths = self._by_document(files)
        # A file may also be gone.
        self.paths = self._by_document(files)

    def _by_document(self, files: Sequence[File]) -> Mapping[str, str]:
        # Of files that hold the same document, the one changed last comes first, and is to be what remains.
        return {document: file[0] for file in reversed(files) if (document := self._documents.get(file))}

    async def _read(self, file: File) -> None:
        """Find out what document a file holds; one that cannot be read spoils no other."""
        await self._quiet()
        try:
            address = f"/userdata/{quote(f'workflows/{file[0]}', safe='')}"
            self._documents[file] = await ask(self._client, address, document_id_of)
        except _FLAWS:
            self._documents[file] = ""
        except BoxProblem:
            self._unanswered.add(file)
