"""The application around its screens."""

from __future__ import annotations

import subprocess
import sys

import pytest
from textual.widgets._toast import ToastRack

from comfytui.engine.protocol import PageKey
from comfytui.tui.keys.commands import COMMANDS, Scope
from tests.support.builders import make_page, make_runner
from tests.support.pilot import demo, scripted


@pytest.mark.parametrize("key", ["q", "ctrl+c"])
@pytest.mark.parametrize("before", [(), ("enter", "enter"), ("question_mark",)])
async def test_app_quits_from_every_screen(key: str, before: tuple[str, ...]) -> None:
    async with demo() as driven:
        await driven.press(*before)
        await driven.pilot.press(key)
        assert driven.app._exit
        assert driven.app.return_code == 0


async def test_ctrl_c_quits_from_the_palette() -> None:
    async with demo() as driven:
        await driven.pilot.press("ctrl+p")
        await driven.pilot.press("ctrl+c")
        assert driven.app._exit


async def test_the_frame_is_there_and_quits_before_anything_is_answered() -> None:
    async with scripted(make_page()) as (driven, _):
        screen = driven.app.screen
        assert screen.is_running
    # The panes stand before the first snapshot: the default screen is the dashboard itself.
    assert type(driven.app.get_default_screen()).__name__ == "DashboardScreen"


async def test_no_bar_is_made_for_notes_before_there_are_any() -> None:
    async with demo() as driven:
        assert not driven.app.screen.get_child_by_type(ToastRack).show_vertical_scrollbar


async def test_help_lists_the_keys_that_work_here() -> None:
    async with demo((100, 60)) as driven:
        await driven.press("question_mark")
        await driven.sees("In a table", "In the dashboard", "Anywhere")
        here = [each for each in COMMANDS if each.scope in {Scope.TABLE, Scope.DASHBOARD, Scope.ANYWHERE}]
        await driven.sees(*(each.help for each in here))
        await driven.press("question_mark")
        await driven.sees("Production GPU Runner")


async def test_help_scrolls_where_it_does_not_fit() -> None:
    async with demo((80, 24)) as driven:
        await driven.press("question_mark")
        assert "sorted ascending" not in driven.text
        await driven.press("G")
        await driven.sees("sorted ascending")
        await driven.press("g")
        await driven.sees("In a table")


@pytest.mark.parametrize("key", ["ctrl+p", "colon"])
async def test_the_palette_runs_commands(key: str) -> None:
    async with demo() as driven:
        await driven.press(key)
        await driven.sees("Next page of runners", "Status filter")
        await driven.pilot.press(*"next page", "enter")
        await driven.until(lambda: driven.app.snapshot.viewport.page.page == 2)


async def test_every_command_of_the_palette_can_be_given() -> None:
    async with demo() as driven:
        actions = {active.binding.id for active in driven.app.screen.active_bindings.values()}
        offered = {each.id for each in COMMANDS if each.in_palette and each.scope is not Scope.WORKFLOW}
        assert offered <= actions


async def test_plus_and_minus_change_the_interval() -> None:
    async with demo() as driven:
        await driven.press("minus")
        await driven.sees("every 10 s")
        await driven.press("plus", "plus")
        await driven.sees("every 2 s")
        await driven.press(*["plus"] * 5)
        await driven.sees("every 1 s")


async def test_times_go_round_three_styles() -> None:
    page = make_page(make_runner("a", created_at="2024-01-15T10:30:00Z"))
    async with scripted(page) as (driven, _):
        await driven.sees("ago")
        assert "│ UTC │" not in driven.lines[0]
        await driven.press("u")
        assert " ago" not in driven.text
        await driven.press("u")
        await driven.sees("2024-01-15 10:30:00 UTC")
        assert "│ UTC │ runners" in driven.lines[0], "where no time is told in full the zone is named, too"
        await driven.press("L")
        await driven.sees("Requests  times in UTC")
        await driven.press("escape", "u")
        await driven.sees("ago")


async def test_the_footer_shows_the_keys_of_where_one_is() -> None:
    async with demo((140, 40)) as driven:
        assert "⏎ in" in driven.lines[-1]
        await driven.press("tab")
        assert "⏎ in" not in driven.lines[-1]
        await driven.press("tab", "enter")
        await driven.sees("esc back")


async def test_after_a_suspension_all_is_drawn_and_asked_again() -> None:
    async with scripted(make_page(make_runner("a"))) as (driven, source):
        source.forget()
        await driven.clock.advance(3)
        driven.app.app_resume_signal.publish(driven.app)
        await driven.until(lambda: PageKey() in source.asked)
        screen = driven.app.screen
        screen._repaint_regions.clear()
        driven.app._resumed(driven.app)
        assert screen.size.region in screen._repaint_regions


def test_first_frame_imports_nothing_unneeded() -> None:
    later = ("comfytui.tui.palette", "comfytui.ratelimit.local", "json")
    code = f"""
import sys
before = set(sys.modules)  # what Python itself was told to begin with is another machine's business
import comfytui.config.state, comfytui.tui.app
print(sorted(set({later}) & (set(sys.modules) - before)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"


def test_no_start_waits_for_dataclasses_to_be_made() -> None:
    code = """
import dataclasses, sys
import comfytui.tui.app, comfytui.tui.services
loaded = [module for name, module in sys.modules.items() if name.startswith("comfytui.tui.")]
made = [thing for module in loaded for thing in vars(module).values() if isinstance(thing, type)]
made += [thing for owner in made for thing in vars(owner).values() if isinstance(thing, type)]
ours = {each for each in made if each.__module__.startswith("comfytui.tui.")}
print(sorted(each.__name__ for each in ours if dataclasses.is_dataclass(each)))
"""
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"[]\n"
