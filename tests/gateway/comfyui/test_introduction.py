"""What is told of servers by those that ask but once: what they are, and no later because of one that does not say."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from comfytui.config.settings import Server
from comfytui.gateway.comfyui.fleet import INTRODUCTION_SECONDS
from comfytui.gateway.comfyui.mapping import runner_id_for
from tests.support.comfyui import ScriptedComfyUI
from tests.support.comfyui_monitoring import until, watching

if TYPE_CHECKING:
    from tests.support.clock import FakeClock

KNOWN = ("comfyui-0.33.0", "cpu")
UNKNOWN = ("comfyui",)


async def test_the_first_list_tells_versions_and_devices(clock: FakeClock) -> None:
    async with AsyncExitStack() as stack:
        good, hung, gone = [await stack.enter_async_context(ScriptedComfyUI()) for _ in range(3)]
        hung.hang()
        await gone.stop()
        known = [Server(server.url, "gpu") for server in (hung, gone, good)]
        fleet = await stack.enter_async_context(watching(*known, clock=clock, introduction=3.0))
        async with asyncio.timeout(20):
            first = await fleet.list_runners(1, 10, None)
        assert [runner.tags for runner in first.runners] == [UNKNOWN, UNKNOWN, KNOWN]


async def test_the_first_look_at_one_tells_them(server: ScriptedComfyUI, clock: FakeClock) -> None:
    async with watching(Server(server.url, "gpu"), clock=clock, introduction=20.0) as fleet:
        assert (await fleet.get_runner(runner_id_for(server.url))).tags == KNOWN
    assert server.paths.count("/system_stats") == 1


async def test_hanging_server_is_waited_for_once(server: ScriptedComfyUI, clock: FakeClock) -> None:
    server.hang()
    async with watching(Server(server.url, "gpu"), clock=clock) as fleet:
        await fleet.list_runners(1, 10, None)
        for again in (fleet.list_runners(1, 10, None), fleet.get_runner(runner_id_for(server.url))):
            async with asyncio.timeout(0.2):
                await again


async def test_slow_one_is_waited_for_as_long_as_a_script_waits(server: ScriptedComfyUI, clock: FakeClock) -> None:
    server.hang()
    async with watching(Server(server.url, "gpu"), clock=clock, introduction=30.0) as fleet:
        listing = asyncio.create_task(fleet.list_runners(1, 10, None))
        await until(lambda: {"/prompt", "/system_stats"} <= {*server.paths})
        await asyncio.wait({listing}, timeout=2 * INTRODUCTION_SECONDS)
        assert not listing.done()
        server.resume()
        (runner,) = (await listing).runners
    assert (runner.tags, runner.queue_pending) == (KNOWN, 0)
    assert server.paths.count("/system_stats") == 1
