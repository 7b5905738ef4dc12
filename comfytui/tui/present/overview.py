"""What many parts of a screen ask of a snapshot, found out once."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from comfytui.engine.pacing import list_pace
from comfytui.engine.whole import page_keys, worst

if TYPE_CHECKING:
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
    """

    snapshot: Snapshot
    total: int | None
    page: Feed[RunnerPage]
    pace: float
    list_pace: float


def overview_of(snapshot: Snapshot) -> Overview:
    """What there is to know of a snapshot before any of it is drawn."""
    total, pace = snapshot.total, snapshot.pace
    keys = page_keys(snapshot.attention, total, snapshot.pages)
    page = worst([snapshot.page_at(key) for key in keys])
    return Overview(snapshot, total, page, pace, list_pace(pace, len(keys), snapshot.spending.share))
