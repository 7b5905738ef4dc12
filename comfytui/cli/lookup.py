"""Lookup: all pages of the list, and the runner that an argument names."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from comfytui.api.errors import BadRequestError, NotFoundError
from comfytui.cli.client import RunnerLookupError
from comfytui.config.settings import MAX_PER_PAGE, SettingsError
from comfytui.engine.snapshot import merge_pages, outdated, page_total
from comfytui.query.collation import fold_case
from comfytui.query.workflows import display_name
from comfytui.text import sanitize

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage
    from comfytui.api.statuses import RunnerStatus
    from comfytui.cli.client import RetryingClient


_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOST_NAMED = 5
# Changes of a list while it is read after which it is not read again.
_MOST_CHANGES = 5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class RunnerListing:
    """Runners of a list.

    Attributes:
        runners: In the order of the API, each id once.
        total: Total of the list by the API, or None if unknown.
        unreadable: Number of invalid entries.
        changed: True if the list changed again and again while it was read, so that runners may be missing.
    """

    runners: tuple[Runner, ...]
    total: int | None
    unreadable: int = 0
    changed: bool = False


async def fetch_page(asker: RetryingClient, page: int, per_page: int, status: RunnerStatus | None) -> RunnerListing:
    """Return the runners of one page; raises as `RetryingClient` does."""
    answer = await asker.page(page, per_page, status)
    return RunnerListing(answer.runners, answer.total, answer.invalid_count)


async def fetch_all(
    asker: RetryingClient, per_page: int = MAX_PER_PAGE, status: RunnerStatus | None = None
) -> RunnerListing:
    """Return the runners of all pages; raises as `RetryingClient` does.

    Pages from before a change of the list are read again; `changed` tells of a list that keeps changing.
    """
    pages = _PageCollector(per_page)
    while (number := pages.next) is not None:
        if pages.changes and number <= pages.pages_read:
            asker.progress.update("the list changed while it was read; reading it again")
        elif pages.pages_read:
            asker.progress.update(f"{len(pages.ids)} of {pages.total or 'some'} runners")
        try:
            pages.add(number, await asker.page(number, per_page, status))
        except (BadRequestError, NotFoundError):
            # The API documents no answer beyond the last page, and the list may have become shorter.
            if number > 1 and pages.is_expected(number):
                pages.add(1, await asker.page(1, per_page, status))
            if pages.is_expected(number):
                raise
            pages.end_before(number)
    found = pages.listing()
    if found.changed:
        asker.progress.print(
            "The list changed again and again while it was read: runners may be missing. Run it again."
        )
    return found


@dataclass(slots=True)
class _PageCollector:
    """Collector of pages until the list is complete.

    The total tells how many there are. If it is wrong, or pages are smaller than requested, the list ends at a page
    without new runners.

    Attributes:
        answers: Each page by its number, with the count of responses until then.
        changes: Number of times the total differed from the response before.
    """

    per_page: int
    answers: dict[int, tuple[RunnerPage, int]] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    total: int | None = None
    asked: int = 0
    changes: int = 0
    is_over: bool = False
    is_short: bool = False

    @property
    def pages_read(self) -> int:
        """Number of pages that were read, each counted once."""
        return len(self.answers)

    def is_expected(self, number: int) -> bool:
        """Return True if the total says that there is such a page."""
        return number == 1 or (number - 1) * self.per_page < (self.total or 0)

    def end_before(self, number: int) -> None:
        """Record that there is no such page."""
        self.answers.pop(number, None)
        self.is_over = True

    @property
    def next(self) -> int | None:
        """Return the next page to read, or None if complete."""
        if self.changes <= _MOST_CHANGES and (again := self._outdated):
            return again[0]
        return None if self.is_over else self.pages_read + 1

    def add(self, number: int, page: RunnerPage) -> None:
        """Add a page."""
        self.asked += 1
        is_again = number in self.answers
        if not is_again:
            self._take_next(page)
        if not self.answers:
            self.total = page.total
        if (total := page_total(page)) is not None:
            self.changes += self.total not in (None, total)
            self.total = total
        self.answers[number] = page, self.asked
        read = (page for page, _ in self.answers.values()) if is_again else (page,)
        self.ids = {runner.id for each in read for runner in each.runners} | (set() if is_again else self.ids)

    def listing(self) -> RunnerListing:
        """Return the runners of all pages, each once."""
        runners = merge_pages([(page, float(asked)) for page, asked in self._current])
        total = None if self.total is None else max(self.total, len(runners))
        unreadable = sum(page.invalid_count for page, _ in self._current)
        return RunnerListing(runners, total, unreadable, changed=bool(self._outdated))

    @property
    def _current(self) -> list[tuple[RunnerPage, int]]:
        return [self.answers[number] for number in sorted(self.answers)]

    @property
    def _outdated(self) -> list[int]:
        return outdated({number: (float(asked), page) for number, (page, asked) in self.answers.items()})

    def _take_next(self, page: RunnerPage) -> None:
        """Decide by the next page, before it is added, if it is the last one."""
        left = (page.total or 0) - self.pages_read * self.per_page
        self.is_short = self.is_short or len(page.runners) + page.invalid_count < min(self.per_page, left)
        is_done = (self.pages_read + 1) * self.per_page >= (page.total or 0)
        ids = self.ids | {runner.id for runner in page.runners}
        is_new = len(ids) > len(self.ids) or (page.invalid_count > 0 and not is_done)
        is_right = page.total is not None and len(ids) <= page.total and not self.is_short
        self.is_over = not is_new or (is_right and is_done)


async def fetch_for_runner(
    asker: RetryingClient, text: str, question: Callable[[str], Awaitable[_T]]
) -> tuple[str, _T]:
    """Return the id of the runner that an argument names, and the response about it; raises as the client does.

    A whole id is requested directly; if the API does not know it, it may be a name.

    Raises:
        SettingsError: The argument is ambiguous; the message names some of the runners.
        RunnerLookupError: There is no such runner; the message begins with that of the API.
    """
    said = ""
    if _UUID.fullmatch(text):
        try:
            return text.lower(), await question(text.lower())
        except NotFoundError as error:
            said = error.message
            asker.progress.update("no runner has that id; looking for the name")
    try:
        runner = resolve_runner((await fetch_all(asker)).runners, text)
    except RunnerLookupError as error:
        raise RunnerLookupError(f"{said}: {error}" if said else str(error)) from None
    try:
        return runner.id, await question(runner.id)
    except NotFoundError as error:
        name = display_name(runner.name, runner.id)
        words = f"{name} is listed, but the API answers 404: {error.message}"
        raise NotFoundError(error.method, error.path, words, error.status) from None


def resolve_runner(runners: Sequence[Runner], text: str) -> Runner:
    """Return a runner by id, else by exact name, else by name in any case, else by id prefix.

    Raises:
        SettingsError: There are several; the message names some of them.
        RunnerLookupError: There is none.
    """
    # Names are cleaned, too: copied emoji contain invisible characters.
    text = sanitize(text)
    folded = fold_case(text)
    candidates = (
        [runner for runner in runners if runner.id == text]
        or [runner for runner in runners if runner.name == text]
        or [runner for runner in runners if folded and fold_case(runner.name or "") == folded]
        or [runner for runner in runners if folded and fold_case(runner.id).startswith(folded)]
    )
    if not candidates:
        raise RunnerLookupError("There is no runner with that id, that name or an id that begins so.")
    if len(candidates) > 1:
        raise SettingsError(f"ID could be any of {len(candidates)} runners: {_matching_name(candidates)}.")
    return candidates[0]


def _matching_name(runners: Sequence[Runner]) -> str:
    named = [f"{runner.id} ({display_name(runner.name, runner.id)})" for runner in runners[:_MOST_NAMED]]
    return ", ".join([*named, "…"] if len(runners) > _MOST_NAMED else named)
