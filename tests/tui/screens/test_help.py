"""Help made from the live keymap."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, ClassVar

import pytest
from textual.screen import Screen

from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import COMMANDS, Scope
from comfytui.tui.keys.keymap import PRESETS, Keymap, build_keymap
from comfytui.tui.screens.help import HelpScreen, help_sections
from tests.support.boxes import BoxApp

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.pilot import Pilot


class Dashboard(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.TABLE, Scope.DASHBOARD, Scope.ITEM)]


class Workflow(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.PANEL, Scope.WORKFLOW, Scope.ITEM)]


class Log(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.TABLE, Scope.LOG)]


class Door(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.CHOICE, Scope.LOGIN)]


SCREENS = (Dashboard, Workflow, Log, Door)


class HelpApp(BoxApp, inherit_bindings=False):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.ANYWHERE)]

    def __init__(self, screen: type[Screen[None]], keymap: Keymap) -> None:
        super().__init__(keys=keymap.as_textual)
        self._first = screen
        self._live = keymap

    def get_default_screen(self) -> Screen[None]:
        return self._first()

    def action_show_help(self) -> None:
        self.push_screen(HelpScreen(help_sections(self.screen, self._live)))


@asynccontextmanager
async def on(
    screen: type[Screen[None]], keymap: Keymap | None = None, size: tuple[int, int] = (80, 24)
) -> AsyncIterator[tuple[HelpApp, Pilot[None]]]:
    app = HelpApp(screen, keymap or Keymap())
    async with app.run_test(size=size) as pilot:
        yield app, pilot


async def sections(screen: type[Screen[None]], keymap: Keymap | None = None) -> dict[str, list[tuple[str, str]]]:
    async with on(screen, keymap) as (app, _):
        return help_sections(app.screen, keymap or Keymap())


async def scrolled(app: HelpApp, pilot: Pilot[Any]) -> str:
    """All that can be read, a screenful after another, from the top to the end."""
    assert isinstance(app.screen, HelpScreen)
    panel, seen, top = app.screen.panel, [app.text], -1
    while panel.top != top:
        top = panel.top
        await pilot.press("pagedown")
        seen.append(app.text)
    return "\n".join(seen)


async def test_every_command_is_in_the_help_of_some_screen() -> None:
    found = {what for screen in SCREENS for rows in (await sections(screen)).values() for _, what in rows}
    assert {each.help for each in COMMANDS} <= found


async def test_help_has_keys_of_screen_and_dialogs() -> None:
    there = await sections(Workflow)
    assert [*there] == [
        "In a panel",
        "On the item in view",
        "On the workflow screen",
        "Anywhere",
        "In the help",
        "In a text box",
        "In the palette",
    ]
    assert ("esc", "Back to the history") in there["On the workflow screen"]
    assert "In the filter box" in await sections(Dashboard)


async def test_a_key_that_means_something_closer_is_not_told_twice() -> None:
    there = await sections(Log)
    assert ("esc L", "Close the request log") in there["In the request log"]
    assert all(what != "Request log: the last 500 requests" for _, what in there["Anywhere"])


@pytest.mark.parametrize("preset", PRESETS)
async def test_the_keys_are_those_of_the_keymap(preset: str) -> None:
    told = {
        what: keys for rows in (await sections(Dashboard, build_keymap(preset, {}))).values() for keys, what in rows
    }
    wanted = {
        "default": ("^p :", "g home", "esc", "^z"),
        "vim": (": ^p", "g home", "esc", "^z"),
        "emacs": ("alt+x :", "alt+< < home g alt+shift+,", "^g esc", "^z"),
        "tmux-safe": (":", "g home", "esc", "palette"),
    }
    names = ("Command palette", "First row", "Close the box", "Suspend to the shell")
    assert tuple(told[each] for each in names) == wanted[preset]


@pytest.mark.parametrize("size", [(80, 24), (40, 10)])
async def test_help_scrolls_on_small_screens(size: tuple[int, int]) -> None:
    async with on(Dashboard, size=size) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert "In a table" in app.text
        assert "Quit" not in app.text
        seen = await scrolled(app, pilot)
        assert "Quit, whatever" in seen
        assert "running" in seen
        assert "sorted" in app.text


async def test_help_is_laid_out_for_a_new_width() -> None:
    async with on(Dashboard, size=(40, 30)) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert "A screenful down" in app.text
        await pilot.resize_terminal(100, 60)
        await pilot.pause()
        assert "Reveal header values until the selection moves" in app.text


async def test_help_shows_its_closing_key() -> None:
    async with on(Dashboard, build_keymap("emacs", {})) as (app, pilot):
        await pilot.press("question_mark")
        await pilot.pause()
        assert "^g closes" in app.text
        await pilot.press("ctrl+g")
        assert isinstance(app.screen, Dashboard)
