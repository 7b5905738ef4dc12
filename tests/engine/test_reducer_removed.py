from __future__ import annotations

from datetime import timedelta

from comfytui.api.errors import NotFoundError, ServerError
from comfytui.engine.feed import Feed
from comfytui.engine.protocol import PageKey, RunnerKey, Viewport
from comfytui.engine.reducer import (
    MAX_REMOVED,
    RequestTiming,
    apply_failure,
    apply_page,
    forget_old_removals,
    is_removed,
    is_unseen,
    page_without,
    remove_runner,
    removed_since,
)
from comfytui.engine.snapshot import HealthCheck, RemovedRunner, Snapshot
from tests.support.builders import make_page, make_runner
from tests.support.clock import START
from tests.support.engine_harness import seen

R1, R2 = make_runner("r1", name="Left"), make_runner("r2", name=None)
GONE = NotFoundError("GET", "/v1/runner/r1", "requested entity not found", 404)
DOWN = ServerError("GET", "/v1/runner", "database is down", 503)
FIRST, SECOND, OTHER = PageKey(1), PageKey(2), PageKey(1, 50)
KNOWN = Snapshot(
    pages={
        FIRST: Feed(make_page(R1, R2, total=30), START, 1.0),
        SECOND: Feed(make_page(make_runner("r3"), total=30), START, 1.0),
        OTHER: Feed(make_page(R2, R1, total=None), START, 1.0),
    },
    runners={"r1": Feed(R1, START, 1.0), "r2": Feed(R2, START, 1.0)},
    histories={"r1": Feed((), START, 1.0)},
    stats={"r1": Feed(HealthCheck(reachable=False), START, 1.0)},
)


def test_removed_runner_leaves_all_pages_and_totals() -> None:
    snapshot = remove_runner(KNOWN, "r1", seen(5.0))
    assert snapshot.pages[FIRST].value == make_page(R2, total=29)
    assert snapshot.pages[OTHER].value == make_page(R2)
    assert snapshot.pages[FIRST].fetched_monotonic == 1.0
    assert snapshot.pages[SECOND] is KNOWN.pages[SECOND]


def test_only_feeds_of_a_removed_runner_are_dropped() -> None:
    snapshot = remove_runner(KNOWN, "r1", seen(5.0))
    assert snapshot.runners == {"r2": KNOWN.runners["r2"]}
    assert snapshot.histories == {}
    assert snapshot.stats == {}
    assert remove_runner(KNOWN, "r2", seen(5.0)).histories is KNOWN.histories


def test_removal_is_reported_by_name_or_id() -> None:
    snapshot = remove_runner(remove_runner(remove_runner(KNOWN, "r1", seen(5.0)), "r2", seen(6.0)), "r9", seen(7.0))
    assert snapshot.removed == (
        RemovedRunner("r1", "Left", START, 5.0),
        RemovedRunner("r2", "r2", START, 6.0),
        RemovedRunner("r9", "r9", START, 7.0),
    )


def test_a_second_answer_to_a_question_from_before_changes_nothing() -> None:
    once = remove_runner(KNOWN, "r1", seen(5.0))
    assert remove_runner(once, "r1", seen(6.0, asked_on=4.0)) is once
    assert remove_runner(once, "r1", seen(6.0, asked_on=5.5)).removed == (RemovedRunner("r1", "r1", START, 6.0),)


def test_only_the_last_few_are_told_each_once() -> None:
    snapshot = KNOWN
    for number in range(2 * MAX_REMOVED):
        snapshot = remove_runner(snapshot, f"x{number % (MAX_REMOVED + 1)}", seen(float(number)))
    assert len(snapshot.removed) == MAX_REMOVED
    assert len({removal.runner_id for removal in snapshot.removed}) == MAX_REMOVED
    assert snapshot.removed[-1].noticed_monotonic == 2 * MAX_REMOVED - 1


def test_removals_since_a_time() -> None:
    snapshot = remove_runner(remove_runner(KNOWN, "r1", seen(5.0)), "r2", seen(6.0))
    assert removed_since(snapshot, 5.0) == {"r1", "r2"}
    assert removed_since(snapshot, 5.1) == {"r2"}


def test_runner_is_removed_until_restored() -> None:
    snapshot = remove_runner(KNOWN, "r1", seen(5.0))
    assert not is_removed(KNOWN, "r1")
    assert not is_removed(KNOWN, "never heard of")
    assert is_removed(snapshot, "r1")
    assert not is_removed(snapshot._replace(pages=KNOWN.pages), "r1")


def test_a_total_is_never_less_than_none_at_all() -> None:
    assert page_without(make_page(R1, total=0), frozenset({"r1"})).total == 0
    unknown = make_page(R1).model_copy(update={"total": None})
    assert page_without(unknown, frozenset({"r1"})).total is None
    page = make_page(R1)
    assert page_without(page, frozenset({"r2"})) is page


def not_found(snapshot: Snapshot, on: float) -> Snapshot:
    """The snapshot once Get Runner did not find r1 at that moment."""
    return apply_failure(snapshot, RunnerKey("r1"), GONE, at_moment(on), 1.0)


def at_moment(on: float) -> RequestTiming:
    return RequestTiming(on, on, START + timedelta(seconds=on))


LISTED = Snapshot(viewport=Viewport(FIRST), pages={FIRST: Feed(make_page(R1, R2), START + timedelta(seconds=1), 1.0)})
CONFIRMED = LISTED._replace(pages={FIRST: Feed(make_page(R1, R2), START + timedelta(seconds=6), 6.0)})


def test_404_of_a_runner_waits_for_the_list_that_had_it_before() -> None:
    snapshot = forget_old_removals(not_found(LISTED, 5.0), at_moment(5.0))
    assert snapshot.removed == ()


def test_404_of_a_runner_counts_if_the_list_is_older_and_has_failed_since() -> None:
    snapshot = apply_failure(not_found(LISTED, 5.0), FIRST, DOWN, at_moment(6.0), 1.0)
    assert [gone.runner_id for gone in forget_old_removals(snapshot, at_moment(6.0)).removed] == ["r1"]


def test_404_of_a_runner_does_not_count_once_a_newer_list_has_it() -> None:
    snapshot = not_found(not_found(LISTED, 5.0)._replace(pages=CONFIRMED.pages), 7.0)
    snapshot = apply_failure(snapshot, FIRST, DOWN, at_moment(8.0), 1.0)
    assert forget_old_removals(snapshot, at_moment(8.0)).removed == ()


def test_404_of_a_runner_counts_once_the_list_in_view_does_not_have_it() -> None:
    snapshot = apply_page(not_found(LISTED, 5.0), FIRST, make_page(R2), at_moment(6.0))
    assert [(gone.runner_id, gone.noticed_monotonic) for gone in snapshot.removed] == [("r1", 6.0)]
    elsewhere = not_found(LISTED, 5.0)._replace(viewport=Viewport(SECOND))
    assert [gone.runner_id for gone in forget_old_removals(elsewhere, at_moment(5.0)).removed] == ["r1"]


def test_runner_that_a_later_page_has_again_has_not_departed() -> None:
    snapshot = remove_runner(LISTED, "r1", at_moment(5.0))
    assert apply_page(snapshot, FIRST, make_page(R1, R2), at_moment(6.0)).removed == ()
    slow = RequestTiming(4.0, 6.0, START, sent_monotonic=4.5)
    late = apply_page(snapshot, FIRST, make_page(R1, R2), slow)
    assert [gone.runner_id for gone in late.removed] == ["r1"]
    assert late.page.value == make_page(R2)
    waited = RequestTiming(4.0, 6.0, START, sent_monotonic=5.5)
    assert apply_page(snapshot, FIRST, make_page(R1, R2), waited).page.value == make_page(R1, R2)


def test_only_what_nothing_tells_of_is_unheard_of() -> None:
    assert is_unseen(LISTED, "r9")
    assert not is_unseen(LISTED, "r1")
    assert not is_unseen(KNOWN._replace(pages={}), "r1")
