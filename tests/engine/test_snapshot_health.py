from __future__ import annotations

from datetime import timedelta

import pytest

from comfytui.engine.snapshot import HealthCheck, healthy, unhealthy
from tests.support.builders import make_stats
from tests.support.clock import START

STATS = make_stats()
KNOWN = HealthCheck(reachable=True, latency=0.1, stats=STATS)


def test_the_first_answer_is_what_it_is() -> None:
    assert healthy(None, STATS, 0.043) == HealthCheck(reachable=True, latency=0.043, stats=STATS)


@pytest.mark.parametrize(
    ("before", "took", "latency"),
    [
        (0.1, 0.05, 0.1),
        (0.1, 0.2, 0.1),
        (0.2, 0.049, 0.049),
        (0.1, 0.201, 0.201),
        (0.001, 0.019, 0.001),
        (0.019, 0.0, 0.019),
        (0.04, 0.049, 0.04),
        (0.001, 0.051, 0.051),
        (8.0, 0.01, 0.01),
        (None, 0.3, 0.3),
    ],
)
def test_latency_moves_only_where_it_changes_much(before: float | None, took: float, latency: float) -> None:
    old = HealthCheck(reachable=True, latency=before, stats=STATS)
    assert healthy(old, STATS, took).latency == latency


def test_an_answer_that_is_nothing_new_is_the_same_object() -> None:
    assert healthy(KNOWN, make_stats(), 0.12) is KNOWN
    assert healthy(KNOWN, make_stats(), 0.3).stats is STATS
    silent = unhealthy(KNOWN, "refused", START)
    assert unhealthy(silent, "refused", START) is silent
    assert unhealthy(silent, "timed out", START) is not silent
    later = START + timedelta(minutes=5)
    assert unhealthy(silent, "refused", later) is silent
    assert unhealthy(silent, "timed out", later).since == START


def test_other_stats_are_another_checkup_as_fast_as_before() -> None:
    other = make_stats(dev_mode=True)
    assert healthy(KNOWN, other, 0.12) == HealthCheck(reachable=True, latency=0.1, stats=other)


def test_last_stats_stay_while_unreachable() -> None:
    silent = unhealthy(KNOWN, "refused", START)
    assert silent == HealthCheck(reachable=False, latency=None, stats=STATS, error="refused", since=START)
    assert healthy(silent, make_stats(), 0.5) == HealthCheck(reachable=True, latency=0.5, stats=STATS)
    assert unhealthy(None, "refused", START) == HealthCheck(reachable=False, error="refused", since=START)
