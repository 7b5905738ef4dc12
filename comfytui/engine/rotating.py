"""Whose turn it is among the runners in view: their histories one after another, now and then a check. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from comfytui.engine.feed import ProblemKind
from comfytui.engine.intervals import CHECK_EVERY, EARLY, MAX_BACK_OFF, room_by_time, rotation_burst
from comfytui.engine.protocol import HistoryKey, StatsKey
from comfytui.engine.reducer import departed_since, is_gone
from comfytui.ratelimit.window import Use

if TYPE_CHECKING:
    from comfytui.engine.intervals import Burst
    from comfytui.engine.outlook import Outlook
    from comfytui.engine.protocol import Attention
    from comfytui.engine.snapshot import Snapshot


_Rotated: TypeAlias = HistoryKey | StatsKey

# With the list and the three of the cursor as many as fit into flights.MAX_FLIGHTS: none is given up for another.
_AT_ONCE = 4
# Of a full round one in so many at most is a check that nothing but the view asks for.
_CHECKS_APART = 4
# How many the first round has less than others: who begins to look around presses keys.
_SPARED = 2
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
        if now >= self.began_on + burst_of(snapshot).seconds - EARLY:
            return Round(now, 1 if self.began_on > -math.inf else 1 + _SPARED)
        return self._replace(asked=self.asked + 1)

    def opens_at(self, most: int, seconds: float) -> float:
        """When another may be asked, where so many are a round; minus infinity while this one has less."""
        return -math.inf if self.asked < most else self.began_on + seconds


def burst_of(snapshot: Snapshot) -> Burst:
    """How the rotation asks."""
    return rotation_burst(snapshot.interval, snapshot.pace, snapshot.spending.share, snapshot.attention)


def all_along(attention: Attention, rotated: int) -> int:
    """How many go along with each other at most: the list, the three of the cursor, and a round of so many."""
    polled = 1 if attention.runner_id is None else 4
    return polled + (rotated if _is_wanted(attention) else 0)


def lacks_any(snapshot: Snapshot) -> bool:
    """Whether something that is wanted may never have been asked; nothing is, that has a feed."""
    visible, unchecked = snapshot.attention.visible, snapshot.attention.unchecked
    return not (snapshot.histories.keys() >= set(visible) and snapshot.stats.keys() >= set(unchecked))


def next_turn(outlook: Outlook) -> Turn | None:
    """What is due first of the histories in view and of the checks, the never asked and the oldest before others.

    By the rotation's rhythm, whether or not those before have been answered: one that takes long is not to delay the
    others. None at all while pages of a whole list never were asked: a person waits for those.
    """
    snapshot, standing, burst = outlook.snapshot, outlook.standing, outlook.burst
    if snapshot.attention.paused or not _is_wanted(snapshot.attention) or _is_loading(snapshot):
        return None
    room = max(room_by_time(snapshot.spending), standing.let_at(Use.ROTATION))
    opens_at = standing.round.opens_at(burst.most, burst.seconds)
    opens_at = max(room, outlook.early(opens_at), outlook.put_off(opens_at))
    rests_until = outlook.in_company(outlook.early(standing.round.opens_at(burst.at_rest, burst.seconds)))
    if not outlook.is_lacking:
        opens_at = max(opens_at, rests_until)
    if opens_at > standing.now:
        return Turn(None, opens_at)
    first = _first(outlook)
    if first is None:
        return None
    key, due_at = first
    at = standing.now if due_at <= outlook.horizon else due_at
    return Turn(key, at if due_at == -math.inf else max(at, rests_until))


def _is_wanted(attention: Attention) -> bool:
    return bool(attention.visible or attention.unchecked)


def _first(outlook: Outlook) -> tuple[_Rotated, float] | None:
    """What is due first, and when, of what may be asked: few are under way at once, and of checks one."""
    under_way = [type(resource) for resource, use in outlook.standing.in_flight.items() if use is Use.ROTATION]
    if len(under_way) >= _AT_ONCE:
        return None
    histories = _histories(outlook)
    apart = _CHECKS_APART * outlook.burst.seconds / outlook.burst.most
    checks = _checks(outlook, histories, apart) if StatsKey not in under_way else {}
    found: list[tuple[_Rotated, float]] = []
    # By their ids until here: there are many, and this is done for each request.
    for kind, moments in ((HistoryKey, histories), (StatsKey, checks)):
        if moments:
            runner_id = min(moments, key=moments.__getitem__)
            found.append((kind(runner_id), moments[runner_id]))
    return min(found, key=lambda each: each[1], default=None)


def _checks(outlook: Outlook, histories: Mapping[str, float], apart: float) -> dict[str, float]:
    """When each runner is to be checked: those that are wished for, else those in view.

    The latter once all histories were asked, and one in so many seconds at most. Once that is so it goes before
    histories that have been due for long, as in a full view they all are.
    """
    snapshot, attention = outlook.snapshot, outlook.snapshot.attention
    if attention.unchecked:
        return _moments_of_checks(outlook, attention.unchecked)
    if -math.inf in histories.values() or not _has_stats(snapshot):
        return {}
    moments = _moments_of_checks(outlook, attention.visible)
    tried = (snapshot.checkup(runner_id).tried_on for runner_id in moments)
    from_then_on = max((on for on in tried if on is not None), default=-math.inf) + apart
    if from_then_on > outlook.horizon:
        return {each: max(due_at, from_then_on) for each, due_at in moments.items()}
    return {each: due_at - _AHEAD if due_at <= outlook.horizon else due_at for each, due_at in moments.items()}


def _has_stats(snapshot: Snapshot) -> bool:
    """Whether it makes sense to ask for stats that nobody waits for: a deployment may know of none."""
    feeds = snapshot.stats.values()
    unheard_of = (feed.problem is not None and feed.problem.kind is ProblemKind.NOT_FOUND for feed in feeds)
    return not feeds or any(feed.value is not None for feed in feeds) or not all(unheard_of)


def _histories(outlook: Outlook) -> dict[str, float]:
    """When each history in view is due."""
    history = outlook.snapshot.history
    others = _others(outlook, outlook.snapshot.attention.visible, HistoryKey)
    return {runner_id: outlook.due_at(history(runner_id)) for runner_id in others}


def _moments_of_checks(outlook: Outlook, runner_ids: Iterable[str]) -> dict[str, float]:
    others = _others(outlook, runner_ids, StatsKey)
    return {runner_id: outlook.checked_at(runner_id, CHECK_EVERY) for runner_id in others}


def _others(outlook: Outlook, runner_ids: Iterable[str], kind: type[_Rotated]) -> Iterable[str]:
    """Those of them that may be asked this: not the one under the cursor, none that is gone, none that is being."""
    snapshot = outlook.snapshot
    asked = {resource.runner_id for resource in outlook.standing.in_flight if isinstance(resource, kind)}
    # One that a page brings back after its departure may depart again: that must not go round and round.
    left_out = {snapshot.attention.runner_id, *asked, *departed_since(snapshot, outlook.standing.now - MAX_BACK_OFF)}
    return (each for each in runner_ids if each not in left_out and not is_gone(snapshot, each))


def _is_loading(snapshot: Snapshot) -> bool:
    return snapshot.attention.whole and any(snapshot.page_at(key).tried_on is None for key in snapshot.page_keys)
