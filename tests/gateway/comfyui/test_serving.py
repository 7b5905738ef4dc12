"""A team's gateway over a plain server: a process of its own, real sockets on both sides."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
from pydantic import SecretStr

from comfytui.api.client import ComfyControlClient
from comfytui.api.session import Session
from comfytui.clock import SystemClock
from comfytui.ratelimit.local import LocalRateLimiter
from tests.support.comfyui import ScriptedComfyUI, job, replay
from tests.support.comfyui_monitoring import beats, until

TOKEN = "cfc_only_for_tests"
PROGRAM = """
import sys
from pydantic import SecretStr
from comfytui.clock import SystemClock
from comfytui.config.servers import parse_servers
from comfytui.gateway.comfyui.fleet import ComfyUIFleet
from comfytui.gateway.server import serve

def announce(line):
    print(line, flush=True)

fleet = ComfyUIFleet(parse_servers(sys.argv[1:]), SystemClock())
serve(fleet, "127.0.0.1", 0, SecretStr("cfc_only_for_tests"), announce)
"""


def dashboard(url: str) -> ComfyControlClient:
    return ComfyControlClient(
        Session(url, SecretStr(TOKEN), rate_limiter=LocalRateLimiter(SystemClock(), limit=10_000))
    )


async def look(client: ComfyControlClient) -> list[object]:
    """What a dashboard with this runner selected asks."""
    (runner,) = (await client.list_runners()).runners
    history, stats = await asyncio.gather(client.get_history(runner.id), client.get_stats(runner.id))
    return [runner.name, [workflow.id for workflow in history], stats]


@asynccontextmanager
async def serving(server: ScriptedComfyUI) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    """A gateway over this server, and where it can be asked."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", PROGRAM, server.url), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        yield process, (await process.stdout.readline()).decode().removeprefix("Serving on ").strip()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


@pytest.mark.parametrize("version", ["0.33.0", "0.3.64"])
async def test_dashboards_share_one_poller_that_leaves_nothing_behind(version: str) -> None:
    async with replay(version) as server, serving(server) as (process, url):
        async with aclosing(dashboard(url)) as one, aclosing(dashboard(url)) as other:
            first, second = await asyncio.gather(look(one), look(other))
            assert first == second
            await until(lambda: server.sockets == 1)
            assert (beats(server), server.paths.count("/system_stats")) == (1, 1)
            process.send_signal(signal.SIGINT)
            printed, complained = await process.communicate()
        assert (process.returncode, printed, complained) == (0, b"", b"")
        await until(lambda: server.sockets == 0)


async def test_a_change_reaches_the_dashboard_soon() -> None:
    """By the machine's own clock: a signal brings it, long before it would be looked for."""
    async with ScriptedComfyUI() as server, serving(server) as (_, url), aclosing(dashboard(url)) as client:
        assert (await look(client))[1] == []
        await until(lambda: server.sockets == 1)
        server.put(job("a"))
        await server.changed()
        async with asyncio.timeout(4):
            while (await look(client))[1] != ["a"]:
                pass
