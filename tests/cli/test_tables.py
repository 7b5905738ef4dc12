from __future__ import annotations

import pytest

from comfytui.cli.tables import Table, aligned, fitted, plain

TABLE = Table(("id", "name", "tags"), (("1", "gpu", "a b"), ("22", "東京", "")))


def test_in_columns() -> None:
    assert list(aligned(TABLE, 80)) == ["ID  NAME  TAGS", "1   gpu   a b", "22  東京  –"]


def test_what_is_too_wide_is_cut() -> None:
    lines = list(aligned(Table(("id", "name"), (("7", "a" * 50), ("8", "東" * 50))), 12))
    assert lines == ["ID  NAME", "7   aaaaaaa…", "8   東東東…"]


def test_without_titles_there_is_no_line_above() -> None:
    assert list(aligned(Table(("", ""), (("name", "gpu"), ("headers.X", ""))), 80)) == [
        "name       gpu",
        "headers.X  –",
    ]


def test_nothing() -> None:
    assert list(aligned(Table(("id", "name"), ()), 80)) == ["ID  NAME"]
    assert list(plain(Table(("id", "name"), ()))) == []
    assert list(aligned(Table(("", ""), ()), 80)) == []


def test_between_tabs_a_cell_is_whole_and_on_its_line() -> None:
    table = Table(("a", "b"), (("x" * 500, ""), ("tab\there", "two\r\nlines\u2028more")))
    assert list(plain(table)) == [f"{'x' * 500}\t", "tab here\ttwo  lines more"]


@pytest.mark.parametrize(
    ("wanted", "room", "widths"),
    [
        ([3, 4, 5], 12, [3, 4, 5]),
        ([3, 4, 5], 11, [3, 4, 4]),
        ([3, 4, 5], 6, [2, 2, 2]),
        ([36, 20, 8], 40, [16, 16, 8]),
        ([3, 4, 5], 0, [1, 1, 1]),
        ([], 10, []),
    ],
)
def test_the_widest_give_way_first(wanted: list[int], room: int, widths: list[int]) -> None:
    assert fitted(wanted, room) == widths
