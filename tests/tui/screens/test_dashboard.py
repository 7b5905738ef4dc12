"""The main screen, driven by keys against the in-process gateway."""

from __future__ import annotations

import pytest
from textual.events import Key, ScreenResume
from textual.screen import Screen

from comfytui.engine.protocol import PageKey, RunnerKey
from comfytui.tui.screens.dashboard import DashboardScreen
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.pilot import Driven, demo, scripted

ID = "550e8400-e29b-41d4-a716-446655440000"


def dashboard(driven: Driven) -> DashboardScreen:
    screen = driven.app.screen_stack[0]
    assert isinstance(screen, DashboardScreen)
    return screen


async def test_three_panes_show_the_first_page_the_first_runner_and_its_history() -> None:
    async with demo() as driven:
        await driven.sees("page 1/5  1–25 of 120", "Production GPU Runner", "Development Runner")
        await driven.sees("https://my-comfy.example.com", ID, "7c9e6679-7425-40de-944b-e07fc1f90ae7")
        await driven.sees("Authorization  ••••••••", "X-Custom-Header  ••••••••", "image-generation")
        await driven.sees("Recent workflows", "queued")
        await driven.sees("demo │ ● live │ 120 runners │ every 5 s │ runners")
        assert "secret_token" not in driven.text


async def test_styles_are_looked_up_again_when_it_comes_back_and_not_as_it_begins(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[bool] = []
    theirs = Screen._on_screen_resume

    def ours(screen: Screen[object], event: ScreenResume) -> None:
        asked.append(event.refresh_styles)
        theirs(screen, event)

    monkeypatch.setattr(Screen, "_on_screen_resume", ours)
    async with demo() as driven:
        await driven.press("L", "escape")
        await driven.sees("Production GPU Runner")
    assert asked[0] is False
    assert asked[-1] is True


async def test_paging_forth_and_back_stops_at_both_ends() -> None:
    async with demo() as driven:
        await driven.press("p")
        await driven.sees("page 1/5  1–25 of 120")
        await driven.press("n")
        await driven.sees("page 2/5  26–50 of 120")
        assert "Development Runner" not in driven.text
        await driven.press("right_square_bracket", "n", "n", "n")
        await driven.sees("page 5/5  101–120 of 120")
        await driven.press("left_square_bracket")
        await driven.sees("page 4/5  76–100 of 120")


async def test_a_turned_page_starts_at_its_first_runner() -> None:
    async with demo() as driven:
        await driven.press("j", "j", "n")
        first = dashboard(driven).runners.rows[0].id
        assert dashboard(driven).runners.cursor_id == first


async def test_the_status_filter_goes_round_from_the_first_page() -> None:
    async with demo() as driven:
        await driven.press("n", "s")
        await driven.sees("Runners  active", "page 1/5  1–25 of 10")
        assert "○" not in driven.text
        await driven.press("s")
        await driven.sees("Runners  disabled", "page 1/1", "disabled runners")
        await driven.press("s")
        await driven.sees("page 1/5  1–25 of 120")


async def test_escape_at_the_root_clears_the_filter_and_then_does_nothing() -> None:
    async with demo() as driven:
        await driven.press("s", "escape")
        await driven.sees("1–25 of 120")
        await driven.press("escape", "escape")
        assert driven.app.is_running
        assert dashboard(driven).runners.has_focus


async def test_the_detail_follows_the_cursor() -> None:
    async with demo() as driven:
        await driven.press("j")
        await driven.sees("660e8400-e29b-41d4-a716-446655440001", "http://192.168.1.100:8188")
        await driven.press("k")
        await driven.sees(ID)


async def test_drilling_in_and_out_comes_back_to_the_same_items() -> None:
    async with demo() as driven:
        await driven.press("j", "j", "enter")
        runner = dashboard(driven).runners.cursor_id
        assert dashboard(driven).history.has_focus
        assert dashboard(driven).history.cursor_id == dashboard(driven).history.rows[0].id
        await driven.press("j")
        workflow = dashboard(driven).history.cursor_id
        await driven.press("enter")
        await driven.sees(str(workflow), "Created", "Took", "Waited")
        await driven.press("escape")
        assert (dashboard(driven).history.cursor_id, dashboard(driven).history.has_focus) == (workflow, True)
        await driven.press("escape")
        assert (dashboard(driven).runners.cursor_id, dashboard(driven).runners.has_focus) == (runner, True)


async def test_two_enters_in_one_packet_go_in_twice() -> None:
    async with demo() as driven:
        for _ in range(2):
            driven.app.post_message(Key("enter", "\r"))
        await driven.until(lambda: len(driven.app.screen_stack) == 2)
        await driven.sees("runners / Production GPU Runner / ")


async def test_the_next_runner_from_inside_the_history() -> None:
    async with demo() as driven:
        await driven.press("enter", "J")
        await driven.sees("runners / Development Runner", "660e8400-e29b-41d4-a716-446655440001")
        assert dashboard(driven).history.has_focus
        await driven.press("K")
        await driven.sees("runners / Production GPU Runner")


async def test_the_next_runner_is_on_the_next_page_where_this_one_ends() -> None:
    async with demo(runners=26) as driven:
        screen = dashboard(driven)
        await driven.press("G", "enter")
        last = screen.runners.cursor_id
        await driven.press("J")
        await driven.sees("page 2/2  26–26 of 26")
        first_of_second = screen.runners.cursor_id
        assert screen.history.has_focus
        assert screen.history.runner_id == first_of_second
        await driven.press("J")
        assert screen.runners.cursor_id == first_of_second
        await driven.press("K")
        await driven.sees("page 1/2  1–25 of 26")
        assert (screen.runners.cursor_id, screen.history.runner_id) == (last, last)
        assert screen.history.has_focus
        await driven.press("escape", "g", "K")
        assert screen.runners.cursor_id == screen.runners.rows[0].id


async def test_a_page_that_has_not_come_yet_is_not_stepped_over() -> None:
    first, second, third = (make_page(make_runner(f"r{page}"), total=51) for page in (1, 2, 3))
    async with scripted(first) as (driven, source):
        screen = dashboard(driven)
        source.pages.update({PageKey(2): second, PageKey(3): third})
        source.hold(PageKey(2))
        await driven.press("enter")
        await driven.pilot.press("J", "J")
        await driven.until(lambda: PageKey(2) in source.asked)
        assert (screen.list.listing.key.page, screen.runners.cursor_id) == (2, "r1")
        source.release(PageKey(2))
        await driven.settled()
        await driven.sees("page 2/3", "Runner r2")
        assert screen.history.has_focus
        assert screen.history.runner_id == "r2"


async def test_tab_goes_round_the_panes_both_ways() -> None:
    async with demo() as driven:
        screen = dashboard(driven)
        for pane in (screen.detail, screen.history, screen.runners):
            await driven.press("tab")
            assert pane.has_focus
        for pane in (screen.history, screen.detail, screen.runners):
            await driven.press("shift+tab")
            assert pane.has_focus
        await driven.press("l")
        assert screen.detail.has_focus
        await driven.press("h")
        assert screen.runners.has_focus


@pytest.mark.parametrize("size", [(200, 60), (140, 40), (120, 40), (119, 30), (80, 24), (79, 24), (48, 20), (40, 10)])
async def test_each_size_shows_the_runner_and_drills(size: tuple[int, int]) -> None:
    async with demo(size) as driven:
        await driven.sees("Production", "? help", "q quit")
        assert all(len(line) <= size[0] for line in driven.lines)
        await driven.press("enter")
        await driven.sees("Recent workflows")
        await driven.press("enter")
        await driven.sees("Name", "Status")
        await driven.press("escape", "escape")
        await driven.sees("Production", "Runners")


async def test_a_tiny_terminal_shows_one_line_a_runner() -> None:
    async with demo((30, 6)) as driven:
        assert len(driven.lines) == 6
        assert all(line.startswith(("●", "○")) for line in driven.lines)
        await driven.press("enter")
        await driven.sees("queued")


async def test_a_tiny_terminal_says_what_a_title_and_a_header_would() -> None:
    async with demo((38, 6)) as driven:
        await driven.press("s")
        await driven.passes(1.0)
        assert driven.lines[0] == "active"
        await driven.press("slash", "z", "z", "enter")
        await driven.sees("No runner matches /zz")
        assert driven.lines[0] == "active  /zz  0 of 105"
        await driven.press("escape", "escape", "space")
        assert driven.lines[0] == " PAUSED"
        await driven.press("space")
        assert driven.lines[0].startswith("●")
        await driven.press("s")
        await driven.pilot.resize_terminal(60, 20)
        await driven.settled()
        await driven.sees("Runners  active")
        assert "active" not in "\n".join(driven.lines[2:])


async def test_resizing_keeps_the_item_and_the_pane() -> None:
    async with demo((140, 40)) as driven:
        await driven.press(*"jjj", "enter", "j")
        before = (dashboard(driven).runners.cursor_id, dashboard(driven).history.cursor_id)
        for size in ((100, 30), (50, 20), (30, 6), (140, 40)):
            await driven.pilot.resize_terminal(*size)
            await driven.settled()
            assert (dashboard(driven).runners.cursor_id, dashboard(driven).history.cursor_id) == before
            assert dashboard(driven).history.has_focus
        await driven.sees("Runners", "Recent workflows")


async def test_narrow_shows_one_pane_at_a_time() -> None:
    async with demo((60, 20)) as driven:
        assert "Recent workflows" not in driven.text
        await driven.press("tab")
        await driven.sees("Endpoint")
        assert "page 1/5" not in driven.text
        await driven.press("tab")
        await driven.sees("Recent workflows")
        await driven.press("escape")
        await driven.sees("page 1/5")


async def test_holding_the_cursor_key_asks_for_the_last_runner_only() -> None:
    page = make_page(*(make_runner(f"r{number}") for number in range(20)))
    async with scripted(page) as (driven, source):
        source.forget()
        for _ in range(10):
            dashboard(driven).runners.action_cursor_down()
        await driven.settled()
        assert RunnerKey("r10") in source.asked
        assert RunnerKey("r5") not in source.asked


async def test_the_list_tells_each_runners_last_workflow_as_far_as_it_is_known() -> None:
    runners = (make_runner("a"), make_runner("b"))
    failed = make_workflow("w", status="failed", created_at="2026-11-21T13:50:00Z", completed_at="2026-11-21T13:55:00Z")
    async with scripted(make_page(*runners), (failed,)) as (driven, source):
        source.histories["b"] = ()
        await driven.sees("✖ fail   5m")
        await driven.passes(5)
        await driven.until(lambda: driven.app.snapshot.history("b").value == ())
        rows = [line for line in driven.lines if "Runner b" in line]
        assert rows[0].split("││")[0].split()[-3:] == ["–", "–", "–"]
