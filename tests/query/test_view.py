from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from comfytui.api.statuses import RunnerStatus
from comfytui.engine.feed import Feed
from comfytui.engine.protocol import MAX_SCANNED_RUNNERS, PageKey, Viewport
from comfytui.engine.reducer import apply_history, apply_page, apply_stats, apply_unreachable, remove_runner
from comfytui.engine.snapshot import Snapshot
from comfytui.query.filter import Query, parse
from comfytui.query.sorting import Sort
from comfytui.query.view import ListView, ListViewBuilder, SearchProgress
from tests.support.builders import make_page, make_runner, make_stats, make_workflow
from tests.support.engine_harness import seen

if TYPE_CHECKING:
    from comfytui.api.models import Runner, RunnerPage, Workflow

WHOLE = Viewport(all_pages=True)
ALL = Query()


def runners(first: int, last: int) -> list[Runner]:
    return [make_runner(f"r{number:03}") for number in range(first, last + 1)]


def loaded(*pages: list[Runner], total: int = 250, viewport: Viewport = WHOLE) -> Snapshot:
    """These pages, answered one after another."""
    snapshot = Snapshot(viewport=viewport)
    for number, page in enumerate(pages, 1):
        snapshot = answered(snapshot, number, make_page(*page, total=total), float(number))
    return snapshot


def answered(snapshot: Snapshot, number: int, page: RunnerPage, on: float) -> Snapshot:
    return apply_page(snapshot, PageKey(number, 100, snapshot.viewport.page.status), page, seen(on))


def ids(view: ListView) -> list[str]:
    return [runner.id for runner in view.runners]


def failed() -> tuple[Workflow, ...]:
    return (make_workflow(status="failed"),)


THREE = loaded(runners(1, 100), runners(101, 200), runners(201, 250))
CHECKED = apply_unreachable(apply_stats(THREE, "r150", make_stats(), seen(1.0)), "r002", "no route to host", seen(1.0))


def test_without_anything_all_runners_in_the_order_of_the_api() -> None:
    view = ListViewBuilder().build(THREE, ALL, None)
    assert ids(view) == [f"r{number:03}" for number in range(1, 251)]
    assert view.searched == SearchProgress(pages=3, total_pages=3, runners=250, total=250)
    assert view.searched.is_complete
    assert view.known is None


def test_matches_are_in_the_chosen_order() -> None:
    view = ListViewBuilder().build(THREE, parse("r04 !r044"), Sort("name", descending=True))
    assert ids(view) == ["r049", "r048", "r047", "r046", "r045", "r043", "r042", "r041", "r040"]
    assert view.searched.runners == 250


def test_search_progress_with_missing_pages() -> None:
    viewer = ListViewBuilder()
    assert viewer.build(Snapshot(viewport=WHOLE), ALL, None) == ListView()
    assert not ListView().searched.is_complete
    some = answered(loaded(runners(1, 100)), 3, make_page(*runners(201, 250), total=250), 5.0)
    view = viewer.build(some, ALL, None)
    assert view.searched == SearchProgress(pages=2, total_pages=3, runners=150, total=250)
    assert not view.searched.is_complete


def test_a_total_told_by_a_page_of_the_same_list_counts_before_anything_is_loaded() -> None:
    snapshot = apply_page(Snapshot(viewport=WHOLE), PageKey(), make_page(*runners(1, 25), total=250), seen(1.0))
    assert ListViewBuilder().build(snapshot, ALL, None).searched == SearchProgress(
        pages=0, total_pages=3, runners=0, total=250
    )


def test_more_than_is_ever_loaded_is_said() -> None:
    view = ListViewBuilder().build(loaded(runners(1, 100), total=MAX_SCANNED_RUNNERS + 1), ALL, None)
    assert view.searched == SearchProgress(1, 100, 100, MAX_SCANNED_RUNNERS + 1, capped=True)
    assert not ListViewBuilder().build(loaded(runners(1, 100), total=MAX_SCANNED_RUNNERS), ALL, None).searched.capped


def test_pages_beyond_the_end_of_a_list_that_has_shrunk_count_for_nothing() -> None:
    shrunk = answered(THREE, 1, make_page(*runners(1, 100), total=200), 9.0)
    view = ListViewBuilder().build(shrunk, ALL, None)
    assert (len(view.runners), view.searched.total_pages, view.searched.pages) == (200, 2, 2)


def test_pages_of_another_status_count_for_nothing() -> None:
    active = Viewport(page=PageKey(status=RunnerStatus.ACTIVE), all_pages=True)
    snapshot = THREE._replace(viewport=active)
    assert ListViewBuilder().build(snapshot, ALL, None) == ListView()


class TestTwice:
    """Runners that are on two pages, for the list moved while it was loaded."""

    def test_each_counts_once_where_the_newer_page_has_it(self) -> None:
        moved = make_runner("r100", tags=["newer"])
        snapshot = loaded(runners(1, 100), [moved, *runners(101, 199)], total=199)
        view = ListViewBuilder().build(snapshot, ALL, None)
        assert view.searched.runners == 199
        assert view.runners[99] is moved
        again = answered(snapshot, 1, make_page(*runners(1, 100), total=199), 9.0)
        assert ListViewBuilder().build(again, ALL, None).runners[99].tags == ()

    def test_confirmed_page_updates_the_view(self) -> None:
        viewer, moved = ListViewBuilder(), make_runner("r100", tags=["newer"])
        snapshot = loaded(runners(1, 100), [moved, *runners(101, 199)], total=199)
        assert viewer.build(snapshot, ALL, None).runners[99] is moved
        page = snapshot.page_feed(PageKey(1, 100)).value
        assert page is not None
        confirmed = answered(snapshot, 1, page, 9.0)
        view = viewer.build(confirmed, ALL, None)
        assert view.runners[99].tags == ()
        assert viewer.build(confirmed, ALL, None) is view


class TestTheSameObject:
    """As long as nothing changed that it depends on."""

    @pytest.mark.parametrize("text", ["", "r0", "last:failed"])
    @pytest.mark.parametrize("sort", [None, Sort("name"), Sort("when")])
    def test_after_an_unchanged_poll(self, text: str, sort: Sort | None) -> None:
        viewer, known = ListViewBuilder(), apply_history(THREE, "r001", failed(), seen(1.0))
        view = viewer.build(known, parse(text), sort)
        page = make_page(*runners(101, 200), total=250)
        polled = answered(apply_history(known, "r001", failed(), seen(8.0)), 2, page, 9.0)
        assert polled.pages is not known.pages
        assert polled.histories is not known.histories
        assert viewer.build(polled, parse(text), sort) is view

    def test_whatever_happens_to_what_it_does_not_look_at(self) -> None:
        viewer = ListViewBuilder()
        view = viewer.build(THREE, parse("r0"), Sort("name"))
        other = apply_history(THREE, "r001", failed(), seen(1.0))
        other = other._replace(viewport=WHOLE._replace(runner_id="r002"), revision=7)
        other = apply_stats(other, "r001", make_stats(), seen(1.0))
        other = apply_page(other, PageKey(2, 25), make_page(make_runner("x"), total=250), seen(9.0))
        assert viewer.build(other, parse("r0"), Sort("name")) is view

    @pytest.mark.parametrize("text", ["", "last:failed", "is:reachable", "is:unreachable"])
    def test_after_a_check_that_finds_the_same_runners_reachable(self, text: str) -> None:
        viewer = ListViewBuilder()
        view = viewer.build(CHECKED, parse(text), None)
        other = apply_stats(CHECKED, "r150", make_stats(dev_mode=True), seen(90.0, asked_on=80.0))
        other = apply_unreachable(other, "r002", "other words", seen(91.0))
        assert viewer.build(other, parse(text), None) is view

    def test_but_not_where_one_is_reachable_again(self) -> None:
        viewer = ListViewBuilder()
        assert ids(viewer.build(CHECKED, parse("is:reachable"), None)) == ["r150"]
        back = apply_stats(CHECKED, "r002", make_stats(), seen(90.0))
        assert ids(viewer.build(back, parse("is:reachable"), None)) == ["r002", "r150"]
        first = apply_stats(back, "r001", make_stats(), seen(91.0))
        assert ids(viewer.build(first, parse("is:reachable"), None)) == ["r001", "r002", "r150"]

    def test_nor_where_a_runner_changed(self) -> None:
        viewer = ListViewBuilder()
        view = viewer.build(THREE, parse("r1"), None)
        page = [*runners(101, 199), make_runner("r200", tags=["r1"])]
        changed = viewer.build(answered(THREE, 2, make_page(*page, total=250), 9.0), parse("r1"), None)
        assert ids(changed) == [*ids(view), "r200"]
        assert changed.runners[0] is view.runners[0]

    def test_unrelated_change_reuses_the_view(self) -> None:
        viewer = ListViewBuilder()
        view = viewer.build(THREE, parse("r001"), None)
        more = answered(THREE, 3, make_page(*runners(201, 251), total=251), 9.0)
        changed = viewer.build(more, parse("r001"), None)
        assert changed.searched.runners == 251
        assert changed.runners is view.runners

    def test_nor_where_one_is_gone(self) -> None:
        viewer = ListViewBuilder()
        viewer.build(THREE, ALL, None)
        view = viewer.build(remove_runner(THREE, "r002", seen(9.0)), ALL, None)
        assert ids(view)[:2] == ["r001", "r003"]
        assert view.searched.runners == 249


class TestKnown:
    """Of how many runners the histories are known."""

    def test_undecided_runners_are_counted(self) -> None:
        viewer = ListViewBuilder()
        snapshot = apply_history(apply_history(THREE, "r150", failed(), seen(1.0)), "r001", (), seen(1.0))
        view = viewer.build(snapshot, parse("last:failed"), None)
        assert (ids(view), view.known) == (["r150"], 2)
        more = viewer.build(apply_history(snapshot, "r020", failed(), seen(2.0)), parse("last:failed"), None)
        assert (ids(more), more.known) == (["r020", "r150"], 3)

    def test_search_progress_grows_with_equal_matches(self) -> None:
        viewer = ListViewBuilder()
        view = viewer.build(THREE, parse("last:failed"), None)
        more = viewer.build(apply_history(THREE, "r020", (), seen(2.0)), parse("last:failed"), None)
        assert (view.known, more.known) == (0, 1)
        assert more.runners is view.runners

    def test_an_order_asks_too(self) -> None:
        snapshot = apply_history(apply_history(THREE, "r150", failed(), seen(1.0)), "r001", (), seen(1.0))
        view = ListViewBuilder().build(snapshot, ALL, Sort("last"))
        assert view.known == 2
        assert ids(view)[:3] == ["r150", "r001", "r002"]
        assert ListViewBuilder().build(snapshot, parse("r"), Sort("created")).known is None

    def test_a_history_that_was_asked_in_vain_is_not_known(self) -> None:
        snapshot = THREE._replace(histories={"r001": Feed()})
        assert ListViewBuilder().build(snapshot, parse("last:none"), None).known == 0

    def test_reachability_is_known_after_a_check(self) -> None:
        viewer = ListViewBuilder()
        view = viewer.build(THREE, parse("!is:unreachable"), None)
        assert (view.runners, view.known) == ((), 0)
        view = viewer.build(CHECKED, parse("!is:unreachable"), None)
        assert (ids(view), view.known) == (["r150"], 2)
        view = viewer.build(CHECKED, parse("is:unreachable"), Sort("reach"))
        assert (ids(view), view.known) == (["r002"], 2)

    def test_by_reachability_the_unknown_come_last(self) -> None:
        view = ListViewBuilder().build(CHECKED, ALL, Sort("reach"))
        assert (ids(view)[:3], view.known) == (["r150", "r002", "r001"], 2)

    def test_a_check_that_failed_says_nothing(self) -> None:
        snapshot = THREE._replace(stats={"r001": Feed()})
        assert ListViewBuilder().build(snapshot, parse("is:unreachable"), None).known == 0


def test_a_query_that_is_taken_back_leaves_everything() -> None:
    viewer = ListViewBuilder()
    everything = viewer.build(THREE, ALL, None)
    assert len(viewer.build(THREE, parse("r00"), None).runners) == 9
    assert viewer.build(THREE, ALL, None) == everything


class TestChangingList:
    """A runner is deleted between the answers of two pages, so the first of the second one moves to the first."""

    LESS = make_page(*runners(102, 200), make_runner("r201"), total=249)

    def changing(self) -> Snapshot:
        return answered(THREE, 2, self.LESS, 4.0)

    def test_runner_between_two_pages_stays_where_it_was(self) -> None:
        viewer = ListViewBuilder()
        viewer.build(THREE, ALL, None)
        view = viewer.build(self.changing(), ALL, None)
        assert ids(view) == [f"r{number:03}" for number in range(1, 251)]
        assert (view.missing, view.is_changing) == (frozenset({"r101"}), True)

    def test_deleted_runner_goes_once_the_other_pages_were_asked_again(self) -> None:
        viewer = ListViewBuilder()
        viewer.build(THREE, ALL, None)
        snapshot = self.changing()
        viewer.build(snapshot, ALL, None)
        first = make_page(*runners(2, 101), total=249)
        snapshot = answered(snapshot, 1, first, 5.0)
        assert "r001" in ids(viewer.build(snapshot, ALL, None))
        snapshot = answered(snapshot, 3, make_page(*runners(202, 250), total=249), 6.0)
        view = viewer.build(snapshot, ALL, None)
        assert ids(view) == [f"r{number:03}" for number in range(2, 251)]
        assert (view.missing, view.is_changing) == (frozenset(), False)

    def test_runner_that_has_departed_goes_at_once(self) -> None:
        viewer = ListViewBuilder()
        viewer.build(THREE, ALL, None)
        view = viewer.build(remove_runner(self.changing(), "r101", seen(4.5)), ALL, None)
        assert "r101" not in ids(view)

    def test_list_that_changes_for_ever_keeps_nothing_for_ever(self) -> None:
        viewer = ListViewBuilder()
        viewer.build(THREE, ALL, None)
        snapshot = self.changing()
        for on in range(5, 20):
            page = make_page(*runners(202, 250), total=200 + on)
            snapshot = answered(snapshot, 1 + on % 3, page, float(on))
            viewer.build(snapshot, ALL, None)
        view = viewer.build(snapshot, ALL, None)
        assert view.is_changing
        assert "r101" not in ids(view)

    def test_runners_of_another_list_are_not_missing(self) -> None:
        viewer = ListViewBuilder()
        viewer.build(THREE, ALL, None)
        disabled = Viewport(PageKey(status=RunnerStatus.DISABLED), all_pages=True)
        other = loaded([], total=0, viewport=disabled)
        assert viewer.build(other, ALL, None).missing == frozenset()
