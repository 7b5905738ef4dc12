from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.api.errors import UnauthorizedError
from comfytui.cli.context import open_context
from comfytui.cli.parser import build_parser
from comfytui.cli.progress import Progress
from comfytui.config.paths import rate_limit_files, state_dir
from comfytui.config.settings import SettingsError
from comfytui.config.state import State, StateFile, state_path
from comfytui.ratelimit.window import Priority
from tests.support.clock import FakeClock

if TYPE_CHECKING:
    import argparse


def parsed(*argv: str) -> argparse.Namespace:
    return build_parser().parse_args(argv)


def clock_and_progress() -> tuple[FakeClock, Progress]:
    clock = FakeClock()
    return clock, Progress(clock)


def test_the_allowance_of_an_api_is_shared_by_way_of_a_file(tmp_path: Path) -> None:
    with open_context(parsed("--url", "http://127.0.0.1:9", "runners"), *clock_and_progress()) as source:

        async def begin() -> None:
            await source.rate_limiter.acquire(Priority.USER)
            await source.connect()

        with pytest.raises(UnauthorizedError):
            asyncio.run(begin())
        assert source.settings.source_name == "127.0.0.1:9"
    assert rate_limit_files()[0].is_relative_to(tmp_path)
    assert rate_limit_files()[0].exists()


@pytest.mark.parametrize("argv", ["runners --demo --runners 2 --seed 1", "--demo --runners 2 --seed 1 runners"])
def test_the_simulated_fleet_leaves_nothing_behind(argv: str) -> None:
    with open_context(parsed(*argv.split()), *clock_and_progress()) as source:

        async def count() -> int:
            client = await source.connect()
            page = await client.list_runners()
            await client.aclose()
            return len(page.runners)

        assert asyncio.run(count()) == 2
        assert not source.rate_limiter.usage.is_limited
    assert not state_dir().exists()


def test_comfyui_servers() -> None:
    with open_context(parsed("runners", "--comfyui", "http://127.0.0.1:9"), *clock_and_progress()) as source:
        assert [server.url for server in source.settings.servers] == ["http://127.0.0.1:9"]
    assert not (state_dir() / "run").exists()


def test_saved_state_does_not_affect_commands(tmp_path: Path) -> None:
    config = tmp_path / "given.toml"
    config.write_text("[profiles.prod]\nurl = 'http://127.0.0.1:9'")
    assert StateFile(state_path()).save(State(profile="prod")) is None
    with open_context(parsed("runners", "--config", str(config)), *clock_and_progress()) as source:
        assert source.settings.profile is None


def test_settings_that_cannot_be_used() -> None:
    with pytest.raises(SettingsError), open_context(parsed("runners", "--profile", "none"), *clock_and_progress()):
        pass
