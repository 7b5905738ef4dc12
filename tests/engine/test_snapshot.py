from __future__ import annotations

from comfytui.api.statuses import RunnerStatus
from comfytui.engine.feed import Feed
from comfytui.engine.protocol import PageKey, Viewport
from comfytui.engine.snapshot import HealthCheck, Snapshot
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.clock import START

PAGES = {PageKey(1): Feed(make_page(), START, 1.0), PageKey(2): Feed(make_page(make_runner()), START, 2.0)}
RUNNERS = {"r1": Feed(make_runner("r1"), START, 3.0)}
HISTORIES = {"r1": Feed((make_workflow("w1"),), START, 4.0)}
STATS = {"r1": Feed(HealthCheck(reachable=True), START, 5.0)}
SNAPSHOT = Snapshot(viewport=Viewport(page=PageKey(2)), pages=PAGES, runners=RUNNERS, histories=HISTORIES, stats=STATS)


def test_the_page_is_the_one_in_view() -> None:
    assert SNAPSHOT.page is PAGES[PageKey(2)]


def test_feeds_of_a_runner_are_found_by_its_id() -> None:
    assert SNAPSHOT.runner("r1") is RUNNERS["r1"]
    assert SNAPSHOT.history("r1") is HISTORIES["r1"]
    assert SNAPSHOT.health("r1") is STATS["r1"]


def test_unrequested_resource_has_an_empty_feed() -> None:
    assert Snapshot(viewport=Viewport(page=PageKey(9)), pages=PAGES).page == Feed()
    for runner_id in ("r2", None):
        assert SNAPSHOT.runner(runner_id) == Feed()
        assert SNAPSHOT.history(runner_id) == Feed()
        assert SNAPSHOT.health(runner_id) == Feed()


def test_a_runner_is_checked_as_it_is_polled_but_not_so_fast() -> None:
    assert (SNAPSHOT.interval_s, SNAPSHOT.health_interval_s) == (5.0, 15.0)
    assert SNAPSHOT._replace(interval=60.0).health_interval_s == 60.0


def test_the_total_is_what_the_newest_page_of_the_same_list_told() -> None:
    disabled = PageKey(status=RunnerStatus.DISABLED)
    pages = {
        PageKey(1): Feed(make_page(total=7), START, 3.0),
        PageKey(2): Feed(make_page(total=8), START, 2.0),
        disabled: Feed(make_page(total=1), START, 4.0),
    }
    assert Snapshot(viewport=Viewport(page=PageKey(9)), pages=pages).total == 7
    assert Snapshot(viewport=Viewport(page=disabled), pages=pages).total == 1
    assert Snapshot().total is None


def test_a_runner_is_found_by_its_details_else_on_a_page() -> None:
    listed = make_runner("r2")
    snapshot = SNAPSHOT._replace(pages={PageKey(1): Feed(), PageKey(2): Feed(make_page(make_runner("r1"), listed))})
    assert snapshot.find_runner("r1") is RUNNERS["r1"].value
    assert snapshot.find_runner("r2") is listed
    assert snapshot.find_runner("r3") is None


def test_runner_is_found_on_its_newest_page() -> None:
    older, newer = make_runner("r2", tags=["older"]), make_runner("r2", tags=["newer"])
    pages = {PageKey(1): Feed(make_page(newer), START, 9.0), PageKey(2): Feed(make_page(older), START, 8.0)}
    assert Snapshot(pages=pages).find_runner("r2") is newer
    assert Snapshot(pages=dict(reversed(pages.items()))).find_runner("r2") is newer


class TestWholeList:
    """All pages of the list are looked at."""

    SNAPSHOT = Snapshot(
        viewport=Viewport(page=PageKey(2), all_pages=True),
        pages={
            PageKey(2): Feed(make_page(total=290), START, 1.0),
            PageKey(1, 100): Feed(make_page(total=310), START, 3.0),
            PageKey(2, 100): Feed(make_page(total=300), START, 2.0),
            PageKey(9, 100): Feed(make_page(total=900), START, 0.5),
        },
    )

    def test_pages_follow_from_the_newest_total(self) -> None:
        assert self.SNAPSHOT.total == 310
        assert self.SNAPSHOT.page_keys == tuple(PageKey(number, 100) for number in range(1, 5))
        assert self.SNAPSHOT._replace(viewport=Viewport(page=PageKey(2))).page_keys == (PageKey(2),)

    def test_list_is_as_fresh_as_its_stalest_page(self) -> None:
        assert self.SNAPSHOT.page is self.SNAPSHOT.pages[PageKey(2, 100)]
        assert Snapshot(viewport=Viewport(all_pages=True)).page == Feed()

    def test_list_interval_covers_all_pages(self) -> None:
        assert self.SNAPSHOT.list_interval_s == self.SNAPSHOT.interval_s == 5.0
        many = self.SNAPSHOT._replace(pages={PageKey(1, 100): Feed(make_page(total=10_000), START, 3.0)})
        assert (many.interval_s, many.list_interval_s) == (5.0, 125.0)
        assert many._replace(viewport=Viewport()).list_interval_s == 5.0
