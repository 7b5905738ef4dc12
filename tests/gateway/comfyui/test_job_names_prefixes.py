"""What the files of jobs that came to nothing would be called, asked of a box once each, over real sockets."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from comfytui.api.statuses import WorkflowStatus
from comfytui.config.settings import Server
from comfytui.gateway.comfyui.client import ComfyUIClient
from comfytui.gateway.comfyui.job_names import OutputPrefixLookup
from comfytui.gateway.comfyui.models import Job
from tests.support.comfyui import ScriptedComfyUI, job, replay

if TYPE_CHECKING:
    from comfytui.gateway.comfyui.monitor import ServerMonitor

FAILED, CANCELLED = WorkflowStatus.FAILED, WorkflowStatus.CANCELLED


class _Asking:
    """What asks a box, and what it learnt."""

    def __init__(self, client: ComfyUIClient) -> None:
        self.learnt: dict[str, str] = {}
        self.prefixes = OutputPrefixLookup(client, self._quiet, self.learnt.__setitem__)

    async def want(self, *jobs: Job) -> dict[str, str]:
        """Want these, and return what was learnt since."""
        self.learnt.clear()
        self.prefixes.request(jobs)
        await self.prefixes._asking.wait_idle()
        return dict(self.learnt)

    async def _quiet(self) -> None:
        pass


@pytest.fixture
async def asking(server: ScriptedComfyUI) -> AsyncIterator[_Asking]:
    async with aclosing(ComfyUIClient(Server(server.url, "gpu"))) as client:
        asking = _Asking(client)
        async with aclosing(asking.prefixes):
            yield asking


async def test_each_is_asked_for_once(server: ScriptedComfyUI, asking: _Asking) -> None:
    server.put(job("a b", "failed", prefix="faces/hero"), job("c", "cancelled", prefix="still"))
    jobs = Job("a b", FAILED, 1), Job("c", CANCELLED, 2)
    assert await asking.want(*jobs) == {"a b": "faces/hero", "c": "still"}
    assert await asking.want(*jobs) == {}
    assert sorted(server.paths) == ["/history/a%20b", "/history/c"]


async def test_other_jobs_are_not_looked_up(server: ScriptedComfyUI, asking: _Asking) -> None:
    others = [Job(status, status) for status in WorkflowStatus if status not in (FAILED, CANCELLED)]
    assert await asking.want(*others, Job("named", FAILED, prefix="hero")) == {}
    assert server.requests == []


async def test_unavailable_prefix_stays_empty(server: ScriptedComfyUI, asking: _Asking) -> None:
    server.put(job("c", "failed"))
    server.wall = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n"
    assert await asking.want(Job("c", FAILED)) == {}
    server.wall = b""
    assert await asking.want(Job("gone", FAILED)) == {}


async def test_the_same_id_sent_again_is_another(server: ScriptedComfyUI, asking: _Asking) -> None:
    server.put(job("a", "failed", prefix="first"))
    assert await asking.want(Job("a", FAILED, 1)) == {"a": "first"}
    server.put(job("a", "failed", prefix="second"))
    assert await asking.want(Job("a", FAILED, 2)) == {"a": "second"}


async def test_the_recorded_failures_bear_the_names_of_their_files() -> None:
    async with replay("0.33.0") as server, aclosing(ComfyUIClient(Server(server.url, "gpu"))) as client:
        asking = _Asking(client)
        async with aclosing(asking.prefixes):
            learnt = await asking.want(*(Job(each.id, FAILED) for each in server.jobs if each.state == "failed"))
    # The last only showed what it made.
    assert {id[:8]: name for id, name in learnt.items()} == {
        "78ab809f": "../../outside",
        "01c95fcb": "never",
        "6faf1160": "",
    }


async def test_a_history_names_what_failed(server: ScriptedComfyUI, box: ServerMonitor) -> None:
    server.put(job("a", "failed", prefix="faces/hero"))
    assert [workflow.name for workflow in await box.history()] == ["hero"]
    box._suspect()
    box._next_at = 0
    assert [workflow.name for workflow in await box.history()] == ["hero"]
    assert server.paths.count("/history/a") == 1
