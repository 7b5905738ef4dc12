"""What the main screen says of whether runners answer, and of their machines."""

from __future__ import annotations

import pytest

from comfytui.api.errors import RequestTimeoutError, ServerError
from comfytui.api.models import Device, RunnerStats, SystemStats
from comfytui.engine.protocol import PageKey, StatsKey
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.pilot import Driven, scripted

GB = 1024**3
CARD = Device("cuda:0 [b]RTX 4090", "cuda", 24 * GB, 10 * GB)
STATS = RunnerStats(SystemStats("posix", 64 * GB, 48 * GB, "0.33.0", "3.12.12 (main)"), (CARD,))
DOWN = ServerError("GET", "/v1/runner/a/stats", "no route to [b]host", 500)

PAGE = make_page(make_runner("a"), make_runner("b"))


def row(driven: Driven, name: str) -> str:
    return next(line for line in driven.lines if line.startswith("│ ●") and name in line)


@pytest.mark.parametrize("size", [(140, 40), (80, 24), (60, 20), (40, 10)])
async def test_the_detail_tells_how_the_runner_is_at_each_size(size: tuple[int, int]) -> None:
    async with scripted(PAGE, size=size) as (driven, source):
        source.stats["a"] = STATS
        await driven.press("tab")
        await driven.passes(16)
        await driven.sees("Schedule   ● active", "Reachable  ✔ ", "▱  14.0 / 24.0 GB", "▱  16.0 / 64.0 GB")
        await driven.press("G")
        assert all(len(line) <= size[0] for line in driven.lines)


async def test_versions_and_devices_are_told_as_they_came() -> None:
    async with scripted(PAGE) as (driven, source):
        source.stats["a"] = STATS
        await driven.passes(16)
        await driven.sees(
            "ComfyUI    0.33.0", "Python     3.12.12 ", "Device     cuda:0 [b]RTX 4090", "Os         posix"
        )


async def test_unreachable_runner_tells_why_and_keeps_stats() -> None:
    async with scripted(PAGE, size=(140, 40)) as (driven, source):
        source.stats["a"] = STATS
        await driven.passes(16)
        await driven.sees("14.0 / 24.0 GB")
        assert "✔ yes" in row(driven, "Runner a")
        source.stats["a"] = DOWN
        await driven.passes(16)
        await driven.sees(
            "✖ no since 14:00: no route to [b]host",
            "numbers from the last successful check",
            "14.0 / 24.0 GB",
            "● live",
        )
        assert "✖ no" in row(driven, "Runner a")
        source.stats["a"] = STATS
        await driven.passes(16)
        await driven.sees("Reachable  ✔ ")
        assert "from before" not in driven.text


async def test_a_check_that_fails_itself_says_that_nothing_is_known() -> None:
    async with scripted(PAGE) as (driven, source):
        await driven.passes(1)
        source.stats["a"] = RequestTimeoutError("GET", "/v1/runner/a/stats", "")
        await driven.passes(21)
        await driven.sees("Reachable  ? not checked since ", ": timed out", "● live")


async def test_a_runner_not_checked_yet_does_not_look_well() -> None:
    async with scripted(PAGE, size=(140, 40)) as (driven, source):
        source.hold(StatsKey("b"))
        await driven.press("j")
        await driven.sees("Reachable  ? not checked")
        assert "✔" not in row(driven, "Runner b")
        assert "…" in row(driven, "Runner b")
        source.release(StatsKey("b"))


async def test_unreachable_runners_are_found_by_filter() -> None:
    async with scripted(PAGE, size=(140, 40)) as (driven, source):
        source.pages[PageKey(1, 100)] = PAGE
        source.stats |= {"a": STATS, "b": DOWN}
        await driven.press("slash")
        await driven.pilot.press(*"is:unreachable", "enter")
        await driven.passes(16)
        await driven.sees("of 1 (2 loaded)", "known for 2", "✖ no")
        assert "Runner a" not in driven.text


async def test_the_queue_is_told_beside_the_last_workflow() -> None:
    busy = (make_workflow("w2", status="queued"), make_workflow("w1", status="running"))
    async with scripted(PAGE, busy, size=(140, 40)) as (driven, _):
        await driven.knows_all_in_view()
        assert "▶1 ◔1" in row(driven, "Runner a")


async def test_a_history_that_is_not_known_for_the_runner_is_silent_does_not_blame_the_api() -> None:
    async with scripted(PAGE, size=(140, 40)) as (driven, source):
        source.stats["a"] = DOWN
        source.histories["a"] = ServerError("GET", "/v1/runner/a/history", "no route to [b]host", 503)
        await driven.passes(16)
        await driven.sees("— the runner is unreachable: no route to")
        assert "from the API" not in driven.text
