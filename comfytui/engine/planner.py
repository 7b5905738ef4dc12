"""What to ask next, and when to look again: decided from values alone."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from comfytui.engine.announced import is_of_another
from comfytui.engine.intervals import STATS_EVERY, room_at, room_by_time
from comfytui.engine.outlook import look_out
from comfytui.engine.protocol import HistoryKey, PageKey, RunnerKey, StatsKey
from comfytui.engine.reducer import is_gone
from comfytui.engine.rotating import next_turn
from comfytui.engine.sweeping import next_swept
from comfytui.ratelimit.window import KEPT_FOR_WISHES, Use

if TYPE_CHECKING:
    from comfytui.engine.outlook import Outlook, Standing
    from comfytui.engine.protocol import Attention, Resource
    from comfytui.engine.snapshot import Snapshot


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


class _Candidate(NamedTuple):
    """Something to ask, when it is due, and from when on there is room for it."""

    ask: Ask
    due_at: float
    room_at: float

    @property
    def ready_at(self) -> float:
        """When it may be asked by itself."""
        return max(self.due_at, self.room_at)


_BeforeAndAfter: TypeAlias = tuple[tuple[_Candidate, ...], tuple[_Candidate, ...]]
"""What may be asked of the list: what goes before the runner, and what goes after."""

# Seconds that the cursor has been on a runner before that is asked itself: who walks past makes no machine work.
_LINGERING = 0.7


def attended(snapshot: Snapshot) -> tuple[Resource, ...]:
    """What is polled, the most wanted first: the list's page or pages, the runner's history, the runner, its stats."""
    return (*snapshot.page_keys, *_of_cursor(snapshot.attention))


def plan(snapshot: Snapshot, standing: Standing) -> Plan:
    """Decide what is asked next: a wish before a poll, and the rotation only where neither waits.

    One thing at a time: how much room the allowance has after it is seen once it has been sent.
    """
    if snapshot.needs_token is not None:
        return Plan(None)
    outlook = look_out(snapshot, standing)
    candidates = list(_of_attended(outlook))
    due = [candidate for candidate in candidates if candidate.due_at <= _until(candidate, outlook)]
    ready = [candidate.ask for candidate in due if candidate.room_at <= standing.now]
    if ready:
        return Plan(min(ready, key=lambda ask: ask.use.rank))
    turn = None if due else next_turn(outlook)
    if turn is not None and turn.key is not None and turn.at <= standing.now:
        return Plan(Ask(turn.key, Use.ROTATION))
    moments = [candidate.ready_at for candidate in candidates] + ([turn.at] if turn is not None else [])
    later = min(moments, default=math.inf)
    return Plan(None, later if later < math.inf else None)


def is_beat(snapshot: Snapshot, ask: Ask) -> bool:
    """Whether others go along with this, and this with them.

    Wishes, checks of the runner under the cursor and the pages of a whole list keep to their own moments, apart.
    """
    if ask.use is not Use.POLL:
        return ask.use is Use.ROTATION
    is_of_whole = isinstance(ask.resource, PageKey) and snapshot.attention.whole
    return not (is_of_whole or isinstance(ask.resource, StatsKey))


def _until(candidate: _Candidate, outlook: Outlook) -> float:
    """Until when this is asked now, if it comes due."""
    return outlook.horizon if is_beat(outlook.snapshot, candidate.ask) else outlook.standing.now


def _of_attended(outlook: Outlook) -> Iterator[_Candidate]:
    """The list before the runner; but the runner before a whole list, of which there is much."""
    first, last = (_of_whole if outlook.snapshot.attention.whole else _of_page)(outlook)
    yield from first
    for resource in _of_cursor(outlook.snapshot.attention):
        if resource in outlook.standing.in_flight or is_gone(outlook.snapshot, resource.runner_id):
            continue
        if isinstance(resource, StatsKey):
            yield from _of_check(outlook, resource)
        else:
            yield from _of_runner(outlook, resource)
    yield from _of_changed(outlook)
    yield from last


def _of_cursor(attention: Attention) -> tuple[HistoryKey | RunnerKey | StatsKey, ...]:
    runner_id = attention.runner_id
    return () if runner_id is None else (HistoryKey(runner_id), RunnerKey(runner_id), StatsKey(runner_id))


def _of_whole(outlook: Outlook) -> _BeforeAndAfter:
    """The next page of a whole list, behind the runner unless it is urgent."""
    swept = next_swept(outlook.snapshot, outlook.standing)
    if swept is None:
        return (), ()
    urgent = _candidate(Ask(swept.key, Use.WISH), swept.urgent_at, outlook, swept.room_at)
    return (urgent,), (_candidate(Ask(swept.key, Use.POLL), swept.due_at, outlook, swept.room_at),)


def _of_page(outlook: Outlook) -> _BeforeAndAfter:
    """The page by time, by wish, and as good as wished once it has been due for half an interval.

    Else somebody who goes from runner to runner without pause would never again see the list change.
    """
    key = outlook.snapshot.attention.page
    if key in outlook.standing.in_flight:
        return (), ()
    by_time = _polled_at(outlook, key)
    by_wish = min(_wished_at(outlook, key), by_time + outlook.pace / 2)
    polled = _candidate(Ask(key, Use.POLL), by_time, outlook, outlook.put_off(by_time))
    return (polled, _candidate(Ask(key, Use.WISH), by_wish, outlook)), ()


def _of_runner(outlook: Outlook, resource: Resource) -> Iterator[_Candidate]:
    """A runner's history or details by time, and by wish as far as something is left for the page to be turned."""
    by_time = _polled_at(outlook, resource)
    yield _candidate(Ask(resource, Use.POLL), by_time, outlook, outlook.put_off(by_time))
    # Pages of a whole list are turned without asking anybody.
    kept = 0 if outlook.snapshot.attention.whole else KEPT_FOR_WISHES
    spending = outlook.snapshot.spending
    room = room_at(spending.sent, max(1, spending.share - kept))
    yield _candidate(Ask(resource, Use.WISH), _wished_at(outlook, resource), outlook, room)


def _of_changed(outlook: Outlook) -> Iterator[_Candidate]:
    """Yield histories of other runners in view that changed, by the time of their change and not of the rotation."""
    snapshot, standing = outlook.snapshot, outlook.standing
    for resource in standing.changed:
        if is_of_another(resource, snapshot.attention) and resource not in standing.in_flight:
            yield _candidate(
                Ask(resource, Use.POLL), outlook.batched_change_at(resource), outlook, room_by_time(snapshot.spending)
            )


def _of_check(outlook: Outlook, resource: StatsKey) -> Iterator[_Candidate]:
    """A runner's stats once its history was tried: live and slow, so never for a wish alone, and never in haste."""
    snapshot, standing = outlook.snapshot, outlook.standing
    if snapshot.history(resource.runner_id).tried_on is None:
        return
    feed = snapshot.checkup(resource.runner_id)
    tried_on, due_at = feed.tried_on, outlook.checked_at(resource.runner_id, STATS_EVERY)
    if tried_on is not None:
        due_at = due_at if feed.problem is not None else outlook.in_company(due_at)
        by_wish = max(standing.wished.get(resource, math.inf), tried_on + snapshot.stats_pace)
        due_at = by_wish if snapshot.attention.paused else min(due_at, by_wish)
    due_at = max(min(due_at, outlook.changed_at(resource)), standing.pointed_on + _LINGERING)
    yield _candidate(Ask(resource, Use.POLL), due_at, outlook, room_by_time(snapshot.spending))


def _candidate(ask: Ask, due_at: float, outlook: Outlook, room: float = -math.inf) -> _Candidate:
    """It may be asked once it is due, from `room` on, when the allowance lets it."""
    return _Candidate(ask, due_at, max(room, outlook.standing.let_at(ask.use)))


def _polled_at(outlook: Outlook, resource: Resource) -> float:
    """When it is to be asked again by time or for a change: never by time, as long as there is no first answer."""
    feed = outlook.snapshot.feed_of(resource)
    by_time = outlook.due_at(feed) if feed.fetched_on is not None else math.inf
    return min(by_time, outlook.changed_at(resource))


def _wished_at(outlook: Outlook, resource: Resource) -> float:
    """From when on a person waits for it; what was never answered is waited for as soon as it may be asked."""
    by_wish = outlook.standing.wished.get(resource, math.inf)
    feed = outlook.snapshot.feed_of(resource)
    return by_wish if feed.fetched_on is not None else min(by_wish, outlook.due_at(feed))
