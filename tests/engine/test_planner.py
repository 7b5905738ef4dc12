from __future__ import annotations

import pytest

from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.planner import Plan, attended, plan
from comfytui.engine.resources import HistoryKey, PageKey, Resource, RunnerKey
from comfytui.engine.snapshot import Attention, Snapshot
from tests.support.builders import make_page, make_runner
from tests.support.clock import START

NOW = 100.0
PAGE, RUNNER, HISTORY = PageKey(), RunnerKey("r1"), HistoryKey("r1")
EVERYTHING = (PAGE, RUNNER, HISTORY)


def known(attention: Attention, page: float, runner: float, history: float) -> Snapshot:
    """All three answered, at these moments, polled every 5 seconds."""
    return Snapshot(
        attention=attention,
        interval=5.0,
        pages={PAGE: Feed(make_page(), START, page)},
        runners={"r1": Feed(make_runner("r1"), START, runner)},
        histories={"r1": Feed((), START, history)},
    )


def failed(attention: Attention, next_try: float) -> Snapshot:
    """Only the page was asked, in vain."""
    problem = Problem(ProblemKind.SERVER, "down", 503, START, 1, next_try)
    return Snapshot(attention=attention, interval=5.0, pages={PAGE: Feed(problem=problem)})


LIVE = Attention(runner_id="r1")
PAUSED = Attention(runner_id="r1", paused=True)
ALONE = Attention()
ALONE_PAUSED = Attention(paused=True)
NOTHING: tuple[Resource, ...] = ()


@pytest.mark.parametrize(
    ("snapshot", "in_flight", "forced", "due", "wake_at"),
    [
        pytest.param(Snapshot(attention=LIVE), NOTHING, NOTHING, EVERYTHING, None, id="never asked"),
        pytest.param(Snapshot(attention=PAUSED), NOTHING, NOTHING, EVERYTHING, None, id="never asked, paused"),
        pytest.param(Snapshot(attention=ALONE), NOTHING, NOTHING, (PAGE,), None, id="no runner"),
        pytest.param(Snapshot(attention=LIVE), (PAGE,), NOTHING, (RUNNER, HISTORY), None, id="one in flight"),
        pytest.param(Snapshot(attention=LIVE), EVERYTHING, NOTHING, (), None, id="all in flight"),
        pytest.param(known(LIVE, 99, 98, 97), NOTHING, NOTHING, (), 102.0, id="fresh: wakes for the oldest"),
        pytest.param(known(LIVE, 99, 98, 97), (HISTORY,), NOTHING, (), 103.0, id="does not wake for the one in flight"),
        pytest.param(known(LIVE, 95, 98, 99), NOTHING, NOTHING, (PAGE,), 103.0, id="due on the dot"),
        pytest.param(known(LIVE, 96, 95, 1), NOTHING, NOTHING, (RUNNER, HISTORY), 101.0, id="two due, one later"),
        pytest.param(known(LIVE, 1, 2, 3), NOTHING, NOTHING, EVERYTHING, None, id="order is not that of age"),
        pytest.param(known(LIVE, 1, 2, 3), EVERYTHING, NOTHING, (), None, id="due but in flight"),
        pytest.param(known(PAUSED, 1, 2, 3), NOTHING, NOTHING, (), None, id="paused: old is not due"),
        pytest.param(known(LIVE, 99, 98, 99), NOTHING, EVERYTHING, EVERYTHING, None, id="forced"),
        pytest.param(known(PAUSED, 99, 98, 99), NOTHING, EVERYTHING, EVERYTHING, None, id="forced, paused"),
        pytest.param(known(LIVE, 99, 98, 99), (RUNNER,), EVERYTHING, (PAGE, HISTORY), None, id="forced, in flight"),
        pytest.param(known(ALONE, 99, 98, 99), NOTHING, EVERYTHING, (PAGE,), None, id="forced, not attended"),
        pytest.param(known(LIVE, 99, 98, 97), NOTHING, (PAGE,), (PAGE,), 102.0, id="one forced, the rest by time"),
        pytest.param(failed(ALONE, 103.0), NOTHING, NOTHING, (), 103.0, id="failed, not yet"),
        pytest.param(failed(ALONE, 100.0), NOTHING, NOTHING, (PAGE,), None, id="failed, due on the dot"),
        pytest.param(failed(ALONE, 103.0), NOTHING, (PAGE,), (PAGE,), None, id="failed, forced"),
        pytest.param(failed(ALONE_PAUSED, 1.0), NOTHING, NOTHING, (), None, id="failed, paused"),
        pytest.param(failed(ALONE_PAUSED, 103.0), NOTHING, (PAGE,), (PAGE,), None, id="failed, paused, forced"),
    ],
)
def test_plan(
    snapshot: Snapshot,
    in_flight: tuple[Resource, ...],
    forced: tuple[Resource, ...],
    due: tuple[Resource, ...],
    wake_at: float | None,
) -> None:
    assert plan(snapshot, NOW, in_flight, forced) == Plan(due, wake_at)


def test_a_problem_beside_a_value_decides_when_it_is_due() -> None:
    problem = Problem(ProblemKind.TIMED_OUT, "slow", None, START, 2, 104.0)
    snapshot = Snapshot(attention=ALONE, interval=5.0, pages={PAGE: Feed(make_page(), START, 1.0, problem)})
    assert plan(snapshot, NOW, (), ()) == Plan((), 104.0)


def test_pages_apart_in_any_part_of_their_key_are_different_things() -> None:
    snapshot = known(Attention(page=PageKey(per_page=50)), 99, 99, 99)
    assert plan(snapshot, NOW, (PAGE,), ()).due == (PageKey(per_page=50),)


def test_what_is_attended_is_in_the_order_it_is_wanted() -> None:
    assert attended(LIVE) == EVERYTHING
    assert attended(ALONE) == (PAGE,)
