"""Which file each document of a box is saved in: the names that people gave their workflows."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from urllib.parse import quote

from comfytui.gateway.comfyui.flight import Flight
from comfytui.gateway.comfyui.names import document_id_of, read_userdata_list
from comfytui.gateway.comfyui.problems import BoxProblem, Refused
from comfytui.gateway.comfyui.reading import ask

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.gateway.comfyui.client import BoxClient

__all__ = ["SavedWorkflows"]

LOOK_SECONDS = 300.0
MOST_FILES = 20

_LIST = {"dir": "workflows", "recurse": "true", "split": "false", "full_info": "true"}


class SavedWorkflows:
    """Finds out in the background, and seldom, for documents that no known file holds.

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
        self._documents: dict[tuple[str, float], str] = {}
        self.paths: Mapping[str, str] = {}

    def want(self, documents: Iterable[str]) -> None:
        """Begin to look if one of these is saved in no known file, unless that was done in the last minutes."""
        if all(document in self.paths for document in documents if document):
            return
        if self._again_at is None or self._clock.monotonic() >= self._again_at:
            self._again_at = self._clock.monotonic() + LOOK_SECONDS
            self._looking.join()

    async def aclose(self) -> None:
        """Stop looking."""
        await self._looking.aclose()

    async def _look(self) -> None:
        try:
            await self._quiet()
            files = (await ask(self._client, "/userdata", read_userdata_list, _LIST))[:MOST_FILES]
            self._documents = {file: await self._document(file) for file in files}
        except BoxProblem:
            # A box that has saved nothing, too, says that there is no such directory.
            return
        # Of files that hold the same document, the one changed last comes first, and is to be what remains.
        self.paths = {document: path for (path, _), document in reversed(self._documents.items()) if document}

    async def _document(self, file: tuple[str, float]) -> str:
        if file in self._documents:
            return self._documents[file]
        await self._quiet()
        try:
            return await ask(self._client, f"/userdata/{quote(f'workflows/{file[0]}', safe='')}", document_id_of)
        except Refused:
            return ""
