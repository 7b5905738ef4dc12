"""Which pages the list in view is made of: one, or all of them where it is filtered or sorted here. Pure."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, TypeVar

from comfytui.engine.feed import Feed
from comfytui.engine.resources import MAX_WHOLE_RUNNERS, WHOLE_PER_PAGE, PageKey

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage
    from comfytui.api.statuses import RunnerStatus
    from comfytui.engine.snapshot import Attention

__all__ = [
    "WHOLE_PAGES",
    "front",
    "is_of_list",
    "last_page",
    "merged",
    "outdated",
    "outdated_keys",
    "page_keys",
    "sure_on",
    "total_of",
    "whole_keys",
    "worst",
]

K = TypeVar("K")

# What is answered this many times later than answers usually take was asked after what it is compared with.
_SLACK = 2.0

WHOLE_PAGES = MAX_WHOLE_RUNNERS // WHOLE_PER_PAGE
"""Pages of a whole list, beyond which nothing is loaded."""


def front(attention: Attention) -> PageKey:
    """The page that stands for the list while nothing is known of it."""
    return _whole_key(1, attention.page.status) if attention.whole else attention.page


def is_of_list(attention: Attention, key: PageKey) -> bool:
    """Whether the list in view may be made of this page."""
    if not attention.whole:
        return key == attention.page
    return key.page <= WHOLE_PAGES and key == _whole_key(key.page, attention.page.status)


def page_keys(attention: Attention, total: int | None, pages: Mapping[PageKey, Feed[RunnerPage]]) -> list[PageKey]:
    """The pages that the list in view is made of, in order, as far as is known."""
    return whole_keys(attention.page.status, total, pages) if attention.whole else [attention.page]


def whole_keys(
    status: RunnerStatus | None, total: int | None, pages: Mapping[PageKey, Feed[RunnerPage]]
) -> list[PageKey]:
    """The pages that hold all runners of a status, in order, as far as is known: at least one, at most WHOLE_PAGES.

    Where no total is told they are all up to the first that has nothing in it, or was not answered yet.
    """
    if total is not None:
        return [*_whole_keys(_pages_of(total), status)]
    keys = []
    for page in range(1, WHOLE_PAGES + 1):
        keys.append(_whole_key(page, status))
        if _is_end(pages.get(keys[-1], Feed()).value):
            break
    return keys


def last_page(keys: Sequence[PageKey], total: int | None, pages: Mapping[PageKey, Feed[RunnerPage]]) -> int | None:
    """How many pages hold all runners, given those of `whole_keys`; None where that is not known."""
    is_known = total is not None or pages.get(keys[-1], Feed()).value is not None
    return len(keys) if is_known else None


def worst(feeds: Iterable[Feed[RunnerPage]]) -> Feed[RunnerPage]:
    """The feed that tells how far a list may be trusted.

    It is the one that has failed for longest, else of those that were answered the one answered longest ago: what is
    loaded is live while the rest is loading. An empty one where nothing was ever answered.
    """
    feeds = tuple(feeds)
    failed = [(feed.problem.since, place) for place, feed in enumerate(feeds) if feed.problem is not None]
    if failed:
        return feeds[min(failed)[1]]
    answered = [(feed.fetched_on, place) for place, feed in enumerate(feeds) if feed.fetched_on is not None]
    return feeds[min(answered)[1]] if answered else Feed()


def outdated(answers: Mapping[K, tuple[float, RunnerPage]]) -> list[K]:
    """Return the pages that were answered before the list last changed, in their order.

    Pages are cut by position, so a runner deleted between two answers is followed by another that is in neither. The
    total tells of that: where it is another than in the answer before, all pages from before must be asked again.

    Args:
        answers: Each page, and when it was answered.
    """
    totals = {page: total_of(answer) for page, (_, answer) in answers.items()}
    if len({*totals.values()} - {None}) <= 1:
        return []
    by_time = sorted((page for page in answers if totals[page] is not None), key=lambda page: answers[page][0])
    changed_at = max(answers[later][0] for earlier, later in pairwise(by_time) if totals[earlier] != totals[later])
    # Of answers of the same moment it is not known which came first.
    newest = {None, totals[by_time[-1]]}
    return [page for page, (moment, _) in answers.items() if moment < changed_at or totals[page] not in newest]


def outdated_keys(feeds: Mapping[PageKey, Feed[RunnerPage]]) -> list[PageKey]:
    """Return which pages of a whole list were answered before the list last changed, in their order."""
    return outdated({key: (feed.fetched_on or 0.0, feed.value) for key, feed in feeds.items() if feed.value})


def sure_on(moments: Collection[float], response_time: float) -> float:
    """Return the moment since which all pages were asked: what is in none of them since before then is gone.

    A single page is sure at once. Of several, a runner that moves from one to another may be in neither for a while.

    Args:
        moments: When each page was answered; minus infinity if never.
        response_time: Seconds that answers take.
    """
    return math.inf if len(moments) == 1 else min(moments) - _SLACK * response_time


def total_of(page: RunnerPage) -> int | None:
    """Return the total that a page tells, or None if it tells none."""
    # Beyond the last page some APIs say that there is nothing at all.
    return page.total if page.total or page.runners or page.unreadable else None


def merged(pages: Sequence[tuple[RunnerPage, float]]) -> tuple[Runner, ...]:
    """Return the runners of pages that were answered at these moments, each once: where the newest page has it."""
    index_of: dict[str, int] = {}
    for index in sorted(range(len(pages)), key=lambda index: pages[index][1], reverse=True):
        for runner in pages[index][0].runners:
            index_of.setdefault(runner.id, index)
    placed = ((index, runner) for index, (page, _) in enumerate(pages) for runner in page.runners)
    return tuple(runner for index, runner in placed if index_of[runner.id] == index)


@lru_cache(maxsize=16)
def _whole_keys(pages: int, status: RunnerStatus | None) -> tuple[PageKey, ...]:
    """The first pages; made once, for they are asked for many times a second."""
    return tuple(_whole_key(page, status) for page in range(1, pages + 1))


def _whole_key(page: int, status: RunnerStatus | None) -> PageKey:
    return PageKey(page, WHOLE_PER_PAGE, status)


def _pages_of(total: int) -> int:
    return min(max(1, -(-total // WHOLE_PER_PAGE)), WHOLE_PAGES)


def _is_end(page: RunnerPage | None) -> bool:
    return page is None or not (page.runners or page.unreadable)
