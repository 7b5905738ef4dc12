from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.query.columns import RUNNER_COLUMNS, WORKFLOW_COLUMNS, Column
from comfytui.query.sorting import Sort
from comfytui.render.table import GAP, ColumnSelection, column_title, fit_columns, visible_columns
from tests.support.lines import plain_text


@st.composite
def tables(draw: st.DrawFn) -> tuple[Column, ...]:
    number = draw(st.integers(1, 8))
    small = st.integers(0, 4)
    return tuple(
        Column(f"c{place}", "", draw(st.integers(1, 20)), draw(small), draw(small), draw(st.booleans()))
        for place in range(number)
    )


def taken(columns: tuple[Column, ...]) -> int:
    return sum(column.width for column in columns) + len(GAP.text) * (len(columns) - 1)


def keys(columns: tuple[Column, ...]) -> list[str]:
    return [column.key for column in columns]


TABLE = (
    Column("glyph", "", 1, priority=0),
    Column("last", "", 6, priority=2),
    Column("name", "", 10, weight=3, priority=0),
    Column("tags", "", 8, weight=1, priority=1),
)


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (13, {"glyph": 1, "name": 10}),
        (22, {"glyph": 1, "name": 19}),
        (23, {"glyph": 1, "name": 10, "tags": 8}),
        (30, {"glyph": 1, "name": 16, "tags": 9}),
        (31, {"glyph": 1, "last": 6, "name": 10, "tags": 8}),
        (33, {"glyph": 1, "last": 6, "name": 12, "tags": 8}),
        (71, {"glyph": 1, "last": 6, "name": 40, "tags": 18}),
    ],
)
def test_columns_come_by_priority_and_share_by_weight(width: int, shown: dict[str, int]) -> None:
    assert {column.key: column.width for column in fit_columns(TABLE, width)} == shown


@pytest.mark.parametrize(("width", "shown"), [(12, [1, 9]), (4, [1, 1]), (3, [1]), (1, [1])])
def test_the_first_columns_get_narrower_before_they_go(width: int, shown: list[int]) -> None:
    assert [column.width for column in fit_columns(TABLE, width)] == shown


@given(tables(), st.integers(1, 200))
def test_the_width_is_never_exceeded_and_the_order_kept(columns: tuple[Column, ...], width: int) -> None:
    chosen = fit_columns(columns, width)
    assert taken(chosen) <= width
    assert keys(chosen) == [key for key in keys(columns) if key in keys(chosen)]
    assert chosen


@given(tables(), st.integers(1, 200))
def test_a_wide_enough_table_is_filled_where_anything_may_grow(columns: tuple[Column, ...], width: int) -> None:
    chosen = fit_columns(columns, width)
    if any(column.weight for column in chosen):
        assert taken(chosen) == width


@given(tables(), st.integers(1, 200))
def test_nothing_is_shown_while_something_more_important_is_not(columns: tuple[Column, ...], width: int) -> None:
    shown = keys(fit_columns(columns, width))
    dropped = [column.priority for column in columns if column.key not in shown]
    assert all(column.priority <= min(dropped, default=9) for column in columns if column.key in shown)


@given(tables(), st.integers(1, 200))
def test_a_column_changes_in_nothing_but_its_width(columns: tuple[Column, ...], width: int) -> None:
    asked = {column.key: column for column in columns}
    lowest = min(column.priority for column in columns)
    for column in fit_columns(columns, width):
        assert column._replace(width=0) == asked[column.key]._replace(width=0)
        assert column.width >= asked[column.key].width or column.priority == lowest


@pytest.mark.parametrize("columns", [RUNNER_COLUMNS, WORKFLOW_COLUMNS], ids=["runners", "history"])
def test_real_tables(columns: tuple[Column, ...]) -> None:
    assert keys(fit_columns(columns, 10)) == ["glyph", "name"]
    assert keys(fit_columns(columns, 500)) == keys(columns)
    assert len(set(keys(columns))) == len(columns)


TITLED = tuple(column._replace(title=column.key.removeprefix("glyph")) for column in TABLE)


@pytest.mark.parametrize(
    ("chosen", "shown"),
    [
        ((), ["glyph", "last", "name", "tags"]),
        (("tags", "name"), ["glyph", "tags", "name"]),
        (("tags",), ["glyph", "name", "tags"]),
        (("name",), ["glyph", "name"]),
        (("tags", "nonsense", "tags", "last", "glyph", "name"), ["glyph", "tags", "last", "name"]),
        (("nonsense", "glyph"), ["glyph", "last", "name", "tags"]),
    ],
)
def test_a_choice_is_shown_in_its_order(chosen: tuple[str, ...], shown: list[str]) -> None:
    assert keys(visible_columns(TITLED, chosen)) == shown


def test_no_choice_leaves_the_columns_as_they_are() -> None:
    assert visible_columns(TITLED, ()) == TITLED


@given(st.permutations([column.key for column in RUNNER_COLUMNS]), st.integers(0, 9), st.integers(1, 300))
def test_last_chosen_columns_are_dropped_first(order: list[str], number: int, width: int) -> None:
    chosen = visible_columns(RUNNER_COLUMNS, order[:number])
    if chosen == RUNNER_COLUMNS:
        return
    shown = keys(fit_columns(chosen, width))
    others = [key for key in keys(chosen) if key not in ("glyph", "name")]
    assert [key for key in shown if key not in ("glyph", "name")] == others[: len([*{*shown} & {*others}])]
    assert "name" in shown or width < 4


BEGUN = ColumnSelection.from_chosen(("name", "last", "tags"), ())


@pytest.mark.parametrize(
    ("chosen", "order", "shown"),
    [
        ((), "name last tags", "name last tags"),
        (("nonsense",), "name last tags", "name last tags"),
        (("tags", "name"), "tags name last", "tags name"),
        (("tags", "nonsense", "tags"), "name tags last", "name tags"),
    ],
)
def test_choosing_begins_with_what_was_chosen(chosen: tuple[str, ...], order: str, shown: str) -> None:
    begun = ColumnSelection.from_chosen(("name", "last", "tags"), chosen)
    assert begun.order == tuple(order.split())
    assert begun.shown == set(shown.split())
    assert begun.chosen == (() if begun.is_default else tuple(shown.split()))
    assert begun.is_default is (chosen in ((), ("nonsense",)))


@pytest.mark.parametrize(
    ("made", "chosen"),
    [
        (BEGUN, ""),
        (BEGUN.toggle("name"), ""),
        (BEGUN.move("name", -1), ""),
        (BEGUN.move("tags", 1), ""),
        (BEGUN.toggle("last"), "name tags"),
        (BEGUN.toggle("last").toggle("last"), "name last tags"),
        (BEGUN.move("name", 1), "last name tags"),
        (BEGUN.move("tags", -1), "name tags last"),
        (BEGUN.move("name", 9), "last tags name"),
        (BEGUN.toggle("last").move("tags", -1), "name tags"),
        (BEGUN.toggle("last").toggle("tags"), "name"),
    ],
)
def test_columns_come_go_and_move(made: ColumnSelection, chosen: str) -> None:
    assert made.chosen == tuple(chosen.split())


def test_the_heading_says_which_way_a_column_is_sorted() -> None:
    column = Column("completed", "completed", 9)
    assert plain_text(column_title(column, None)) == plain_text(column_title(column, Sort("name"))) == "completed"
    assert plain_text(column_title(column, Sort("completed"))) == "complete▲"
    assert plain_text(column_title(column, Sort("completed", descending=True))) == "complete▼"
