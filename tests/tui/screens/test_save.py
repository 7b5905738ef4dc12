"""Naming a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from comfytui.render.export import ExportFormat, validate_file_name
from comfytui.tui.screens.save import ENDINGS, SaveScreen
from comfytui.tui.theme.themes import NAMES
from tests.support.boxes import BoxApp

if TYPE_CHECKING:
    from textual.pilot import Pilot

OFFERED = "comfytui-runners-20260131-142500.txt"


@dataclass
class Asked:
    """The box over an app, and what came of it."""

    app: BoxApp
    pilot: Pilot[None]
    answers: list[str | None] = field(default_factory=list)


@asynccontextmanager
async def asked(
    name: str = OFFERED, size: tuple[int, int] = (80, 24), app: BoxApp | None = None
) -> AsyncIterator[Asked]:
    app = app or BoxApp()
    async with app.run_test(size=size) as pilot:
        box = Asked(app, pilot)
        app.push_screen(SaveScreen(name), box.answers.append)
        await pilot.pause()
        yield box


async def test_the_name_offered_can_be_taken_as_it_is() -> None:
    async with asked() as box:
        await box.pilot.press("enter")
        assert box.answers == [OFFERED]


async def test_cursor_starts_behind_the_extension() -> None:
    async with asked() as box:
        await box.pilot.press(*["backspace"] * 3, *"csv", "enter")
        assert box.answers == ["comfytui-runners-20260131-142500.csv"]


async def test_every_letter_is_part_of_the_name_whatever_it_does_elsewhere() -> None:
    async with asked("") as box:
        await box.pilot.press(*"q?:r /", "backspace", *".txt", "enter")
        assert box.answers == ["q?:r .txt"]


async def test_invalid_name_is_explained_and_refused() -> None:
    async with asked("a.png") as box:
        assert "The name must end in .txt, .csv, .json or .svg." in box.app.text
        await box.pilot.press("enter")
        assert box.answers == []
        await box.pilot.press("home", "/")
        await box.pilot.pause()
        assert "Leave out / and \\: the file is saved in this directory." in box.app.text
        await box.pilot.press("ctrl+u", *"[b]", "end", *["backspace"] * 3, *"svg")
        await box.pilot.pause()
        assert "No /" not in box.app.text
        await box.pilot.press("enter")
        assert box.answers == ["[b]a.svg"]


async def test_escape_saves_nothing() -> None:
    async with asked() as box:
        await box.pilot.press("escape")
        assert box.answers == [None]


async def test_the_keys_it_names_are_the_live_ones() -> None:
    async with asked(app=BoxApp(keys={"close_prompt": "ctrl+right_square_bracket,escape"})) as box:
        assert "╰─ enter saves  ^] goes back ─" in box.app.text
        await box.pilot.press("ctrl+right_square_bracket")
        assert box.answers == [None]


async def test_all_of_it_fits_where_there_is_little_room() -> None:
    async with asked("a/b", size=(40, 10)) as box:
        text = " ".join(box.app.text.replace("│", " ").split())
        assert ENDINGS.replace("  ", " ") in text
        assert str(validate_file_name("a/b")) in text
        assert [line[0] + line[-1] for line in box.app.lines if line.startswith(("╭", "╰"))] == ["╭╮", "╰╯"]


def test_every_ending_is_named() -> None:
    assert all(f".{kind} " in ENDINGS for kind in ExportFormat)


@pytest.mark.parametrize("theme", NAMES)
async def test_name_error_stands_out_in_every_theme(theme: str) -> None:
    async with asked("a/b", app=BoxApp(theme=theme)) as box:
        styles = [box.app.screen.query_one(f"#{part}").rich_style for part in ("wrong", "endings", "save")]
        assert len({style.color for style in styles}) == len(styles)
        assert len({style.bgcolor for style in styles}) == 1
