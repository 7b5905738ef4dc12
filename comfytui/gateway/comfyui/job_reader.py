"""Reader of a server's jobs: its job list, else its queue and history, at a bounded rate."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from comfytui.api.body import MAX_BODY
from comfytui.api.statuses import WorkflowStatus
from comfytui.gateway.comfyui.errors import (
    ComfyUIError,
    HTTPStatusError,
    ResponseTimeoutError,
    ResponseTooLargeError,
    UnparsableResponseError,
)
from comfytui.gateway.comfyui.models import MOST, Job, JobList, parse_history, parse_jobs, parse_queue

if TYPE_CHECKING:
    from comfytui.clock import Clock
    from comfytui.gateway.comfyui.client import ComfyUIClient
    from comfytui.gateway.comfyui.contact import Contact


JOBS = "/api/jobs"
ACTIVE = "pending,in_progress"
"""States of the jobs that wait or run, as `/api/jobs` takes them."""
LIMIT = 20
NEXT_LIMIT = 10
"""Jobs requested from the end of a long queue that runs next: the running ones, and more than are shown."""
RUNNING_LIMIT = 5
MAX_ITEMS = 10
"""Finished jobs that are asked of `/history`, where each is as large as its workflow: as many as are shown."""
MIN_PAUSE_S = 1.0
FALLBACK_PAUSE_S = 10.0
LIGHT_BYTES_A_SECOND = 10_000
BYTES_A_SECOND = 100_000
"""The queue and the history carry whole workflows: the box rests a second for so much of them.

Up to SLOW_SECONDS it is a second for LIGHT_BYTES_A_SECOND: what is light may be read again soon.
"""

_FINISHED = "completed,failed,cancelled"
_FINISHED_BEFORE_0_9 = "completed,failed"
_HALVES = (ACTIVE, _FINISHED)
# A version without the list of jobs answers so: a new one is rare. Whatever else is wrong with it may be over soon,
# but a list that hangs costs half a minute each time.
_HAS_NO_LIST = (400, 404)
_RETRY_NO_LIST = 600.0
_RETRY = 60.0

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class PartialList:
    """Half of the jobs: active ones or finished ones.

    Attributes:
        jobs: What runs, and the oldest and the newest of what waits; or the newest of what is finished.
        is_all: Whether that is all there is of it, or all that can be known to be there.
        problem: What kept it, or some of it, from being read.
        is_told: Whether any of it could be read.
        gap: Ids of two of the jobs; waiting jobs created between them are not listed. None without such a gap.
    """

    jobs: tuple[Job, ...]
    is_all: bool
    problem: ComfyUIError | None = None
    is_told: bool = True
    gap: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class JobsReading:
    """Jobs of a server at one time.

    Attributes:
        active: What waits and runs, read first.
        finished: The rest.
        apart: Other jobs that ended lately, but were created before the listed ones.
    """

    active: PartialList
    finished: PartialList
    apart: tuple[Job, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Messages about halves that could not be read."""
        halves = (("/queue", self.active.problem), ("/history", self.finished.problem))
        told = ((path, str(problem)) for path, problem in halves if problem is not None)
        return tuple(words if path in words else f"{path}: {words}" for path, words in told)


async def get_parsed(
    client: ComfyUIClient,
    path: str,
    read: Callable[[object], _T],
    params: Mapping[str, str | int] | None = None,
    glimpse: int = 0,
) -> _T:
    """Return a parsed answer of a server; arguments as for `ComfyUIClient.get`.

    Raises:
        ComfyUIError: The server gave no answer, or an unreadable one.
    """
    body = await client.get(path, params, glimpse)
    try:
        return read(body)
    except ValueError as error:
        raise UnparsableResponseError from error


class JobReader:
    """Reader of jobs that remembers which routes work.

    Active and finished jobs are requested at once, since a busy server takes long for each answer. Each half comes
    from `/api/jobs`; if that is unusable (404 before 0.6, 500 while one bad job exists, a proxy's answer) while other
    routes work, from `/queue` or `/history` for a while. Those two may be too large or too slow, which affects only
    their own half.

    A job that ends between the answers is in neither if the finished ones were listed first. So if one that was active
    is in neither, the finished ones are read again.

    Args:
        client: Asks the box.
        clock: When the list of jobs is tried again is counted by it.
        contact: Contact with the box.
    """

    def __init__(self, client: ComfyUIClient, clock: Clock, contact: Contact) -> None:
        self._client = client
        self._clock = clock
        self._contact = contact
        self._made = 0
        self._active_ids: frozenset[str] = frozenset()
        self._running_ids: frozenset[str] = frozenset()
        self._is_long = False
        self._newest_ids: frozenset[str] = frozenset()
        self.reset()
        self.pause = MIN_PAUSE_S
        """Seconds that are to pass after the last reading before the next begins."""

    def reset(self) -> None:
        """Try all routes again: the server may have another version now."""
        self._not_before: dict[str, float] = {}
        self._finished = _FINISHED
        self._max_items = MAX_ITEMS

    async def read(self) -> JobsReading:
        """Read both halves.

        Raises:
            BoxProblem: The list of jobs could not be had, or neither half without it.
        """
        before, is_brisk = self._client.received, False
        self._made = 0
        try:
            active, finished = await asyncio.gather(self._active_half(), self._finished_half())
            if active.is_told and finished.is_told and self._has_lost_any(active, finished):
                finished = await self._finished_half()
            is_brisk = not any(self._is_set_aside(half) for half in _HALVES)
        finally:
            self.pause = MIN_PAUSE_S if is_brisk else _pause_after(max(self._made, self._client.received - before))
        if active.problem is not None and not (active.is_told or finished.is_told):
            raise active.problem
        apart = await self._ended_apart(active, finished)
        self._remember(active)
        return JobsReading(active, finished, apart)

    def _active_half(self) -> Awaitable[PartialList]:
        return self._either(ACTIVE, self._listed_active, self._queue)

    def _finished_half(self) -> Awaitable[PartialList]:
        return self._either(_FINISHED, self._listed_finished, self._history)

    async def _ended_apart(self, active: PartialList, finished: PartialList) -> tuple[Job, ...]:
        """Return jobs that ran at the last reading and are in no list now."""
        if finished.is_all or not (active.is_told and finished.is_told):
            return ()
        lost = self._running_ids - {job.id for half in (active, finished) for job in half.jobs}
        ended: list[Job] = []
        for id in sorted(lost)[:RUNNING_LIMIT]:
            try:
                told = await get_parsed(self._client, f"/history/{quote(id, safe='')}", parse_history)
            except ComfyUIError:
                # Its outcome stays unknown.
                continue
            ended += (job for job in told.jobs if job.id == id)
        return tuple(ended)

    def _has_lost_any(self, active: PartialList, finished: PartialList) -> bool:
        """Return True if a job that was active at the last reading is in neither half."""
        return not self._active_ids <= {job.id for half in (active, finished) for job in half.jobs}

    def _remember(self, active: PartialList) -> None:
        if active.is_told:
            # Waiting jobs may not be listed next time, unless the queue is short.
            is_watched = active.is_all and not self._is_long
            running = (job.id for job in active.jobs if is_watched or job.status is WorkflowStatus.RUNNING)
            self._active_ids = frozenset(running)
            self._running_ids = frozenset(job.id for job in active.jobs if job.status is WorkflowStatus.RUNNING)

    async def _either(
        self, half: str, listed: Callable[[], Awaitable[PartialList]], plain: Callable[[], Awaitable[PartialList]]
    ) -> PartialList:
        if not self._is_set_aside(half):
            began = self._clock.monotonic()
            try:
                return await listed()
            except ComfyUIError as problem:
                if not problem.is_answer and not self._contact.has_answered_since(began):
                    # The server itself does not answer.
                    return PartialList((), is_all=False, problem=problem, is_told=False)
                self._set_aside(half, problem)
        try:
            return await plain()
        except ComfyUIError as problem:
            return PartialList((), is_all=False, problem=self._noted(problem), is_told=False)

    def _noted(self, problem: ComfyUIError) -> ComfyUIError:
        if isinstance(problem, ResponseTooLargeError):
            # The server generated all of it, even if little was read.
            self._made += MAX_BODY
        return problem

    def _is_set_aside(self, half: str) -> bool:
        return half in self._not_before and self._clock.monotonic() < self._not_before[half]

    def _set_aside(self, half: str, problem: ComfyUIError) -> None:
        has_no_list = isinstance(problem, ResponseTimeoutError) or (
            isinstance(problem, HTTPStatusError) and problem.status in _HAS_NO_LIST
        )
        until = self._clock.monotonic() + (_RETRY_NO_LIST if has_no_list else _RETRY)
        is_of_half = not isinstance(problem, HTTPStatusError) or problem.status in (400, 500)
        self._not_before |= dict.fromkeys((half,) if is_of_half else _HALVES, until)

    async def _listed_active(self) -> PartialList:
        """Return running jobs and the newest and oldest waiting ones, which hold the next ones."""
        # After a long queue the second request is sent along with the first.
        asking = asyncio.create_task(self._list(ACTIVE, NEXT_LIMIT, "asc")) if self._is_long else None
        try:
            newest = await self._list(ACTIVE)
            self._is_long = not _is_all(newest)
            is_gapless = self._has_seen_any(newest)
            if not self._is_long:
                return PartialList(newest.jobs, is_all=True)
            if not is_gapless:
                # A job in between may have been put in front of all others.
                newest = await self._list(ACTIVE, min(newest.total or MOST, MOST))
                if _is_all(newest):
                    return PartialList(newest.jobs, is_all=True)
            oldest = await (asking or self._list(ACTIVE, NEXT_LIMIT, "asc"))
        finally:
            if asking is not None:
                asking.cancel()
                await asyncio.gather(asking, return_exceptions=True)
        return await self._both_ends(newest, oldest)

    def _has_seen_any(self, newest: JobList) -> bool:
        """Return True if all jobs since the last reading are listed; remember the newest."""
        before, self._newest_ids = self._newest_ids, frozenset(job.id for job in newest.jobs)
        return not before.isdisjoint(self._newest_ids)

    async def _both_ends(self, newest: JobList, oldest: JobList) -> PartialList:
        jobs = {job.id: job for job in (*newest.jobs, *oldest.jobs)}
        if oldest.total is not None and oldest.total <= len(jobs):
            return PartialList((*jobs.values(),), is_all=True)
        if not any(job.status is WorkflowStatus.RUNNING for job in jobs.values()):
            running = await self._list("in_progress", RUNNING_LIMIT)
            jobs |= {job.id: job for job in running.jobs}
        gap = (oldest.jobs[-1].id, newest.jobs[-1].id) if oldest.jobs and newest.jobs else None
        return PartialList((*jobs.values(),), is_all=False, gap=gap)

    async def _listed_finished(self) -> PartialList:
        try:
            return await self._listed(self._finished)
        except HTTPStatusError as refusal:
            if refusal.status != 400 or self._finished != _FINISHED:
                raise
            self._finished = _FINISHED_BEFORE_0_9
        return await self._listed(self._finished)

    async def _listed(self, states: str) -> PartialList:
        listed = await self._list(states)
        return PartialList(listed.jobs, is_all=_is_all(listed))

    async def _list(self, states: str, limit: int = LIMIT, order: str = "") -> JobList:
        """Return jobs in these states, newest created first or in another order."""
        # A server that lists more than requested is not ComfyUI and may list any number.
        tells_cancelled = self._finished == _FINISHED
        read = partial(parse_jobs, most=limit, tells_cancelled=tells_cancelled)
        ordered = {"sort_order": order} if order else {}
        return await get_parsed(self._client, JOBS, read, {"status": states, "limit": limit, **ordered})

    async def _queue(self) -> PartialList:
        try:
            listed = await get_parsed(self._client, "/queue", parse_queue, glimpse=QUEUE_PREFIX_BYTES)
        except ResponseTooLargeError as problem:
            glimpsed = parse_truncated_queue(problem.beginning)
            if glimpsed is None:
                raise
            # A job that is no longer seen waiting is not reported as waiting.
            return PartialList(glimpsed, is_all=True, problem=self._noted(problem))
        return PartialList(listed.jobs, is_all=listed.total == len(listed.jobs))

    async def _history(self) -> PartialList:
        most = self._max_items
        try:
            listed = await get_parsed(self._client, "/history", partial(parse_history, most=most), {"max_items": most})
        except ResponseTooLargeError:
            self._max_items = max(1, most // 2)
            raise
        return PartialList(listed.jobs, is_all=listed.total is not None and listed.total < most)


def _pause_after(size: int) -> float:
    """Return the pause in seconds after answers of a number of bytes."""
    return max(MIN_PAUSE_S, min(size / LIGHT_BYTES_A_SECOND, FALLBACK_PAUSE_S + size / BYTES_A_SECOND))


def _is_all(listed: JobList) -> bool:
    """Return True if an answer is known to list all jobs."""
    return listed.total is not None and listed.total <= len(listed.jobs)


QUEUE_PREFIX_BYTES = 1_000_000
"""So much of it is looked at: what runs is one job, with a workflow of a hundredth to a tenth of that."""

_CERTAIN = (1, 3, 7)
"""Length of the heap's beginning that surely holds the first, the first two and the first three in run order."""

_DECODER = json.JSONDecoder()
_BLANKS = re.compile(r"\s*")


def parse_truncated_queue(beginning: bytes) -> tuple[Job, ...] | None:
    """Parse the beginning of a queue: running jobs, then the next; None if that is too little."""
    lists = _lists_of(beginning.decode("utf-8-sig", errors="replace"))
    if [*lists] != ["queue_running", "queue_pending"]:
        return None
    running = parse_queue({**lists, "queue_pending": []}).jobs
    pending = lists["queue_pending"]
    waiting = parse_queue({"queue_running": [], "queue_pending": pending}).jobs
    return *running, *waiting[: sum(len(pending) >= least for least in _CERTAIN)]


def _lists_of(text: str) -> dict[str, list[object]]:
    """Parse the lists of a truncated object, each with its whole items."""
    lists: dict[str, list[object]] = {}
    try:
        at = _expect("{", text, 0)
        while True:
            name, at = _DECODER.raw_decode(text, _expect("", text, at))
            at = _expect("[", text, _expect(":", text, at))
            at = _expect(",", text, _read_items(text, at, lists.setdefault(str(name), [])))
    except (ValueError, RecursionError):
        # The text was truncated here, or is no such object.
        return lists


def _read_items(text: str, at: int, items: list[object]) -> int:
    """Append the items of a list and return the rest behind it; ValueError if truncated."""
    while not text.startswith("]", at := _expect("", text, at)):
        item, at = _DECODER.raw_decode(text, _expect("," if items else "", text, at))
        items.append(item)
    return at + 1


def _expect(mark: str, text: str, at: int) -> int:
    """Return the index behind a mark and blanks; ValueError if the mark is missing."""
    at = _end_of_blanks(text, at)
    if not text.startswith(mark, at):
        raise ValueError(f"expected {mark}")
    return _end_of_blanks(text, at + len(mark))


def _end_of_blanks(text: str, at: int) -> int:
    blanks = _BLANKS.match(text, at)
    return blanks.end() if blanks else at
