"""Which pages the list in view is made of: one, or all of them where it is filtered or sorted here. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from comfytui.engine.feed import Feed
from comfytui.engine.resources import MAX_WHOLE_RUNNERS, WHOLE_PER_PAGE, PageKey

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage
    from comfytui.api.statuses import RunnerStatus
    from comfytui.engine.snapshot import Attention

__all__ = ["WHOLE_PAGES", "front", "is_of_list", "last_page", "page_keys", "whole_keys", "worst"]

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
