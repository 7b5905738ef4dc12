"""Stats of a simulated machine as a pure function of its key and the time.

Numbers change every few minutes, so most polls see none change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfytui.api.models import Device, RunnerStats, SystemStats
from comfytui.gateway.demo.workflows import SeededRandom

if TYPE_CHECKING:
    from comfytui.gateway.demo.catalog import Gpu


STEP_SECONDS = 300
"""Seconds for which the numbers of a machine stay while its work does."""

_GIB = 1024**3
_STEPS_PER_GIB = 16
_RAM_SIZES = (32, 64, 128, 256)
_VERSIONS = ("0.3.64", "0.3.76", "0.3.77", "0.25.1", "0.33.0", "0.33.0")
_PYTHONS = (
    "3.10.12 (main, Feb  4 2025, 14:57:36) [GCC 11.4.0]",
    "3.12.3 (main, Jun 18 2025, 17:59:45) [GCC 13.3.0]",
    "3.12.12 (main, Oct 15 2025, 01:13:28) [GCC 12.2.0]",
)
_EXTENSIONS = (
    "ComfyUI-Manager",
    "ComfyUI-VideoHelperSuite",
    "comfyui_controlnet_aux",
    "ComfyUI-Impact-Pack",
    "rgthree-comfy",
    "ComfyUI_essentials",
)


@dataclass(frozen=True, slots=True)
class Machine:
    """Machine of a runner.

    Attributes:
        key: Seed of its random numbers, the fleet's seed included.
        card: Its graphics card.
    """

    key: str
    card: Gpu


def machine_stats(machine: Machine, now: int, *, busy: bool) -> RunnerStats:
    """Return a machine's stats at a second since the Unix epoch; a busy one uses more memory."""
    fixed = SeededRandom(f"{machine.key}/machine")
    ram_total = fixed.choice(_RAM_SIZES) * _GIB
    step = (now + fixed.randrange(STEP_SECONDS)) // STEP_SECONDS
    moved = SeededRandom(f"{machine.key}/machine/{step}/{busy}")
    ram_free = _free(moved, ram_total, *((0.3, 0.6) if busy else (0.08, 0.25)))
    return RunnerStats(
        system=SystemStats(
            os="posix",
            ram_total=ram_total,
            ram_free=ram_free,
            comfyui_version=fixed.choice(_VERSIONS),
            python_version=fixed.choice(_PYTHONS),
        ),
        devices=(_device(machine.card, moved, ram_total, ram_free, busy=busy),),
        dev_mode=fixed.random() < 0.1,
        extensions=tuple(fixed.sample(_EXTENSIONS, fixed.randint(0, len(_EXTENSIONS)))),
    )


def _device(card: Gpu, moved: SeededRandom, ram_total: int, ram_free: int, *, busy: bool) -> Device:
    if not card.memory:
        return Device(name=card.device, type="cpu", vram_total=ram_total, vram_free=ram_free)
    total = card.memory * _GIB
    free = _free(moved, total, *((0.55, 0.94) if busy else (0.03, 0.3)))
    return Device(name=f"cuda:0 {card.device} : cudaMallocAsync", type="cuda", vram_total=total, vram_free=free)


def _free(moved: SeededRandom, total: int, least: float, most: float) -> int:
    """Return the free bytes of a memory of which between two shares are used, in coarse steps."""
    used = round(total / _GIB * moved.uniform(least, most) * _STEPS_PER_GIB)
    return total - used * _GIB // _STEPS_PER_GIB
