"""A fleet of plain servers through the gateway's routes: each case of the recordings, bad servers among good ones."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing
from datetime import datetime

import pytest
from pydantic import SecretStr

from comfytui.api.errors import NotFoundError, ServerError, SilentRunnerError
from comfytui.api.models import RunnerPage, Workflow
from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.config.settings import Server
from comfytui.gateway.comfyui.fleet import ComfyUIFleet
from comfytui.gateway.comfyui.mapping import runner_id_for
from comfytui.gateway.fleet import RunnerNotFoundError
from tests.support.clock import START, FakeClock
from tests.support.comfyui import AUTHORITY, ScriptedComfyUI, job, replay
from tests.support.comfyui_monitoring import beat, beats, dashboard, runner_ids, until, watching

VERSIONS = ("0.33.0", "0.3.64")
COMPLETED, CANCELLED, FAILED = WorkflowStatus.COMPLETED, WorkflowStatus.CANCELLED, WorkflowStatus.FAILED
OUTCOMES = {
    "0.33.0": {
        "679efc54": COMPLETED,  # saved
        "e877be5b": COMPLETED,  # with two outputs
        "6dfcb828": COMPLETED,  # from the cache
        "a94de137": COMPLETED,  # a batch
        "c9161158": COMPLETED,  # one output was invalid
        "78ab809f": FAILED,  # could not save
        "01c95fcb": FAILED,  # a node refused its input
        "6faf1160": FAILED,  # after it had made something
        "011bc777": FAILED,  # a cycle, which is called a success
        "9fbe1955": CANCELLED,  # interrupted
    },
    "0.3.64": {
        "a7551592": COMPLETED,
        "c8cdb34c": COMPLETED,
        "efad89c5": COMPLETED,
        "b3cdb895": COMPLETED,
        "1704507b": COMPLETED,
        "be66dca6": FAILED,
        "0554c244": FAILED,
        "50e57c58": FAILED,
        "20cd69cb": FAILED,
        "874e4594": CANCELLED,
    },
}
CASES = [(version, id, outcome) for version, outcomes in OUTCOMES.items() for id, outcome in outcomes.items()]
CREATED = 1_795_280_000_000


class _SlowClock(FakeClock):
    """A clock at which a second passes whenever somebody looks."""

    def now(self) -> datetime:
        self.jump(1)
        return super().now()


async def history_of(server: ScriptedComfyUI, clock: FakeClock) -> tuple[Workflow, ...]:
    """What a dashboard is told of a server's jobs."""
    async with aclosing(dashboard(ComfyUIFleet([Server(server.url, "gpu")], clock))) as client:
        (runner,) = (await client.list_runners()).runners
        return await client.get_history(runner.id)


@pytest.mark.parametrize(("version", "id", "outcome"), CASES)
async def test_recorded_jobs_have_their_status(
    version: str, id: str, outcome: WorkflowStatus, clock: FakeClock
) -> None:
    async with replay(version) as server:
        server.jobs = [job for job in server.jobs if job.id.startswith(id)]
        (workflow,) = await history_of(server, clock)
    assert (workflow.id[:8], workflow.status, workflow.tags) == (id, outcome, ())
    assert str(workflow.started_at) <= str(workflow.completed_at) == str(workflow.updated_at)
    if version == "0.3.64":
        assert workflow.created_at is None
    else:
        assert str(workflow.created_at) <= str(workflow.started_at)


@pytest.mark.parametrize("version", VERSIONS)
async def test_history_is_what_runs_then_what_is_next_then_the_newest_ends(version: str, clock: FakeClock) -> None:
    async with replay(version, is_running=True) as server:
        workflows = await history_of(server, clock)
    statuses = [workflow.status for workflow in workflows]
    assert len(workflows) == 10
    assert statuses[:3] == [WorkflowStatus.RUNNING, WorkflowStatus.QUEUED, WorkflowStatus.QUEUED]
    ends = [str(workflow.completed_at) for workflow in workflows[3:]]
    assert ends == sorted(ends, reverse=True)
    assert all(workflow.name for workflow in workflows)


@pytest.mark.parametrize("version", VERSIONS)
async def test_deleted_waiting_job_disappears(version: str, clock: FakeClock) -> None:
    async with replay(version, is_running=True) as server, watching(Server(server.url, "gpu"), clock=clock) as fleet:
        (id,) = await runner_ids(fleet)
        before = await fleet.get_history(id)
        waiting = [job for job in server.jobs if job.state == "pending"]
        server.jobs = [job for job in server.jobs if job not in waiting]
        await beat(clock, 3)
        after = await fleet.get_history(id)
    gone = {workflow.id for workflow in before} - {workflow.id for workflow in after}
    assert gone == {job.id for job in waiting}


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_job_through_its_life(version: str, clock: FakeClock) -> None:
    async with ScriptedComfyUI(version) as server, watching(Server(server.url, "gpu"), clock=clock) as fleet:
        (id,) = await runner_ids(fleet)
        statuses = []
        for state in ("pending", "in_progress", "completed"):
            server.put(job("a", state, number=1))
            await fleet.get_history(id)
            await beat(clock, 3)
            statuses += [workflow.status for workflow in await fleet.get_history(id)]
    assert statuses == [WorkflowStatus.QUEUED, WorkflowStatus.RUNNING, COMPLETED]


@pytest.mark.parametrize("version", VERSIONS)
async def test_server_stats_are_mapped(version: str, clock: FakeClock) -> None:
    async with replay(version) as server, watching(Server(server.url, "gpu"), clock=clock) as fleet:
        client = dashboard(fleet)
        (runner,) = (await client.list_runners()).runners
        stats = await client.get_stats(runner.id)
        assert (await client.get_runner(runner.id)).tags == (f"comfyui-{version}", "cpu")
    assert stats.system.comfyui_version == version
    assert [device.type for device in stats.devices] == ["cpu"]
    assert (stats.dev_mode, stats.extensions) == (False, ())


class TestListing:
    SERVERS = tuple(Server(f"http://127.0.0.1:{port}", f"gpu{port}") for port in range(1, 6))

    @pytest.fixture
    async def fleet(self, clock: FakeClock) -> AsyncIterator[ComfyUIFleet]:
        async with watching(*self.SERVERS, clock=clock) as fleet:
            yield fleet

    @pytest.mark.parametrize(
        ("page", "per_page", "status", "names"),
        [
            (1, 10, None, "12345"),
            (1, 2, None, "12"),
            (3, 2, RunnerStatus.ACTIVE, "5"),
            (4, 2, None, ""),
            (1, 10, RunnerStatus.DISABLED, ""),
        ],
    )
    async def test_pages(
        self, fleet: ComfyUIFleet, page: int, per_page: int, status: RunnerStatus | None, names: str
    ) -> None:
        shown = await fleet.list_runners(page, per_page, status)
        assert [runner.name for runner in shown.runners] == [f"gpu{name}" for name in names]
        assert shown.total == (0 if status is RunnerStatus.DISABLED else 5)

    async def test_a_runner(self, fleet: ComfyUIFleet) -> None:
        first, *_ = (await fleet.list_runners(1, 10, None)).runners
        assert first == await fleet.get_runner(first.id)
        assert first.id == str(uuid.uuid5(uuid.NAMESPACE_URL, self.SERVERS[0].url))
        assert (first.status, first.endpoint, first.tags) == (RunnerStatus.ACTIVE, "http://127.0.0.1:1", ("comfyui",))
        assert first.created_at == first.updated_at == START

    async def test_runners_share_one_creation_time(self) -> None:
        async with watching(*self.SERVERS, clock=_SlowClock()) as fleet:
            shown = (await fleet.list_runners(1, 10, None)).runners
        # What the API promises, the newest created first, holds for the order that was given.
        assert {runner.created_at for runner in shown} == {shown[0].created_at}

    async def test_fleet_without_servers_is_empty(self, fleet: ComfyUIFleet) -> None:
        nobody = str(uuid.UUID(int=7))
        for ask in (fleet.get_runner, fleet.get_history, fleet.get_stats):
            with pytest.raises(RunnerNotFoundError):
                await ask(nobody)

    async def test_without_servers(self, clock: FakeClock) -> None:
        async with aclosing(dashboard(ComfyUIFleet([], clock))) as client:
            assert await client.list_runners() == RunnerPage(runners=(), total=0)
            with pytest.raises(NotFoundError):
                await client.get_history(str(uuid.UUID(int=7)))


async def test_headers_are_sent_and_never_told(clock: FakeClock) -> None:
    async with ScriptedComfyUI() as server:
        server.authorization = "Bearer of a secret"
        known = Server(server.url, "gpu", {"Authorization": SecretStr(server.authorization)})
        async with aclosing(dashboard(ComfyUIFleet([known], clock))) as client:
            (runner,) = (await client.list_runners()).runners
            assert await client.get_history(runner.id) == ()
            await until(lambda: server.sockets == 1)
    assert {name: value.get_secret_value() for name, value in runner.headers.items()} == {"Authorization": "•" * 8}
    assert not any("origin" in headers for headers in server.headers)


class TestBadServers:
    """One of each kind, with a good one."""

    WORDS = (
        ("hung", "accepts connections and does not answer"),
        ("gone", "connection refused: nothing listens there"),
        ("tls", "it speaks TLS only: use https://"),
        ("locked", "asks for a password: give its headers in the configuration"),
        ("other", "answers, but not as ComfyUI does"),
    )

    @pytest.fixture
    async def fleet(self, clock: FakeClock) -> AsyncIterator[ComfyUIFleet]:
        servers = {name: ScriptedComfyUI(tls=name == "tls") for name in [name for name, _ in self.WORDS] + ["good"]}
        async with AsyncExitStack() as stack:
            for server in servers.values():
                await stack.enter_async_context(server)
            servers["hung"].hang()
            servers["locked"].authorization = "Basic of nobody"
            servers["other"].wall = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"
            servers["good"].put(job("a"))
            await servers["gone"].stop()
            known = [Server(server.url.replace("https", "http"), name) for name, server in servers.items()]
            yield await stack.enter_async_context(watching(*known, clock=clock, within=1.0))

    async def test_each_has_its_words(self, fleet: ComfyUIFleet) -> None:
        client = dashboard(fleet)
        ids = await runner_ids(fleet)
        told = [(client.get_history(id), client.get_stats(id)) for id in ids[:-1]]
        for (name, words), (history, stats) in zip(self.WORDS, told, strict=True):
            with pytest.raises(ServerError) as of_history:
                await history
            with pytest.raises(ServerError) as of_stats:
                await stats
            assert of_history.value.message == of_stats.value.message == f"{name}: {words}"
            assert (of_history.value.status, of_stats.value.status) == (503, 500)
            for error in (of_history.value, of_stats.value):
                assert isinstance(error, SilentRunnerError)
                assert error.reason == words

    async def test_none_delays_the_good_one(self, fleet: ComfyUIFleet) -> None:
        *bad, good = await runner_ids(fleet)
        waiting = [asyncio.create_task(fleet.get_history(id)) for id in bad]
        assert [workflow.id for workflow in await fleet.get_history(good)] == ["a"]
        assert (await fleet.get_stats(good)).devices
        assert not waiting[0].done()
        await asyncio.gather(*waiting, return_exceptions=True)


@pytest.mark.parametrize("asks", ["a page", "each"])
async def test_first_contacts_begin_side_by_side(asks: str, clock: FakeClock) -> None:
    async with AsyncExitStack() as stack:
        hung = [await stack.enter_async_context(ScriptedComfyUI()) for _ in range(4)]
        for server in hung:
            server.hang()
        known = [Server(server.url, f"hung {number}") for number, server in enumerate(hung)]
        fleet = await stack.enter_async_context(watching(*known, clock=clock))
        if asks == "a page":
            assert (await fleet.list_runners(1, 3, None)).total == 4
        else:
            for each in known[:3]:
                await fleet.get_runner(runner_id_for(each.url))
        await until(lambda: [beats(server) for server in hung[:3]] == [1, 1, 1])
        assert hung[3].connections == 0


async def test_over_tls(clock: FakeClock) -> None:
    async with ScriptedComfyUI(tls=True) as server:
        server.put(job("a"))
        fleet = ComfyUIFleet([Server(server.url, "gpu")], clock, ca_bundle=AUTHORITY)
        async with aclosing(dashboard(fleet)) as client:
            (runner,) = (await client.list_runners()).runners
            assert [workflow.id for workflow in await client.get_history(runner.id)] == ["a"]
            await until(lambda: server.sockets == 1)


async def test_below_a_path(clock: FakeClock) -> None:
    async with ScriptedComfyUI(prefix="/box/1") as server:
        server.put(job("a"))
        assert [workflow.id for workflow in await history_of(server, clock)] == ["a"]
        assert all(path.startswith("/box/1/") for path in server.paths)


@pytest.mark.parametrize("version", VERSIONS)
async def test_500_large_jobs_cost_the_server_little(version: str, clock: FakeClock) -> None:
    async with ScriptedComfyUI(version) as server:
        server.put(*(job(f"{number:03}", created=CREATED + number, size=58_000) for number in range(500)))
        assert [workflow.id for workflow in await history_of(server, clock)] == [f"{n:03}" for n in range(499, 489, -1)]
    assert server.bytes_out < 1_300_000


async def test_many_dashboards_are_one_to_the_server(clock: FakeClock) -> None:
    async def minute(dashboards: int) -> list[str]:
        async with replay("0.33.0") as server, watching(Server(server.url, "gpu"), clock=clock) as fleet:
            (id,) = await runner_ids(fleet)
            for _ in range(12):
                await asyncio.gather(
                    *(fleet.get_history(id) for _ in range(dashboards)),
                    *(fleet.get_stats(id) for _ in range(dashboards)),
                )
                await until(lambda: server.sockets == 1)
                await beat(clock)
            assert beats(server) == 13
            return sorted(server.paths)

    assert await minute(1) == await minute(25)
