"""What is asked of one server and when, and what is answered for it meanwhile, over real sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from comfytui.api.statuses import WorkflowStatus
from comfytui.gateway.fleet import RunnerUnreachableError
from tests.support.clock import FakeClock, settle
from tests.support.comfyui import ScriptedComfyUI, job
from tests.support.comfyui_monitoring import beat, beats, listening, readings, seen, until

if TYPE_CHECKING:
    from comfytui.gateway.comfyui.monitor import ServerMonitor

CREATED = 1_795_280_000_000


async def test_monitor_sends_nothing_before_the_first_request(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    runner = box.runner()
    await clock.advance(1000)
    assert (server.requests, server.connections) == ([], 0)
    assert (runner.name, runner.tags) == ("gpu", ("comfyui",))


async def test_the_first_contact_tells_version_and_device(server: ScriptedComfyUI, box: ServerMonitor) -> None:
    await box.history()
    await until(lambda: box.runner().tags == ("comfyui-0.33.0", "cpu"))
    assert server.paths.count("/system_stats") == 1


async def test_an_idle_server_is_read_twice_a_minute(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    await listening(server, box, clock)
    for _ in range(12):
        await beat(clock)
        await box.history()
    assert (readings(server), beats(server)) == (2, 12)
    assert len(server.requests) == 16


async def test_without_signals_it_is_read_every_ten_seconds(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.hang("/ws")
    await box.history()
    server.requests.clear()
    for _ in range(12):
        await beat(clock)
        await box.history()
    assert readings(server) == 6


async def test_a_server_at_work_is_read_every_ten_seconds(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.put(job("a", "in_progress"))
    await listening(server, box, clock)
    for _ in range(12):
        await beat(clock)
        await box.history()
    assert readings(server) == 6


async def test_a_signal_makes_the_next_answer_new(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    await listening(server, box, clock)
    server.put(job("a", "pending"))
    await server.changed()
    await until(lambda: not box._is_fresh())
    await clock.advance(1)
    assert await seen(box) == [("a", WorkflowStatus.QUEUED)]


async def test_a_change_of_the_queue_alone_makes_it_new(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    await listening(server, box, clock)
    server.put(job("a", "pending"))
    assert await seen(box) == []
    await beat(clock)
    assert await seen(box) == [("a", WorkflowStatus.QUEUED)]


async def test_many_changes_are_read_once_a_second(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    await listening(server, box, clock)
    for _ in range(30):
        box._suspect()
        await box.history()
        await clock.advance(0.1)
    assert 2 <= readings(server) <= 3


async def test_many_who_ask_at_once_cost_one_reading(server: ScriptedComfyUI, box: ServerMonitor) -> None:
    await asyncio.gather(*(box.history() for _ in range(20)), *(box.stats() for _ in range(20)))
    assert (beats(server), readings(server), server.paths.count("/system_stats")) == (1, 1, 1)


async def test_a_slow_reading_is_waited_for_a_second(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.put(job("a", "pending"))
    await listening(server, box, clock)
    server.put(job("a"))
    server.hang("/api/jobs")
    box._suspect()
    await clock.advance(1)
    asking = asyncio.create_task(seen(box))
    await until(lambda: readings(server) == 1)
    await clock.advance(0.9)
    assert not asking.done()
    await clock.advance(0.1)
    assert await asking == [("a", WorkflowStatus.QUEUED)]
    server.resume()
    await until(lambda: not box._reading.is_running)
    assert await seen(box) == [("a", WorkflowStatus.COMPLETED)]
    assert readings(server) == 1


async def test_a_slow_server_tells_its_jobs_the_first_time(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.put(job("a"))
    asking = asyncio.create_task(seen(box))
    server.hang("/prompt")
    await until(lambda: beats(server) == 1)
    await clock.advance(3)
    server.resume()
    server.hang("/api/jobs")
    await until(lambda: readings(server) == 1)
    await clock.advance(3)
    server.resume()
    assert await asking == [("a", WorkflowStatus.COMPLETED)]


async def test_the_first_contact_is_waited_for_as_long_as_is_bearable(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.hang()
    asking = asyncio.create_task(box.history())
    await until(lambda: beats(server) == 1)
    await clock.advance(6.9)
    assert not asking.done()
    await clock.advance(0.1)
    with pytest.raises(RunnerUnreachableError, match=r"^slow, no answer for 7 s$"):
        await asking
    server.resume()
    await until(lambda: box._pulse.has_contact)
    assert (await box.stats()).system.os == "linux"
    assert (await box.history(), beats(server)) == ((), 1)


async def test_numbers_wait_for_the_first_contact(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.hang()
    asking = asyncio.create_task(box.stats())
    await until(lambda: beats(server) == 1)
    await clock.advance(4)
    assert not asking.done()
    server.resume()
    assert (await asking).system.os == "linux"


async def test_numbers_are_requested_with_the_heartbeat(server: ScriptedComfyUI, box: ServerMonitor) -> None:
    server.hang()
    asking = asyncio.create_task(box.stats())
    await until(lambda: beats(server) == 1 and "/system_stats" in server.paths)
    server.resume()
    assert (await asking).system.os == "linux"


async def test_a_reading_that_hangs_is_waited_for_once(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.hang("/api/jobs")
    asking = asyncio.create_task(box.history())
    await until(lambda: readings(server) == 1)
    await clock.advance(6.9)
    assert not asking.done()
    await clock.advance(0.1)
    for again in (asking, *(asyncio.create_task(box.history()) for _ in range(3))):
        await settle()
        assert again.done()
        with pytest.raises(RunnerUnreachableError, match=r"^slow, has not told its jobs yet$"):
            await again
    server.resume()
    await until(lambda: not box._reading.is_running)
    assert (await box.history(), readings(server)) == ((), 1)


async def test_without_demand_it_is_left_alone_after_a_minute(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    await listening(server, box, clock)
    await beat(clock, 10)
    assert (beats(server), server.sockets) == (10, 1)
    await clock.advance(15)
    await until(lambda: server.sockets == 0)
    count = beats(server)
    await clock.advance(3600)
    assert 10 <= count == len(server.requests) <= 12
    await box.history()
    assert (beats(server), readings(server)) == (count + 1, 1)
    await until(lambda: server.sockets == 1)


async def test_numbers_are_asked_for_every_fourteen_seconds_at_most(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    first = await box.stats()
    server.stats["system"]["ram_free"] = 7
    await clock.advance(13.9)
    assert await box.stats() == first
    await clock.advance(0.1)
    assert (await box.stats()).system.ram_free == 7
    assert server.paths.count("/system_stats") == 2


@pytest.mark.parametrize(("took", "takes"), [(0.0, 0.0), (0.25, 0.25), (3.0, 1.0)])
async def test_known_numbers_come_no_faster_than_the_server_told_them(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock, took: float, takes: float
) -> None:
    server.hang("/system_stats")
    asking = asyncio.create_task(box.stats())
    await until(lambda: "/system_stats" in server.paths)
    await clock.advance(took)
    server.resume()
    first = await asking
    began = clock.monotonic()
    again = asyncio.create_task(box.stats())
    for _ in range(8):
        await settle()
        if again.done():
            break
        await clock.advance(0.125)
    assert (await again, clock.monotonic() - began) == (first, takes)
    assert server.paths.count("/system_stats") == 1


async def test_cancelled_caller_does_not_affect_others(server: ScriptedComfyUI, box: ServerMonitor) -> None:
    server.hang("/system_stats")
    asking = [asyncio.create_task(box.stats()) for _ in range(2)]
    await until(lambda: "/system_stats" in server.paths)
    asking.pop().cancel()
    await settle()
    server.resume()
    assert (await asking[0]).system.os == "linux"


async def test_names_come_from_saved_files_once_they_are_read(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.files = {"people/my portrait.json": ({"id": "document"}, 1.0)}
    server.put(job("a", document="document", prefix="portraits/face"), job("b", created=CREATED - 1, prefix=""))
    # Also for one who asks but once.
    assert [workflow.name for workflow in await box.history()] == ["my portrait", "b"]
    await listening(server, box, clock)
    for _ in range(8):
        await beat(clock)
        await box.history()
    assert "/userdata" not in server.paths


async def test_file_renamed_names_the_job_within_a_minute(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.files = {"face.json": ({"id": "document"}, 1.0)}
    server.put(job("a", document="document"))
    await listening(server, box, clock)
    server.files = {"portrait.json": ({"id": "document"}, 1.0)}
    names = []
    for _ in range(11):
        await beat(clock)
        names.append((await box.history())[0].name)
        await until(lambda: not box._saved.is_running)
    assert (names[0], names[-1]) == ("face", "portrait")
    assert server.paths.count("/userdata") == 1


async def test_jobs_without_a_document_have_no_files_looked_for(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.put(job("a"))
    await listening(server, box, clock)
    for _ in range(24):
        await beat(clock)
        await box.history()
    assert "/userdata" not in server.paths


async def test_names_are_waited_for_a_second(server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock) -> None:
    server.files = {"my portrait.json": ({"id": "document"}, 1.0)}
    server.put(job("a", document="document", prefix="portraits/face"))
    server.hang("/userdata")
    asking = asyncio.create_task(box.history())
    await until(lambda: "/userdata" in server.paths)
    await clock.advance(0.9)
    assert not asking.done()
    await clock.advance(0.1)
    assert [workflow.name for workflow in await asking] == ["face"]
    async with asyncio.timeout(1):
        assert [workflow.name for workflow in await box.history()] == ["face"]
    server.resume()
    await until(lambda: bool(box._saved.paths))
    assert [workflow.name for workflow in await box.history()] == ["my portrait"]


async def test_files_are_not_read_while_jobs_are(server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock) -> None:
    server.files = {f"{number}.json": ({"id": str(number)}, 1.0) for number in range(3)}
    server.put(job("a", document="2"))
    server.hang("/userdata/")
    first = asyncio.create_task(box.history())
    await until(lambda: "/userdata/workflows%2F0.json" in server.paths)
    server.hang("/api/jobs")
    await clock.advance(1)
    await first
    box._suspect()
    asking = asyncio.create_task(box.history())
    await until(lambda: readings(server) == 2)
    await settle()
    assert "/userdata/workflows%2F1.json" not in server.paths
    server.resume()
    await asking
    await until(lambda: "/userdata/workflows%2F2.json" in server.paths)
