"""Snapshots at one moment, as inputs of the scheduler."""

from __future__ import annotations

from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.protocol import HistoryKey, PageKey, Resource, RunnerKey, StatsKey, Viewport
from comfytui.engine.snapshot import HealthCheck, Snapshot
from tests.support.builders import make_page, make_runner
from tests.support.clock import START

NOW = 100.0
PAGE, RUNNER, HISTORY, STATS = PageKey(), RunnerKey("r1"), HistoryKey("r1"), StatsKey("r1")
EVERYTHING = (PAGE, HISTORY, RUNNER)
NOTHING: tuple[Resource, ...] = ()

LIVE = Viewport(runner_id="r1")
PAUSED = Viewport(runner_id="r1", paused=True)
ALONE = Viewport()
ALONE_PAUSED = Viewport(paused=True)
IN_VIEW = Viewport(runner_id="r1", visible_ids=("r1", "r2", "r3", "r4"))
DOWN = Problem(ProblemKind.SERVER, "down", 503, START, 1, retry_monotonic=NOW, failed_monotonic=NOW - 5)


def known(viewport: Viewport, page: float, runner: float, history: float) -> Snapshot:
    """All three answered, at these moments, polled every 5 seconds; all runners checked just now."""
    return Snapshot(
        viewport=viewport,
        interval=5.0,
        pages={PAGE: Feed(make_page(make_runner("r1")), START, page)},
        runners={"r1": Feed(make_runner("r1"), START, runner)},
        histories={"r1": Feed((), START, history)},
        stats={runner_id: Feed(HealthCheck(reachable=True), START, NOW) for runner_id in IN_VIEW.visible_ids},
    )


def failed(viewport: Viewport, next_try: float) -> Snapshot:
    """Only the page was asked, in vain."""
    return Snapshot(
        viewport=viewport, interval=5.0, pages={PAGE: Feed(problem=DOWN._replace(retry_monotonic=next_try))}
    )


def with_histories(snapshot: Snapshot, **fetched_on: float) -> Snapshot:
    """The same with the histories of these runners known, each since its moment."""
    others = {runner_id: Feed((), START, on) for runner_id, on in fetched_on.items()}
    return snapshot._replace(histories={**snapshot.histories, **others})


FRESH = known(IN_VIEW, NOW, NOW, NOW)
