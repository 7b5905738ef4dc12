"""Which way leads to a box's jobs, what that costs the box, and what becomes of each case, over real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from comfytui.api.statuses import WorkflowStatus
from comfytui.config.settings import Server
from comfytui.gateway.comfyui.client import ComfyUIClient
from comfytui.gateway.comfyui.errors import (
    ConnectionDroppedError,
    ResponseTimeoutError,
    ServerUnreachableError,
    UnparsableResponseError,
)
from comfytui.gateway.comfyui.job_reader import JobReader, JobsReading, get_parsed
from tests.support.clock import FakeClock
from tests.support.comfyui import ScriptedComfyUI, job
from tests.support.comfyui_monitoring import until
from tests.support.scripted import ScriptedServer, hang_up, json_reply, response

if TYPE_CHECKING:
    from tests.support.comfyui_jobs import ScriptedJob

ACTIVE = "/api/jobs?status=pending%2Cin_progress&limit=20"
EVERY = "/api/jobs?status=pending%2Cin_progress&limit="
OLDEST = "/api/jobs?status=pending%2Cin_progress&limit=10&sort_order=asc"
RUNNING = "/api/jobs?status=in_progress&limit=5"
FINISHED = "/api/jobs?status=completed%2Cfailed%2Ccancelled&limit=20"
FINISHED_BEFORE_0_9 = "/api/jobs?status=completed%2Cfailed&limit=20"
HISTORY = "/history?max_items=10"
MINUTE = 1_795_280_000_000


def reader_with(client: ComfyUIClient, clock: FakeClock | None = None) -> JobReader:
    return JobReader(client, clock or FakeClock(), client._contact)


@asynccontextmanager
async def reader_of(
    box: ScriptedComfyUI, clock: FakeClock | None = None, within: float = 5.0
) -> AsyncIterator[JobReader]:
    async with aclosing(ComfyUIClient(Server(box.url, "gpu"), timeout=within)) as client:
        yield reader_with(client, clock)


@pytest.fixture(params=["0.33.0", "0.3.64"])
async def box(request: pytest.FixtureRequest) -> AsyncIterator[ScriptedComfyUI]:
    async with ScriptedComfyUI(request.param) as box:
        yield box


def asked(box: ScriptedComfyUI) -> list[str]:
    """What the box was asked since this was looked at last; of what is asked at once any may come first."""
    targets = sorted(target for _, target in box.requests)
    box.requests.clear()
    return targets


def ids(reading: JobsReading) -> tuple[list[str], list[str]]:
    return [job.id for job in reading.active.jobs], sorted(job.id for job in reading.finished.jobs)


async def test_the_list_of_jobs_is_two_small_questions() -> None:
    async with ScriptedComfyUI() as box, reader_of(box) as reader:
        box.put(job("ran"), job("runs", "in_progress", number=1), job("waits", "pending", number=2))
        reading = await reader.read()
        assert sorted(ids(reading)[0]) == ["runs", "waits"]
        assert ids(reading)[1] == ["ran"]
        assert (reading.active.is_all, reading.finished.is_all) == (True, True)
        assert (asked(box), reader.pause) == (sorted([ACTIVE, FINISHED]), 1)


async def test_without_it_the_queue_is_asked_first_and_then_the_history() -> None:
    clock = FakeClock()
    async with ScriptedComfyUI("0.3.64") as box, reader_of(box, clock) as reader:
        box.put(job("ran"), job("runs", "in_progress", number=1), job("waits", "pending", number=2))
        assert ids(await reader.read()) == (["runs", "waits"], ["ran"])
        assert asked(box) == sorted([ACTIVE, FINISHED, "/queue", HISTORY])
        assert reader.pause == 1
        await clock.advance(599)
        await reader.read()
        assert asked(box) == sorted(["/queue", HISTORY])
        await clock.advance(1)
        await reader.read()
        assert asked(box) == sorted([ACTIVE, FINISHED, "/queue", HISTORY])


async def test_another_version_is_asked_as_if_nothing_were_known() -> None:
    async with ScriptedComfyUI("0.3.64") as box, reader_of(box) as reader:
        await reader.read()
        box.version = "0.33.0"
        reader.reset()
        asked(box)
        await reader.read()
        assert (asked(box), reader.pause) == (sorted([ACTIVE, FINISHED]), 1)


async def test_a_finished_job_that_breaks_the_list_leaves_the_other_half_to_it() -> None:
    clock = FakeClock()
    async with ScriptedComfyUI() as box, reader_of(box, clock) as reader:
        box.put(job("bad", is_poison=True), job("runs", "in_progress", number=1))
        assert ids(await reader.read()) == (["runs"], ["bad"])
        assert asked(box) == sorted([ACTIVE, FINISHED, HISTORY])
        await reader.read()
        assert asked(box) == sorted([ACTIVE, HISTORY])
        box.put(job("bad"))
        await clock.advance(60)
        await reader.read()
        assert (asked(box), reader.pause) == (sorted([ACTIVE, FINISHED]), 1)


async def test_a_waiting_job_that_breaks_the_list() -> None:
    async with ScriptedComfyUI() as box, reader_of(box) as reader:
        box.put(job("ran"), job("bad", "pending", number=1, is_poison=True))
        assert ids(await reader.read()) == (["bad"], ["ran"])
        assert asked(box) == sorted([ACTIVE, "/queue", FINISHED])


async def test_before_0_9_there_are_no_cancelled_ones() -> None:
    async with ScriptedComfyUI() as box, reader_of(box) as reader:
        box.knows_cancelled = False
        box.put(job("ran"), job("broken off", "cancelled"), job("broke", "failed"))
        reading = await reader.read()
        assert {job.id: job.status for job in reading.finished.jobs} == {
            "ran": WorkflowStatus.COMPLETED,
            "broken off": WorkflowStatus.CANCELLED,
            "broke": WorkflowStatus.FAILED,
        }
        await reader.read()
        assert asked(box) == sorted([ACTIVE, FINISHED, FINISHED_BEFORE_0_9, ACTIVE, FINISHED_BEFORE_0_9])
        assert reader.pause == 1


def queue_of_370() -> list[ScriptedJob]:
    return [job(f"w{number}", "pending", number=number, created=MINUTE + number) for number in range(1, 371)]


async def test_long_queue_is_read_at_both_ends() -> None:
    async with ScriptedComfyUI() as box, reader_of(box) as reader:
        box.put(job("runs", "in_progress", created=MINUTE), *queue_of_370())
        await reader.read()
        assert asked(box) == sorted([ACTIVE, f"{EVERY}371", FINISHED])
        before = box.bytes_out
        reading = await reader.read()
        assert [job.id for job in reading.active.jobs if job.status is WorkflowStatus.RUNNING] == ["runs"]
        ends = [*range(1, 10), *range(351, 371)]
        assert {job.id for job in reading.active.jobs} == {"runs", *(f"w{number}" for number in ends)}
        assert (reading.active.is_all, reading.active.gap) == (False, ("w9", "w351"))
        assert asked(box) == sorted([ACTIVE, OLDEST, FINISHED])
        assert box.bytes_out - before < 10_000


async def test_long_queue_is_read_whole_while_jobs_in_between_are_unknown() -> None:
    async with ScriptedComfyUI() as box, reader_of(box) as reader:
        box.put(*queue_of_370())
        box.jobs[200:200] = [job("front", "pending", number=-900, created=MINUTE + 200)]
        reading = await reader.read()
        assert "front" in ids(reading)[0]
        assert reading.active.is_all
        box.put(*(job(f"new{number}", "pending", number=number, created=MINUTE + number) for number in range(900, 930)))
        asked(box)
        assert len((await reader.read()).active.jobs) == 401
        assert f"{EVERY}401" in asked(box)


async def test_running_job_created_amid_a_long_queue_is_found() -> None:
    async with ScriptedComfyUI() as box, reader_of(box) as reader:
        box.put(*queue_of_370(), job("front", "in_progress", number=-200, created=MINUTE + 200))
        await reader.read()
        asked(box)
        jobs = (await reader.read()).active.jobs
        assert [job.id for job in jobs if job.status is WorkflowStatus.RUNNING] == ["front"]
        assert asked(box) == sorted([ACTIVE, OLDEST, RUNNING, FINISHED])


async def test_running_refresh_is_not_repeated() -> None:
    async with ScriptedComfyUI() as box, reader_of(box) as reader:
        box.put(*(job(f"w{number}", "pending", number=number, created=MINUTE + number) for number in range(1, 30)))
        box.put(job("runs", "in_progress", created=MINUTE + 1000))
        await reader.read()
        asked(box)
        reading = await reader.read()
        assert (len(reading.active.jobs), reading.active.is_all) == (30, True)
        assert asked(box) == sorted([ACTIVE, OLDEST, FINISHED])


async def test_the_newest_finished_ones_are_not_all(box: ScriptedComfyUI) -> None:
    async with reader_of(box) as reader:
        box.put(*(job(f"f{number:02}", created=MINUTE + number * 1000) for number in range(30)))
        reading = await reader.read()
        listed = 10 if box.version == "0.3.64" else 20
        assert ids(reading)[1] == [f"f{number}" for number in range(30 - listed, 30)]
        assert not reading.finished.is_all


async def test_a_server_that_lists_more_than_was_asked_for_is_cut_short() -> None:
    entries = [{"id": f"j{number}", "status": "in_progress"} for number in range(2_000)]
    async with ScriptedServer() as server, aclosing(ComfyUIClient(Server(server.url, "gpu"))) as client:
        server.on("/api/jobs", json_reply({"jobs": entries, "pagination": {"total": 1}}))
        reading = await reader_with(client).read()
    assert (len(reading.active.jobs), reading.active.is_all) == (1_000, False)
    assert (len(reading.finished.jobs), reading.finished.is_all) == (20, False)


async def test_so_are_a_queue_and_a_history_without_end() -> None:
    queue = {"queue_running": [[0, "runs"]], "queue_pending": [[number, f"w{number}"] for number in range(1, 2_001)]}
    history = {f"f{number}": {"prompt": [number, "id"]} for number in range(2_000)}
    async with ScriptedServer() as server, aclosing(ComfyUIClient(Server(server.url, "gpu"))) as client:
        for path, body in (("/queue", queue), ("/history", history)):
            server.on(path, json_reply(body))
        reading = await reader_with(client).read()
    assert ids(reading)[0] == ["runs", *(f"w{number}" for number in range(1, 1_001))]
    assert ids(reading)[1] == [f"f{number}" for number in range(1_990, 2_000)]
    assert (reading.active.is_all, reading.finished.is_all) == (False, False)


async def test_large_queues_are_read_less_often() -> None:
    async with ScriptedComfyUI("0.3.64") as box, reader_of(box) as reader:
        box.put(*(job(f"w{number}", "pending", number=number, size=58_000) for number in range(50)))
        assert len((await reader.read()).active.jobs) == 50
        assert 35 < reader.pause < 45


async def test_huge_queue_tells_running_next_and_finished_jobs() -> None:
    async with ScriptedComfyUI("0.3.64") as box, reader_of(box) as reader:
        box.put(job("ran"), job("runs", "in_progress", number=1, size=58_000))
        box.put(*(job(f"w{number}", "pending", number=number, size=58_000) for number in range(371, 1, -1)))
        reading = await reader.read()
        assert ids(reading) == (["runs", "w2", "w3", "w4"], ["ran"])
        assert reading.problems == ("the answer to /queue is larger than 8 MB and was cut off",)
        assert reader.pause > 80
        assert asked(box) == sorted([ACTIVE, FINISHED, "/queue", HISTORY])
        assert reader._client.received < 1_500_000


async def test_a_queue_of_which_nothing_can_be_told_spoils_no_history() -> None:
    async with ScriptedComfyUI("0.3.64") as box, reader_of(box) as reader:
        box.put(job("ran"), job("runs", "in_progress", size=9_000_000))
        reading = await reader.read()
        assert (ids(reading), reading.active.is_told) == (([], ["ran"]), False)
        assert reading.problems == ("the answer to /queue is larger than 8 MB and was cut off",)


async def test_a_queue_that_takes_too_long_spoils_no_history() -> None:
    async with ScriptedComfyUI("0.3.64") as box, reader_of(box, within=0.2) as reader:
        box.put(job("ran"))
        box.hang("/queue")
        reading = await reader.read()
        assert ids(reading) == ([], ["ran"])
        assert reading.problems == ("/queue: accepts connections and does not answer",)


async def test_neither_half_is_no_reading() -> None:
    async with ScriptedComfyUI("0.3.64") as box, reader_of(box, within=0.2) as reader:
        box.hang("/queue", "/history")
        with pytest.raises(ResponseTimeoutError):
            await reader.read()


async def test_a_history_too_large_is_asked_for_half_as_much_the_next_time() -> None:
    async with ScriptedComfyUI("0.3.64") as box, reader_of(box) as reader:
        box.put(job("waits", "pending"), *(job(f"f{number}", size=3_000_000) for number in range(20)))
        for _ in range(2):
            reading = await reader.read()
            assert (ids(reading), reading.finished.is_told) == ((["waits"], []), False)
            assert reading.problems == ("the answer to /history is larger than 8 MB and was cut off",)
        assert ids(await reader.read())[1] == ["f18", "f19"]
        assert [target for target in asked(box) if "history" in target] == [
            "/history?max_items=10",
            "/history?max_items=2",
            "/history?max_items=5",
        ]


async def test_29_mb_of_history_are_never_asked_for(box: ScriptedComfyUI) -> None:
    box.put(*(job(f"f{number:03}", size=58_000) for number in range(500)))
    async with reader_of(box) as reader:
        reading = await reader.read()
    assert len(reading.finished.jobs) == (10 if box.version == "0.3.64" else 20)
    assert box.bytes_out < 750_000


LOGIN = response(status=302, headers={"Location": "/login"})


@pytest.mark.parametrize("is_there", [True, False])
async def test_list_of_jobs_whose_connections_are_dropped_is_gone_around(*, is_there: bool) -> None:
    async with ScriptedServer() as server, aclosing(ComfyUIClient(Server(server.url, "gpu"))) as client:
        server.on("/api/jobs", hang_up())
        server.on("/prompt", json_reply({"exec_info": {"queue_remaining": 1}}) if is_there else hang_up())
        server.on("/queue", json_reply({"queue_running": [[0, "runs"]], "queue_pending": []}))
        server.on("/history", json_reply({}))
        if is_there:
            assert ids(await reader_with(client).read()) == (["runs"], [])
        else:
            with pytest.raises(ConnectionDroppedError):
                await reader_with(client).read()
        assert (client._contact.silence is None) is is_there


async def test_list_of_jobs_that_hangs_is_gone_around_for_ten_minutes() -> None:
    clock = FakeClock()
    async with ScriptedComfyUI() as box, reader_of(box, clock, within=0.2) as reader:
        box.hang("/api/jobs")
        for seconds in (0, 100, 400):
            await clock.advance(seconds)
            reader._contact.answered()
            await reader.read()
        assert asked(box) == sorted([ACTIVE, FINISHED, *3 * ["/queue", HISTORY]])


@pytest.mark.parametrize(
    "wall",
    [
        *(pytest.param(response(status=status), id=str(status)) for status in (401, 403, 405, 410, 429, 501, 502, 503)),
        pytest.param(response(b"<html>Please wait</html>", 200, {"Content-Type": "text/html"}), id="html"),
        pytest.param(response(b'{"jobs": 7}'), id="other JSON"),
        pytest.param(LOGIN, id="login"),
    ],
)
async def test_list_of_jobs_unusable_is_gone_around_for_a_while(wall: bytes) -> None:
    clock = FakeClock()
    async with ScriptedComfyUI() as box, reader_of(box, clock) as reader:
        box.walls["/api/jobs"] = wall
        box.put(job("ran"), job("runs", "in_progress", number=1), job("waits", "pending", number=2))
        assert ids(await reader.read()) == (["runs", "waits"], ["ran"])
        asked(box)
        await reader.read()
        assert asked(box) == sorted(["/queue", HISTORY])
        box.walls.clear()
        await clock.advance(60)
        await reader.read()
        assert asked(box) == sorted([ACTIVE, FINISHED])


async def test_list_of_jobs_that_hangs_alone_is_gone_around(box: ScriptedComfyUI) -> None:
    async with reader_of(box, within=0.5) as reader:
        box.put(job("ran"), job("runs", "in_progress", number=1))
        box.hang("/api/jobs")
        reading = asyncio.create_task(reader.read())
        await until(lambda: box.paths.count("/api/jobs") == 2)
        await reader._client.get("/prompt")
        assert ids(await reading) == (["runs"], ["ran"])


async def test_box_that_is_gone_is_not_asked_twice() -> None:
    async with ScriptedComfyUI() as box, reader_of(box) as reader:
        await box.stop()
        with pytest.raises(ServerUnreachableError):
            await reader.read()
        assert not reader._not_before


async def test_halves_are_asked_for_at_once(box: ScriptedComfyUI) -> None:
    paths = ("/api/jobs",) if box.version == "0.33.0" else ("/queue", "/history")
    async with reader_of(box) as reader:
        box.hang(*paths)
        reading = asyncio.create_task(reader.read())
        await until(lambda: sum(box.paths.count(path) for path in paths) == 2)
        box.resume()
        await reading


async def test_job_that_ends_between_two_answers_is_in_one_of_them(box: ScriptedComfyUI) -> None:
    async with reader_of(box) as reader:
        box.put(job("runs", "in_progress", number=1))
        await reader.read()
        box.hang("/api/jobs?status=pending", "/queue")
        asked(box)
        before = box.bytes_out
        reading = asyncio.create_task(reader.read())
        await until(lambda: len(box.requests) == 2 and box.bytes_out > before)
        # The finished ones are answered: now it ends, and then the active ones are answered.
        box.put(job("runs", number=1))
        box.resume()
        assert ids(await reading) == ([], ["runs"])
        assert len(asked(box)) == 3


async def test_an_answer_that_is_none_of_comfyuis() -> None:
    def read(body: object) -> None:
        raise ValueError("a sentence for nobody")

    async with ScriptedComfyUI() as box, aclosing(ComfyUIClient(Server(box.url, "gpu"))) as client:
        with pytest.raises(UnparsableResponseError, match="not as ComfyUI does"):
            await get_parsed(client, "/prompt", read)


async def test_job_that_waited_long_and_ended_is_read_apart() -> None:
    async with ScriptedComfyUI() as box, reader_of(box) as reader:
        box.put(*(job(f"f{number}", number=-number, created=MINUTE + number) for number in range(1, 30)))
        box.put(job("old", "in_progress", created=MINUTE))
        assert (await reader.read()).apart == ()
        box.put(job("old", "failed", created=MINUTE, ended=MINUTE + 90_000))
        asked(box)
        reading = await reader.read()
        assert [(ended.id, ended.status) for ended in reading.apart] == [("old", WorkflowStatus.FAILED)]
        assert "/history/old" in asked(box)
        assert (await reader.read()).apart == ()
        assert "/history/old" not in asked(box)
