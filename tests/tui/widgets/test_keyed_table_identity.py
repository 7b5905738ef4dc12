"""Whatever comes, goes, moves and changes, in whatever order with keys and time: as a simple model has it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfytui.query.sorting import Sort
from comfytui.render.cells import Span
from comfytui.render.freshness import RenderContext
from comfytui.render.table import ORDER_FREEZE_S, Row
from tests.support.lines import drawn_line
from tests.tui.widgets.test_keyed_table import COLUMNS, TableApp, shown, table_of

TICK = 5.0
NOW = RenderContext(datetime(2026, 1, 31, tzinfo=UTC), 100.0, interval_s=TICK)

State: TypeAlias = dict[str, int]
"""Ids in order, each with what its row tells."""


def made(state: State) -> list[Row]:
    return [Row(each, {"name": (Span(f"name {each}"),)}, facts=(told,)) for each, told in state.items()]


@dataclass
class Model:
    """What a person may expect, written down as plainly as can be."""

    now: RenderContext = NOW
    pressed_on: float = -1000.0
    told: State = field(default_factory=dict)
    order: list[str] = field(default_factory=list)
    cursor: str | None = None
    marks: dict[str, float] = field(default_factory=dict)

    def at(self) -> RenderContext:
        return self.now._replace(order_frozen=self.now.monotonic - self.pressed_on < ORDER_FREEZE_S)

    def sends(self, state: State) -> None:
        for each, told in state.items():
            if each in self.told and self.told[each] != told:
                self.marks[each] = self.now.monotonic + TICK
        self.told = state
        self.settles()

    def settles(self) -> None:
        wanted = [*self.told]
        if self.at().order_frozen:
            last = max((wanted.index(each) for each in self.order if each in wanted), default=-1)
            wanted = [*self.order, *wanted[last + 1 :]]
        place = self.order.index(self.cursor) if self.cursor else 0
        near = [*self.order[place:], *reversed(self.order[:place])]
        self.cursor = next((each for each in near if each in wanted), wanted[0] if wanted else None)
        self.order = wanted

    def passes(self, seconds: float) -> None:
        self.now = self.now._replace(monotonic=self.now.monotonic + seconds)
        self.marks = {each: until for each, until in self.marks.items() if until > self.now.monotonic}
        if not self.at().order_frozen:
            self.settles()

    def moves(self, by: int) -> None:
        self.pressed_on = self.now.monotonic
        if self.cursor:
            place = self.order.index(self.cursor) + by
            self.cursor = self.order[max(0, min(place, len(self.order) - 1))]


STATES = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 2)), unique_by=lambda each: each[0]).map(dict)
STEPS = st.lists(
    st.one_of(
        STATES,
        st.sampled_from([0.5, 1.0, ORDER_FREEZE_S, TICK]),
        st.sampled_from(["down", "up"]),
        st.sampled_from([(30, 5), (30, 12), (26, 7)]),
    ),
    min_size=4,
    max_size=14,
)


@settings(max_examples=15, deadline=None)
@given(STEPS)
async def test_rows_are_as_the_model_has_them(steps: list[State | float | str | tuple[int, int]]) -> None:
    async with table_of(()) as (app, pilot):
        model = Model()
        for step in steps:
            match step:
                case dict():
                    model.sends(step)
                    app.table.set_rows(made(step), (), model.at())
                case float():
                    model.passes(step)
                    app.table.tick(model.at())
                case str():
                    model.moves({"down": 1, "up": -1}[step])
                    await pilot.press(step)
                case tuple():
                    await pilot.resize_terminal(*step)
                    while app.table.size != step:
                        await pilot.pause()
            agrees(app, model)


def agrees(app: TableApp, model: Model) -> None:
    table = app.table
    assert [row.id for row in table.rows] == model.order
    assert table.cursor_id == model.cursor
    lines = shown(app)
    if model.cursor is not None:
        assert any(f"name {model.cursor}"[:8] in line for line in lines), "the cursor is in view"
    for each in table.visible_ids:
        (line,) = (line for line in lines if f"name {each}" in line)
        assert ("∆" in line) == (each in model.marks)
    drawn = [*table._painted]
    table._forget()
    assert drawn == table._cached_lines(*table.size), "what is drawn alone is what would be drawn with all others"
    waits = [*model.told] != model.order
    assert ("held" in drawn_line(app.table, app.size.height - 1).text) == waits


async def test_a_key_holds_the_order_and_counts_what_waits() -> None:
    async with table_of(()) as (app, pilot):
        await pilot.resize_terminal(40, 10)
        app.table.set_rows(made(dict.fromkeys("abc", 0)), (), NOW)
        app.table.set_rows(made(dict.fromkeys("cab", 0)), (), NOW._replace(order_frozen=True))
        assert [row.id for row in app.table.rows] == ["a", "b", "c"]
        assert "1 move held" in drawn_line(app.table, 9).text
        app.table.tick(NOW)
        assert [row.id for row in app.table.rows] == ["c", "a", "b"]
        assert app.table.cursor_id == "a"
        assert "held" not in drawn_line(app.table, 9).text


async def test_user_change_is_not_frozen() -> None:
    async with table_of(()) as (app, _):
        app.table.set_rows(made(dict.fromkeys("abc", 0)), (), NOW)
        app.table.set_rows(made(dict.fromkeys("cb", 0)), (), NOW._replace(order_frozen=True), reset=True)
        assert [row.id for row in app.table.rows] == ["c", "b"]


@pytest.mark.parametrize(
    ("sort", "titles"),
    [(None, "name"), (Sort("name"), "name▲"), (Sort("name", descending=True), "name▼"), (Sort("other"), "name")],
)
async def test_the_title_of_the_column_says_how_rows_are_sorted(sort: Sort | None, titles: str) -> None:
    async with table_of("ab") as (app, pilot):
        app.table.set_columns(COLUMNS, sort)
        await pilot.pause()
        assert titles in drawn_line(app.table, 1).text.split()
        assert app.table.sorts_by_hidden == (sort is not None and sort.key == "other")
