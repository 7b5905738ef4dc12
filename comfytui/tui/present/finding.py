"""Which listing comes after which: by sorting, by going to a runner, by what was remembered. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from comfytui.api.statuses import RunnerStatus
from comfytui.config.state import ViewState
from comfytui.engine.query import Query, QueryError, parse
from comfytui.engine.resources import PageKey
from comfytui.engine.sorting import RUNNER_KEYS, WORKFLOW_KEYS, Sort, natural
from comfytui.tui.present.listing import Listing

if TYPE_CHECKING:
    from comfytui.api.models import Runner
    from comfytui.engine.snapshot import Snapshot
    from comfytui.engine.view import View

__all__ = [
    "API_ORDER",
    "STATUSES",
    "following_sort",
    "history_sort_of",
    "listing_of",
    "listing_with",
    "view_of",
]

API_ORDER = Sort("created", descending=True)
"""The order in which the API lists runners and workflows (pages list-runners and get-runner-history)."""

STATUSES = (None, RunnerStatus.ACTIVE, RunnerStatus.DISABLED)
"""What runners can be filtered by where the API does it, in the order of the key that changes it."""


def following_sort(keys: Sequence[str], sort: Sort | None, times: int = 1) -> Sort | None:
    """Return the sort by a later column, each in its natural direction; behind the last comes the API's order.

    Args:
        keys: The columns in order.
        sort: The present sort, None for the API's order.
        times: Columns to go on by.
    """
    indexes = {key: index for index, key in enumerate(keys)}
    present = len(keys) if sort is None else indexes.get(sort.key, len(keys))
    following = (present + times) % (len(keys) + 1)
    return natural(keys[following]) if following < len(keys) else None


def listing_with(snapshot: Snapshot, listing: Listing, view: View | None, runner_id: str) -> Listing | None:
    """The listing that has this runner, as near to the present one as there is; None where it is on no page loaded."""
    if view is not None and (place := _place(view.runners, runner_id)) is not None:
        return listing._replace(key=replace(listing.key, page=place // listing.key.per_page + 1))
    # The list in view before others, and the very page before one that only tells where it would be.
    pages = sorted(snapshot.pages, key=lambda key: (key.status != listing.key.status, key.per_page))
    for key in pages:
        page = snapshot.pages[key].value
        if page is not None and (place := _place(page.runners, runner_id)) is not None:
            before = (key.page - 1) * key.per_page + place
            return Listing(PageKey(before // listing.key.per_page + 1, listing.key.per_page, key.status))
    return None


def listing_of(view: ViewState, per_page: int) -> Listing:
    """The listing that was remembered; what makes no sense any more is left out."""
    status = next((each for each in STATUSES if each == view.status), None)
    sort = Sort(view.sort, descending=view.descending) if view.sort in RUNNER_KEYS and view.sort else None
    return Listing(PageKey(per_page=per_page, status=status), _query(view.filter), sort)


def history_sort_of(view: ViewState) -> Sort | None:
    """The order of the history that was remembered."""
    key = view.history_sort
    return Sort(key, descending=view.history_descending) if key and key in WORKFLOW_KEYS else None


def view_of(
    listing: Listing, columns: tuple[str, ...], history_sort: Sort | None, history_columns: tuple[str, ...]
) -> ViewState:
    """What is to be remembered of a view."""
    return ViewState(
        filter=listing.query.text,
        status=listing.key.status,
        sort=listing.sort.key if listing.sort else None,
        descending=listing.sort.descending if listing.sort else False,
        columns=columns,
        history_sort=history_sort.key if history_sort else None,
        history_descending=history_sort.descending if history_sort else False,
        history_columns=history_columns,
        per_page=listing.key.per_page,
    )


def _query(text: str) -> Query:
    try:
        return parse(text)
    except QueryError:
        return Query()


def _place(runners: Sequence[Runner], runner_id: str) -> int | None:
    return next((place for place, runner in enumerate(runners) if runner.id == runner_id), None)
