"""What a runner's machine says of itself, as frozen values (page get-runner-stats); as tolerant as `models`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from comfytui.api.redaction import redacted_text

__all__ = ["Device", "RunnerStats", "SystemStats", "read_stats"]

_MOST_BYTES = 2**63
_MOST_ENTRIES = 256


class SystemStats(NamedTuple):
    """The machine and what runs on it; None is not said.

    Attributes:
        os: Its operating system, such as `posix`.
        ram_total: Its memory, in bytes.
        ram_free: What is free of that, in bytes.
        comfyui_version: Such as `0.3.77`.
        python_version: Such as `3.12.12 (main, …) [GCC …]`.
    """

    os: str | None = None
    ram_total: int | None = None
    ram_free: int | None = None
    comfyui_version: str | None = None
    python_version: str | None = None


class Device(NamedTuple):
    """One device that computes; None is not said.

    Attributes:
        name: Such as `cuda:0 NVIDIA GeForce RTX 4090`.
        type: Such as `cuda`, `cpu` or `mps`.
        vram_total: Its memory, in bytes.
        vram_free: What is free of that, in bytes.
    """

    name: str | None = None
    type: str | None = None
    vram_total: int | None = None
    vram_free: int | None = None


class RunnerStats(NamedTuple):
    """What a runner answered when it was asked just now (get-runner-stats).

    Attributes:
        system: The machine.
        devices: Its devices, in the order sent.
        dev_mode: Whether it runs in development mode; None is not said.
        extensions: The names of what is installed beside it.
    """

    system: SystemStats = SystemStats()
    devices: tuple[Device, ...] = ()
    dev_mode: bool | None = None
    extensions: tuple[str, ...] = ()


def read_stats(body: object) -> RunnerStats:
    """Read the decoded JSON body of Get Runner Stats; ValueError with words where it is no object.

    What is missing, or of another kind than the page says, is None; entries that are no devices are left out.
    """
    if not isinstance(body, Mapping):
        raise ValueError("expected an object with system and devices")
    system, dev_mode = body.get("system"), body.get("dev_mode")
    return RunnerStats(
        system=_system(system) if isinstance(system, Mapping) else SystemStats(),
        devices=tuple(_device(entry) for entry in _entries(body.get("devices")) if isinstance(entry, Mapping)),
        dev_mode=dev_mode if isinstance(dev_mode, bool) else None,
        extensions=tuple(redacted_text(entry) for entry in _entries(body.get("extensions"))),
    )


def _system(sent: Mapping[str, object]) -> SystemStats:
    return SystemStats(
        os=_text(sent.get("os")),
        ram_total=_size(sent.get("ram_total")),
        ram_free=_size(sent.get("ram_free")),
        comfyui_version=_text(sent.get("comfyui_version")),
        python_version=_text(sent.get("python_version")),
    )


def _device(sent: Mapping[str, object]) -> Device:
    return Device(
        name=_text(sent.get("name")),
        type=_text(sent.get("type")),
        vram_total=_size(sent.get("vram_total")),
        vram_free=_size(sent.get("vram_free")),
    )


def _entries(sent: object) -> list[object]:
    if not isinstance(sent, list):
        return []
    return sent if len(sent) <= _MOST_ENTRIES else [*sent[:_MOST_ENTRIES], f"… more than {_MOST_ENTRIES}"]


def _text(sent: object) -> str | None:
    return redacted_text(sent) if isinstance(sent, str) and sent else None


def _size(sent: object) -> int | None:
    """Whole bytes; None for what no memory has, so that whoever divides by it need not mind."""
    if not isinstance(sent, (int, float)) or isinstance(sent, bool):
        return None
    return int(sent) if 0 <= sent < _MOST_BYTES else None
