"""What a snapshot shows of the runners that are watched, and what the engine must ask for that. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import inf
from typing import TYPE_CHECKING

from comfytui.cli.changes import Sight
from comfytui.engine.folding import MAX_HISTORIES
from comfytui.engine.query import Facts, Need, Query
from comfytui.engine.resources import MAX_WHOLE_RUNNERS
from comfytui.engine.whole import sure_on

if TYPE_CHECKING:
    from comfytui.api.models import Runner
    from comfytui.engine.feed import Feed
    from comfytui.engine.snapshot import Attention, Snapshot
    from comfytui.engine.view import View

__all__ = ["attention_for", "limits", "sight_of"]


def attention_for(attention: Attention, query: Query, view: View) -> Attention:
    """What is looked at, with as many runners as can be remembered whose histories or checks the query asks for."""
    ids = tuple(runner.id for runner in _judged(query, view))
    return attention._replace(
        visible=ids if Need.HISTORY in query.needs else (),
        unchecked=ids if Need.REACHABILITY in query.needs else (),
    )


def sight_of(snapshot: Snapshot, view: View, query: Query) -> Sight:
    """What a view of the whole list shows.

    It is whole once all pages, none from before the list last changed, and all that the query needs were asked for.
    """
    answered_on = _answered_on(snapshot)
    return Sight(
        found={runner.id: runner for runner in view.runners if runner.id not in view.missing},
        listed={runner.id for runner in view.loaded} - view.missing,
        departed={departure.runner_id for departure in snapshot.departed},
        whole=view.searched.is_complete
        and not view.is_changing
        and all(_was_asked(snapshot, each, query) for each in _judged(query, view)),
        seen_on=max(answered_on, default=0.0),
        sure_on=sure_on(answered_on, snapshot.response_time),
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
