from __future__ import annotations

import math
from typing import TYPE_CHECKING

import pytest

from comfytui.api.statuses import RunnerStatus
from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.protocol import MAX_SCANNED_RUNNERS, PageKey, Viewport
from comfytui.engine.snapshot import (
    MAX_SCAN_PAGES,
    certain_monotonic,
    first_page,
    in_list,
    outdated,
    page_count,
    page_keys,
    scan_keys,
    stalest,
)
from tests.support.builders import make_page, make_runner
from tests.support.clock import START

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage

ACTIVE = RunnerStatus.ACTIVE
SOME = make_page(make_runner())
DOWN = Problem(ProblemKind.SERVER, "down", 503, START, 1, 5.0)


def whole(status: RunnerStatus | None = None) -> Viewport:
    return Viewport(page=PageKey(3, 25, status), all_pages=True)


def hundred(page: int, status: RunnerStatus | None = None) -> PageKey:
    return PageKey(page, 100, status)


def test_a_list_is_its_page_or_all_pages_of_its_status() -> None:
    assert page_keys(Viewport(page=PageKey(3)), 120, {}) == [PageKey(3)]
    assert page_keys(whole(ACTIVE), 120, {}) == [hundred(1, ACTIVE), hundred(2, ACTIVE)]


@pytest.mark.parametrize(
    ("total", "pages"),
    [(0, 1), (1, 1), (100, 1), (101, 2), (9_999, 100), (MAX_SCANNED_RUNNERS, 100), (MAX_SCANNED_RUNNERS + 1, 100)],
)
def test_page_count(total: int, pages: int) -> None:
    keys = scan_keys(None, total, {})
    assert keys == [hundred(page) for page in range(1, pages + 1)]
    assert page_count(keys, total, {}) == pages


@pytest.mark.parametrize(
    ("answers", "wanted", "last"),
    [
        ([], 1, None),
        ([SOME], 2, None),
        ([SOME, SOME], 3, None),
        ([SOME, make_page()], 2, 2),
        ([make_page(unreadable=3)], 2, None),
        ([SOME, make_page(), SOME], 2, 2),
        ([SOME] * MAX_SCAN_PAGES, MAX_SCAN_PAGES, MAX_SCAN_PAGES),
    ],
)
def test_first_empty_page_is_the_last_without_a_total(answers: list[RunnerPage], wanted: int, last: int | None) -> None:
    pages = {hundred(number): Feed(page, START, 1.0) for number, page in enumerate(answers, 1)}
    keys = scan_keys(None, None, pages)
    assert len(keys) == wanted
    assert page_count(keys, None, pages) == last


def test_the_front_stands_for_the_list() -> None:
    assert first_page(Viewport(page=PageKey(3))) == PageKey(3)
    assert first_page(whole(ACTIVE)) == hundred(1, ACTIVE)


@pytest.mark.parametrize(
    ("key", "is_of_whole"),
    [
        (hundred(1, ACTIVE), True),
        (hundred(100, ACTIVE), True),
        (hundred(101, ACTIVE), False),
        (hundred(1), False),
        (PageKey(3, 25, ACTIVE), False),
    ],
)
def test_pages_in_the_list(key: PageKey, is_of_whole: bool) -> None:
    assert in_list(whole(ACTIVE), key) is is_of_whole
    assert in_list(whole(ACTIVE)._replace(all_pages=False), key) is (key == PageKey(3, 25, ACTIVE))


def test_the_worst_is_what_failed_for_longest_else_what_was_answered_longest_ago() -> None:
    never: Feed[RunnerPage] = Feed()
    old, new = Feed(SOME, START, 1.0), Feed(SOME, START, 2.0)
    failed = Feed(SOME, START, 3.0, DOWN._replace(since_at=START.replace(hour=20)))
    failed_for_longer: Feed[RunnerPage] = Feed(problem=DOWN)
    assert stalest([]) == stalest([never, never]) == never
    assert stalest([never, new, old]) is old
    assert stalest([old, failed, never]) is failed
    assert stalest([old, failed, failed_for_longer, failed]) is failed_for_longer


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([], []),
        ([(1.0, 5)], []),
        ([(1.0, 5), (2.0, 5), (3.0, 5)], []),
        ([(1.0, 5), (2.0, 4)], [0]),
        ([(1.0, 5), (1.0, 4), (1.0, 4)], [0]),
        ([(3.0, 4), (2.0, 4), (1.0, 5)], [2]),
        ([(1.0, 5), (2.0, 4), (3.0, 5)], [0, 1]),
        ([(1.0, None), (2.0, 5), (3.0, None)], []),
        ([(1.0, None), (2.0, 5), (3.0, 4)], [0, 1]),
    ],
)
def test_pages_from_before_the_total_last_changed_are_outdated(
    answers: list[tuple[float, int | None]], expected: list[int]
) -> None:
    one = make_page(make_runner())
    pages = {index: (on, one.model_copy(update={"total": total})) for index, (on, total) in enumerate(answers)}
    assert outdated(pages) == expected


def test_empty_page_beyond_the_last_tells_of_no_change() -> None:
    assert outdated({1: (1.0, make_page(make_runner(), total=1)), 2: (2.0, make_page(total=0))}) == []
    assert outdated({1: (1.0, make_page(make_runner(), total=2)), 2: (2.0, make_page(total=1))}) == [1]


def test_missing_runner_is_certain_after_all_pages() -> None:
    assert certain_monotonic([5.0], 1.0) == math.inf
    assert certain_monotonic([5.0, 9.0], 1.0) == 3.0
    assert certain_monotonic([5.0, -math.inf], 1.0) == -math.inf
