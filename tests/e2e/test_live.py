"""A real ComfyUI server, the one that COMFYUI_URL names: `COMFYUI_URL=http://127.0.0.1:8188 pytest -m live`."""

from __future__ import annotations

import os
import sys
from contextlib import aclosing

import pytest

from comfytui.clock import SystemClock
from comfytui.config.servers import servers_of
from comfytui.gateway.comfyui.fleet import ComfyUIFleet
from tests.support.terminal import Terminal

URL = os.environ.get("COMFYUI_URL", "")

pytestmark = [pytest.mark.live, pytest.mark.skipif(not URL, reason="COMFYUI_URL names no server")]


async def test_it_is_a_runner_with_workflows() -> None:
    async with aclosing(ComfyUIFleet(servers_of([URL]), SystemClock())) as fleet:
        (runner,) = (await fleet.list_runners(1, 10, None)).runners
        stats = await fleet.get_stats(runner.id)
        assert stats.system.comfyui_version
        assert stats.devices
        history = await fleet.get_history(runner.id)
        assert len(history) <= 10
        assert all(workflow.status and workflow.status.is_known for workflow in history)
        (known,) = (await fleet.list_runners(1, 10, None)).runners
        assert f"comfyui-{stats.system.comfyui_version}" in known.tags


def test_the_dashboard_shows_it() -> None:
    with Terminal([sys.executable, "-m", "comfytui", "--comfyui", URL]) as terminal:
        terminal.wait_for("Reachable", "✔", "ComfyUI", "RAM")
        terminal.press("q")
        assert terminal.wait_exit() == 0
