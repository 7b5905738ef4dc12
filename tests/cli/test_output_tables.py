from __future__ import annotations

import pytest

from comfytui.cli.output import Table, aligned, fit_widths, tab_separated

TABLE = Table(("id", "name", "tags"), (("1", "gpu", "a b"), ("22", "東京", "")))


def test_in_columns() -> None:
    assert list(aligned(TABLE, 80)) == ["ID  NAME  TAGS", "1   gpu   a b", "22  東京  –"]


def test_wide_cells_are_cut() -> None:
    lines = list(aligned(Table(("id", "name"), (("7", "a" * 50), ("8", "東" * 50))), 12))
    assert lines == ["ID  NAME", "7   aaaaaaa…", "8   東東東…"]


def test_without_titles_there_is_no_line_above() -> None:
    assert list(aligned(Table(("", ""), (("name", "gpu"), ("headers.X", ""))), 80)) == [
        "name       gpu",
        "headers.X  –",
    ]


def test_nothing() -> None:
    assert list(aligned(Table(("id", "name"), ()), 80)) == ["ID  NAME"]
    assert list(tab_separated(Table(("id", "name"), ()))) == []
    assert list(aligned(Table(("", ""), ()), 80)) == []


def test_between_tabs_a_cell_is_whole_and_on_its_line() -> None:
    table = Table(("a", "b"), (("x" * 500, ""), ("tab\there", "two\r\nlines\u2028more")))
    assert list(tab_separated(table)) == [f"{'x' * 500}\t", "tab here\ttwo  lines more"]


@pytest.mark.parametrize(
    ("wanted", "room", "widths"),
    [
        ([3, 4, 5], 16, [3, 4, 5]),
        ([3, 4, 5], 15, [3, 4, 4]),
        ([3, 4, 5], 14, [3, 4]),
        ([3, 4, 5], 8, [3]),
        ([36, 20, 8], 44, [16, 16, 8]),
        ([5, 10, 40], 30, [5, 10, 11]),
        ([8, 8, 11], 20, [6, 6, 4]),
        ([3, 4, 5], 2, [2]),
        ([3, 4, 5], 0, [1]),
        ([10**9, 10**9], 20, [9, 9]),
        ([], 10, []),
    ],
)
def test_the_widest_give_way_first_and_short_ones_last(wanted: list[int], room: int, widths: list[int]) -> None:
    assert fit_widths(wanted, room) == widths


@pytest.mark.parametrize(
    ("width", "widths"),
    [
        (140, [36, 20, 8, 30, 38]),
        (120, [36, 20, 8, 24, 24]),
        (80, [36, 20, 8, 4, 4]),
        (79, [36, 19, 8, 4, 4]),
        (70, [36, 10, 8, 4, 4]),
        (65, [31, 10, 8, 4, 4]),
        (40, [8, 8, 8, 4, 4]),
        (28, [4, 4, 4, 4, 4]),
        (27, [5, 4, 8, 4]),
    ],
)
def test_by_what_a_row_is_known_gives_way_after_the_rest(width: int, widths: list[int]) -> None:
    assert fit_widths([36, 20, 8, 30, 40], width, [1, 0]) == widths


def test_an_id_is_whole_where_a_terminal_is_80_wide() -> None:
    cells = (
        "550e8400-e29b-41d4-a716-446655440000",
        "Production GPU Runner 1",
        "active",
        "gpu a100 fast",
        "https://x" * 5,
    )
    head, row = aligned(Table(("id", "name", "status", "tags", "endpoint"), (cells,)), 80)
    assert row.startswith(f"{cells[0]}  Production GPU Runner…  active  ")
    assert max(len(head), len(row)) <= 80
