"""What a snapshot shows of the runners that are watched, and what the engine must ask for that. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING

from comfytui.cli.changes import Sight
from comfytui.engine.folding import MAX_HISTORIES
from comfytui.engine.query import Facts, Need, Query
from comfytui.engine.resources import MAX_WHOLE_RUNNERS

if TYPE_CHECKING:
    from comfytui.api.models import Runner
    from comfytui.engine.feed import Feed
    from comfytui.engine.snapshot import Attention, Snapshot
    from comfytui.engine.view import View

__all__ = ["attention_for", "limits", "sight_of"]

# What is answered this many times later than answers usually take was asked after what it is compared with.
_SLACK = 2.0


def attention_for(attention: Attention, query: Query, view: View) -> Attention:
    """What is looked at, with as many runners as can be remembered whose histories or checks the query asks for."""
    ids = tuple(runner.id for runner in _judged(query, view))
    return attention._replace(
        visible=ids if Need.HISTORY in query.needs else (),
        unchecked=ids if Need.REACHABILITY in query.needs else (),
    )


def sight_of(snapshot: Snapshot, view: View, query: Query) -> Sight:
    """What a view of the whole list shows; it is whole once all pages, and all that the query needs, were asked for."""
    return Sight(
        found={runner.id: runner for runner in view.runners},
        listed={runner.id for runner in view.loaded},
        departed={departure.runner_id for departure in snapshot.departed},
        whole=view.searched.is_complete and all(_was_asked(snapshot, each, query) for each in _judged(query, view)),
        seen_on=max(_answered_on(snapshot), default=0.0),
        sure_on=_sure_on(snapshot),
    )


def limits(query: Query, view: View) -> Iterator[str]:
    """What is not looked at, in words."""
    if view.searched.capped:
        yield f"only the newest {MAX_WHOLE_RUNNERS:,} runners are watched"
    if len(_to_judge(query, view)) > MAX_HISTORIES:
        yield f"more than the list tells is looked at for the newest {MAX_HISTORIES} runners alone"


def _judged(query: Query, view: View) -> tuple[Runner, ...]:
    return _to_judge(query, view)[:MAX_HISTORIES]


def _to_judge(query: Query, view: View) -> tuple[Runner, ...]:
    """The runners of which more must be known than the list tells: all that it does not rule out."""
    if not query.needs:
        return ()
    by_list = Query(terms=tuple(term for term in query.terms if term.need is None))
    return tuple(runner for runner in view.loaded if by_list.matches(Facts(runner)))


def _was_asked(snapshot: Snapshot, runner: Runner, query: Query) -> bool:
    feeds: dict[Need, Feed[object]] = {
        Need.HISTORY: snapshot.history(runner.id),
        Need.REACHABILITY: snapshot.checkup(runner.id),
    }
    return all(feeds[need].tried_on is not None for need in query.needs)


def _answered_on(snapshot: Snapshot) -> list[float]:
    moments = (snapshot.page_at(key).fetched_on for key in snapshot.page_keys)
    return [-inf if moment is None else moment for moment in moments]


def _sure_on(snapshot: Snapshot) -> float:
    """One page is sure at once; of several each must have been asked since."""
    answered = _answered_on(snapshot)
    return inf if len(answered) == 1 else min(answered) - _SLACK * snapshot.response_time
