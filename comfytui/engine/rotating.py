"""Whose turn it is among the runners in view: their histories one after another, now and then a check. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from comfytui.api.allowance import Use
from comfytui.engine.departures import departed_since, is_gone
from comfytui.engine.feed import ProblemKind
from comfytui.engine.pacing import CHECK_EVERY, MAX_BACK_OFF, rotation_burst
from comfytui.engine.resources import HistoryKey, StatsKey

if TYPE_CHECKING:
    from comfytui.engine.outlook import Outlook
    from comfytui.engine.pacing import Burst
    from comfytui.engine.snapshot import Snapshot

__all__ = ["Round", "Turn", "burst_of", "next_turn"]

_Rotated: TypeAlias = HistoryKey | StatsKey

# With the list and the three of the cursor as many as fit into flights.MAX_FLIGHTS: none is given up for another.
_AT_ONCE: Mapping[type[_Rotated], int] = {HistoryKey: 3, StatsKey: 1}
# Of the rotation, each so many-th request at most is a check that nothing but the view asks for.
_CHECKS_APART = 4
# How many the first round has less than others: who begins to look around presses keys.
_SPARED = 3
# Seconds by which such a check, once it is its turn, goes before histories that are due.
_AHEAD = 600.0


class Turn(NamedTuple):
    """What the rotation asks next, and when on the monotonic clock; `key` is None where that is decided only then."""

    key: HistoryKey | StatsKey | None
    at: float


class Round(NamedTuple):
    """The burst that the rotation is in, or was in last.

    Attributes:
        began_on: When its first request was asked.
        asked: How many were asked in it so far.
    """

    began_on: float = -math.inf
    asked: int = 0

    def after_one(self, snapshot: Snapshot, now: float) -> Round:
        """The same with one more; the next one, where it is time for that. The very first leaves room for keys."""
        if now >= self.began_on + burst_of(snapshot).seconds:
            return Round(now, 1 if self.began_on > -math.inf else 1 + _SPARED)
        return self._replace(asked=self.asked + 1)

    def opens_at(self, most: int, seconds: float) -> float:
        """When another may be asked, where so many are a round; minus infinity while this one has less."""
        return -math.inf if self.asked < most else self.began_on + seconds


def burst_of(snapshot: Snapshot) -> Burst:
    """How the rotation asks."""
    return rotation_burst(snapshot.interval, snapshot.pace, snapshot.spending.share, snapshot.attention)


def next_turn(outlook: Outlook) -> Turn | None:
    """What is due first of the histories in view and of the checks, the never asked and the oldest before others.

    By the rotation's rhythm, whether or not those before have been answered: one that takes long is not to delay the
    others. None at all while pages of a whole list never were asked: a person waits for those.
    """
    snapshot, standing = outlook.snapshot, outlook.standing
    attention = snapshot.attention
    if attention.paused or not (attention.visible or attention.unchecked) or _is_loading(snapshot):
        return None
    burst = burst_of(snapshot)
    room = max(outlook.room_by_time, standing.let_at(Use.ROTATION))
    opens_at = max(room, standing.round.opens_at(burst.most, burst.seconds))
    if opens_at > standing.now:
        return Turn(None, opens_at)
    rests_until = outlook.in_company(standing.round.opens_at(burst.at_rest, burst.seconds))
    if rests_until > standing.now and not _lacks_any(snapshot):
        return Turn(None, rests_until)
    moments = _moments(outlook, burst)
    if not moments:
        return None
    key = min(moments, key=moments.__getitem__)
    due_at = moments[key]
    at = standing.now if due_at <= outlook.horizon else due_at
    return Turn(key, at if due_at == -math.inf else max(at, rests_until))


def _lacks_any(snapshot: Snapshot) -> bool:
    """Whether something that is wanted may never have been asked; nothing is, that has a feed."""
    visible, unchecked = snapshot.attention.visible, snapshot.attention.unchecked
    return not (snapshot.histories.keys() >= set(visible) and snapshot.stats.keys() >= set(unchecked))


def _moments(outlook: Outlook, burst: Burst) -> dict[_Rotated, float]:
    """When what may be asked is due: of each kind there are few under way at once."""
    attention, in_flight = outlook.snapshot.attention, outlook.standing.in_flight
    histories = _histories(outlook)
    apart = _CHECKS_APART * burst.seconds / burst.at_rest
    wanted = attention.unchecked
    checks = _checks(outlook, wanted) if wanted else _checks_in_view(outlook, histories, apart)
    under_way = [type(resource) for resource, use in in_flight.items() if use is Use.ROTATION]
    is_free = {kind: under_way.count(kind) < most for kind, most in _AT_ONCE.items()}
    return {key: due_at for key, due_at in (histories | checks).items() if is_free[type(key)]}


def _checks_in_view(outlook: Outlook, histories: Mapping[_Rotated, float], apart: float) -> dict[_Rotated, float]:
    """When each runner in view is to be checked: once all histories were asked, one in so many seconds at most.

    Once that is so a check goes before histories that have been due for long, as in a full view they all are.
    """
    if any(due_at == -math.inf for due_at in histories.values()) or not _has_stats(outlook.snapshot):
        return {}
    moments = _checks(outlook, outlook.snapshot.attention.visible)
    tried = (outlook.snapshot.checkup(key.runner_id).tried_on for key in moments)
    from_then_on = max((on for on in tried if on is not None), default=-math.inf) + apart
    if from_then_on > outlook.horizon:
        return {key: max(due_at, from_then_on) for key, due_at in moments.items()}
    return {key: due_at - _AHEAD if due_at <= outlook.horizon else due_at for key, due_at in moments.items()}


def _has_stats(snapshot: Snapshot) -> bool:
    """Whether it makes sense to ask for stats that nobody waits for: a deployment may know of none."""
    feeds = snapshot.stats.values()
    unheard_of = (feed.problem is not None and feed.problem.kind is ProblemKind.NOT_FOUND for feed in feeds)
    return not feeds or any(feed.value is not None for feed in feeds) or not all(unheard_of)


def _histories(outlook: Outlook) -> dict[_Rotated, float]:
    keys = map(HistoryKey, _others(outlook, outlook.snapshot.attention.visible))
    histories, in_flight = outlook.snapshot.history, outlook.standing.in_flight
    return {key: outlook.due_at(histories(key.runner_id)) for key in keys if key not in in_flight}


def _checks(outlook: Outlook, runner_ids: Iterable[str]) -> dict[_Rotated, float]:
    keys = map(StatsKey, _others(outlook, runner_ids))
    in_flight = outlook.standing.in_flight
    return {key: outlook.checked_at(key.runner_id, CHECK_EVERY) for key in keys if key not in in_flight}


def _others(outlook: Outlook, runner_ids: Iterable[str]) -> Iterable[str]:
    """Those of them that the rotation may ask for: not the one under the cursor, and none that is gone."""
    snapshot = outlook.snapshot
    # One that a page brings back after its departure may depart again: that must not go round and round.
    left_out = {snapshot.attention.runner_id, *departed_since(snapshot, outlook.standing.now - MAX_BACK_OFF)}
    return (each for each in runner_ids if each not in left_out and not is_gone(snapshot, each))


def _is_loading(snapshot: Snapshot) -> bool:
    return snapshot.attention.whole and any(snapshot.page_at(key).tried_on is None for key in snapshot.page_keys)
