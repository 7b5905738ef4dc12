"""Contact with a server: the newest answer or failure counts for all that is told of it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from comfytui.api.request_log import RequestLog, RequestRecord
from comfytui.api.statuses import RunnerState, WorkflowStatus
from comfytui.config.settings import Server
from comfytui.gateway.comfyui.client import ANSWER_SECONDS
from comfytui.gateway.comfyui.contact import Contact, Silence
from comfytui.gateway.comfyui.mapping import runner_id_for
from comfytui.gateway.fleet import RunnerUnreachableError
from tests.support.clock import FakeClock, settle
from tests.support.comfyui import ScriptedComfyUI, job
from tests.support.comfyui_monitoring import beat, beats, listening, readings, seen, until, watched, watching
from tests.support.scripted import response

if TYPE_CHECKING:
    from comfytui.gateway.comfyui.monitor import ServerMonitor

HANGS = "accepts connections and does not answer"


def slow(seconds: int) -> Silence:
    return Silence(RunnerState.SLOW, f"slow, last answered {seconds} s ago")


async def silence_of_both(box: ServerMonitor) -> Silence:
    """What is told instead of jobs and of stats, which must be the same."""
    told = set()
    for ask in (box.history, box.stats):
        with pytest.raises(RunnerUnreachableError) as caught:
            await ask()
        assert caught.value.state is not None
        told.add(Silence(caught.value.state, str(caught.value)))
    (silence,) = told
    return silence


async def test_question_without_answer_is_late_then_slow_then_unanswered(clock: FakeClock) -> None:
    contact = Contact(clock)
    contact.answered()
    await clock.advance(4)
    with contact.question():
        await clock.advance(5.4)
        told = []
        for seconds in (0, 0.1, 20, 1):
            await clock.advance(seconds)
            told.append(contact.silence)
        assert told == [None, slow(10), slow(30), Silence(RunnerState.HANGING, HANGS)]
        contact.answered()
        told.append(contact.silence)
    await clock.advance(1000)
    assert [*told[4:], contact.silence] == [None, None]


@pytest.mark.parametrize("answered", [False, True])
async def test_first_question_in_a_while_is_waited_for_half_a_minute(clock: FakeClock, *, answered: bool) -> None:
    contact = Contact(clock)
    if answered:
        contact.answered()
        await clock.advance(100)
    with contact.question():
        await clock.advance(6)
        assert contact.silence == Silence(RunnerState.WAITING, "slow, no answer for 6 s")
        await clock.advance(24)
        assert contact.silence == Silence(RunnerState.HANGING, HANGS)


async def test_failure_lasts_until_the_next_answer(clock: FakeClock) -> None:
    contact = Contact(clock)
    contact.failed("connection refused")
    await clock.advance(60)
    assert contact.silence == Silence(RunnerState.UNREACHABLE, "connection refused")
    contact.answered()
    assert contact.silence is None


async def test_box_has_half_a_minute_for_an_answer(box: ServerMonitor) -> None:
    assert box._client._timeout == ANSWER_SECONDS == 30


async def test_box_that_hangs_is_slow_and_then_unanswered_and_its_jobs_come_back(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.put(job("a"))
    await listening(server, box, clock)
    await box.stats()
    server.hang()
    count = beats(server)
    await clock.advance(5)
    await until(lambda: beats(server) == count + 1)
    await clock.advance(7)
    told = await silence_of_both(box)
    assert told in (slow(12), slow(13))
    await clock.advance(23)
    assert await silence_of_both(box) == Silence(RunnerState.HANGING, HANGS)
    server.resume()
    await until(lambda: box._contact.silence is None)
    assert await seen(box) == [("a", WorkflowStatus.COMPLETED)]
    assert beats(server) == count + 1


async def test_reading_begins_with_the_first_heartbeat(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.put(job("a"))
    server.hang()
    asking = asyncio.create_task(seen(box))
    await until(lambda: beats(server) == 1 and readings(server) == 1)
    await clock.advance(6.5)
    server.resume()
    assert await asking == [("a", WorkflowStatus.COMPLETED)]


async def test_jobs_that_are_late_are_not_told_as_if_they_were_new(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    server.put(job("a"))
    await listening(server, box, clock)
    await clock.advance(1)
    server.hang("/api/jobs")
    box._suspect()
    asking = asyncio.create_task(box.history())
    await until(lambda: readings(server) == 1)
    await clock.advance(1)
    await asking
    await beat(clock)
    with pytest.raises(RunnerUnreachableError, match=r"^slow, last told its jobs [78] s ago$") as caught:
        await box.history()
    assert caught.value.state is RunnerState.LATE
    assert (await box.stats()).system.os == "linux"


async def test_jobs_that_fail_make_the_stats_fail_and_back(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock
) -> None:
    await listening(server, box, clock)
    await box.stats()
    await server.stop()
    await clock.advance(1)
    box._suspect()
    told = Silence(RunnerState.UNREACHABLE, "connection refused: nothing listens there")
    assert await silence_of_both(box) == told
    await server.start()
    await clock.advance(14)
    await until(lambda: box._contact.silence is None)
    assert await box.history() == ()
    assert (await box.stats()).system.os == "linux"


async def test_stats_alone_refused_leave_the_box_reachable(server: ScriptedComfyUI, box: ServerMonitor) -> None:
    server.walls["/system_stats"] = response(status=502)
    assert await box.history() == ()
    with pytest.raises(RunnerUnreachableError, match=r"^it answered 502 to /system_stats$") as caught:
        await box.stats()
    assert caught.value.state is RunnerState.PARTIAL


@pytest.mark.parametrize("status", [401, 403, 405, 502])
async def test_heartbeat_alone_refused_is_gone_around(
    server: ScriptedComfyUI, box: ServerMonitor, clock: FakeClock, status: int
) -> None:
    server.walls["/prompt"] = response(status=status)
    server.put(job("a"), job("b", "pending"))
    assert len(await box.history()) == 2
    await beat(clock)
    assert box._pulse.remaining == 1
    assert (await box.stats()).system.os == "linux"


async def test_everything_refused_is_told_by_the_heartbeat(server: ScriptedComfyUI, box: ServerMonitor) -> None:
    server.wall = response(status=401)
    told = "asks for a password: give its headers in the configuration"
    assert await silence_of_both(box) == Silence(RunnerState.UNREACHABLE, told)


class TestDrainedQueue:
    """A queue that is read seldom, for it is large, and read at once when it has shrunk."""

    async def test_queue_that_is_empty_is_read_at_once(self, clock: FakeClock) -> None:
        async with ScriptedComfyUI("0.3.64") as server, watched(server, clock) as box:
            server.put(job("runs", "in_progress", number=1))
            server.put(*(job(f"w{number}", "pending", number=number, size=58_000) for number in range(2, 120)))
            assert ("runs", WorkflowStatus.RUNNING) in await seen(box)
            await until(lambda: box._pulse.remaining == 119)
            assert box._reader.pause > 60
            await box.history()
            server.jobs = [job("runs", number=1)]
            await beat(clock)
            assert await seen(box) == [("runs", WorkflowStatus.COMPLETED)]
            assert box._reader.pause <= 2

    async def test_queue_half_as_long_is_read_at_once_and_else_not(self, clock: FakeClock) -> None:
        async with ScriptedComfyUI("0.3.64") as server, watched(server, clock) as box:
            waiting = [job(f"w{number}", "pending", number=number, size=58_000) for number in range(100)]
            server.put(*waiting)
            await box.history()
            await until(lambda: box._pulse.remaining == 100)
            box._read_remaining = 100
            count = readings(server)
            server.jobs = waiting[:51]
            await beat(clock)
            await box.history()
            assert readings(server) == count
            server.jobs = waiting[:50]
            await beat(clock)
            await box.history()
            assert readings(server) == count + 1

    async def test_change_heard_of_while_the_queue_is_not_read_brings_a_heartbeat(self, clock: FakeClock) -> None:
        async with ScriptedComfyUI("0.3.64") as server, watched(server, clock) as box:
            server.put(*(job(f"w{number}", "pending", number=number, size=58_000) for number in range(100)))
            await box.history()
            await until(lambda: box._signals.is_open and box._pulse.remaining == 100)
            await settle()
            await clock.advance(1)
            await settle()
            count = beats(server)
            server.jobs = []
            await server.say({"type": "execution_success", "data": {}})
            await until(lambda: box._pulse._hurry.is_set() or beats(server) > count)
            await clock.advance(1)
            await until(lambda: beats(server) == count + 1 and box._pulse.remaining == 0)
            assert await seen(box) == []

    async def test_message_that_tells_an_empty_queue_is_enough(self, clock: FakeClock) -> None:
        async with ScriptedComfyUI("0.3.64") as server, watched(server, clock) as box:
            server.put(*(job(f"w{number}", "pending", number=number, size=58_000) for number in range(100)))
            await box.history()
            await until(lambda: box._signals.is_open and box._pulse.remaining == 100)
            await settle()
            await clock.advance(1)
            count = beats(server)
            server.jobs = []
            await server.changed()
            await until(lambda: box._pulse.remaining == 0)
            assert await seen(box) == []
            assert beats(server) == count


async def test_log_tells_what_was_asked_of_which_server(server: ScriptedComfyUI, clock: FakeClock) -> None:
    log = RequestLog(clock)
    async with watching(Server(server.url, "gpu"), clock=clock, log=log) as fleet:
        await fleet.get_history(runner_id_for(server.url))
        await fleet.get_stats(runner_id_for(server.url))
        server.walls["/system_stats"] = response(status=502)
        await clock.advance(20)
        with pytest.raises(RunnerUnreachableError):
            await fleet.get_stats(runner_id_for(server.url))
    records = [entry for entry in log.entries if isinstance(entry, RequestRecord)]
    assert {record.server for record in records} == {"gpu"}
    assert {record.path.partition("?")[0] for record in records} == {"/prompt", "/api/jobs", "/system_stats"}
    good = next(record for record in records if record.path == "/prompt")
    assert (good.status, good.error, good.size) == (200, "", 37)
    assert str(good).split()[1:5] == ["GET", "gpu", "/prompt", "200"]
    assert any("limit=20" in record.path for record in records)
    (bad,) = (record for record in records if record.status == 502)
    assert bad.error == "it answered 502 to /system_stats"
