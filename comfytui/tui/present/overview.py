"""What many parts of a screen ask of a snapshot, found out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from comfytui.engine.pacing import list_pace
from comfytui.engine.whole import page_keys, worst

if TYPE_CHECKING:
    from collections.abc import Sequence

    from comfytui.api.models import RunnerPage
    from comfytui.engine.feed import Feed
    from comfytui.engine.snapshot import Snapshot

__all__ = ["Overview", "overview_of"]


class Overview(NamedTuple):
    """A snapshot, and what its properties of these names would be worked out to again and again.

    Attributes:
        snapshot: Of which it is.
        total: How many runners the list in view has.
        page: The feed that tells how far the list in view may be trusted.
        pace: Seconds between polls of one thing that are in force.
        list_pace: Seconds in which the list in view is confirmed.
        away: Number of runners of the list in view, if none of them answers; else 0.
    """

    snapshot: Snapshot
    total: int | None
    page: Feed[RunnerPage]
    pace: float
    list_pace: float
    away: int = 0


def overview_of(snapshot: Snapshot) -> Overview:
    """What there is to know of a snapshot before any of it is drawn."""
    total, pace = snapshot.total, snapshot.pace
    keys = tuple(page_keys(snapshot.attention, total, snapshot.pages))
    pages = [snapshot.page_at(key) for key in keys]
    in_force = list_pace(pace, len(keys), snapshot.spending.share)
    return Overview(snapshot, total, worst(pages), pace, in_force, _away(snapshot, pages))


def _away(snapshot: Snapshot, pages: Sequence[Feed[RunnerPage]]) -> int:
    count = 0
    for page in pages:
        for runner in page.value.runners if page.value else ():
            checkup = snapshot.checkup(runner.id)
            if checkup.problem is not None or checkup.value is None or checkup.value.reachable:
                return 0
            count += 1
    return count
