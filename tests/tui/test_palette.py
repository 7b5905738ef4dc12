"""The palette: every command, every profile, every loaded runner."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, ClassVar

import pytest
from textual import on
from textual.app import App
from textual.command import CommandList, Hit, Provider
from textual.screen import Screen

from comfytui.config.state import InMemoryStateStore
from comfytui.engine.feed import Feed
from comfytui.engine.protocol import PageKey
from comfytui.engine.snapshot import Snapshot
from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import COMMANDS, Scope
from comfytui.tui.keys.keymap import Keymap, build_keymap
from comfytui.tui.palette import PROVIDERS, PaletteScreen, ProfileProvider
from comfytui.tui.screens.messages import ProfileSelected, RunnerRequested
from comfytui.tui.services import AppServices, SingleFleet
from comfytui.tui.theme.themes import NAMES, build_themes
from tests.support.builders import make_page, make_runner

if TYPE_CHECKING:
    from textual.binding import BindingType
    from textual.pilot import Pilot

    from comfytui.api.models import RunnerPage

HERE = {Scope.DASHBOARD, Scope.ITEM, Scope.ANYWHERE}


class Profiles(SingleFleet):
    """Two profiles that are never opened."""

    @property
    def profiles(self) -> tuple[str, ...]:
        return ("prod", "[b]lab[/b]")


class Place(Screen[None]):
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.DASHBOARD, Scope.ITEM)]


class Slow(Provider):
    """Finds what is typed with an exclamation mark behind it; more than one letter only when it is let."""

    async def search(self, query: str) -> AsyncIterator[Hit]:
        app = self.app
        assert isinstance(app, PaletteApp)
        if len(query) > 1:
            await app.let.wait()
        yield Hit(1.0, f"{query}!", partial(app.given.append, query))


class PaletteApp(App[None]):
    """Says what was asked of it."""

    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = set(PROVIDERS)
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.ANYWHERE)]

    def __init__(self, snapshot: Snapshot, services: AppServices) -> None:
        super().__init__()
        for theme in build_themes(services.color_depth):
            self.register_theme(theme)
        self.theme = NAMES[0]
        self.set_keymap(services.keymap.as_textual)
        self.snapshot = snapshot
        self.services = services
        self.given: list[str] = []
        self.let = asyncio.Event()

    def get_default_screen(self) -> Place:
        return Place()

    def action_command_palette(self) -> None:
        self.push_screen(PaletteScreen())

    def action_toggle_mouse(self) -> None:
        self.given.append("toggle_mouse")

    @on(RunnerRequested)
    def _opened(self, event: RunnerRequested) -> None:
        self.given.append(event.runner_id)

    @on(ProfileSelected)
    def _switched(self, event: ProfileSelected) -> None:
        self.given.append(event.name)


def loaded(*pages: RunnerPage) -> Snapshot:
    """Pages fetched one after another."""
    feeds = {PageKey(page=at): Feed(page, fetched_monotonic=float(at)) for at, page in enumerate(pages, 1)}
    return Snapshot(pages=feeds)


@asynccontextmanager
async def opened(
    *pages: RunnerPage, keys: Mapping[str, tuple[str, ...]] | None = None, size: tuple[int, int] = (80, 60)
) -> AsyncIterator[tuple[PaletteApp, Pilot[None]]]:
    keymap = build_keymap("default", keys) if keys else Keymap()
    app = PaletteApp(loaded(*pages), AppServices(InMemoryStateStore(), fleets=Profiles(), keymap=keymap))
    async with app.run_test(size=size) as pilot:
        await pilot.press("colon")
        await offered(app, pilot, "")
        yield app, pilot


async def offered(app: PaletteApp, pilot: Pilot[None], typed: str) -> list[str]:
    """The palette's lines once it has searched for what is typed."""
    await pilot.press(*typed)
    async with asyncio.timeout(15):
        while any(not worker.is_finished for worker in app.workers if worker.name == "_gather_commands"):
            await pilot.pause()
    await pilot.pause()
    commands = app.screen.query_one(CommandList)
    return [str(commands.get_option_at_index(at).prompt) for at in range(commands.option_count)]


def text(app: PaletteApp) -> str:
    return "\n".join(strip.text.rstrip() for strip in app.screen._compositor.render_strips())


async def test_every_command_is_there_with_its_keys_and_no_runner_before_anything_is_typed() -> None:
    keys: Mapping[str, tuple[str, ...]] = {"toggle_mouse": (), "filter": ("[",), "previous_page": ("f5", "p")}
    async with opened(make_page(make_runner("a")), keys=keys) as (app, pilot):
        lines = await offered(app, pilot, "")
        titles = [each.help for each in COMMANDS if each.in_palette and each.scope in HERE]
        titles[titles.index("Switch to another profile")] = "Switch to profile prod"
        titles.insert(titles.index("Switch to profile prod") + 1, "Switch to profile [b]lab[/b]")
        assert [line.split("  ")[0] for line in lines] == titles
        assert {"Next page of runners  n ]", "Previous page of runners  f5 p", "Mouse on or off"} <= set(lines)
        assert "Filter while typing  [" in lines
        assert "Next page of runners  n ]" in text(app)


async def test_a_command_that_has_no_key_is_given() -> None:
    async with opened(keys={"toggle_mouse": ()}) as (app, pilot):
        assert (await offered(app, pilot, "mouse"))[0] == "Mouse on or off"
        await pilot.press("enter")
        await pilot.pause()
        assert app.given == ["toggle_mouse"]


async def test_a_runner_is_found_by_some_letters_and_gone_to() -> None:
    page = make_page(make_runner("r-1", name="Production GPU"), make_runner("r-2", name="Lab"))
    async with opened(page) as (app, pilot):
        assert (await offered(app, pilot, "prgpu"))[0] == "Production GPU  r-1"
        await pilot.press("enter")
        await pilot.pause()
        assert app.given == ["r-1"]


async def test_a_runner_on_two_pages_is_there_once_as_the_newest_answer_has_it() -> None:
    older = make_page(make_runner("r-1", name="wombat old"))
    newer = make_page(make_runner("r-1", name="wombat new"), make_runner("wombat-2", name=" "))
    async with opened(older, newer) as (app, pilot):
        assert sorted(await offered(app, pilot, "wombat")) == ["wombat new  r-1", "wombat-2  wombat-2"]


async def test_no_more_than_fifty_runners_are_shown_the_best_of_them_first() -> None:
    runners = [make_runner(f"r{at}", name=f"worker zz {at}") for at in range(200)]
    async with opened(make_page(*runners, make_runner("it", name="zz"))) as (app, pilot):
        lines = await offered(app, pilot, "zz")
        assert (len(lines), lines[0]) == (50, "zz  it")


async def test_runners_that_match_as_well_are_in_natural_order() -> None:
    runners = [make_runner(f"r{at}", name=name) for at, name in enumerate(["lab-b-10", "lab-b-09", "lab-a-11"])]
    async with opened(make_page(*runners)) as (app, pilot):
        assert await offered(app, pilot, "lab-") == ["lab-a-11  r2", "lab-b-09  r1", "lab-b-10  r0"]


async def test_enter_typed_behind_letters_takes_what_those_find_and_not_what_fewer_found() -> None:
    async with opened() as (app, pilot):
        await pilot.press("escape")
        app.push_screen(PaletteScreen((Slow,)))
        assert await offered(app, pilot, "a") == ["a!"]
        await pilot.press("b", "enter")
        assert app.given == []
        app.let.set()
        async with asyncio.timeout(15):
            while not app.given:
                await pilot.pause()
        assert app.given == ["ab"]
        assert isinstance(app.screen, Place)


async def test_typing_behind_enter_cancels_it() -> None:
    async with opened() as (app, pilot):
        await pilot.press("escape")
        app.push_screen(PaletteScreen((Slow,)))
        await pilot.pause()
        await pilot.press("a", "b", "enter", "c")
        app.let.set()
        assert await offered(app, pilot, "") == ["abc!"]
        assert app.given == []


async def test_palette_tells_how_many_runners_are_loaded() -> None:
    async with opened(make_page(make_runner("r-1"), make_runner("r-2"), total=130)) as (app, _):
        assert "2 of 130 runners loaded" in text(app)
    async with opened(make_page(make_runner("r-1"))) as (app, _):
        assert "runners loaded" not in text(app)


@pytest.mark.parametrize("name", ["[b]bold[/b] name", "[@click=app.quit]name", "name [", "na\\[me name", "日本 name"])
async def test_names_are_text_and_never_markup(name: str) -> None:
    async with opened(make_page(make_runner("r-1", name=name))) as (app, pilot):
        assert f"{name}  r-1" in await offered(app, pilot, "name")
        assert name in text(app)


async def test_a_profile_is_switched_to_whatever_its_name() -> None:
    async with opened() as (app, pilot):
        assert (await offered(app, pilot, "lab"))[0] == "Switch to profile [b]lab[/b]"
        await pilot.press("enter")
        await pilot.pause()
        assert app.given == ["[b]lab[/b]"]


async def test_profiles_alone_can_be_offered() -> None:
    app = PaletteApp(loaded(), AppServices(InMemoryStateStore(), fleets=Profiles()))
    async with app.run_test(size=(40, 10)) as pilot:
        app.push_screen(PaletteScreen((ProfileProvider,)))
        await pilot.pause()
        assert await offered(app, pilot, "") == ["Switch to profile prod", "Switch to profile [b]lab[/b]"]


@pytest.mark.parametrize(("down", "up", "close"), [("down", "up", "escape"), ("ctrl+n", "ctrl+p", "ctrl+g")])
async def test_palette_uses_the_keymap(down: str, up: str, close: str) -> None:
    keys = {"palette_down": (down,), "palette_up": (up,), "close_palette": (close,), "command_palette": (":",)}
    async with opened(keys=keys) as (app, pilot):
        commands = app.screen.query_one(CommandList)
        await pilot.press(down, down, up)
        assert commands.highlighted == 1
        await pilot.press(close)
        assert isinstance(app.screen, Place)


@pytest.mark.parametrize("size", [(40, 10), (200, 60)])
async def test_palette_fits_all_terminal_sizes(size: tuple[int, int]) -> None:
    async with opened(size=size) as (app, _):
        assert "Next page" in text(app)
        assert "🔎" not in text(app)
