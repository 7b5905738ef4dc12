"""What a job's files would have been called that came to nothing: a list of jobs tells only of files that there are."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import quote

from comfytui.api.statuses import WorkflowStatus
from comfytui.gateway.comfyui.flight import Flight
from comfytui.gateway.comfyui.models import read_history
from comfytui.gateway.comfyui.problems import BoxProblem
from comfytui.gateway.comfyui.reading import ask

if TYPE_CHECKING:
    from comfytui.gateway.comfyui.client import BoxClient
    from comfytui.gateway.comfyui.models import Job

__all__ = ["Prefixes"]

_CAME_TO_NOTHING = (WorkflowStatus.FAILED, WorkflowStatus.CANCELLED)


class Prefixes:
    """Asks for the graphs of such jobs in the background, for each once: they are large, and what they say stays.

    Args:
        client: Asks the box.
        quiet: Returns once nothing more urgent is asked of the box.
        learn: Is told what a graph says: the job's id, and the prefix.
    """

    def __init__(
        self, client: BoxClient, quiet: Callable[[], Awaitable[None]], learn: Callable[[str, str], None]
    ) -> None:
        self._client = client
        self._quiet = quiet
        self._learn = learn
        self._asking = Flight(self._ask_all)
        self._wanted: list[str] = []
        self._seen: set[tuple[str, float | None]] = set()

    def want(self, jobs: Iterable[Job]) -> None:
        """Ask for those of these jobs that came to nothing, bear no prefix, and were not among them the last time."""
        nameless = {(job.id, job.number) for job in jobs if job.status in _CAME_TO_NOTHING and not job.prefix}
        self._wanted += sorted(id for id, _ in nameless - self._seen)
        self._seen = nameless
        if self._wanted:
            self._asking.join()

    @property
    def is_under_way(self) -> bool:
        """Whether something is being found out."""
        return self._asking.is_under_way

    async def landed(self) -> None:
        """Return once nothing is asked."""
        await self._asking.landed()

    async def aclose(self) -> None:
        """Stop asking."""
        await self._asking.aclose()

    async def _ask_all(self) -> None:
        while self._wanted:
            await self._quiet()
            id = self._wanted.pop()
            try:
                told = await ask(self._client, f"/history/{quote(id, safe='')}", read_history)
            except BoxProblem:
                # It keeps its short id, as one of which nothing can be known.
                continue
            for job in told.jobs:
                self._learn(id, job.prefix)
