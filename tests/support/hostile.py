"""Fleets as the API's JSON: decent ones, and such as nobody would wish for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

__all__ = [
    "HOSTILE_TEXTS",
    "HOSTILE_VALUES",
    "Json",
    "decent_history",
    "decent_runner",
    "decent_stats",
    "hostile_copy",
    "hostile_stats",
]

Json: TypeAlias = dict[str, Any]

CREATED = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)

HOSTILE_TEXTS = (
    "\x1b[2J\x1b[31mred",
    "\x1b]52;c;cm0gLXJmIC8=\x07",
    "\x1b]0;title\x1b\\",
    "\x9b31mC1\x9d0;title\x9c",
    "bell\x07back\x08\x08tab\tline\r\nnul\x00",
    "\u202egnp.exe\u2066\u200b\u200d\ufeff",
    "[/x] [bold red]markup[/] [@click=app.quit]quit[/] \\[",
    "漢字 e\u0301 👩‍👩‍👧 🏳️‍🌈 𝕏 ﷽",
    "half \ud83d of a character",
    "x" * 5000,
    " ",
    "",
    "%s {0} ${name} </td>",
)
"""Texts that must not reach a terminal, or be parsed, as they stand."""

HOSTILE_VALUES: tuple[object, ...] = (
    *HOSTILE_TEXTS,
    *(None, 0, -1.5, True, [], {}),
    ["[/x]", None, {"a": "\x1b[2J"}],
    10**4000,
    float("nan"),
)
"""Values that no field should have."""


def decent_runner(number: int) -> Json:
    """A runner as page get-runner shows it, the newest having the lowest number."""
    created = (CREATED - timedelta(minutes=number)).isoformat()
    return {
        "id": str(UUID(int=0x550E8400E29B41D4A716446655440000 + number)),
        "user_id": str(UUID(int=7)),
        "name": f"Runner {number:03}",
        "status": "disabled" if number % 5 == 4 else "active",
        "endpoint": f"https://comfy-{number}.example.com",
        "tags": ["gpu", f"rack-{number % 4}"],
        "headers": {"X-Api-Key": f"hunter2-{number}"},
        "created_at": created,
        "updated_at": created,
    }


def decent_history(runner: Json, count: int = 10) -> list[Json]:
    """A runner's newest workflows as page get-runner-history shows them; the newest is running."""
    seed = UUID(str(runner["id"])).int
    return [_decent_workflow(seed, number) for number in range(count)]


def decent_stats() -> Json:
    """What a runner's machine says of itself, as page get-runner-stats shows it."""
    memory = {"ram_free": 239499096064, "ram_total": 253344550912}
    return {
        "system": {"os": "posix", **memory, "comfyui_version": "0.3.77", "python_version": "3.12.12 (main)"},
        "devices": [{"name": "cuda:0", "type": "cuda", "vram_total": 25757220864, "vram_free": 25326780416}],
        "dev_mode": False,
        "extensions": ["ComfyUI-Manager"],
    }


def hostile_stats(number: int) -> Json:
    """The same with hostile values in every field, others for each number, down to those of the devices."""
    stats = decent_stats()
    system, device = stats["system"], stats["devices"][0]
    deep = {**stats, "system": _spoilt(system, number), "devices": [_spoilt(device, number), *HOSTILE_VALUES]}
    return _spoilt(stats, number) if number % 2 else {**deep, "extensions": list(HOSTILE_VALUES)}


def _spoilt(values: Json, number: int) -> Json:
    return {
        name: HOSTILE_VALUES[(number + place * 5) % len(HOSTILE_VALUES)] for place, name in enumerate([*values, "more"])
    }


def hostile_copy(entry: Json, number: int) -> Json:
    """The same with a hostile value in every field but the id, others for each number, and some fields missing."""
    names = [*entry, "\x1b[2J[/x]", "extra"]
    values = {
        name: HOSTILE_VALUES[(number + place * 5) % len(HOSTILE_VALUES)]
        for place, name in enumerate(names)
        if (number + place) % 11
    }
    if number % 3 == 0 and "headers" in entry:
        values["headers"] = {text: text for text in HOSTILE_TEXTS}
        values["tags"] = list(HOSTILE_TEXTS)
    return {**values, "id": entry["id"]}


def _decent_workflow(seed: int, number: int) -> Json:
    created = CREATED - timedelta(minutes=7 * number)
    return {
        "id": str(UUID(int=(seed * 31 + number) % 2**128)),
        "name": f"Workflow {number}",
        "status": "running" if number == 0 else "completed",
        "tags": ["text2img"],
        "created_at": created.isoformat(),
        "updated_at": created.isoformat(),
        "started_at": (created + timedelta(seconds=5)).isoformat(),
        "completed_at": (created + timedelta(minutes=2)).isoformat() if number else None,
    }
