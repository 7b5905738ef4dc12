from __future__ import annotations

import pytest

from tests.benchmarks.figures import Figure, Unit
from tests.benchmarks.sessions import Start
from tests.benchmarks.suite import Starts, again_if_far_off, allowed_seconds, keys, of_starts

FINE = Figure("", Unit.SECONDS, 1.0, 1.0, 1.0)
OFF = Figure("", Unit.SECONDS, 3.0, 1.0, 1.0)


def test_a_start_is_judged_by_what_is_usual_of_each_program() -> None:
    polling, table = Start(0.4, 0.4, 0.4, 50e6, 0.3), Start(0.2, 0.2, 0.2, 30e6, 0.2)
    usual = Starts(Start(0.25, 0.5, 0.6, 60e6, 0.1), polling, table)
    slow = Starts(Start(9.0, 9.0, 9.0, 90e6, 9.0), polling, table)
    figures = of_starts([usual, slow, usual])
    assert [each.ratio for each in figures] == pytest.approx([1.25, 1.25, 1.5, 1.2, 0.5])


def test_keys_are_judged_by_the_usual_session() -> None:
    calm = [[0.003] * 20, [0.002] * 20]
    figure = keys("", 1.3, [calm, [[0.5] * 20, [0.002] * 20], calm])
    assert (figure.ours, figure.floor) == (0.003, 0.002)


@pytest.mark.parametrize(
    ("takes", "kept", "left"),
    [([[FINE], [OFF]], FINE, 1), ([[OFF], [FINE]], FINE, 0), ([[OFF], [OFF], [FINE]], OFF, 1)],
)
def test_outlier_is_measured_again(takes: list[list[Figure]], kept: Figure, left: int) -> None:
    assert again_if_far_off(lambda: takes.pop(0)) == [kept]
    assert len(takes) == left


def test_the_budget_allows_18_requests_in_10_seconds_beside_those_for_keys() -> None:
    assert allowed_seconds(90) == 50.0
