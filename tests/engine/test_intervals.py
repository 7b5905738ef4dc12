from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.engine.intervals import (
    JITTER,
    MAX_BACKOFF_S,
    RotationBatch,
    background_limit,
    backoff,
    change_interval,
    effective_interval,
    health_interval,
    list_interval,
    min_interval,
    page_change_interval,
    poll_limit,
    rotation_batch,
    scan_interval,
    smooth,
)
from comfytui.engine.protocol import Viewport
from comfytui.ratelimit.window import WINDOW_S

LOOKS = Viewport(runner_id="r1")
LOOKS_AWAY = Viewport(runner_id="r1", focused=False)
WHOLE = Viewport(runner_id="r1", all_pages=True)
WALLBOARD = Viewport(runner_id="r1", focused=False, full_rate_unfocused=True)


@pytest.mark.parametrize(
    ("interval", "viewport", "response_time", "share", "in_force"),
    [
        pytest.param(5.0, LOOKS, 0.1, 20, 5.0, id="as wished"),
        pytest.param(5.0, LOOKS_AWAY, 0.1, 20, 20.0, id="four times where nobody looks"),
        pytest.param(5.0, WALLBOARD, 0.1, 20, 5.0, id="but not on a wallboard"),
        pytest.param(5.0, LOOKS, 2.5, 20, 5.0, id="twice the response time is an interval"),
        pytest.param(5.0, LOOKS, 2.6, 20, 6.0, id="twice the response time is more, in whole seconds"),
        pytest.param(5.0, LOOKS_AWAY, 4.0, 20, 20.0, id="slow answers, unfocused"),
        pytest.param(1.0, LOOKS, 0.1, 20, 2.0, id="three things a second are more than the share bears"),
        pytest.param(1.0, LOOKS, 0.1, 10, 4.0, id="a smaller share bears less"),
        pytest.param(1.0, Viewport(), 0.1, 20, 1.0, id="one thing a second it bears"),
        pytest.param(2.5, LOOKS, 0.1, 20, 2.5, id="what was wished is not rounded"),
        pytest.param(1.0, WHOLE, 0.1, 20, 4.0, id="a runner beside a whole list has a quarter of the share"),
        pytest.param(5.0, WHOLE, 0.1, 20, 5.0, id="which is enough as a rule"),
        pytest.param(1.0, Viewport(all_pages=True), 0.1, 20, 1.0, id="a whole list has its own pace"),
    ],
)
def test_effective_interval_follows_user_focus_and_responses(
    interval: float, viewport: Viewport, response_time: float, share: int, in_force: float
) -> None:
    assert effective_interval(interval, viewport, response_time, share) == in_force


@pytest.mark.parametrize("share", [10, 20, 40])
def test_min_interval_leaves_a_quarter_of_the_limit(share: int) -> None:
    assert 3 * WINDOW_S / min_interval(LOOKS, share) == pytest.approx(share * 3 / 4)


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
def test_list_interval_grows_with_pages(in_force: float, pages: int, share: int, seconds: float) -> None:
    assert list_interval(in_force, pages, share) == seconds


@pytest.mark.parametrize(("in_force", "seconds"), [(1.0, 15.0), (15.0, 15.0), (20.0, 20.0)])
def test_health_interval_is_at_least_15_s(in_force: float, seconds: float) -> None:
    assert health_interval(in_force) == seconds


@pytest.mark.parametrize("share", [10, 20, 40])
def test_scan_leaves_more_than_half_of_the_limit(share: int) -> None:
    assert 7 * WINDOW_S / scan_interval(7, share) <= share / 2
    assert scan_interval(1, share) == 0.0


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
def test_backoff_doubles_up_to_30_s(interval: float, jitter: float, waits: list[float]) -> None:
    assert [backoff(interval, streak, jitter) for streak in range(1, len(waits) + 1)] == pytest.approx(waits)


@given(st.floats(1.0, 120.0), st.integers(0, 10_000), st.floats(1 - JITTER, 1 + JITTER))
def test_backoff_stays_between_interval_and_maximum(interval: float, streak: int, jitter: float) -> None:
    assert interval <= backoff(interval, streak, jitter) <= max(interval, MAX_BACKOFF_S)


@pytest.mark.parametrize(
    ("interval", "in_force", "share", "viewport", "batch"),
    [
        pytest.param(5.0, 5.0, 20, LOOKS, RotationBatch(3, 5.0), id="usual"),
        pytest.param(5.0, 20.0, 20, LOOKS, RotationBatch(3, 20.0), id="slowed down"),
        pytest.param(60.0, 60.0, 20, LOOKS, RotationBatch(6, 10.0), id="long interval"),
        pytest.param(2.0, 2.0, 20, LOOKS, RotationBatch(1, 10 / 3), id="polls leave little"),
        pytest.param(2.0, 2.0, 20, Viewport(), RotationBatch(1, 2.0), id="without a runner"),
        pytest.param(5.0, 5.0, 4, LOOKS, RotationBatch(1, 10.0), id="small limit"),
    ],
)
def test_rotation_batch_fits_beside_the_polls(
    interval: float, in_force: float, share: int, viewport: Viewport, batch: RotationBatch
) -> None:
    made = rotation_batch(interval, in_force, share, viewport)
    assert made.size == batch.size
    assert made.period_s == pytest.approx(batch.period_s)


def test_limits_keep_requests_for_users() -> None:
    assert [poll_limit(share) for share in (20, 10, 6, 1)] == [16, 8, 4, 1]
    assert [background_limit(share) for share in (20, 10, 6, 1)] == [15, 7, 4, 1]


def test_announced_changes_are_followed_more_slowly_without_the_focus() -> None:
    assert (change_interval(5.0), change_interval(20.0)) == (1.0, 4.0)
    assert (page_change_interval(5.0), page_change_interval(20.0)) == (1.5, 4.0)


def test_response_time_is_smoothed() -> None:
    response_time = smooth(0.0, 0.2)
    assert response_time == 0.2
    assert smooth(response_time, 4.0) < 2.0
    for _ in range(30):
        response_time = smooth(response_time, 4.0)
    assert response_time == pytest.approx(4.0, abs=0.01)


def test_response_time_over_10_s_counts_as_10_s() -> None:
    assert smooth(0.1, 120.0) == smooth(0.1, 10.0)
