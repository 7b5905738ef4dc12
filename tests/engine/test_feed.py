from __future__ import annotations

import pytest

from comfytui.engine.feed import Feed, Freshness, Problem, ProblemKind
from tests.support.clock import START

PROBLEM = Problem(ProblemKind.SERVER, "down", 503, START, 1, 105.0)
EMPTY: Feed[str] = Feed()
FAILED: Feed[str] = Feed(problem=PROBLEM)


@pytest.mark.parametrize(
    ("feed", "now", "freshness"),
    [
        (EMPTY, 100.0, Freshness.WAITING),
        (Feed("value", START, 100.0), 100.0, Freshness.LIVE),
        (Feed("value", START, 100.0), 110.0, Freshness.LIVE),
        (Feed("value", START, 100.0), 110.1, Freshness.LATE),
        (Feed("value", START, 100.0, PROBLEM), 100.0, Freshness.STALE),
        (FAILED, 100.0, Freshness.STALE),
    ],
)
def test_freshness_with_an_interval_of_five_seconds(feed: Feed[str], now: float, freshness: Freshness) -> None:
    assert feed.freshness(now, 5.0) is freshness


def test_an_empty_answer_is_an_answer() -> None:
    assert Feed((), START, 100.0).freshness(100.0, 5.0) is Freshness.LIVE
