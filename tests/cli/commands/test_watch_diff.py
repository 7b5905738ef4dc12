from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from comfytui.cli.commands.watch import EventType, FleetChange, Observation, ReportedState, diff
from tests.support.builders import make_runner

if TYPE_CHECKING:
    from comfytui.api.models import Runner

A, B, C = (make_runner(each) for each in "abc")
RENAMED = make_runner("a", name="Renamed")
REBUILT = make_runner("a", headers={"Authorization": "Bearer one"})
TURNED = make_runner("a", headers={"Authorization": "Bearer two"})
BUSY = make_runner("a", queue_running=1, queue_pending=399)
SKEWED = make_runner("a", clock_skew=300)
LEARNED = make_runner("a", queue_pending=0, tags=["comfyui-0.33.0"])
UPDATED = make_runner("a", queue_pending=0, tags=["comfyui-0.34.0"], updated_at="2026-11-21T14:00:00Z")
ODD = make_runner("a", gpu="odd")


def told(*runners: Runner, whole: bool = True, **missing: float) -> ReportedState:
    return ReportedState({each.id: each for each in runners}, missing, whole)


def sight(
    *found: Runner,
    listed: str = "",
    removed: str = "",
    whole: bool = True,
    seen_on: float = 10.0,
    sure_on: float = math.inf,
) -> Observation:
    """What is found is listed; `listed` and `departed` name others, a letter each."""
    ids = {each.id for each in found} | set(listed)
    return Observation({each.id: each for each in found}, ids, set(removed), whole, seen_on, sure_on)


@pytest.mark.parametrize(
    ("before", "seen", "changes"),
    [
        (ReportedState(), sight(), []),
        (ReportedState(), sight(A, B), ["runner a", "runner b"]),
        (told(A, whole=False), sight(A, B, whole=False), ["runner b"]),
        (told(A, whole=False), sight(A, B), ["runner b"]),
        (told(A), sight(B, A), ["added b"]),
        (told(A, B), sight(B, A), []),
        (told(A), sight(make_runner("a")), []),
        (told(A, B), sight(RENAMED, B), ["changed a"]),
        (told(A), sight(ODD), ["changed a"]),
        (told(REBUILT), sight(TURNED), []),
        (told(A), sight(BUSY), []),
        (told(A), sight(SKEWED), ["changed a"]),
        (told(BUSY), sight(LEARNED), []),
        (told(LEARNED), sight(UPDATED), ["changed a"]),
        (told(A, whole=False), sight(RENAMED, whole=False), ["changed a"]),
        (told(A, B), sight(B), ["removed a"]),
        (told(A, B), sight(RENAMED, C), ["changed a", "added c", "removed b"]),
        (told(A, B), sight(B, listed="a", sure_on=0.0), ["removed a"]),
        (told(A, B), sight(B, removed="a", sure_on=0.0), ["removed a"]),
        (told(A, B), sight(B, sure_on=0.0), []),
        (told(A, B, a=5.0), sight(B, sure_on=5.0), []),
        (told(A, B, a=5.0), sight(B, sure_on=5.1), ["removed a"]),
        (told(A, B, a=5.0), sight(A, B, sure_on=5.1), []),
        (told(A, B, a=5.0), sight(RENAMED, B, sure_on=0.0), ["changed a"]),
    ],
)
def test_diff_yields_changes(before: ReportedState, seen: Observation, changes: list[str]) -> None:
    found, after = diff(before, seen)
    assert [f"{change.event} {change.runner_id}" for change in found] == changes
    assert diff(after, seen) == ((), after), "nothing is told twice"


def test_diff_yields_the_new_state() -> None:
    changes, _ = diff(told(A, B), sight(RENAMED, C))
    assert changes == (
        FleetChange(EventType.CHANGED, "a", RENAMED),
        FleetChange(EventType.ADDED, "c", C),
        FleetChange(EventType.REMOVED, "b"),
    )


def test_a_runner_that_moves_between_pages_is_missing_for_a_while_and_was_never_gone() -> None:
    changes, waiting = diff(told(A, B), sight(B, seen_on=10.0, sure_on=4.0))
    assert (changes, waiting.missing) == ((), {"a": 10.0})
    changes, waiting = diff(waiting, sight(B, seen_on=12.0, sure_on=9.0))
    assert (changes, waiting.missing) == ((), {"a": 10.0}), "it is missing since it was first not seen"
    changes, back = diff(waiting, sight(B, A, seen_on=13.0, sure_on=9.0))
    assert (changes, back) == ((), told(A, B))
    changes, _ = diff(waiting, sight(B, seen_on=14.0, sure_on=12.0))
    assert changes == (FleetChange(EventType.REMOVED, "a"),)


def test_everything_was_looked_at_once_and_for_all() -> None:
    _, after = diff(ReportedState(), sight(A))
    assert after.whole
    assert diff(after, sight(A, B, whole=False))[0] == (FleetChange(EventType.ADDED, "b", B),)
