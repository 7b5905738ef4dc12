"""How long a screen may be left alone."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.protocol import PageKey, Viewport
from comfytui.engine.snapshot import HealthCheck, Snapshot
from comfytui.ratelimit.window import Usage
from comfytui.render.freshness import RenderContext, freshness_label, late_notice, problem_notice, summarize
from comfytui.tui.widgets.timers import IDLE_TICK_S, TICK_S, feed_valid_s, list_valid_s, runner_valid_s, shortest
from tests.support.builders import make_page, make_runner

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage

WALL = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
NOW = 1000.0
DOWN = Problem(ProblemKind.SERVER, "", 503, WALL, failures=1, retry_monotonic=NOW + 7.2)

PROBLEMS = st.builds(DOWN._replace, retry_monotonic=st.floats(min_value=NOW, max_value=NOW + 30))
FEEDS = st.builds(
    Feed,
    value=st.just(1),
    fetched_monotonic=st.none() | st.floats(min_value=NOW - 40, max_value=NOW),
    problem=st.none() | PROBLEMS,
)


def at(seconds: float = 0.0) -> RenderContext:
    return RenderContext(WALL, NOW + seconds, interval_s=5.0)


def page(fetched_on: float | None, problem: Problem | None = None) -> Feed[RunnerPage]:
    return Feed(None if fetched_on is None else make_page(), fetched_monotonic=fetched_on, problem=problem)


def snapshot(feed: Feed[RunnerPage]) -> Snapshot:
    return Snapshot(pages={PageKey(): feed})


@given(feed=FEEDS, share=st.floats(min_value=0, max_value=0.999))
def test_while_a_feed_lasts_nothing_is_said_of_it_that_is_wrong_by_more_than_a_second(
    feed: Feed[int], share: float
) -> None:
    lasts = feed_valid_s(feed, NOW, 5.0)
    assert 0 <= lasts <= IDLE_TICK_S
    before, after = (late_notice(feed, at(when)) or problem_notice(feed, at(when), 60) for when in (0.0, share * lasts))
    assert before == after or (before and after and lasts == TICK_S)


@pytest.mark.parametrize(
    ("feed", "lasts"),
    [
        (page(None), IDLE_TICK_S),
        (page(NOW), IDLE_TICK_S),
        (page(NOW - 5.0), IDLE_TICK_S),
        (page(NOW - 7.0), 3.0),
        (page(NOW - 10.0), 0.0),
        (page(NOW - 10.1), TICK_S),
        (page(NOW - 1.0, DOWN), TICK_S),
        (page(None, DOWN), TICK_S),
    ],
)
def test_fresh_feed_is_valid_until_late(feed: Feed[RunnerPage], lasts: float) -> None:
    assert feed_valid_s(feed, NOW, 5.0) == lasts
    assert list_valid_s(summarize(snapshot(feed)), at()) == lasts


def test_a_header_that_changes_by_time_does_so_when_it_is_said_to() -> None:
    seen = summarize(snapshot(page(NOW - 7.0)))
    assert freshness_label(seen, at(3.0)) == freshness_label(seen, at())
    assert freshness_label(seen, at(3.1)) != freshness_label(seen, at())


def test_a_cool_down_is_counted() -> None:
    cooling = Usage(blocked_until=NOW + 6.5)
    assert list_valid_s(summarize(snapshot(page(NOW))._replace(usage=cooling)), at()) == TICK_S
    assert list_valid_s(summarize(snapshot(page(NOW))._replace(usage=cooling)), at(6.5)) == IDLE_TICK_S - 1.5


def test_a_pause_leaves_what_is_not_late_alone() -> None:
    paused = snapshot(page(NOW))._replace(viewport=Viewport(paused=True))
    assert list_valid_s(summarize(paused), at()) == IDLE_TICK_S


def test_runner_validity_is_its_shortest_feed() -> None:
    calm = Snapshot(
        runners={"a": Feed(make_runner("a"), fetched_monotonic=NOW)},
        histories={"a": Feed((), fetched_monotonic=NOW)},
        stats={"a": Feed(HealthCheck(reachable=True), fetched_monotonic=NOW)},
    )
    assert runner_valid_s(calm, "a", at()) == runner_valid_s(calm, None, at()) == IDLE_TICK_S
    assert (
        runner_valid_s(calm._replace(runners={"a": Feed(make_runner("a"), fetched_monotonic=NOW - 8)}), "a", at())
        == 2.0
    )
    assert (
        runner_valid_s(calm._replace(histories={"a": Feed((), fetched_monotonic=NOW, problem=DOWN)}), "a", at())
        == TICK_S
    )
    checked = Feed(HealthCheck(reachable=True), fetched_monotonic=NOW - 26)
    assert runner_valid_s(calm._replace(stats={"a": checked}), "a", at()) == 4.0, "it is late after twice 15 s"
    failed = Feed(checked.value, fetched_monotonic=NOW - 26, problem=DOWN)
    assert runner_valid_s(calm._replace(stats={"a": failed}), "a", at()) == IDLE_TICK_S, (
        "it is said without a countdown"
    )


@pytest.mark.parametrize(
    ("seconds", "least"), [((), IDLE_TICK_S), ((3.0, 1.0, 4.0), 1.0), ((0.0,), 0.02), ((-1.0,), 0.02)]
)
def test_the_soonest_counts_and_is_never_no_time_at_all(seconds: tuple[float, ...], least: float) -> None:
    assert shortest(seconds) == least
