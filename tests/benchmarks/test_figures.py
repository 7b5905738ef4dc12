from __future__ import annotations

import json

import pytest

from tests.benchmarks.figures import Figure, Unit, as_json, p95, table

FRAME = Figure("first frame", Unit.MILLISECONDS, 0.33, 1.1, 0.25)
BYTES = Figure("bytes per key", Unit.BYTES, 2400, 2500)
NOTHING = Figure("bytes for nothing", Unit.BYTES, 0, 0)


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0], 3.0), ([2.0, 1.0], 1.95), (range(101), 95.0), ([*range(20), 100], 19.0)],
)
def test_percentile_of_a_hundred_values(values: list[float], expected: float) -> None:
    assert p95(values) == pytest.approx(expected)


def test_percentile_of_no_values_is_none() -> None:
    with pytest.raises(ValueError, match="no values"):
        p95([])


@pytest.mark.parametrize(
    ("figure", "is_met", "is_far_off"),
    [
        (FRAME, False, False),
        (BYTES, True, False),
        (NOTHING, True, False),
        (Figure("", Unit.BYTES, 1, 0), False, True),
        (Figure("", Unit.BYTES, 2500, 2500), True, False),
        (Figure("", Unit.BYTES, 5000, 2500), False, False),
        (Figure("", Unit.BYTES, 5001, 2500), False, True),
        (Figure("", Unit.SECONDS, 2.0, 1.0, 1.0), False, False),
        (Figure("", Unit.SECONDS, 2.1, 1.0, 1.0), False, True),
    ],
)
def test_a_ratio_is_judged_where_there_is_a_floor_else_the_figure(
    figure: Figure, is_met: bool, is_far_off: bool
) -> None:
    assert (figure.is_met, figure.is_far_off) == (is_met, is_far_off)


@pytest.mark.parametrize(
    ("unit", "value", "words"),
    [
        (Unit.MILLISECONDS, 1.2345, "1,234 ms"),
        (Unit.FINE_MILLISECONDS, 0.00346, "3.5 ms"),
        (Unit.SECONDS, 61.26, "61.3 s"),
        (Unit.PERCENT, 0.0123, "1.23 %"),
        (Unit.BYTES, 2500, "2,500 B"),
        (Unit.KILOBYTES, 1730, "1.73 kB"),
        (Unit.MEGABYTES, 2e6, "2.0 MB"),
    ],
)
def test_every_unit_is_printed_as_people_read_it(unit: Unit, value: float, words: str) -> None:
    assert unit.words(value) == words


def test_the_table_is_markdown_with_its_columns_in_line() -> None:
    assert table([FRAME, BYTES]).splitlines() == [
        "| figure        |    target |  floor |    ours |  ratio | met |",
        "| ------------- | --------- | ------ | ------- | ------ | --- |",
        "| first frame   |   ≤ 1.1 × | 250 ms |  330 ms | 1.32 × |  no |",
        "| bytes per key | ≤ 2,500 B |        | 2,400 B |        | yes |",
    ]


def test_json_has_every_figure_in_seconds_and_bytes() -> None:
    assert json.loads(as_json([FRAME, BYTES])) == {
        "schema": 1,
        "figures": [
            {
                "name": "first frame",
                "unit": "seconds",
                "target": 1.1,
                "floor": 0.25,
                "ours": 0.33,
                "ratio": pytest.approx(1.32),
                "met": False,
            },
            {
                "name": "bytes per key",
                "unit": "bytes",
                "target": 2500,
                "floor": None,
                "ours": 2400,
                "ratio": None,
                "met": True,
            },
        ],
    }
