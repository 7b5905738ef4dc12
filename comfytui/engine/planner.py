"""What to ask next, and when to look again: decided from values alone."""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, assert_never

from comfytui.engine.feed import Feed
from comfytui.engine.resources import HistoryKey, PageKey, RunnerKey

if TYPE_CHECKING:
    from comfytui.engine.resources import Resource
    from comfytui.engine.snapshot import Attention, Snapshot

__all__ = ["Plan", "attended", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What the engine does next.

    Attributes:
        due: What to ask now, in this order.
        wake_at: When something else comes due, on the monotonic clock; None while only an answer or a wish can
            bring more to do.
    """

    due: tuple[Resource, ...]
    wake_at: float | None


def attended(attention: Attention) -> tuple[Resource, ...]:
    """What is polled for this attention, the most wanted first: the page, the runner, its history."""
    if attention.runner_id is None:
        return (attention.page,)
    return (attention.page, RunnerKey(attention.runner_id), HistoryKey(attention.runner_id))


def plan(snapshot: Snapshot, now: float, in_flight: Collection[Resource], forced: Collection[Resource]) -> Plan:
    """Decide what of the attended is due.

    Args:
        snapshot: The attention, the interval, and what is known so far.
        now: The monotonic clock.
        in_flight: What has been asked and not been answered: never due.
        forced: What is wanted now whatever its age, paused or not.
    """
    moments = {
        resource: -math.inf if resource in forced else _due_at(snapshot, resource)
        for resource in attended(snapshot.attention)
        if resource not in in_flight
    }
    later = [moment for moment in moments.values() if now < moment < math.inf]
    return Plan(
        due=tuple(resource for resource, moment in moments.items() if moment <= now),
        wake_at=min(later, default=None),
    )


def _due_at(snapshot: Snapshot, resource: Resource) -> float:
    feed = _feed_of(snapshot, resource)
    if feed.problem is not None:
        moment = feed.problem.next_try
    elif feed.fetched_on is not None:
        moment = feed.fetched_on + snapshot.interval
    else:
        return -math.inf
    return math.inf if snapshot.attention.paused else moment


def _feed_of(snapshot: Snapshot, resource: Resource) -> Feed[object]:
    match resource:
        case PageKey():
            return snapshot.pages.get(resource, Feed())
        case RunnerKey(runner_id):
            return snapshot.runner(runner_id)
        case HistoryKey(runner_id):
            return snapshot.history(runner_id)
        case _:
            assert_never(resource)
