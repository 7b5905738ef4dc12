"""One workflow in full."""

from __future__ import annotations

from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.clock import START
from tests.support.pilot import demo, scripted

FULL = make_workflow(
    "a1b2c3d4-e5f6-7890-abcd-ef1234567890",
    name="Text to Image Generation",
    status="completed",
    tags=["text2img", "production"],
    created_at="2026-11-21T13:50:00Z",
    started_at="2026-11-21T13:50:05Z",
    completed_at="2026-11-21T13:52:15Z",
    updated_at="2026-11-21T13:52:16Z",
    priority=7,
)


async def test_every_field_and_where_the_time_went() -> None:
    async with scripted(make_page(make_runner("a")), (FULL,)) as (driven, _):
        await driven.press("u", "u", "enter", "enter")
        await driven.sees("a1b2c3d4-e5f6-7890-abcd-ef1234567890", "Text to Image Generation", "✔ completed")
        await driven.sees("text2img  production", "2026-11-21 13:50:00 UTC", "2026-11-21 13:50:05 UTC")
        await driven.sees("2026-11-21 13:52:15 UTC", "2026-11-21 13:52:16 UTC", "waited 5s → ran 2m10", "priority")
        await driven.sees("runners / Runner a / Text to Image Generation")


async def test_a_running_workflow_is_timed_to_the_second() -> None:
    running = make_workflow("w", status="running", created_at=START.isoformat(), started_at=START.isoformat())
    async with scripted(make_page(make_runner("a")), (running,)) as (driven, _):
        await driven.press("enter", "enter")
        await driven.passes(3)
        await driven.sees("running 3s")


async def test_workflow_screen_follows_history_and_keeps_last_state() -> None:
    async with scripted(make_page(make_runner("a")), (make_workflow("w"),)) as (driven, source):
        await driven.press("enter", "enter")
        source.histories["a"] = (make_workflow("w", status="running"),)
        await driven.passes(5)
        await driven.sees("▶ running")
        source.histories["a"] = ()
        await driven.passes(5)
        await driven.sees("No longer among this runner's newest workflows", "▶ running")


async def test_no_times_no_timeline() -> None:
    async with scripted(make_page(make_runner("a")), (make_workflow("w"),)) as (driven, _):
        await driven.press("enter", "enter")
        await driven.sees("Workflow w")
        assert "░" not in driven.text


async def test_keys_work_there_too() -> None:
    async with demo() as driven:
        await driven.press("enter", "enter", "space")
        await driven.sees("PAUSED")
        await driven.press("space", "u")
        await driven.sees("● live")
        await driven.press("question_mark")
        await driven.sees("Back to the history")
        await driven.press("escape", "escape")
        await driven.sees("Recent workflows")
