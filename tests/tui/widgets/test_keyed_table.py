"""The cursor belongs to the item."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from textual import on
from textual.app import App, ComposeResult

from comfytui.query.columns import Column
from comfytui.render.cells import Span
from comfytui.render.table import Row
from comfytui.tui.terminal.capabilities import ColorDepth
from comfytui.tui.theme.themes import NAMES, build_themes
from comfytui.tui.widgets.keyed_table import KeyedTable
from tests.support.lines import drawn_line

if TYPE_CHECKING:
    from textual.geometry import Region
    from textual.pilot import Pilot

COLUMNS = (Column("name", "name", 10, weight=1), Column("note", "note", 5, priority=1))


def rows(ids: Sequence[str]) -> list[Row]:
    return [Row(each, {"name": (Span(f"name {each}"),)}) for each in ids]


class TableApp(App[None]):
    def __init__(self) -> None:
        super().__init__()
        self.table = KeyedTable(COLUMNS, id="table")
        self.told: list[object] = []
        for theme in build_themes(ColorDepth.TRUECOLOR):
            self.register_theme(theme)
        self.theme = NAMES[0]

    def compose(self) -> ComposeResult:
        yield self.table

    @on(KeyedTable.RowHighlighted)
    def _moved(self, event: KeyedTable.RowHighlighted) -> None:
        self.told.append(event.row_id)

    @on(KeyedTable.RowSelected)
    def _opened(self, event: KeyedTable.RowSelected) -> None:
        self.told.append(("opened", event.row_id))


@asynccontextmanager
async def table_of(ids: Sequence[str], size: tuple[int, int] = (30, 8)) -> AsyncIterator[tuple[TableApp, Pilot[None]]]:
    app = TableApp()
    async with app.run_test(size=size) as pilot:
        app.table.focus()
        app.table.set_rows(rows(ids))
        await pilot.pause()
        yield app, pilot


def shown(app: TableApp) -> list[str]:
    return [drawn_line(app.table, y).text.strip("│ ") for y in range(2, app.size.height - 1)]


@pytest.mark.parametrize(
    ("after", "cursor"),
    [
        ("abcdef", "c"),
        ("zabcdef", "c"),
        ("fedcba", "c"),
        ("c", "c"),
        ("abdef", "d"),
        ("ab", "b"),
        ("a", "a"),
        ("xyz", "x"),
    ],
)
async def test_the_cursor_stays_with_its_item_or_goes_to_the_neighbour(after: str, cursor: str) -> None:
    async with table_of("abcdef") as (app, pilot):
        await pilot.press("down", "down")
        app.table.set_rows(rows(after))
        assert app.table.cursor_id == cursor


async def test_highlight_message_is_sent_once_per_change() -> None:
    async with table_of("abc") as (app, pilot):
        await pilot.press("down")
        app.table.set_rows(rows("zabc"))
        await pilot.pause()
        app.table.set_rows(rows("zac"))
        await pilot.pause()
        app.table.set_rows([])
        await pilot.pause()
        assert app.told == ["a", "b", "c", None]


async def test_keys_move_and_open() -> None:
    ids = [f"{number:02}" for number in range(30)]
    async with table_of(ids) as (app, pilot):
        for key, cursor in [
            ("j", "01"), ("down", "02"), ("k", "01"), ("up", "00"), ("up", "00"), ("G", "29"), ("down", "29"),
            ("g", "00"), ("pagedown", "05"), ("pagedown", "10"), ("pageup", "05"), ("end", "29"), ("home", "00"),
        ]:  # fmt: skip
            await pilot.press(key)
            assert (key, app.table.cursor_id) == (key, cursor)
        await pilot.press("enter")
        assert app.told[-1] == ("opened", "00")


async def test_rows_inserted_above_leave_the_item_where_it_is_on_the_screen() -> None:
    ids = [f"{number:02}" for number in range(30)]
    async with table_of(ids) as (app, pilot):
        await pilot.press(*["down"] * 10)
        before = shown(app)
        app.table.set_rows(rows(["new-1", "new-2", *ids]))
        assert shown(app) == before


async def test_the_wheel_moves_the_view_and_a_refresh_leaves_it_there() -> None:
    ids = [f"{number:02}" for number in range(30)]
    async with table_of(ids) as (app, pilot):
        app.table.scroll_by(12)
        assert shown(app)[0] == "name 12"
        app.table.set_rows(rows(["new", *ids]))
        assert shown(app)[0] == "name 12"
        assert app.table.cursor_id == "00"
        await pilot.press("down")
        assert shown(app)[0] == "name 00" or app.table.cursor_id == "01"


async def test_a_click_moves_and_a_click_on_the_cursor_opens() -> None:
    async with table_of("abcdef") as (app, pilot):
        await pilot.click(KeyedTable, offset=(5, 4))
        assert app.table.cursor_id == "c"
        await pilot.click(KeyedTable, offset=(5, 4))
        assert app.told[-1] == ("opened", "c")
        await pilot.click(KeyedTable, offset=(5, 1))
        await pilot.click(KeyedTable, offset=(5, 7))
        assert app.told[-1] == ("opened", "c")


@settings(max_examples=15, deadline=None)
@given(st.lists(st.permutations("abcdefgh").map(lambda order: order[: len(order) // 2 + 1]), min_size=1, max_size=6))
async def test_through_any_changes_the_cursor_is_on_a_row_and_never_leaves_its_item_without_need(
    states: list[list[str]],
) -> None:
    async with table_of("abcdefgh", size=(30, 5)) as (app, pilot):
        await pilot.press("down", "down", "down")
        for state in states:
            before = app.table.cursor_id
            app.table.set_rows(rows(state))
            assert app.table.cursor_id in state
            if before in state:
                assert app.table.cursor_id == before
            assert f"name {app.table.cursor_id}" in shown(app)


async def test_only_changed_rows_are_redrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    async with table_of("abcdef") as (app, _):
        kept = app.table.rows
        drawn: list[Region] = []
        monkeypatch.setattr(app.table, "refresh", lambda *regions: drawn.extend(regions))
        app.table.set_rows((*kept[:2], Row("c", {"name": (Span("name C"),)}), *kept[3:]))
        assert [region.y for region in drawn] == [4]
        assert app.table.rows[2].cells["name"] == (Span("name C"),)
        drawn.clear()
        app.table.set_rows(app.table.rows)
        assert drawn == []
        app.table.set_title((Span("title"),))
        app.table.set_rows(app.table.rows)
        assert [region.y for region in drawn] == [0]
