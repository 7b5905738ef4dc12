"""Pictures of the dashboard for the README: `python -m tests.screenshots [FOLDER]`.

Made from the seeded demo and a clock that stands still, in UTC, so that the same code makes the same bytes.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from comfytui.render.export import strip_external_assets
from tests.support.pilot import demo

FOLDER = Path(__file__).parent.parent / "screenshots"


@dataclass(frozen=True, slots=True)
class Scene:
    """A picture: its name, the terminal's size, and the keys pressed on the way to it."""

    name: str
    size: tuple[int, int]
    keys: Sequence[str] = ()


SCENES = (
    Scene("dashboard", (140, 40)),
    Scene("drill", (120, 32), ("enter", *["down"] * 7, "enter")),
    Scene("filter", (120, 24), ("slash", *"a100", "space", "exclamation_mark", *"staging")),
    Scene("light", (120, 32), ("t", "o", "O")),
    Scene("medium", (80, 24), ("enter",)),
    Scene("narrow", (48, 20), ("enter",)),
    Scene("help", (100, 36), ("question_mark",)),
)


async def picture(scene: Scene) -> str:
    """The scene as an SVG that asks nobody for anything."""
    async with demo(scene.size) as driven:
        await driven.passes_in_steps(30)
        await driven.knows_all_in_view()
        await driven.pilot.press(*scene.keys)
        # Who goes from runner to runner asks more than may be asked at once.
        await driven.passes_in_steps(10)
        return strip_external_assets(driven.app.export_screenshot(title="comfytui"))


def main() -> None:
    """Make every picture."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True)
    for scene in SCENES:
        (folder / f"{scene.name}.svg").write_text(asyncio.run(picture(scene)), encoding="utf-8")


if __name__ == "__main__":
    main()
