"""A real ComfyUI server, the one that COMFYUI_URL names: `COMFYUI_URL=http://127.0.0.1:8188 pytest -m live`.

COMFYUI_RESTART is a shell command that kills that server and starts it again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Awaitable, Callable
from contextlib import aclosing

import httpx
import pytest

from comfytui.api.statuses import LAST_SEEN_RUNNING
from comfytui.clock import SystemClock
from comfytui.config.servers import parse_servers
from comfytui.gateway.comfyui.fleet import ComfyUIFleet
from comfytui.gateway.fleet import RunnerUnreachableError
from tests.support.terminal import Terminal

URL = os.environ.get("COMFYUI_URL", "")
RESTART = os.environ.get("COMFYUI_RESTART", "")

pytestmark = [pytest.mark.live, pytest.mark.skipif(not URL, reason="COMFYUI_URL names no server")]


async def test_live_server_is_a_runner_with_workflows() -> None:
    async with aclosing(ComfyUIFleet(parse_servers([URL]), SystemClock())) as fleet:
        (runner,) = (await fleet.list_runners(1, 10, None)).runners
        stats = await fleet.get_stats(runner.id)
        assert stats.system.comfyui_version
        assert stats.devices
        history = await fleet.get_history(runner.id)
        assert len(history) <= 10
        assert all(workflow.status and workflow.status.is_known for workflow in history)
        (known,) = (await fleet.list_runners(1, 10, None)).runners
        assert f"comfyui-{stats.system.comfyui_version}" in known.tags


def submit_test_node(class_type: str, seconds: float) -> str:
    """Submit a job of one test node, and return its id; skip the test if the server does not have that node."""
    inputs = {"seconds": seconds, "seed": secrets.randbelow(2**31)}
    graph = {
        "1": {"class_type": class_type, "inputs": inputs},
        "2": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
    }
    answer = httpx.post(f"{URL}/prompt", json={"prompt": graph}, timeout=60)
    if answer.status_code == httpx.codes.BAD_REQUEST:
        pytest.skip(f"the server has no node {class_type}(seconds, seed) that returns an image")
    return str(answer.json()["prompt_id"])


def test_script_waits_for_a_server_whose_node_holds_the_interpreter() -> None:
    job = submit_test_node("TestBusy", 8.0)
    (server,) = parse_servers([URL])
    argv = [sys.executable, "-m", "comfytui", "history", server.name, "--comfyui", URL, "--json", "--timeout", "60"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert job in {workflow["id"] for workflow in json.loads(done.stdout)["workflows"]}


def test_the_dashboard_shows_it() -> None:
    with Terminal([sys.executable, "-m", "comfytui", "--comfyui", URL]) as terminal:
        terminal.wait_for("Reachable", "✔", "ComfyUI", "RAM")
        terminal.press("q")
        assert terminal.wait_exit() == 0


def image(seed: int, size: int = 64) -> dict[str, object]:
    return {"class_type": "EmptyImage", "inputs": {"width": size, "height": size, "batch_size": 1, "color": seed}}


def graph(seed: int, blurs: int = 0) -> dict[str, object]:
    """A job of core nodes: an image, blurred that often, which takes a processor some seconds each time."""
    nodes: dict[str, object] = {"0": image(seed, 2048 if blurs else 64)}
    for number in range(blurs):
        blur = {"image": [str(number), 0], "blur_radius": 31, "sigma": 10.0}
        nodes[str(number + 1)] = {"class_type": "ImageBlur", "inputs": blur}
    return nodes | {"out": {"class_type": "PreviewImage", "inputs": {"images": [str(blurs), 0]}}}


async def submit(client: httpx.AsyncClient, nodes: dict[str, object], *, front: bool = False) -> str:
    answer = await client.post(f"{URL}/prompt", json={"prompt": nodes, "front": front})
    return str(answer.raise_for_status().json()["prompt_id"])


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Ask twice a second until this holds, for 40 s at most."""
    for _ in range(80):
        if await condition():
            return
        await asyncio.sleep(0.5)
    raise TimeoutError


async def test_queue_of_400_hides_neither_its_length_nor_what_ended() -> None:
    async with aclosing(ComfyUIFleet(parse_servers([URL]), SystemClock())) as fleet, httpx.AsyncClient() as client:
        (runner,) = (await fleet.list_runners(1, 10, None)).runners

        async def is_idle() -> bool:
            return not (await client.get(f"{URL}/prompt")).json()["exec_info"]["queue_remaining"]

        async def is_known() -> bool:
            history = await fleet.get_history(runner.id)
            return len(history) > 4 and history[0].id == running

        seed = secrets.randbelow(2**24)
        ended = await submit(client, graph(seed))
        await until(is_idle)
        try:
            running = await submit(client, graph(seed, blurs=40))
            waiting = [await submit(client, graph(seed)) for _ in range(199)]
            first = await submit(client, graph(seed), front=True)
            waiting = [first, *waiting, *[await submit(client, graph(seed)) for _ in range(199)]]
            await until(is_known)
            history, known = await fleet.get_history(runner.id), await fleet.get_runner(runner.id)
        finally:
            await client.post(f"{URL}/queue", json={"clear": True})
            await client.post(f"{URL}/interrupt", json={})
        assert [workflow.id for workflow in history[1:4]] == waiting[:3]
        assert history[4].id == ended
        assert history[4].completed_at is not None
        assert (known.queue_running, known.queue_pending) == (1, 399)


@pytest.mark.skipif(not RESTART, reason="COMFYUI_RESTART is no command that restarts the server")
async def test_job_that_ran_as_the_server_was_restarted_says_so() -> None:
    async with aclosing(ComfyUIFleet(parse_servers([URL]), SystemClock())) as fleet, httpx.AsyncClient() as client:
        (runner,) = (await fleet.list_runners(1, 10, None)).runners

        async def newest() -> tuple[object, ...]:
            with contextlib.suppress(RunnerUnreachableError):
                for job in await fleet.get_history(runner.id):
                    return job.id, job.status, *job.tags
            return ()

        async def runs() -> bool:
            return (await newest())[1:] == ("running",)

        async def is_lost() -> bool:
            return await newest() == (running, "failed", LAST_SEEN_RUNNING)

        await submit(client, graph(secrets.randbelow(2**24), blurs=40))
        await until(runs)
        running, *_ = await newest()
        restart = await asyncio.create_subprocess_exec("sh", "-c", RESTART)
        assert await restart.wait() == 0
        await until(is_lost)
