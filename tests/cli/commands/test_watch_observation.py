from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from comfytui.api.errors import ServerError
from comfytui.cli.commands.watch import describe_limits, observe, viewport_for
from comfytui.engine.feed import Feed, problem_from_error
from comfytui.engine.protocol import PageKey, Viewport
from comfytui.engine.reducer import MAX_HISTORIES
from comfytui.engine.snapshot import HealthCheck, RemovedRunner, Snapshot
from comfytui.query.filter import parse
from comfytui.query.view import ListView, ListViewBuilder, SearchProgress
from tests.support.builders import make_page, make_runner
from tests.support.clock import START

if TYPE_CHECKING:
    from comfytui.cli.commands.watch import Observation

A, B = make_runner("a"), make_runner("b", tags=["gpu"])
DOWN = ServerError("GET", "/v1/runner/a/history", "the runner does not answer", 503)
WHOLE = Viewport(all_pages=True)


@pytest.mark.parametrize(
    ("query", "visible", "unchecked"),
    [
        ("", (), ()),
        ("gpu", (), ()),
        ("gpu !last:failed", ("b",), ()),
        ("is:busy", ("a", "b"), ()),
        ("is:reachable", (), ("a", "b")),
        ("gpu is:busy is:reachable", ("b",), ("b",)),
    ],
)
def test_viewport_of_a_watch(query: str, visible: tuple[str, ...], unchecked: tuple[str, ...]) -> None:
    viewport = viewport_for(WHOLE, parse(query), ListView(loaded=(A, B)))
    assert viewport == Viewport(all_pages=True, visible_ids=visible, health_check_ids=unchecked)


def test_no_more_is_looked_at_than_can_be_remembered() -> None:
    viewport = viewport_for(WHOLE, parse("is:busy is:reachable"), view_of(MAX_HISTORIES + 1))
    assert len(viewport.visible_ids) == len(viewport.health_check_ids) == MAX_HISTORIES
    assert viewport.visible_ids[0] == "r0"


def listed(*answered_on: float | None) -> Snapshot:
    """A list of as many pages as there are moments, each answered then, with the one runner on it that matters."""
    total = 100 * len(answered_on)
    pages = {
        PageKey(number, 100): Feed(
            make_page(make_runner(f"r{number}"), total=total), fetched_at=START, fetched_monotonic=on
        )
        for number, on in enumerate(answered_on, 1)
        if on is not None
    }
    return Snapshot(viewport=WHOLE, pages=pages, response_time=0.5)


def sighted(snapshot: Snapshot, text: str = "") -> Observation:
    query = parse(text)
    return observe(snapshot, ListViewBuilder().build(snapshot, query, None), query)


@pytest.mark.parametrize(
    ("answered_on", "whole", "seen_on", "sure_on"),
    [
        ((20.0,), True, 20.0, math.inf),
        ((20.0, 15.0, 30.0), True, 30.0, 14.0),
        ((20.0, None), False, 20.0, -math.inf),
    ],
)
def test_observation_dates_the_list(
    answered_on: tuple[float | None, ...], whole: bool, seen_on: float, sure_on: float
) -> None:
    sight = sighted(listed(*answered_on))
    assert (sight.whole, sight.seen_on, sight.sure_on) == (whole, seen_on, sure_on)


def test_before_the_first_answer_nothing_is_known() -> None:
    assert not sighted(Snapshot(viewport=WHOLE)).whole


def test_observation_has_matches_and_listed_ids() -> None:
    pages = {PageKey(1, 100): Feed(make_page(A, B), fetched_at=START, fetched_monotonic=1.0)}
    snapshot = Snapshot(viewport=WHOLE, pages=pages, removed=(RemovedRunner("c", "Runner c", START),))
    sight = sighted(snapshot, "gpu")
    assert (dict(sight.found), sight.listed, sight.removed, sight.whole) == ({"b": B}, {"a", "b"}, {"c"}, True)


@pytest.mark.parametrize(
    ("text", "histories", "stats", "whole"),
    [
        ("last:failed", "", "", False),
        ("last:failed", "a", "", False),
        ("last:failed", "ab", "", True),
        ("gpu last:failed", "b", "", True),
        ("is:unreachable", "ab", "", False),
        ("is:unreachable", "", "ab", True),
        ("is:unreachable is:busy", "ab", "a", False),
        ("is:unreachable is:busy", "ab", "ab", True),
    ],
)
def test_observation_is_whole_once_all_details_are_requested(
    text: str, histories: str, stats: str, whole: bool
) -> None:
    snapshot = Snapshot(
        viewport=WHOLE,
        pages={PageKey(1, 100): Feed(make_page(A, B), fetched_at=START, fetched_monotonic=1.0)},
        histories={each: Feed((), fetched_at=START, fetched_monotonic=1.0) for each in histories},
        stats={each: Feed(HealthCheck(reachable=True), fetched_at=START, fetched_monotonic=1.0) for each in stats},
    )
    assert sighted(snapshot, text).whole is whole


def test_a_runner_that_fails_to_tell_keeps_nothing_from_being_whole() -> None:
    problem = problem_from_error(DOWN, None, START, retry_monotonic=9.0, failed_monotonic=1.0, streak=1)
    snapshot = Snapshot(
        viewport=WHOLE,
        pages={PageKey(1, 100): Feed(make_page(A), fetched_at=START, fetched_monotonic=1.0)},
        histories={"a": Feed(problem=problem)},
    )
    assert sighted(snapshot, "last:failed").whole


def view_of(runners: int, *, capped: bool = False) -> ListView:
    return ListView(
        loaded=tuple(make_runner(f"r{number}") for number in range(runners)), searched=SearchProgress(capped=capped)
    )


ONLY_NEWEST = "only the newest 10,000 runners are watched"
NO_MORE = "more than the list tells is looked at for the newest 512 runners alone"


@pytest.mark.parametrize(
    ("text", "runners", "capped", "told"),
    [
        ("", MAX_HISTORIES + 1, False, []),
        ("is:busy", MAX_HISTORIES, False, []),
        ("nobody is:busy", MAX_HISTORIES + 1, False, []),
        ("is:busy", MAX_HISTORIES + 1, False, [NO_MORE]),
        ("", 3, True, [ONLY_NEWEST]),
        ("is:busy", MAX_HISTORIES + 1, True, [ONLY_NEWEST, NO_MORE]),
    ],
)
def test_limits_of_a_watch_are_described(text: str, runners: int, capped: bool, told: list[str]) -> None:
    assert list(describe_limits(parse(text), view_of(runners, capped=capped))) == told
