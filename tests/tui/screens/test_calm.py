"""A screen draws when time changes what it shows, and is left alone where it does not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from comfytui.api.errors import RateLimitedError, ServerError
from comfytui.engine.protocol import HistoryKey, PageKey
from comfytui.tui.screens import base
from comfytui.tui.screens.dashboard import DashboardScreen
from comfytui.tui.widgets.runner_list import RunnerList
from comfytui.tui.widgets.timers import DeferredCall
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.clock import START
from tests.support.pilot import demo, scripted

if TYPE_CHECKING:
    from comfytui.api.models import Workflow
    from tests.support.pilot import Driven

RUNNING = make_workflow("w", status="running", created_at=START.isoformat(), started_at=START.isoformat())
DONE = make_workflow("w", status="completed", created_at=START.isoformat(), completed_at=START.isoformat())


@pytest.fixture
def rung(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds after which screens wish to draw again, newest last."""
    seconds: list[float] = []
    monkeypatch.setattr(DeferredCall, "schedule", lambda _alarm, each: seconds.append(each))
    return seconds


async def calmed(driven: Driven) -> None:
    """Let pass what keeps a screen drawing after a start or a key press, until a moment when all is fresh."""
    await driven.passes(5.0)


async def test_fresh_screen_is_redrawn_rarely(rung: list[float]) -> None:
    async with scripted(make_page(make_runner("a")), (DONE,)) as (driven, _):
        driven.redraw()
        assert rung[-1] == 1.0, "it has just begun"
        await calmed(driven)
        assert rung[-1] == 5.0
        await driven.press("tab")
        assert rung[-1] == 1.0, "rows are held"
        await driven.passes(5.0)
        assert rung[-1] == 5.0
        await driven.pilot.resize_terminal(100, 30)
        await driven.until(lambda: rung[-1] == 1.0)


async def test_late_feed_is_drawn_on_time(rung: list[float]) -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, source):
        await calmed(driven)
        source.hold(PageKey(), HistoryKey("a"))
        await driven.clock.advance(9.5)
        driven.redraw()
        assert rung[-1] == pytest.approx(0.5)
        await driven.clock.advance(1.0)
        driven.redraw()
        await driven.sees("late 10 s")
        assert rung[-1] == 1.0
        source.release(PageKey(), HistoryKey("a"))


@pytest.mark.parametrize(
    "error",
    [
        ServerError("GET", "/v1/runner", "out of order", 503),
        RateLimitedError("GET", "/v1/runner", "too many requests", 429),
    ],
)
async def test_countdown_is_drawn_each_second(rung: list[float], error: ServerError | RateLimitedError) -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, source):
        source.pages[PageKey()] = error
        await calmed(driven)
        assert rung[-1] == 1.0


async def test_removal_notice_is_drawn_then_removed(rung: list[float]) -> None:
    async with scripted(make_page(make_runner("a"), make_runner("b"))) as (driven, source):
        source.pages[PageKey()] = make_page(make_runner("b"))
        await calmed(driven)
        await driven.sees("Runner a is no longer on this page")
        assert rung[-1] == 1.0
        await driven.passes(16)
        assert rung[-1] == 5.0


async def test_a_mark_goes_when_its_tick_is_over(rung: list[float]) -> None:
    async with scripted(make_page(make_runner("a"), make_runner("b"))) as (driven, source):
        await calmed(driven)
        source.pages[PageKey()] = make_page(make_runner("a"), make_runner("b", name="other"))
        await driven.passes(5.0)
        await driven.sees("∆")
        driven.clock._pass(1.5)
        driven.redraw()
        assert rung[-1] == pytest.approx(3.5)
        driven.clock._pass(3.5)
        driven.redraw()
        assert "∆" not in driven.text


async def test_running_workflow_under_the_cursor_counts_seconds(rung: list[float]) -> None:
    async with scripted(make_page(make_runner("a")), (RUNNING,)) as (driven, _):
        await driven.press("enter")
        await calmed(driven)
        assert rung[-1] == 1.0
        driven.clock._pass(0.25)
        driven.redraw()
        assert rung[-1] == 0.75
        await driven.press("escape")
        await calmed(driven)
        assert rung[-1] == 5.0, "elsewhere it is told coarsely"


@pytest.mark.parametrize(("workflow", "seconds"), [(RUNNING, 1.0), (DONE, 5.0)])
async def test_a_workflow_is_drawn_each_second_while_it_runs(
    rung: list[float], workflow: Workflow, seconds: float
) -> None:
    async with scripted(make_page(make_runner("a")), (workflow,)) as (driven, _):
        await driven.press("enter", "enter")
        await calmed(driven)
        assert rung[-1] == seconds


async def test_the_log_is_drawn_each_second(rung: list[float]) -> None:
    async with demo() as driven:
        await driven.press("L")
        await calmed(driven)
        assert rung[-1] == 1.0


async def test_a_screen_that_is_left_is_drawn_no_more() -> None:
    async with demo() as driven:
        await driven.press("L")
        log = driven.app.screen
        assert isinstance(log, base.SnapshotScreen)
        assert log._alarm._handle is not None
        await driven.press("escape")
        await driven.until(lambda: log._alarm._handle is None)


async def test_a_poll_that_brings_nothing_makes_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async with scripted(make_page(make_runner("a"), make_runner("b")), (DONE,)) as (driven, source):
        for _ in range(4):
            await driven.passes(5.0)
        screen = driven.app.screen
        assert isinstance(screen, DashboardScreen)
        made: list[str] = []
        monkeypatch.setattr(RunnerList, "_set_content", lambda *_: made.append("list"))
        monkeypatch.setattr(type(screen.history), "_show", lambda *_: made.append("history"))
        monkeypatch.setattr(type(screen.detail), "_show", lambda *_: made.append("detail"))
        monkeypatch.setattr(base, "header_line", lambda *_: made.append("header"))
        source.forget()
        revision = driven.app.snapshot.revision
        await driven.passes(5.0)
        assert PageKey() in source.asked
        assert driven.app.snapshot.revision > revision
        assert made == []


async def test_usage_is_redrawn_as_it_falls() -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, _):
        await driven.sees("api ≤ 5/40")
        await driven.press("space")
        driven.clock._pass(70.0)
        driven.redraw()
        await driven.sees("api ≤ 0/40")
