from __future__ import annotations

import json
from pathlib import Path

import pytest

from comfytui.api.models import Device, RunnerStats, SystemStats, parse_stats
from comfytui.text import sanitize
from tests.support.hostile import HOSTILE_VALUES, hostile_stats

FIXTURES = Path(__file__).parent.parent / "fixtures"


def test_documented_example_is_parsed() -> None:
    assert parse_stats(json.loads((FIXTURES / "get-runner-stats.json").read_text())) == RunnerStats(
        system=SystemStats(
            os="posix",
            ram_total=253344550912,
            ram_free=239499096064,
            comfyui_version="0.3.77",
            python_version="3.12.12 (main, Oct 15 2025, 01:13:28) [GCC 12.2.0]",
        ),
        devices=(Device("cuda:0 NVIDIA A100-SXM4-80GB : cudaMallocAsync", "cuda", 85094825984, 84570537984),),
        dev_mode=False,
        extensions=("ComfyUI-Manager",),
    )


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"system": None, "devices": None, "dev_mode": None, "extensions": None},
        {"system": [], "devices": {"name": "cuda:0"}, "dev_mode": "no", "extensions": "all"},
        {"system": {"os": "", "ram_total": True, "comfyui_version": 3}, "devices": [None, "cuda:0", 7]},
    ],
)
def test_missing_or_mistyped_stats_are_none(body: object) -> None:
    assert parse_stats(body) == RunnerStats()


@pytest.mark.parametrize("body", [None, [], "ok", 7])
def test_stats_that_are_no_object_are_refused(body: object) -> None:
    with pytest.raises(ValueError, match=r"^expected an object with system and devices$"):
        parse_stats(body)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        (0, 0),
        (2**40, 2**40),
        (2.0**33 + 0.5, 2**33),
        (-1, None),
        (2**63, None),
        (10**400, None),
        (float("nan"), None),
        (float("inf"), None),
        ("1024", None),
        (True, None),
        (None, None),
    ],
)
def test_memory_is_whole_bytes_that_some_machine_might_have(sent: object, read: int | None) -> None:
    stats = parse_stats({"system": {"ram_free": sent}, "devices": [{"vram_free": sent}]})
    assert (stats.system.ram_free, stats.devices[0].vram_free) == (read, read)


@pytest.mark.parametrize("number", range(len(HOSTILE_VALUES)))
def test_hostile_values_are_clean(number: int) -> None:
    stats = parse_stats(hostile_stats(number))
    texts = [*stats.extensions, *stats.system, *(text for device in stats.devices for text in device)]
    assert all(text == sanitize(text) for text in texts if isinstance(text, str))


def test_equal_answers_are_equal() -> None:
    assert parse_stats({"devices": [{"name": "cpu"}]}) == parse_stats({"devices": [{"name": "cpu", "index": 0}]})
