"""What to ask next, and when to look again: decided from values alone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from comfytui.api.allowance import KEPT_FOR_WISHES, Use
from comfytui.engine.departures import departed_since, is_gone
from comfytui.engine.feed import ProblemKind
from comfytui.engine.pacing import CHECK_EVERY, MAX_BACK_OFF, STATS_EVERY, by_time, room_at, rotation_spacing
from comfytui.engine.resources import HistoryKey, PageKey, RunnerKey, StatsKey
from comfytui.engine.sweeping import next_swept

if TYPE_CHECKING:
    from comfytui.engine.resources import Resource
    from comfytui.engine.snapshot import Attention, Snapshot

__all__ = ["Ask", "Plan", "Standing", "attended", "plan"]


class Ask(NamedTuple):
    """A request worth sending: for what, and for whose sake."""

    resource: Resource
    use: Use


class Plan(NamedTuple):
    """What the engine does next.

    Attributes:
        ask: What to ask now, None where nothing is due or the allowance has no room for it.
        wake_at: Without that: when something comes due or may be asked, on the monotonic clock; None while only an
            answer or a wish can bring something to do.
    """

    ask: Ask | None
    wake_at: float | None = None


class Standing(NamedTuple):
    """How things stand, beside what the snapshot says; all moments are of the monotonic clock.

    Attributes:
        now: The present moment.
        waits: Seconds until the allowance has room for a request, by its use.
        in_flight: What has been asked and not been answered, with its use: never due.
        wished: What is wanted whatever its age, paused or not, each from its moment on.
        since: What was last tried before this moment is due, unless paused; of a whole list the age of a page decides.
        rotated_on: When the rotation last asked.
        listed_on: When a page of the list was last asked.
    """

    now: float
    waits: Mapping[Use, float] = MappingProxyType({})
    in_flight: Mapping[Resource, Use] = MappingProxyType({})
    wished: Mapping[Resource, float] = MappingProxyType({})
    since: float = -math.inf
    rotated_on: float = -math.inf
    listed_on: float = -math.inf


class _Candidate(NamedTuple):
    """Something to ask, when it is due, and when it may be asked."""

    ask: Ask
    due_at: float
    ready_at: float


_BeforeAndAfter: TypeAlias = tuple[tuple[_Candidate, ...], tuple[_Candidate, ...]]
"""What may be asked of the list: what goes before the runner, and what goes after."""

_Rotated: TypeAlias = HistoryKey | StatsKey

# With the list and the three of the cursor as many as fit into flights.MAX_FLIGHTS: none is given up for another.
_AT_ONCE: Mapping[type[_Rotated], int] = {HistoryKey: 3, StatsKey: 1}
# Of the rotation, each so many-th request at most is a check that nothing but the view asks for.
_CHECKS_APART = 4
# Seconds by which such a check, once it is its turn, goes before histories that are due.
_AHEAD = 600.0


def attended(snapshot: Snapshot) -> tuple[Resource, ...]:
    """What is polled, the most wanted first: the list's page or pages, the runner's history, the runner, its stats."""
    return (*snapshot.page_keys, *_of_cursor(snapshot.attention))


def plan(snapshot: Snapshot, standing: Standing) -> Plan:
    """Decide what is asked next: a wish before a poll, and the rotation only where neither waits.

    One thing at a time: how much room the allowance has after it is seen once it has been sent.
    """
    if snapshot.needs_token is not None:
        return Plan(None)
    candidates = list(_of_attended(snapshot, standing))
    if all(candidate.due_at > standing.now for candidate in candidates):
        candidates += _of_rotation(snapshot, standing)
    ready = [candidate.ask for candidate in candidates if candidate.ready_at <= standing.now]
    if ready:
        return Plan(min(ready, key=lambda ask: ask.use.rank))
    later = min((candidate.ready_at for candidate in candidates), default=math.inf)
    return Plan(None, later if later < math.inf else None)


def _of_attended(snapshot: Snapshot, standing: Standing) -> Iterator[_Candidate]:
    """The list before the runner; but the runner before a whole list, of which there is much."""
    first, last = (_of_whole if snapshot.attention.whole else _of_page)(snapshot, standing)
    yield from first
    for resource in _of_cursor(snapshot.attention):
        if resource in standing.in_flight or _is_gone(snapshot, resource):
            continue
        if isinstance(resource, StatsKey):
            yield from _of_check(snapshot, standing, resource)
        else:
            yield from _of_runner(snapshot, standing, resource)
    yield from last


def _of_cursor(attention: Attention) -> tuple[HistoryKey | RunnerKey | StatsKey, ...]:
    runner_id = attention.runner_id
    return () if runner_id is None else (HistoryKey(runner_id), RunnerKey(runner_id), StatsKey(runner_id))


def _of_whole(snapshot: Snapshot, standing: Standing) -> _BeforeAndAfter:
    """The next page of a whole list, behind the runner unless it is urgent."""
    swept = next_swept(snapshot, standing)
    if swept is None:
        return (), ()
    urgent = _candidate(Ask(swept.key, Use.WISH), swept.urgent_at, standing, swept.room_at)
    return (urgent,), (_candidate(Ask(swept.key, Use.POLL), swept.due_at, standing, swept.room_at),)


def _of_page(snapshot: Snapshot, standing: Standing) -> _BeforeAndAfter:
    """The page by time, by wish, and as good as wished once it has been due for half an interval.

    Else somebody who goes from runner to runner without pause would never again see the list change.
    """
    key = snapshot.attention.page
    if key in standing.in_flight:
        return (), ()
    by_time = _polled_at(snapshot, standing, key)
    by_wish = min(_wished_at(snapshot, standing, key), by_time + snapshot.pace / 2)
    return (_candidate(Ask(key, Use.POLL), by_time, standing), _candidate(Ask(key, Use.WISH), by_wish, standing)), ()


def _of_runner(snapshot: Snapshot, standing: Standing, resource: Resource) -> Iterator[_Candidate]:
    """A runner's history or details by time, and by wish as far as something is left for the page to be turned."""
    yield _candidate(Ask(resource, Use.POLL), _polled_at(snapshot, standing, resource), standing)
    # Pages of a whole list are turned without asking anybody.
    kept = 0 if snapshot.attention.whole else KEPT_FOR_WISHES
    room = room_at(snapshot.spending.sent, max(1, snapshot.spending.share - kept))
    yield _candidate(Ask(resource, Use.WISH), _wished_at(snapshot, standing, resource), standing, room)


def _of_check(snapshot: Snapshot, standing: Standing, resource: StatsKey) -> Iterator[_Candidate]:
    """A runner's stats once its history was tried: live and slow, so never for a wish alone, and never in haste."""
    if snapshot.history(resource.runner_id).tried_on is None:
        return
    tried_on = snapshot.checkup(resource.runner_id).tried_on
    due_at = _checked_at(snapshot, standing, resource, STATS_EVERY)
    if tried_on is not None:
        by_wish = max(standing.wished.get(resource, math.inf), tried_on + snapshot.stats_pace)
        due_at = by_wish if snapshot.attention.paused else min(due_at, by_wish)
    yield _candidate(Ask(resource, Use.POLL), due_at, standing, _room_by_time(snapshot))


def _checked_at(snapshot: Snapshot, standing: Standing, key: StatsKey, least: float) -> float:
    """When a runner is to be checked by time: at least so many seconds after the last try, however that ended."""
    feed = snapshot.checkup(key.runner_id)
    if feed.tried_on is None:
        return -math.inf
    if feed.tried_on < standing.since:
        return feed.tried_on + least
    next_try = feed.problem.next_try if feed.problem is not None else -math.inf
    return max(feed.tried_on + max(least, snapshot.pace), next_try)


def _of_rotation(snapshot: Snapshot, standing: Standing) -> Iterator[_Candidate]:
    """What is due first of the histories in view and of the checks, the never asked and the oldest before others.

    One history after another by the rotation's rhythm, whether or not those before have been answered: one that takes
    long is not to delay the others. None at all while pages of a whole list never were asked: a person waits for those.
    """
    attention = snapshot.attention
    if attention.paused or _is_loading(snapshot):
        return
    histories = _moments(snapshot, standing, map(HistoryKey, attention.visible))
    wanted = _moments(snapshot, standing, map(StatsKey, attention.unchecked))
    checks = wanted if attention.unchecked else _checks_in_view(snapshot, standing, histories)
    under_way = [type(resource) for resource, use in standing.in_flight.items() if use is Use.ROTATION]
    is_free = {kind: under_way.count(kind) < most for kind, most in _AT_ONCE.items()}
    moments = {key: due_at for key, due_at in (histories | checks).items() if is_free[type(key)]}
    if moments:
        key = min(moments, key=moments.__getitem__)
        yield _candidate(Ask(key, Use.ROTATION), moments[key], standing, _rotates_at(snapshot, standing))


def _checks_in_view(
    snapshot: Snapshot, standing: Standing, histories: Mapping[_Rotated, float]
) -> dict[_Rotated, float]:
    """When each runner in view is to be checked: once all histories were asked, and each fourth time at most.

    Once that is so a check goes before histories that have been due for long, as in a full view they all are.
    """
    if any(due_at == -math.inf for due_at in histories.values()) or not _has_stats(snapshot):
        return {}
    moments = _moments(snapshot, standing, map(StatsKey, snapshot.attention.visible))
    tried = (snapshot.checkup(key.runner_id).tried_on for key in moments)
    apart = _CHECKS_APART * _spacing(snapshot)
    from_then_on = max((on for on in tried if on is not None), default=-math.inf) + apart
    if from_then_on > standing.now:
        return {key: max(due_at, from_then_on) for key, due_at in moments.items()}
    return {key: due_at - _AHEAD if due_at <= standing.now else due_at for key, due_at in moments.items()}


def _has_stats(snapshot: Snapshot) -> bool:
    """Whether it makes sense to ask for stats that nobody waits for: a deployment may know of none."""
    feeds = snapshot.stats.values()
    unheard_of = (feed.problem is not None and feed.problem.kind is ProblemKind.NOT_FOUND for feed in feeds)
    return not feeds or any(feed.value is not None for feed in feeds) or not all(unheard_of)


def _moments(snapshot: Snapshot, standing: Standing, keys: Iterable[_Rotated]) -> dict[_Rotated, float]:
    """When each of these is due, as far as the rotation may ask it."""
    # One that a page brings back after its departure may depart again: that must not go round and round.
    left_out = {snapshot.attention.runner_id, *departed_since(snapshot, standing.now - MAX_BACK_OFF)}
    asked_for = (key for key in keys if key.runner_id not in left_out and key not in standing.in_flight)
    return {key: _rotated_at(snapshot, standing, key) for key in asked_for if not _is_gone(snapshot, key)}


def _rotated_at(snapshot: Snapshot, standing: Standing, key: _Rotated) -> float:
    if isinstance(key, StatsKey):
        return _checked_at(snapshot, standing, key, CHECK_EVERY)
    return _due_at(snapshot, standing, key)


def _is_loading(snapshot: Snapshot) -> bool:
    return snapshot.attention.whole and any(snapshot.page_at(key).tried_on is None for key in snapshot.page_keys)


def _rotates_at(snapshot: Snapshot, standing: Standing) -> float:
    return max(standing.rotated_on + _spacing(snapshot), _room_by_time(snapshot))


def _spacing(snapshot: Snapshot) -> float:
    return rotation_spacing(snapshot.interval, snapshot.pace, snapshot.spending.share, snapshot.attention)


def _room_by_time(snapshot: Snapshot) -> float:
    """When there is room for what nobody waits for."""
    return room_at(snapshot.spending.sent, by_time(snapshot.spending.share))


def _candidate(ask: Ask, due_at: float, standing: Standing, room: float = -math.inf) -> _Candidate:
    """It may be asked once it is due, from `room` on, when the allowance lets it."""
    wait = standing.waits.get(ask.use, 0.0)
    return _Candidate(ask, due_at, max(due_at, room, standing.now + wait if wait > 0 else -math.inf))


def _polled_at(snapshot: Snapshot, standing: Standing, resource: Resource) -> float:
    """When it is to be asked again by time: never, as long as there is no first answer."""
    return _due_at(snapshot, standing, resource) if _is_known(snapshot, resource) else math.inf


def _wished_at(snapshot: Snapshot, standing: Standing, resource: Resource) -> float:
    """From when on a person waits for it; what was never answered is waited for as soon as it may be asked."""
    by_wish = standing.wished.get(resource, math.inf)
    return by_wish if _is_known(snapshot, resource) else min(by_wish, _due_at(snapshot, standing, resource))


def _is_known(snapshot: Snapshot, resource: Resource) -> bool:
    return snapshot.feed_of(resource).fetched_on is not None


def _due_at(snapshot: Snapshot, standing: Standing, resource: Resource) -> float:
    """When a resource is due by its age or its problem."""
    feed = snapshot.feed_of(resource)
    if feed.tried_on is None:
        return -math.inf
    if snapshot.attention.paused:
        return math.inf
    if feed.tried_on < standing.since:
        return -math.inf
    return feed.problem.next_try if feed.problem is not None else feed.tried_on + snapshot.pace


def _is_gone(snapshot: Snapshot, resource: Resource) -> bool:
    return not isinstance(resource, PageKey) and is_gone(snapshot, resource.runner_id)
