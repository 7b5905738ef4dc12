"""What the main screens look like on every kind of terminal: `python -m tests.golden [FOLDER]` writes it anew.

For each size and each kind of terminal there is a file with the screens one after another: the text, and below it
the style of each line's cells, in runs. `a12 b3` is twelve cells in the style a, then three in b; what the letters
stand for is said at the end.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import string
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.config.state import InMemoryStateStore
from comfytui.tui.services import AppServices
from comfytui.tui.terminal.capabilities import ColorDepth
from tests.support.pilot import Driven, demo

if TYPE_CHECKING:
    from textual.strip import Strip

FOLDER = Path(__file__).parent / "goldens"

SIZES = ((40, 10), (80, 24), (120, 40), (200, 60))

TERMINALS: Mapping[str, AppServices] = {
    "truecolor": AppServices(InMemoryStateStore(), color_depth=ColorDepth.TRUECOLOR),
    "16": AppServices(InMemoryStateStore(), color_depth=ColorDepth.COLORS_16),
    "nocolor": AppServices(InMemoryStateStore(), color_depth=ColorDepth.NONE),
    "ascii": AppServices(InMemoryStateStore(), color_depth=ColorDepth.TRUECOLOR, ascii=True),
}

WALK: Mapping[str, Sequence[str]] = {
    "the dashboard": (),
    "a filter being typed": ("slash", "g", "p", "u"),
    "the history": ("enter", "enter"),
    "a workflow": ("down", "enter"),
    "the help": ("escape", "escape", "escape", "question_mark"),
}
"""The screens, and the keys from each to the next."""

RUNNERS = 6
_LETTERS = [*string.ascii_letters, *("".join(pair) for pair in itertools.product(string.ascii_letters, repeat=2))]


@dataclass(frozen=True, slots=True)
class Golden:
    """A file: a size, and a kind of terminal."""

    size: tuple[int, int]
    terminal: str

    @property
    def name(self) -> str:
        """The file's name."""
        return f"{self.size[0]}x{self.size[1]}-{self.terminal}.txt"


GOLDENS = [Golden(size, terminal) for size in SIZES for terminal in TERMINALS]


async def drawn(golden: Golden) -> str:
    """What the file has to say."""
    letters: dict[str, str] = {}
    lines: list[str] = []
    async with demo(golden.size, RUNNERS, services=TERMINALS[golden.terminal]) as driven:
        await driven.passes_in_steps(5)
        await driven.knows_all_in_view()
        for title, keys in WALK.items():
            await driven.press(*keys)
            lines += [f"=== {title}", *_screen(driven, letters), ""]
    legend = (f"{letter} {style}" for style, letter in letters.items())
    return "\n".join([*lines, "=== styles", *legend, ""])


def _screen(driven: Driven, letters: dict[str, str]) -> Iterator[str]:
    strips = driven.app.screen._compositor.render_strips()
    yield from (strip.text.rstrip() for strip in strips)
    yield "---"
    yield from (_styles(strip, letters) for strip in strips)


def _styles(strip: Strip, letters: dict[str, str]) -> str:
    runs = [(str(style.without_color + style) if style else "none", len(text)) for text, style, _ in strip if text]
    grouped = itertools.groupby(runs, key=lambda run: run[0])
    return " ".join(f"{_letter(look, letters)}{sum(width for _, width in run)}" for look, run in grouped)


def _letter(look: str, letters: dict[str, str]) -> str:
    return letters.setdefault(look, _LETTERS[len(letters)])


def main() -> None:
    """Write every file."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(exist_ok=True)
    for golden in GOLDENS:
        (folder / golden.name).write_text(asyncio.run(drawn(golden)), encoding="utf-8")


if __name__ == "__main__":
    main()
