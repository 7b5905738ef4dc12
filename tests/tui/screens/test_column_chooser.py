"""Choosing columns and their order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from comfytui.query.columns import RUNNER_COLUMNS, Column
from comfytui.tui.screens.column_chooser import ColumnChooserScreen
from tests.support.boxes import BoxApp

if TYPE_CHECKING:
    from textual.pilot import Pilot

COLUMNS = (Column("glyph", "", 1), Column("name", "name", 9), Column("last", "last", 9), Column("tags", "[b]tags", 9))


@dataclass
class Asked:
    """The box over an app, and what came of it."""

    app: BoxApp
    pilot: Pilot[None]
    answers: list[tuple[str, ...] | None] = field(default_factory=list)

    @property
    def ticks(self) -> list[str]:
        """The lines of the box that have a tick or room for one."""
        return [line[line.index("[") : line.rindex("│")].strip() for line in self.app.lines if "│ [" in line]


@asynccontextmanager
async def asked(
    *chosen: str, columns: Sequence[Column] = COLUMNS, size: tuple[int, int] = (80, 24), app: BoxApp | None = None
) -> AsyncIterator[Asked]:
    app = app or BoxApp()
    async with app.run_test(size=size) as pilot:
        box = Asked(app, pilot)
        app.push_screen(ColumnChooserScreen(columns, chosen), box.answers.append)
        await pilot.pause()
        yield box


async def test_columns_are_listed_as_chosen_and_the_others_below() -> None:
    async with asked("tags", "name") as box:
        assert box.ticks == ["[ ] the usual ones, as many as fit", "[x] [b]tags", "[x] name  always", "[ ] last"]
        await box.pilot.press("escape")
        assert box.answers == [("tags", "name")]


async def test_nothing_chosen_are_the_usual_ones() -> None:
    async with asked() as box:
        assert box.ticks == ["[x] the usual ones, as many as fit", "[x] name  always", "[x] last", "[x] [b]tags"]
        await box.pilot.press("space", "K", "J", "c")
        assert box.answers == [()]


async def test_space_shows_and_hides_all_but_the_name() -> None:
    async with asked() as box:
        await box.pilot.press("down", "space", "down", "space")
        assert box.ticks == ["[ ] the usual ones, as many as fit", "[x] name  always", "[ ] last", "[x] [b]tags"]
        await box.pilot.press("enter")
        assert box.answers == [("name", "tags")]


@pytest.mark.parametrize("keys", ["G K K", "end shift+up shift+up shift+up", "G K J K K"])
async def test_a_column_moves_and_the_cursor_with_it(keys: str) -> None:
    async with asked() as box:
        await box.pilot.press(*keys.split(), "down", "space", "escape")
        assert box.answers == [("tags", "name", "last")]


async def test_the_usual_ones_come_back() -> None:
    async with asked("tags") as box:
        await box.pilot.press("space", "down", "escape")
        assert box.answers == [()]


async def test_a_click_moves_the_cursor_and_another_ticks() -> None:
    async with asked() as box:
        line = next(place for place, text in enumerate(box.app.lines) if "[x] last" in text)
        for _ in range(2):
            await box.pilot.click(offset=(30, line))
        assert "[ ] last" in box.ticks
        await box.pilot.press("escape")
        assert box.answers == [("name", "tags")]


async def test_column_chooser_scrolls_on_small_screens() -> None:
    async with asked(columns=RUNNER_COLUMNS, size=(40, 10)) as box:
        assert box.app.lines[0].startswith("╭─ Columns ─")
        assert box.app.lines[-1] == "╰─ space on/off  K/J move  ⏎ done ─────╯"
        assert len(box.ticks) == 7
        await box.pilot.press("G", "space")
        assert box.ticks[-1] == "[ ] updated"


async def test_the_foot_names_the_live_keys() -> None:
    app = BoxApp(keys={"toggle_column": "x", "column_down": "ctrl+n", "close_chooser": "w"})
    async with asked(app=app) as box:
        assert "╰─ x on/off  K/^n move  w done ─" in "\n".join(box.app.lines)
        await box.pilot.press("down", "down", "x", "ctrl+n", "escape", "enter", "w")
        assert box.answers == [("name", "tags")]
