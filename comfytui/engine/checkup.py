"""Whether a runner answers, how fast, and what it said of its machine: what asking for its stats brings."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from comfytui.api.statuses import RunnerState

if TYPE_CHECKING:
    from comfytui.api.models import RunnerStats

__all__ = ["Checkup", "answering", "silent", "unreachable"]

T = TypeVar("T")

# Answer times within this factor of each other, or all below this many seconds, are as good as the same.
_SAME_FACTOR = 2.0
_SAME_BELOW = 0.05


class Checkup(NamedTuple):
    """What the newest check of a runner found.

    Attributes:
        reachable: Whether the runner answered.
        latency: Seconds that its answer took, None where it gave none. Kept as it was while that hardly changes.
        stats: What its machine last said, even where it does not answer any more; None before it ever did.
        words: Why it could not be reached, in the API's words; empty where it could.
        since: When that was first found, in UTC; None where it could be reached.
        state: State of a runner without a usable answer, from a gateway that asks the runner itself for everything;
            else None.
    """

    reachable: bool
    latency: float | None = None
    stats: RunnerStats | None = None
    words: str = ""
    since: datetime | None = None
    state: RunnerState | None = None


def answering(old: Checkup | None, stats: RunnerStats, took: float) -> Checkup:
    """The runner answered after so many seconds; the old checkup itself where that is nothing new."""
    before = old.latency if old is not None else None
    latency = before if before is not None and _is_steady(before, took) else took
    return _kept(old, Checkup(reachable=True, latency=latency, stats=_kept(old.stats if old else None, stats)))


def unreachable(old: Checkup | None, words: str, at: datetime) -> Checkup:
    """The runner did not answer at this moment in UTC; the old checkup itself where that is nothing new."""
    if old is None:
        return Checkup(reachable=False, words=words, since=at)
    return _kept(old, Checkup(reachable=False, stats=old.stats, words=words, since=old.since or at))


def silent(old: Checkup | None, state: RunnerState, reason: str, at: datetime) -> Checkup:
    """Return the checkup of a runner without a usable answer at this moment in UTC."""
    stats = old.stats if old else None
    if state in (RunnerState.HANGING, RunnerState.UNREACHABLE):
        return unreachable(old, reason, at)._replace(state=state)
    return _kept(old, Checkup(reachable=True, stats=stats, words=reason, state=state))


def _is_steady(before: float, took: float) -> bool:
    return max(before, took) < _SAME_BELOW or before / _SAME_FACTOR <= took <= before * _SAME_FACTOR


def _kept(old: T | None, new: T) -> T:
    return old if old is not None and old == new else new
