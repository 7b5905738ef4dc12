"""What simulated machines say of themselves: possible numbers, more of them used at work, moving slowly."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.gateway.demo.catalog import A100, CARDS, CPU, Gpu
from comfytui.gateway.demo.machine_stats import STEP_SECONDS, Machine, machine_stats
from comfytui.gateway.demo.workflows import to_epoch
from tests.support.clock import START

NOW = to_epoch(START)


def used(machine: Machine, now: int, *, busy: bool) -> float:
    """The share of the device's memory that is in use."""
    (device,) = machine_stats(machine, now, busy=busy).devices
    assert device.vram_total
    assert device.vram_free is not None
    return 1 - device.vram_free / device.vram_total


@given(key=st.text(max_size=5), card=st.sampled_from([*CARDS, CPU]), now=st.integers(0, 2**33), busy=st.booleans())
def test_free_memory_is_within_the_total(key: str, card: Gpu, now: int, busy: bool) -> None:
    stats = machine_stats(Machine(key, card), now, busy=busy)
    assert 0 < (stats.system.ram_free or 0) < (stats.system.ram_total or 0)
    assert all(0 < (device.vram_free or 0) < (device.vram_total or 0) for device in stats.devices)
    assert stats == machine_stats(Machine(key, card), now, busy=busy)


@pytest.mark.parametrize("card", CARDS, ids=lambda card: card.model)
def test_a_card_is_named_and_has_its_memory(card: Gpu) -> None:
    (device,) = machine_stats(Machine("0/2", card), NOW, busy=False).devices
    assert device.type == "cuda"
    assert card.device in (device.name or "")
    assert device.vram_total == card.memory * 1024**3


def test_a_processor_has_the_memory_of_its_machine() -> None:
    stats = machine_stats(Machine("0/2", CPU), NOW, busy=True)
    (device,) = stats.devices
    assert (device.name, device.type) == ("cpu", "cpu")
    assert (device.vram_total, device.vram_free) == (stats.system.ram_total, stats.system.ram_free)


def test_busy_machine_uses_more_memory() -> None:
    machines = [Machine(f"0/{number}", A100) for number in range(50)]
    assert max(used(machine, NOW, busy=False) for machine in machines) < 0.31
    assert min(used(machine, NOW, busy=True) for machine in machines) > 0.54


def test_numbers_stay_for_minutes() -> None:
    machine = Machine("0/2", A100)
    hour = [machine_stats(machine, second, busy=True) for second in range(NOW, NOW + 3600, 10)]
    changes = sum(before != after for before, after in pairwise(hour))
    assert 3600 // STEP_SECONDS - 2 <= changes <= 3600 // STEP_SECONDS


def test_machine_identity_is_stable() -> None:
    machine = Machine("0/2", A100)
    now, later = (machine_stats(machine, second, busy=busy) for second, busy in ((NOW, True), (NOW + 10**7, False)))
    assert now.system.comfyui_version == later.system.comfyui_version
    assert (now.system.ram_total, now.dev_mode, now.extensions) == (
        later.system.ram_total,
        later.dev_mode,
        later.extensions,
    )
