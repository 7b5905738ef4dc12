"""What announced revisions say about answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from comfytui.api.events import RunnerRevisions
from comfytui.engine.announced import MAX_AGE, MAX_PAGE_AGE, RevisionTracker, announced_resources
from comfytui.engine.protocol import HistoryKey, PageKey, RunnerKey, StatsKey, Viewport
from tests.support.scheduling import FRESH, HISTORY, IN_VIEW, NOW, PAGE, RUNNER, STATS

if TYPE_CHECKING:
    from comfytui.engine.protocol import Resource

ALL: tuple[Resource, ...] = (PAGE, RUNNER, HISTORY, STATS)


def told(runner: int = 1, history: int = 1, stats: int = 1, *, is_live: bool = True) -> RunnerRevisions:
    return RunnerRevisions("r1", runner, history, stats, is_live)


def answered(announced: RevisionTracker, *resources: Resource, on: float = NOW) -> None:
    for resource in resources:
        announced.record_request(resource, on)
        announced.record_response(resource, on)


def unchanged(announced: RevisionTracker, on: float = NOW, since: float = 0.0) -> set[Resource]:
    return set(announced.unchanged(ALL, FRESH, on, since))


@pytest.fixture
def announced() -> RevisionTracker:
    """All is known at the first revisions, and was answered since."""
    announced = RevisionTracker()
    announced.record_revisions([told()], NOW)
    answered(announced, *ALL)
    return announced


def test_answered_resources_are_unchanged_except_stats(announced: RevisionTracker) -> None:
    assert unchanged(announced) == {PAGE, RUNNER, HISTORY}
    assert announced.changed(ALL, FRESH) == {}


def test_first_revisions_are_no_change_but_vouch_for_nothing_answered_before() -> None:
    announced = RevisionTracker()
    answered(announced, *ALL)
    announced.record_revisions([told()], NOW)
    assert unchanged(announced) == set()
    assert announced.changed(ALL, FRESH) == {}


@pytest.mark.parametrize(
    ("revisions", "changed"),
    [
        (told(runner=2), {RUNNER, PAGE}),
        (told(history=2), {HISTORY}),
        (told(stats=2), {STATS}),
        (told(runner=0, history=0, stats=0), set(ALL)),
        (told(), set()),
    ],
)
def test_another_revision_is_a_change_of_that_part(
    announced: RevisionTracker, revisions: RunnerRevisions, changed: set[Resource]
) -> None:
    assert announced.record_revisions([revisions], NOW + 1) is bool(changed)
    assert set(announced.changed(ALL, FRESH)) == changed
    assert unchanged(announced, NOW + 1) == {PAGE, RUNNER, HISTORY} - changed


def test_request_after_a_change_is_up_to_date_once_answered(announced: RevisionTracker) -> None:
    announced.record_revisions([told(history=2)], NOW)
    announced.record_request(HISTORY, NOW)
    assert HISTORY not in announced.changed(ALL, FRESH)
    assert HISTORY not in unchanged(announced)
    announced.record_response(HISTORY, NOW)
    assert HISTORY in unchanged(announced)


def test_change_during_a_request_is_a_change_after_it(announced: RevisionTracker) -> None:
    announced.record_request(HISTORY, NOW)
    announced.record_revisions([told(history=2)], NOW)
    announced.record_response(HISTORY, NOW)
    assert HISTORY in announced.changed(ALL, FRESH)
    assert HISTORY not in unchanged(announced)


def test_request_that_is_not_answered_vouches_for_nothing(announced: RevisionTracker) -> None:
    announced.record_revisions([told(history=2)], NOW)
    announced.record_request(HISTORY, NOW)
    announced.record_revisions([], NOW + 1)
    assert HISTORY not in unchanged(announced, NOW + 1)


def test_history_is_vouched_for_only_while_it_is_live(announced: RevisionTracker) -> None:
    assert announced.record_revisions([told(is_live=False)], NOW)
    assert unchanged(announced) == {PAGE, RUNNER}
    assert announced.record_revisions([told()], NOW)
    assert unchanged(announced) == {PAGE, RUNNER, HISTORY}


def test_reconnection_tells_what_was_missed(announced: RevisionTracker) -> None:
    announced.disconnect()
    assert unchanged(announced) == set()
    announced.record_revisions([told(history=5)], NOW + 9)
    assert set(announced.changed(ALL, FRESH)) == {HISTORY}
    assert unchanged(announced, NOW + 9) == {PAGE, RUNNER}


def test_runner_that_a_new_stream_does_not_tell_is_not_vouched_for(announced: RevisionTracker) -> None:
    announced.disconnect()
    announced.record_revisions([], NOW + 1)
    assert unchanged(announced, NOW + 1) == set()


def test_silent_stream_vouches_for_nothing(announced: RevisionTracker) -> None:
    assert unchanged(announced, NOW + 10)
    assert not unchanged(announced, NOW + 10.1)
    assert not unchanged(announced, NOW, since=NOW), "all is to be asked again from that moment on"


def test_answers_are_vouched_for_only_so_long(announced: RevisionTracker) -> None:
    announced.record_revisions([], NOW + MAX_PAGE_AGE)
    assert unchanged(announced, NOW + MAX_PAGE_AGE) == {RUNNER, HISTORY}
    announced.record_revisions([], NOW + MAX_AGE)
    assert unchanged(announced, NOW + MAX_AGE) == set()


def test_memory_is_bounded() -> None:
    announced = RevisionTracker()
    for number in range(20_000):
        announced.record_revisions([RunnerRevisions(f"r{number}", 1, 1, 1, is_live=True)], NOW)
        announced.record_request(HistoryKey(f"r{number}"), NOW)
    assert len(announced._known) <= 3 * 10_000
    assert len(announced._requested) <= 1_000


def test_view_is_the_page_the_cursor_and_the_others() -> None:
    others = tuple(HistoryKey(id) for id in ("r2", "r3", "r4"))
    assert announced_resources(IN_VIEW) == (PAGE, HISTORY, RUNNER, *others)
    assert announced_resources(Viewport(all_pages=True)) == ()
    assert announced_resources(Viewport()) == (PageKey(),)
    assert StatsKey("r1") not in announced_resources(IN_VIEW)
    assert RunnerKey("r1") in announced_resources(IN_VIEW)
