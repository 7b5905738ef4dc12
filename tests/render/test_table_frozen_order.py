from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.render.cells import Span
from comfytui.render.table import (
    ChangeMarks,
    Row,
    changed_ids,
    count_moves,
    follow_index,
    freeze_order,
    frozen_text,
    same_order,
)
from tests.support.lines import plain_text

IDS = st.lists(st.sampled_from("abcdefgh"), unique=True)


def rows(ids: str | list[str], word: str = "old") -> list[Row]:
    return [Row(each, {"name": (Span(word),)}) for each in ids]


def order(made: tuple[Row, ...]) -> str:
    return "".join(row.id for row in made)


@pytest.mark.parametrize(
    ("shown", "wanted", "kept", "waiting"),
    [
        ("abc", "abc", "abc", 0),
        ("abc", "cab", "abc", 1),
        ("abc", "cba", "abc", 2),
        ("abc", "xabc", "abc", 1),
        ("abc", "abcx", "abcx", 0),
        ("abc", "axbc", "abc", 1),
        ("abc", "ac", "abc", 1),
        ("abc", "", "abc", 3),
        ("abc", "xyz", "abcxyz", 3),
        ("", "abc", "abc", 0),
    ],
)
def test_rows_keep_their_places_and_what_waits_is_counted(shown: str, wanted: str, kept: str, waiting: int) -> None:
    made = freeze_order(rows(shown), rows(wanted))
    assert order(made) == kept
    assert count_moves(made, rows(wanted)) == waiting


@given(IDS, IDS)
def test_nothing_slides_and_only_what_is_to_come_is_new(shown: list[str], wanted: list[str]) -> None:
    made = freeze_order(rows(shown), rows(wanted, "new"))
    assert [row.id for row in made][: len(shown)] == shown
    assert {row.id for row in made} <= {*shown, *wanted}
    assert len({row.id for row in made}) == len(made)
    for row in made:
        assert row.cells["name"] == (Span("new" if row.id in wanted else "old"),)
    assert (count_moves(made, rows(wanted)) == 0) == ([row.id for row in made] == wanted)


def test_pending_moves_are_counted_in_words() -> None:
    assert [plain_text(frozen_text(count)) for count in (0, 1, 2)] == ["", "1 move held", "2 moves held"]


@pytest.mark.parametrize(
    ("before", "after", "is_changed"),
    [
        (("a", 1), ("a", 1), False),
        (("a", 1), ("a", 2), True),
        (("a", None), ("a", 2), False),
        (("a", 1), ("a", None), False),
        (("a", None), ("b", None), True),
        ((), (), False),
    ],
)
def test_a_row_has_changed_where_something_known_is_another(
    before: tuple[object, ...], after: tuple[object, ...], is_changed: bool
) -> None:
    found = changed_ids([Row("x", {}, facts=before)], [Row("x", {}, facts=after), Row("new", {}, facts=after)])
    assert found == (["x"] if is_changed else [])


def test_time_passing_is_no_change() -> None:
    assert changed_ids(rows("x", "4m"), rows("x", "5m")) == []


@pytest.mark.parametrize(
    ("shown", "wanted", "are"),
    [("", "", True), ("abc", "abc", True), ("abc", "acb", False), ("abc", "ab", False), ("ab", "abc", False)],
)
def test_rows_are_in_place_where_they_are_the_same_in_the_same_order(shown: str, wanted: str, *, are: bool) -> None:
    assert same_order(rows(shown), rows(wanted, "new")) is are


@pytest.mark.parametrize(
    ("place", "after", "now"),
    [
        (1, "abcd", 1),
        (1, "dcba", 2),
        (1, "acd", 1),
        (1, "ad", 1),
        (3, "abc", 2),
        (2, "a", 0),
        (1, "xyz", 0),
        (1, "", 0),
    ],
)
def test_a_place_goes_with_its_item_or_to_the_nearest_that_is_left(place: int, after: str, now: int) -> None:
    assert follow_index(rows("abcd"), place, {row_id: at for at, row_id in enumerate(after)}) == now


def test_a_mark_ends_with_its_tick() -> None:
    marks = ChangeMarks()
    assert marks.lasts(10.0) == math.inf
    marks.add("ab", 15.0)
    marks.add("b", 17.0)
    assert marks.lasts(10.0) == 5.0
    assert marks.expire(14.9) == []
    assert marks.expire(15.0) == ["a"]
    assert ("a" in marks, "b" in marks) == (False, True)
    assert marks.lasts(15.0) == 2.0
