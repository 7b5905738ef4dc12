from __future__ import annotations

from datetime import UTC, datetime

import pytest

from comfytui.api.statuses import RunnerStatus
from comfytui.engine.protocol import PageKey
from comfytui.engine.snapshot import RemovedRunner
from comfytui.query.filter import parse
from comfytui.query.sorting import Sort
from comfytui.query.view import ListView, SearchProgress
from comfytui.render.cells import Line, Role, Span
from comfytui.render.chrome import (
    ListSpec,
    empty_page,
    empty_search,
    list_title,
    lost_selection_notice,
    match_count_text,
    page_count,
    page_footer,
    removed_notice,
    search_footer,
)
from comfytui.render.freshness import RenderContext
from tests.support.builders import make_page, make_runner
from tests.support.lines import plain_text

ACTIVE = PageKey(status=RunnerStatus.ACTIVE)
NOW = RenderContext(datetime(2026, 1, 31, tzinfo=UTC), 100.0, keys={"cycle_status": "s", "refresh_now": "r"})
RUNNERS = tuple(make_runner(f"r{number}") for number in range(25))


def text_of(lines: tuple[Line, ...]) -> str:
    return " / ".join(plain_text(each) for each in lines)


def view(
    matching: int, loaded: int = 120, pages: int = 2, known: int | None = None, *, capped: bool = False
) -> ListView:
    return ListView(RUNNERS[:matching], SearchProgress(pages, 2, loaded, 120, capped), known)


@pytest.mark.parametrize(
    ("total", "per_page", "pages"),
    [(None, 25, None), (0, 25, 1), (1, 25, 1), (25, 25, 1), (26, 25, 2), (120, 25, 5), (120, 1, 120)],
)
def test_page_count(total: int | None, per_page: int, pages: int | None) -> None:
    assert page_count(total, per_page) == pages


def test_the_title_says_which_filter_is_on() -> None:
    assert plain_text(list_title(ListSpec(), None, 54)) == "Runners"
    assert plain_text(list_title(ListSpec(ACTIVE), None, 54)) == "Runners  active"
    assert list_title(ListSpec(ACTIVE), None, 54)[-1] == Span("active", Role.ACCENT)
    assert plain_text(list_title(ListSpec(ACTIVE, parse("gpu !tag:x")), None, 54)) == "Runners  active  /gpu !tag:x"


@pytest.mark.parametrize(
    ("listing", "searched", "width", "title"),
    [
        (ListSpec(query=parse("gpu")), (120, 2), 54, "Runners  /gpu  all pages searched"),
        (ListSpec(ACTIVE, parse("gpu")), (100, 1), 54, "Runners  active  /gpu  1/2 pages"),
        (ListSpec(sort=Sort("name")), (120, 2), 54, "Runners  all pages searched"),
        (ListSpec(query=parse("a very long filter")), (120, 2), 40, "Runners  /a very lo…  all pages searched"),
        (ListSpec(query=parse("a very long filter")), (120, 2), 30, "Runners  /a ve…  all pages searched"),
    ],
)
def test_the_title_says_what_was_searched(listing: ListSpec, searched: tuple[int, int], width: int, title: str) -> None:
    assert plain_text(list_title(listing, view(7, *searched), width)) == title


def test_the_title_tells_an_order_that_no_column_tells() -> None:
    listing = ListSpec(sort=Sort("created", descending=True))
    assert plain_text(list_title(listing, None, 54)) == "Runners"
    assert plain_text(list_title(listing, None, 54, show_sort=True)) == "Runners  by created ▼"
    assert plain_text(list_title(ListSpec(sort=Sort("name")), None, 54, show_sort=True)) == "Runners  by name ▲"


def test_the_foot_says_where_one_is() -> None:
    assert plain_text(page_footer(PageKey(), make_page(*RUNNERS, total=120), (), 80)) == "page 1/5  1–25 of 120"
    assert (
        plain_text(page_footer(PageKey(page=5), make_page(*RUNNERS[:20], total=120), (), 80))
        == "page 5/5  101–120 of 120"
    )
    assert (
        plain_text(page_footer(PageKey(page=3, per_page=7), make_page(RUNNERS[0], total=15), (), 80))
        == "page 3/3  15–15 of 15"
    )


def test_the_foot_of_a_page_without_runners_or_total() -> None:
    assert plain_text(page_footer(PageKey(page=2), None, (), 80)) == "page 2 …"
    assert plain_text(page_footer(PageKey(), make_page(), (), 80)) == "page 1/1  0 of 0"
    unknown = make_page(*RUNNERS[:2]).model_copy(update={"total": None})
    assert plain_text(page_footer(PageKey(), unknown, (), 80)) == "page 1/?  1–2 of ?"


def test_entries_that_could_not_be_read_are_counted() -> None:
    foot = page_footer(PageKey(), make_page(RUNNERS[0], unreadable=3), (), 80)
    assert foot[-1] == Span("3 unreadable", Role.BAD)


def test_each_kind_of_nothing_has_its_own_sentence() -> None:
    assert text_of(empty_page(ListSpec(), None, NOW)) == "Loading runners …"
    assert text_of(empty_page(ListSpec(ACTIVE), make_page(), NOW)) == "No active runners. / s shows the others."
    assert text_of(empty_page(ListSpec(), make_page(), NOW)).startswith("No runners yet. / Register one")
    assert empty_page(ListSpec(), make_page(RUNNERS[0]), NOW) == ()


def test_a_listing_needs_all_pages_where_it_is_filtered_or_sorted() -> None:
    assert not ListSpec(ACTIVE).needs_all_pages
    assert ListSpec(query=parse("gpu")).needs_all_pages
    assert ListSpec(sort=Sort("name")).needs_all_pages


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (view(7), "all pages searched"),
        (view(7, 100, 1), "1/2 pages"),
        (view(7, known=25), "all pages searched  known for 25"),
        (view(7, capped=True), "only the first 10,000 searched"),
    ],
)
def test_title_tells_search_progress(found: ListView, words: str) -> None:
    assert plain_text(list_title(ListSpec(sort=Sort("name")), found, 80)) == f"Runners  {words}"


def test_the_foot_says_how_many_match_of_how_many() -> None:
    assert plain_text(search_footer(PageKey(), 7, view(7), (), 54)) == "page 1/1  1–7 of 7 (120 loaded)"
    assert plain_text(search_footer(PageKey(), 7, view(7), (), 20)) == "page 1/1  1–7 of 7"
    assert plain_text(search_footer(PageKey(), 0, view(0), (), 54)) == "page 1/1  0 of 0 (120 loaded)"


def test_the_count_for_the_box() -> None:
    assert plain_text(match_count_text(view(7), 40)) == "7 of 120  all pages searched"
    assert plain_text(match_count_text(view(7, 100, 1, known=3), 40)) == "7 of 100  1/2 pages  known for 3"

    assert plain_text(match_count_text(view(7), 20)) == "7 of 120"
    assert plain_text(match_count_text(view(7, 100, 1, known=3), 20)) == "7 of 100  1/2 pages"


def test_no_match_says_whether_all_were_searched_and_which_key_helps() -> None:
    at = RenderContext(NOW.now, 0.0, keys={"filter": "F", "back": "Esc"})
    listing = ListSpec(query=parse("nope"))
    assert (
        text_of(empty_search(listing, view(0), at)) == "No runner matches /nope / F changes the filter, Esc clears it."
    )
    assert text_of(empty_search(listing, view(0, 100, 1), at)) == "No match yet: 1/2 pages"
    assert text_of(empty_search(listing, view(0, 0, 0), at)) == "Loading runners …"
    assert text_of(empty_search(ListSpec(sort=Sort("name")), view(0), at)) == "No runners."
    assert empty_search(listing, view(1), at) == ()


def test_removed_runner_is_told_for_a_while() -> None:
    gone = (RemovedRunner("r1", "gpu-07", NOW.now, 90.0),)
    assert plain_text(removed_notice(gone, 100.0)) == "gpu-07 is no longer registered"
    assert removed_notice(gone, 106.0) == removed_notice((), 100.0) == ()
    assert plain_text(lost_selection_notice(("gpu-07", 90.0), 100.0)) == "gpu-07 is no longer on this page"
    assert (
        plain_text(lost_selection_notice(("Upscale", 90.0), 100.0, "among the newest"))
        == "Upscale is no longer among the newest"
    )
    assert lost_selection_notice(("gpu-07", 90.0), 106.0) == lost_selection_notice(None, 100.0) == ()


def test_removed_runner_is_told_on_narrow_screens() -> None:
    gone = (Span("gpu-07 is no longer on this page"),)
    page = make_page(*RUNNERS, total=120)
    words = [plain_text(page_footer(PageKey(), page, gone, width)) for width in (60, 50, 40, 20)]
    assert words == [
        "page 1/5  1–25 of 120  gpu-07 is no longer on this page",
        "page 1/5  gpu-07 is no longer on this page",
        "gpu-07 is no longer on this page",
        "gpu-07 is no longer on this page",
    ]
    whole = [plain_text(search_footer(PageKey(), 7, view(7), gone, width)) for width in (70, 55, 45, 40)]
    assert whole == [
        "page 1/1  1–7 of 7 (120 loaded)  gpu-07 is no longer on this page",
        "page 1/1  1–7 of 7  gpu-07 is no longer on this page",
        "page 1/1  gpu-07 is no longer on this page",
        "gpu-07 is no longer on this page",
    ]
