from __future__ import annotations

import pytest

from comfytui.api.models import RunnerStatus
from comfytui.engine.resources import PageKey
from comfytui.tui.present.cells import Line, Role, Span
from comfytui.tui.present.listing import empty_list, list_foot, list_title, page_count
from tests.support.builders import make_page, make_runner
from tests.support.lines import plain_text

ACTIVE = PageKey(status=RunnerStatus.ACTIVE)
RUNNERS = tuple(make_runner(f"r{number}") for number in range(25))


def text_of(lines: tuple[Line, ...]) -> str:
    return " / ".join(plain_text(each) for each in lines)


@pytest.mark.parametrize(
    ("total", "per_page", "pages"),
    [(None, 25, None), (0, 25, 1), (1, 25, 1), (25, 25, 1), (26, 25, 2), (120, 25, 5), (120, 1, 120)],
)
def test_page_count(total: int | None, per_page: int, pages: int | None) -> None:
    assert page_count(total, per_page) == pages


def test_the_title_says_which_filter_is_on() -> None:
    assert plain_text(list_title(PageKey())) == "Runners"
    assert list_title(ACTIVE) == (Span("Runners", Role.STRONG), Span("  active", Role.ACCENT))


def test_the_foot_says_where_one_is() -> None:
    assert plain_text(list_foot(PageKey(), make_page(*RUNNERS, total=120))) == "page 1/5  1–25 of 120"
    assert plain_text(list_foot(PageKey(page=5), make_page(*RUNNERS[:20], total=120))) == "page 5/5  101–120 of 120"
    assert (
        plain_text(list_foot(PageKey(page=3, per_page=7), make_page(RUNNERS[0], total=15))) == "page 3/3  15–15 of 15"
    )


def test_the_foot_of_a_page_without_runners_or_total() -> None:
    assert plain_text(list_foot(PageKey(page=2), None)) == "page 2 …"
    assert plain_text(list_foot(PageKey(), make_page())) == "page 1/1  0 of 0"
    unknown = make_page(*RUNNERS[:2]).model_copy(update={"total": None})
    assert plain_text(list_foot(PageKey(), unknown)) == "page 1/?  1–2 of ?"


def test_entries_that_could_not_be_read_are_counted() -> None:
    foot = list_foot(PageKey(), make_page(RUNNERS[0], unreadable=3))
    assert foot[-1] == Span("  3 unreadable", Role.BAD)


def test_each_kind_of_nothing_has_its_own_sentence() -> None:
    assert text_of(empty_list(PageKey(), None)) == "Asking for runners …"
    assert text_of(empty_list(ACTIVE, make_page())) == "No active runners. / s shows the others."
    assert text_of(empty_list(PageKey(), make_page())).startswith("No runners yet. / Register one")
    assert empty_list(PageKey(), make_page(RUNNERS[0])) == empty_list(ACTIVE, make_page(RUNNERS[0])) == ()
