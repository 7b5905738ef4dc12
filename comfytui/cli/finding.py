"""All runners there are, and the one among them that a person means."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

from comfytui.api.errors import BadRequest, NotFound
from comfytui.api.text import clean
from comfytui.cli.asking import NotFoundHereError
from comfytui.config.settings import MAX_PER_PAGE, SettingsError
from comfytui.engine.collation import fold
from comfytui.engine.names import name_or_id

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage, RunnerStatus
    from comfytui.cli.asking import Asker

__all__ = ["Found", "all_runners", "asked_of", "one_page", "the_one"]

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_MOST_NAMED = 5

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Found:
    """Runners of a list.

    Attributes:
        runners: In the order of the API, each id once.
        total: How many the whole list has by the API, None where it does not say.
        unreadable: How many entries were no runners.
    """

    runners: tuple[Runner, ...]
    total: int | None
    unreadable: int = 0


async def one_page(asker: Asker, page: int, per_page: int, status: RunnerStatus | None) -> Found:
    """The runners of one page; raises as `comfytui.cli.asking.Asker` does."""
    answer = await asker.page(page, per_page, status)
    return Found(answer.runners, answer.total, answer.unreadable)


async def all_runners(asker: Asker, per_page: int = MAX_PER_PAGE, status: RunnerStatus | None = None) -> Found:
    """The runners of all pages; raises as `comfytui.cli.asking.Asker` does."""
    pages = _Pages(per_page)
    while not pages.is_over:
        if pages.read:
            asker.progress.tell(f"{len(pages.runners)} of {pages.total or 'some'} runners")
        try:
            pages.add(await asker.page(pages.read + 1, per_page, status))
        except (BadRequest, NotFound):
            if not pages.is_done:
                raise
            # It was not promised, and what an API answers beyond its last page is documented nowhere.
            break
    total = None if pages.total is None else max(pages.total, len(pages.runners))
    return Found(tuple(pages.runners.values()), total, pages.unreadable)


@dataclass(slots=True)
class _Pages:
    """The pages that were read, one after another, and whether they are all there are.

    The total says so. Where it is wrong, or the pages are not as large as they were to be, they end where one brings
    nothing new.
    """

    per_page: int
    runners: dict[str, Runner] = field(default_factory=dict)
    total: int | None = None
    unreadable: int = 0
    read: int = 0
    is_over: bool = False
    is_short: bool = False

    @property
    def is_done(self) -> bool:
        """Whether as many pages were read as there are by the total; one at least."""
        return self.read > 0 and self.read * self.per_page >= (self.total or 0)

    def add(self, page: RunnerPage) -> None:
        """Take the next page."""
        known = len(self.runners)
        left = (page.total or 0) - self.read * self.per_page
        self.is_short = self.is_short or len(page.runners) + page.unreadable < min(self.per_page, left)
        self.total = page.total
        self.unreadable += page.unreadable
        self.read += 1
        for runner in page.runners:
            self.runners.setdefault(runner.id, runner)
        is_new = len(self.runners) > known or (page.unreadable > 0 and not self.is_done)
        is_right = self.total is not None and len(self.runners) <= self.total and not self.is_short
        self.is_over = not is_new or (is_right and self.is_done)


async def asked_of(asker: Asker, text: str, question: Callable[[str], Awaitable[_T]]) -> tuple[str, _T]:
    """The id of the runner that is meant, and the answer about it; raises as the asker does.

    A whole id is taken at its word, unless the API does not know it: a name may look the same.

    Raises:
        SettingsError: Several are meant; the sentence names some of them.
        NotFoundHereError: None is; the sentence begins with what the API said, where it was asked.
    """
    said = ""
    if _UUID.fullmatch(text):
        try:
            return text.lower(), await question(text.lower())
        except NotFound as error:
            said = error.message
            asker.progress.tell("no runner has that id; looking for the name")
    try:
        runner = the_one((await all_runners(asker)).runners, text)
    except NotFoundHereError as error:
        raise NotFoundHereError(f"{said}: {error}" if said else str(error)) from None
    try:
        return runner.id, await question(runner.id)
    except NotFound as error:
        name = name_or_id(runner.name, runner.id)
        words = f"{name} is listed, but this of it is not known: 404, {error.message}"
        raise NotFound(error.method, error.path, words, error.status) from None


def the_one(runners: Sequence[Runner], text: str) -> Runner:
    """Return the runner with this id, else of exactly this name, else of this name in any case, else by id prefix.

    Raises:
        SettingsError: There are several; the sentence names some of them.
        NotFoundHereError: There is none.
    """
    # As names are: emoji have invisible characters within them, which somebody copies along.
    text = clean(text)
    folded = fold(text)
    candidates = (
        [runner for runner in runners if runner.id == text]
        or [runner for runner in runners if runner.name == text]
        or [runner for runner in runners if folded and fold(runner.name or "") == folded]
        or [runner for runner in runners if folded and fold(runner.id).startswith(folded)]
    )
    if not candidates:
        raise NotFoundHereError("There is no runner with that id, that name or an id that begins so.")
    if len(candidates) > 1:
        raise SettingsError(f"ID could be any of {len(candidates)} runners: {_named(candidates)}.")
    return candidates[0]


def _named(runners: Sequence[Runner]) -> str:
    named = [f"{runner.id} ({name_or_id(runner.name, runner.id)})" for runner in runners[:_MOST_NAMED]]
    return ", ".join([*named, "…"] if len(runners) > _MOST_NAMED else named)
