from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.engine.intervals import (
    JITTER,
    MAX_BACK_OFF,
    Burst,
    back_off,
    bearable,
    by_time,
    list_pace,
    pace,
    room_at,
    rotation_burst,
    rotation_spacing,
    smoothed,
    stats_pace,
    sweep,
)
from comfytui.engine.protocol import Attention
from comfytui.ratelimit.window import WINDOW

LOOKS = Attention(runner_id="r1")
LOOKS_AWAY = Attention(runner_id="r1", focused=False)
WHOLE = Attention(runner_id="r1", whole=True)
WALLBOARD = Attention(runner_id="r1", focused=False, wallboard=True)


@pytest.mark.parametrize(
    ("interval", "attention", "response_time", "share", "in_force"),
    [
        pytest.param(5.0, LOOKS, 0.1, 20, 5.0, id="as wished"),
        pytest.param(5.0, LOOKS_AWAY, 0.1, 20, 20.0, id="four times where nobody looks"),
        pytest.param(5.0, WALLBOARD, 0.1, 20, 5.0, id="but not on a wallboard"),
        pytest.param(5.0, LOOKS, 2.5, 20, 5.0, id="twice the response time is an interval"),
        pytest.param(5.0, LOOKS, 2.6, 20, 6.0, id="twice the response time is more, in whole seconds"),
        pytest.param(5.0, LOOKS_AWAY, 4.0, 20, 20.0, id="slow answers, unfocused"),
        pytest.param(1.0, LOOKS, 0.1, 20, 2.0, id="three things a second are more than the share bears"),
        pytest.param(1.0, LOOKS, 0.1, 10, 4.0, id="a smaller share bears less"),
        pytest.param(1.0, Attention(), 0.1, 20, 1.0, id="one thing a second it bears"),
        pytest.param(2.5, LOOKS, 0.1, 20, 2.5, id="what was wished is not rounded"),
        pytest.param(1.0, WHOLE, 0.1, 20, 4.0, id="a runner beside a whole list has a quarter of the share"),
        pytest.param(5.0, WHOLE, 0.1, 20, 5.0, id="which is enough as a rule"),
        pytest.param(1.0, Attention(whole=True), 0.1, 20, 1.0, id="a whole list has its own pace"),
    ],
)
def test_the_interval_in_force(
    interval: float, attention: Attention, response_time: float, share: int, in_force: float
) -> None:
    assert pace(interval, attention, response_time, share) == in_force


@pytest.mark.parametrize("share", [10, 20, 40])
def test_polling_as_often_as_the_share_bears_leaves_a_quarter_of_it(share: int) -> None:
    assert 3 * WINDOW / bearable(LOOKS, share) == pytest.approx(share * 3 / 4)


@pytest.mark.parametrize(
    ("in_force", "pages", "share", "seconds"),
    [
        pytest.param(5.0, 1, 20, 5.0, id="one page"),
        pytest.param(1.0, 1, 10, 1.0, id="one page, whatever the share"),
        pytest.param(5.0, 4, 20, 5.0, id="as many as the interval bears"),
        pytest.param(5.0, 5, 20, 7.0, id="more, in whole seconds"),
        pytest.param(5.0, 100, 20, 125.0, id="all there may be"),
        pytest.param(5.0, 100, 10, 250.0, id="a smaller share bears less"),
        pytest.param(60.0, 5, 20, 60.0, id="a long interval"),
    ],
)
def test_the_pace_of_a_list(in_force: float, pages: int, share: int, seconds: float) -> None:
    assert list_pace(in_force, pages, share) == seconds


@pytest.mark.parametrize(("in_force", "seconds"), [(1.0, 15.0), (15.0, 15.0), (20.0, 20.0)])
def test_checks_are_as_far_apart_as_polls_but_never_closer_than_a_quarter_of_a_minute(
    in_force: float, seconds: float
) -> None:
    assert stats_pace(in_force) == seconds


@pytest.mark.parametrize("share", [10, 20, 40])
def test_a_sweep_leaves_more_than_half_of_the_share(share: int) -> None:
    assert 7 * WINDOW / sweep(7, share) <= share / 2
    assert sweep(1, share) == 0.0


@pytest.mark.parametrize(
    ("interval", "jitter", "waits"),
    [
        (5.0, 1.0, [5, 10, 20, 30, 30]),
        (5.0, 1.2, [5, 12, 24, 30, 30]),
        (5.0, 0.8, [5, 8, 16, 24, 24]),
        (1.0, 1.0, [1, 2, 4, 8, 16, 30, 30]),
        (20.0, 0.8, [20, 24, 24]),
        (30.0, 0.8, [30, 30, 30]),
        (60.0, 1.2, [60, 60, 60]),
    ],
)
def test_back_off(interval: float, jitter: float, waits: list[float]) -> None:
    assert [back_off(interval, streak, jitter) for streak in range(1, len(waits) + 1)] == pytest.approx(waits)


@given(st.floats(1.0, 120.0), st.integers(0, 10_000), st.floats(1 - JITTER, 1 + JITTER))
def test_no_wait_is_shorter_than_an_interval_or_longer_than_the_limit(
    interval: float, streak: int, jitter: float
) -> None:
    assert interval <= back_off(interval, streak, jitter) <= max(interval, MAX_BACK_OFF)


@pytest.mark.parametrize(
    ("interval", "in_force", "share", "spacing"),
    [(5.0, 5.0, 20, 1.0), (5.0, 5.0, 10, 4.0), (5.0, 20.0, 20, 4.0), (1.0, 2.0, 20, 20 / 3)],
)
def test_the_rotation_is_even_and_slows_down_as_polling_does(
    interval: float, in_force: float, share: int, spacing: float
) -> None:
    assert rotation_spacing(interval, in_force, share, LOOKS) == pytest.approx(spacing)


@pytest.mark.parametrize(
    ("in_force", "attention", "spacing"),
    [(2.0, LOOKS, 10 / 3), (2.0, Attention(), 1.0), (3.0, LOOKS, 10 / 8), (5.0, LOOKS, 1.0)],
)
def test_the_rotation_takes_nothing_that_polls_need(in_force: float, attention: Attention, spacing: float) -> None:
    assert rotation_spacing(in_force, in_force, 20, attention) == pytest.approx(spacing)


@pytest.mark.parametrize(
    ("interval", "in_force", "share", "burst"),
    [
        (5.0, 5.0, 20, Burst(most=4, at_rest=3, seconds=5.0)),
        (5.0, 20.0, 20, Burst(most=4, at_rest=3, seconds=20.0)),
        (60.0, 60.0, 20, Burst(most=8, at_rest=6, seconds=10.0)),
        (2.0, 2.0, 20, Burst(most=1, at_rest=1, seconds=10 / 3)),
        (5.0, 5.0, 4, Burst(most=1, at_rest=1, seconds=10.0)),
    ],
)
def test_the_rotation_asks_at_once_what_it_may_between_two_polls(
    interval: float, in_force: float, share: int, burst: Burst
) -> None:
    assert rotation_burst(interval, in_force, share, LOOKS) == pytest.approx(burst)


def test_there_is_room_once_the_first_of_too_many_is_a_window_old() -> None:
    sent = (1.0, 2.0, 3.0)
    assert room_at(sent, 4) == -math.inf
    assert room_at(sent, 3) == 1.0 + WINDOW
    assert room_at(sent, 1) == 3.0 + WINDOW
    assert (by_time(20), by_time(10), by_time(1)) == (15, 7, 1)


def test_the_response_time_follows_the_answers_without_jumping() -> None:
    response_time = smoothed(0.0, 0.2)
    assert response_time == 0.2
    assert smoothed(response_time, 4.0) < 2.0
    for _ in range(30):
        response_time = smoothed(response_time, 4.0)
    assert response_time == pytest.approx(4.0, abs=0.01)


def test_what_has_waited_for_the_allowance_is_not_the_servers_fault() -> None:
    assert smoothed(0.1, 120.0) == smoothed(0.1, 10.0)
