"""From what was told of a fleet and what is seen of it now to what there is to tell. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from comfytui.tui.present.export import runner_data

if TYPE_CHECKING:
    from comfytui.api.models import Runner

__all__ = ["Change", "Event", "Sight", "Told", "diff"]


_LIVE = ("queue_running", "queue_pending")


class Event(StrEnum):
    """What has happened to a runner, as it is written."""

    RUNNER = "runner"
    """It was there when everything was looked at for the first time."""
    ADDED = "added"
    """It is there, or is what is looked for, since then."""
    CHANGED = "changed"
    """One of its fields is another."""
    REMOVED = "removed"
    """It is there no more, or no more what is looked for."""


@dataclass(frozen=True, slots=True)
class Change:
    """Something to tell: of a runner that was removed there is nothing but its id."""

    event: Event
    runner_id: str
    runner: Runner | None = None


@dataclass(frozen=True, slots=True)
class Sight:
    """What is seen of a fleet at one moment; times are of one monotonic clock.

    Attributes:
        found: The runners that are looked for, by id, in order.
        listed: The ids of all that are listed, looked for or not.
        departed: The ids of those that are known not to be registered any more.
        whole: Whether everything was looked at.
        seen_on: When the newest part of the list was answered.
        sure_on: What was in no part of the list at this moment, and still is not, is gone. The parts are answered one
            after another, and a runner that moves from one to another may be in neither for a while.
    """

    found: Mapping[str, Runner] = field(default_factory=dict)
    listed: AbstractSet[str] = frozenset()
    departed: AbstractSet[str] = frozenset()
    whole: bool = True
    seen_on: float = 0.0
    sure_on: float = math.inf


@dataclass(frozen=True, slots=True)
class Told:
    """What was told so far.

    Attributes:
        runners: Those that are there, by id, as told last.
        missing: Of them those that were not seen lately, each with the moment it was first not seen.
        whole: Whether everything was looked at once.
    """

    runners: Mapping[str, Runner] = field(default_factory=dict)
    missing: Mapping[str, float] = field(default_factory=dict)
    whole: bool = False


def diff(told: Told, sight: Sight) -> tuple[tuple[Change, ...], Told]:
    """What there is to tell now, in the order of the list and removals last, and what is told once that is done."""
    missing = _missing(told, sight)
    changes = (*_seen(told, sight), *(Change(Event.REMOVED, each) for each in _removed(told, sight, missing)))
    kept = {runner_id: told.runners[runner_id] for runner_id in missing}
    return changes, Told({**kept, **sight.found}, missing, told.whole or sight.whole)


def _seen(told: Told, sight: Sight) -> Iterator[Change]:
    for runner_id, runner in sight.found.items():
        before = told.runners.get(runner_id)
        if before is None:
            yield Change(Event.ADDED if told.whole else Event.RUNNER, runner_id, runner)
        elif before is not runner and _has_changed(before, runner):
            yield Change(Event.CHANGED, runner_id, runner)


def _has_changed(before: Runner, after: Runner) -> bool:
    if after.tells_queue and before.updated_at == after.updated_at:
        # Our gateway dates every change, so anything else is what it had not learned yet.
        return False
    return _compared(before) != _compared(after)


def _compared(runner: Runner) -> dict[str, object]:
    """Return a runner's fields without the length of its queue, which changes with all that it does."""
    return {name: value for name, value in runner_data(runner).items() if name not in _LIVE}


def _missing(told: Told, sight: Sight) -> dict[str, float]:
    """Those of which is not known yet whether they are gone."""
    unseen = (each for each in told.runners if each not in sight.listed and each not in sight.departed)
    since = {each: told.missing.get(each, sight.seen_on) for each in unseen}
    return {each: moment for each, moment in since.items() if moment >= sight.sure_on}


def _removed(told: Told, sight: Sight, missing: Mapping[str, float]) -> Iterator[str]:
    return (each for each in told.runners if each not in sight.found and each not in missing)
