from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest

from tests.support.clock import FakeClock
from tests.support.comfyui import ScriptedComfyUI
from tests.support.comfyui_monitoring import watched

if TYPE_CHECKING:
    from comfytui.gateway.comfyui.monitor import ServerMonitor


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
async def server() -> AsyncIterator[ScriptedComfyUI]:
    async with ScriptedComfyUI() as server:
        yield server


@pytest.fixture
async def box(server: ScriptedComfyUI, clock: FakeClock) -> AsyncIterator[ServerMonitor]:
    """What watches the server."""
    async with watched(server, clock) as box:
        yield box
