"""What is said of a server that restarts, hangs, goes away, or tells only some of it, over real sockets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from comfytui.api.statuses import RunnerState, WorkflowStatus
from comfytui.gateway.fleet import RunnerUnreachableError
from tests.support.comfyui import ScriptedComfyUI, job
from tests.support.comfyui_monitoring import beat, listening, readings, seen, until, watched
from tests.support.scripted import response

if TYPE_CHECKING:
    from comfytui.gateway.comfyui.monitor import ServerMonitor
    from tests.support.clock import FakeClock

VERSIONS = ("0.33.0", "0.3.64")
CREATED = 1_795_280_000_000


async def unreachable(box: ServerMonitor) -> str:
    with pytest.raises(RunnerUnreachableError) as of_history:
        await box.history()
    with pytest.raises(RunnerUnreachableError) as of_stats:
        await box.stats()
    assert str(of_history.value) == str(of_stats.value)
    return str(of_history.value)


@pytest.mark.parametrize("version", VERSIONS)
async def test_after_a_restart_old_jobs_stay_known(version: str, clock: FakeClock) -> None:
    async with ScriptedComfyUI(version) as server, watched(server, clock) as box:
        server.put(job("done"), job("runs", "in_progress", number=1, created=CREATED + 1))
        server.put(job("waits", "pending", number=2, created=CREATED + 2))
        await listening(server, box, clock)
        assert len(await box.history()) == 3
        await server.restart()
        await until(lambda: not box._signals.is_open)
        await clock.advance(11)
        left = {workflow.id: workflow for workflow in await box.history()}
        assert left.keys() == {"done", "runs"}
        assert (left["done"].status, left["done"].tags) == (WorkflowStatus.COMPLETED, ("no longer listed",))
        assert (left["runs"].status, left["runs"].tags) == (WorkflowStatus.FAILED, ("last seen running",))


async def test_a_server_that_is_gone_and_comes_back(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.put(job("a"))
    await listening(server, box, clock)
    await server.stop()
    await beat(clock)
    words = "connection refused: nothing listens there"
    assert await unreachable(box) == words
    await beat(clock, 10)
    assert await unreachable(box) == words
    await server.start()
    await beat(clock)
    assert await seen(box) == [("a", WorkflowStatus.COMPLETED)]
    assert (await box.stats()).system.comfyui_version == "0.33.0"


async def test_a_server_that_hangs_is_told_so_at_once_after_the_first_time(clock: FakeClock) -> None:
    async with ScriptedComfyUI() as server, watched(server, clock, within=0.2) as box:
        server.hang()
        words = "accepts connections and does not answer"
        assert await unreachable(box) == words
        count = server.connections
        async with asyncio.timeout(0.2):
            for _ in range(20):
                assert await unreachable(box) == words
        assert server.connections == count
        server.resume()
        await beat(clock)
        assert await box.history() == ()


async def test_jobs_that_are_not_told_make_the_server_no_less_reachable(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.walls = dict.fromkeys(("/api/jobs", "/queue", "/history"), response(status=502))
    with pytest.raises(RunnerUnreachableError, match=r"^it answered 502 to /queue$") as caught:
        await box.history()
    assert (caught.value.state, caught.value.name) == (RunnerState.PARTIAL, "gpu")
    assert (await box.stats()).system.os == "linux"
    server.walls = {}
    with pytest.raises(RunnerUnreachableError):
        await box.history()
    assert readings(server) == 1


async def test_a_server_that_did_not_tell_its_jobs_is_not_waited_for(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.walls = dict.fromkeys(("/api/jobs", "/queue", "/history"), response(status=502))
    with pytest.raises(RunnerUnreachableError):
        await box.history()
    server.walls = {}
    server.hang("/queue", "/history")
    await beat(clock, 3)
    for _ in range(3):
        async with asyncio.timeout(0.5):
            with pytest.raises(RunnerUnreachableError, match="502"):
                await box.history()
        await until(lambda: readings(server) == 2)
    server.resume()
    await until(lambda: not box._reading.is_running)
    assert (await box.history(), readings(server)) == ((), 2)


async def test_jobs_failure_ends_with_the_next_contact(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.put(job("a"))
    await listening(server, box, clock)
    await server.stop()
    await clock.advance(1)
    box._suspect()
    with pytest.raises(RunnerUnreachableError, match="connection refused"):
        await box.history()
    await beat(clock)
    await server.start()
    await beat(clock)
    assert await seen(box) == [("a", WorkflowStatus.COMPLETED)]


async def test_too_large_queue_is_reported_with_the_rest(clock: FakeClock) -> None:
    words = "the answer to /queue is larger than 8 MB and was cut off"
    async with ScriptedComfyUI("0.3.64") as server, watched(server, clock) as box:
        server.put(job("ran"), job("runs", "in_progress", number=1))
        server.put(*(job(f"w{number}", "pending", number=number, size=58_000) for number in range(2, 372)))
        statuses = [(workflow.id, workflow.status) for workflow in await box.history()]
        assert statuses == [
            ("runs", WorkflowStatus.RUNNING),
            *((f"w{number}", WorkflowStatus.QUEUED) for number in (2, 3, 4)),
            ("ran", WorkflowStatus.COMPLETED),
        ]
        await until(lambda: box.runner().tags[0] == "comfyui-0.3.64")
        assert box.runner().tags == ("comfyui-0.3.64", "cpu", words, "371 jobs wait or run")
        server.jobs = server.jobs[:2]
        await clock.advance(100)
        assert await seen(box) == [("runs", WorkflowStatus.RUNNING), ("ran", WorkflowStatus.COMPLETED)]
        assert box.runner().tags == ("comfyui-0.3.64", "cpu")


async def test_unread_queue_is_not_reported_as_empty(clock: FakeClock) -> None:
    async with ScriptedComfyUI("0.3.64") as server, watched(server, clock) as box:
        server.put(job("runs", "in_progress", size=9_000_000))
        with pytest.raises(RunnerUnreachableError, match="/queue is larger than 8 MB and was cut off"):
            await box.history()


async def test_a_machine_that_does_not_tell_its_numbers(server: ScriptedComfyUI, box: ServerMonitor) -> None:
    server.stats = {"nothing": "of use"}
    for _ in range(3):
        with pytest.raises(RunnerUnreachableError, match=r"^answers, but not as ComfyUI does$"):
            await box.stats()
    assert server.paths.count("/system_stats") == 1
    assert await box.history() == ()


async def test_closing_answers_those_who_wait(server: ScriptedComfyUI, box: ServerMonitor) -> None:
    await asyncio.gather(box.history(), box.stats())
    server.hang()
    box._suspect()
    box._next_at, box._checked = 0, replace(box._checked, good_until=0)
    asking = [asyncio.create_task(box.history()), asyncio.create_task(box.stats())]
    await until(lambda: readings(server) == 2)
    await box.aclose()
    ended = await asyncio.gather(*asking, return_exceptions=True)
    assert [type(each) for each in ended] == [RunnerUnreachableError] * 2, ended
    assert await unreachable(box) == "is not watched any more"


async def test_closing_ends_everything(server: ScriptedComfyUI, box: ServerMonitor) -> None:
    await asyncio.gather(box.history(), box.stats())
    await until(lambda: server.sockets == 1)
    await box.aclose()
    await until(lambda: not server._clients)
