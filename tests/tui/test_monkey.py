"""Random packets of keys, clicks, pastes and resizes: whatever comes, the dashboard goes on."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING

import pytest
from textual.events import Resize
from textual.geometry import Size

from comfytui.config.settings import Settings
from comfytui.tui.terminal.input_reader import InputReader
from comfytui.wiring import build_demo_app
from tests.support.clock import FakeClock
from tests.support.monkey import SIZES, packet
from tests.support.pilot import PATIENCE

if TYPE_CHECKING:
    from pathlib import Path

    from comfytui.tui.app import ComfyTUI

RUNS = 30
PACKETS = 15


async def acted_on(app: ComfyTUI) -> None:
    """Wait until all that was sent has been acted on, without waiting for an idle processor."""
    async with asyncio.timeout(PATIENCE):
        await app.key_sequencer.wait_idle()


def resize(app: ComfyTUI, columns: int, rows: int) -> None:
    """Give the terminal another size, and wait for nothing."""
    size = Size(columns, rows)
    assert app._driver is not None
    app._driver._size = (columns, rows)
    app.post_message(Resize(size, size))


@pytest.mark.parametrize("seed", range(RUNS))
async def test_random_packets_end_nothing(seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # it saves views
    random, reader = Random(seed), InputReader()
    size = random.choice(SIZES)
    app = build_demo_app(Settings("demo"), 30, 0, FakeClock())
    async with app.run_test(size=size, notifications=True):
        for number in range(PACKETS):
            sent, new = packet(random, size)
            if new is not None:
                size = new
                resize(app, *size)
            app.queue_input([*reader.feed(sent, number), *reader.tick(number + 0.5)])
            if random.random() < 0.7:
                await acted_on(app)
        await acted_on(app)
        assert app.is_running
        assert not app._exit
