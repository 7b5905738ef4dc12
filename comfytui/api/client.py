"""Client of the ComfyControl API: one method for each endpoint."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from comfytui.api.errors import InvalidArgumentError, InvalidResponseError
from comfytui.api.events import EVENTS_PATH, RUNNERS_EVENT, RunnerRevisions, parse_revisions
from comfytui.api.models import Runner, RunnerPage, RunnerStats, Workflow, parse_history, parse_stats, read_runner
from comfytui.api.response_cache import ParsedResponseCache
from comfytui.api.statuses import RunnerStatus
from comfytui.config.settings import MAX_PER_PAGE
from comfytui.ratelimit.window import OnSent, Priority

if TYPE_CHECKING:
    from comfytui.api.session import Session


_RUNNERS = "/v1/runner"


class ComfyControlClient:
    """Client of the ComfyControl API; every method raises `comfytui.api.errors.ComfyControlError`."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pages: dict[int, ParsedResponseCache[RunnerPage]] = {}
        self._runners = ParsedResponseCache(read_runner)
        self._histories = ParsedResponseCache(parse_history)
        self._stats = ParsedResponseCache(parse_stats)

    @property
    def clock_skew(self) -> float:
        """Seconds by which the server's clock is ahead of the one here; 0.0 unless they are more than 5 s apart."""
        return self._session.clock_skew

    @property
    def has_events(self) -> bool:
        """True once the API has announced event streams (`comfytui.api.events`)."""
        return self._session.has_events

    async def list_runners(
        self,
        page: int = 1,
        per_page: int = 10,
        status: RunnerStatus | str | None = None,
        priority: Priority = Priority.POLL,
        on_sent: OnSent = None,
    ) -> RunnerPage:
        """Return a page of runners, newest created first (page list-runners).

        Args:
            page: 1 or more; beyond the last one the answer is empty.
            per_page: 1 to 100.
            status: "active", "disabled", or None for both.
            priority: Priority of the request with the rate limiter.
            on_sent: Called when the request is sent, which the rate limiter may delay.

        Raises:
            InvalidArgumentError: An argument is out of range; no request was sent.
            RequestError: The API gave no usable answer.
        """
        params: dict[str, str | int] = {"page": _page(page), "per_page": _per_page(per_page)}
        if status is not None:
            params["status"] = _status(status)
        if (pages := self._pages.get(per_page)) is None:
            pages = self._pages[per_page] = ParsedResponseCache(partial(RunnerPage.parse, most=per_page))
        return await self._session.get(_RUNNERS, pages, params, priority, on_sent)

    async def get_runner(self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None) -> Runner:
        """Return a runner by its id (page get-runner); raises as `list_runners` does."""
        return await self._session.get(f"{_RUNNERS}/{_segment(runner_id)}", self._runners, None, priority, on_sent)

    async def get_history(
        self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None
    ) -> tuple[Workflow, ...]:
        """Return a runner's newest workflows, at most ten, newest created first (page get-runner-history).

        Raises as `list_runners` does.
        """
        return await self._session.get(
            f"{_RUNNERS}/{_segment(runner_id)}/history", self._histories, None, priority, on_sent
        )

    async def get_stats(
        self, runner_id: str, priority: Priority = Priority.POLL, on_sent: OnSent = None
    ) -> RunnerStats:
        """Return the stats of a runner's machine (page get-runner-stats).

        The API requests them from the runner first, so a slow runner delays this. A ServerError of status 500
        means that the runner does not answer.
        Raises as `list_runners` does.
        """
        return await self._session.get(f"{_RUNNERS}/{_segment(runner_id)}/stats", self._stats, None, priority, on_sent)

    async def watch_revisions(
        self, priority: Priority = Priority.BACKGROUND
    ) -> AsyncGenerator[tuple[RunnerRevisions, ...]]:
        """Yield the revisions of all known runners, then changes; empty ones are heartbeats.

        This is an extension that not every API has; it goes on until it fails.

        Raises:
            RequestError: The API does not announce changes, or not any more.
        """
        async with aclosing(self._session.events(EVENTS_PATH, priority)) as events:
            async for event in events:
                if (revisions := _read_event(event.event, event.data)) is None:
                    break
                yield revisions
        raise InvalidResponseError("GET", EVENTS_PATH, "an event that cannot be read")

    async def aclose(self) -> None:
        """Close the session; the client is not used afterwards."""
        await self._session.aclose()


def _read_event(event: str, data: str) -> tuple[RunnerRevisions, ...] | None:
    """Return the revisions of an event, empty for unknown events, or None if unreadable."""
    try:
        return parse_revisions(data) if event == RUNNERS_EVENT else ()
    except ValueError:
        return None


def _page(page: object) -> int:
    if not isinstance(page, int) or isinstance(page, bool) or page < 1:
        raise InvalidArgumentError("page must be a whole number, 1 or more")
    return page


def _per_page(per_page: object) -> int:
    if not isinstance(per_page, int) or isinstance(per_page, bool) or not 1 <= per_page <= MAX_PER_PAGE:
        raise InvalidArgumentError(f"per_page must be a whole number from 1 to {MAX_PER_PAGE}")
    return per_page


def _status(status: object) -> str:
    if not isinstance(status, str) or not RunnerStatus(status).is_known:
        raise InvalidArgumentError(f"status must be {' or '.join(RunnerStatus)}")
    return str(status)


def _segment(runner_id: object) -> str:
    """Return an id quoted as one segment of a path."""
    if not isinstance(runner_id, str) or runner_id in ("", ".", ".."):
        raise InvalidArgumentError("a runner's id must be text, not empty, and neither . nor ..")
    if any("\ud800" <= char <= "\udfff" for char in runner_id):
        raise InvalidArgumentError("a runner's id must be whole characters")
    return quote(runner_id, safe="")
