"""Times of a server whose clock is off, or that does not tell them, over real sockets."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import pytest

from comfytui.api.statuses import WorkflowStatus
from tests.support.clock import START, FakeClock
from tests.support.comfyui import ScriptedComfyUI, job
from tests.support.comfyui_monitoring import beat, listening, until, watched

if TYPE_CHECKING:
    from comfytui.gateway.comfyui.monitor import ServerMonitor


def moved(clock: FakeClock, seconds: float) -> datetime:
    return clock.now() + timedelta(seconds=seconds)


def milliseconds(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def after(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def put_three(server: ScriptedComfyUI, ahead: float) -> None:
    """A job of 90 s that ended 10 s ago, one that runs since, and one that waits, by a clock that is ahead."""
    queued, began, ended = (milliseconds(after(ahead - seconds)) for seconds in (110, 100, 10))
    server.put(
        job("ran", number=1, created=queued, started=began, ended=ended),
        job("runs", "in_progress", number=2, created=queued),
        job("waits", "pending", number=3, created=queued),
    )


@pytest.mark.parametrize("ahead", [0, 4, 300, -300, 86_400])
async def test_times_are_told_by_our_clock(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock, ahead: float
) -> None:
    server.date = partial(moved, clock, ahead)
    put_three(server, ahead)
    runs, waits, ran = await box.history()
    # Date has whole seconds, and a clock up to 5 s off is not corrected.
    slack = timedelta(seconds=5 if abs(ahead) <= 5 else 0.5)
    for told, right in (
        (ran.started_at, after(-100)),
        (ran.completed_at, after(-10)),
        (runs.started_at, after(-10)),
        (waits.created_at, after(-110)),
        (waits.updated_at, after(-110)),
    ):
        assert isinstance(told, datetime)
        assert abs(told - right) <= slack
    assert box.runner().clock_skew == (pytest.approx(ahead, abs=1) if abs(ahead) > 5 else None)


async def test_jobs_of_servers_with_different_clocks_are_in_order(clock: FakeClock) -> None:
    ended = []
    for ahead in (300, -300):
        async with ScriptedComfyUI() as server, watched(server, clock) as box:
            server.date = partial(moved, clock, ahead)
            put_three(server, ahead)
            ended.append((await box.history())[-1].completed_at)
        await clock.advance(1)
    assert ended[0] == ended[1]


async def test_clock_that_is_set_does_not_move_what_was_told(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    skew = timedelta(seconds=300)
    server.date = lambda: clock.now() + skew
    put_three(server, 300)
    before = await box.history()
    skew = timedelta()
    server.put(job("new", "pending", number=4, created=milliseconds(START)))
    await beat(clock, 3)
    told = {workflow.id: workflow for workflow in await box.history()}
    assert [told[workflow.id].created_at for workflow in before] == [workflow.created_at for workflow in before]
    assert told["new"].created_at == START
    assert box.runner().clock_skew is None


async def test_slow_answer_does_not_look_like_a_clock_that_is_off(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.date = clock.now
    server.hang("/prompt")
    box.touch()
    await until(lambda: "/prompt" in server.paths)
    await clock.advance(9)
    server.resume()
    await until(lambda: box.runner().queue_pending is not None)
    assert box.runner().clock_skew is None


async def test_skew_of_a_proxy_that_refuses_counts_for_nothing(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.date = lambda: datetime(2020, 1, 1, tzinfo=UTC)
    server.authorization = "Basic eHh4"
    box.touch()
    await until(lambda: "/prompt" in server.paths)
    assert box.runner().clock_skew is None


async def test_old_server_s_job_was_created_when_its_message_came(clock: FakeClock) -> None:
    async with ScriptedComfyUI("0.3.64") as server, watched(server, clock) as box:
        server.put(job("old", "in_progress", number=1))
        await listening(server, box, clock)
        await clock.advance(20)
        server.put(job("new", "pending", number=2))
        queued = clock.now()
        await server.changed()
        await until(lambda: box._is_changed)
        await clock.advance(20)
        old, new = await box.history()
    assert (old.status, old.created_at, old.started_at) == (WorkflowStatus.RUNNING, None, None)
    assert (new.status, new.created_at) == (WorkflowStatus.QUEUED, queued)


@pytest.mark.parametrize("version", ["0.33.0", "0.3.64"])
async def test_length_of_a_long_queue_and_failures_behind_it(version: str, clock: FakeClock) -> None:
    async with ScriptedComfyUI(version) as server, watched(server, clock) as box:
        begin = milliseconds(START)
        server.put(*(job(f"f{number}", "failed", number=number, created=begin - 9_000 + number) for number in range(9)))
        server.put(job("runs", "in_progress", number=9, created=begin))
        server.put(*(job(f"w{number}", "pending", number=number, created=begin + number) for number in range(10, 409)))
        history = await box.history()
        await until(lambda: len(box.runner().tags) == 3)
        runner = box.runner()
    assert [workflow.id for workflow in history] == ["runs", "w10", "w11", "w12", *(f"f{n}" for n in range(8, 2, -1))]
    assert (runner.queue_running, runner.queue_pending) == (1, 399)
    assert runner.tags[-1] == "399 jobs wait"


async def test_message_tells_the_length_of_the_queue_before_the_next_heartbeat(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    await listening(server, box, clock)
    server.put(*(job(f"w{number}", "pending", number=number) for number in range(400)))
    await server.changed()
    await until(lambda: box.runner().queue_pending == 399)
    server.jobs = server.jobs[:7]
    await beat(clock)
    assert box.runner().queue_pending == 6


async def test_idle_runner_is_never_updated(server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock) -> None:
    await listening(server, box, clock)
    before = box.runner()
    for _ in range(40):
        await beat(clock)
        box.touch()
        assert box.runner() == before
    server.stats["system"]["comfyui_version"] = "0.34.0"
    await server.stop()
    await beat(clock)
    await server.start()
    await beat(clock)
    await until(lambda: "comfyui-0.34.0" in box.runner().tags)
    assert box.runner().updated_at == clock.now()
