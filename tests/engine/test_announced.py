"""What announced revisions say about answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from comfytui.api.events import RunnerRevisions
from comfytui.engine.announced import MAX_AGE, MAX_PAGE_AGE, Announced, in_view
from comfytui.engine.protocol import Attention, HistoryKey, PageKey, RunnerKey, StatsKey
from tests.engine.planning import FRESH, HISTORY, IN_VIEW, NOW, PAGE, RUNNER, STATS

if TYPE_CHECKING:
    from comfytui.engine.protocol import Resource

ALL: tuple[Resource, ...] = (PAGE, RUNNER, HISTORY, STATS)


def told(runner: int = 1, history: int = 1, stats: int = 1, *, is_live: bool = True) -> RunnerRevisions:
    return RunnerRevisions("r1", runner, history, stats, is_live)


def answered(announced: Announced, *resources: Resource, on: float = NOW) -> None:
    for resource in resources:
        announced.request(resource, on)
        announced.answer(resource, on)


def unchanged(announced: Announced, on: float = NOW, since: float = 0.0) -> set[Resource]:
    return set(announced.unchanged(ALL, FRESH, on, since))


@pytest.fixture
def announced() -> Announced:
    """All is known at the first revisions, and was answered since."""
    announced = Announced()
    announced.hear([told()], NOW)
    answered(announced, *ALL)
    return announced


def test_what_was_answered_since_is_unchanged_but_figures(announced: Announced) -> None:
    assert unchanged(announced) == {PAGE, RUNNER, HISTORY}
    assert announced.changed(ALL, FRESH) == {}


def test_first_revisions_are_no_change_but_vouch_for_nothing_answered_before() -> None:
    announced = Announced()
    answered(announced, *ALL)
    announced.hear([told()], NOW)
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
    announced: Announced, revisions: RunnerRevisions, changed: set[Resource]
) -> None:
    assert announced.hear([revisions], NOW + 1) is bool(changed)
    assert set(announced.changed(ALL, FRESH)) == changed
    assert unchanged(announced, NOW + 1) == {PAGE, RUNNER, HISTORY} - changed


def test_request_after_a_change_is_up_to_date_once_answered(announced: Announced) -> None:
    announced.hear([told(history=2)], NOW)
    announced.request(HISTORY, NOW)
    assert HISTORY not in announced.changed(ALL, FRESH)
    assert HISTORY not in unchanged(announced)
    announced.answer(HISTORY, NOW)
    assert HISTORY in unchanged(announced)


def test_change_during_a_request_is_a_change_after_it(announced: Announced) -> None:
    announced.request(HISTORY, NOW)
    announced.hear([told(history=2)], NOW)
    announced.answer(HISTORY, NOW)
    assert HISTORY in announced.changed(ALL, FRESH)
    assert HISTORY not in unchanged(announced)


def test_request_that_is_not_answered_vouches_for_nothing(announced: Announced) -> None:
    announced.hear([told(history=2)], NOW)
    announced.request(HISTORY, NOW)
    announced.hear([], NOW + 1)
    assert HISTORY not in unchanged(announced, NOW + 1)


def test_history_is_vouched_for_only_while_it_is_live(announced: Announced) -> None:
    assert announced.hear([told(is_live=False)], NOW)
    assert unchanged(announced) == {PAGE, RUNNER}
    assert announced.hear([told()], NOW)
    assert unchanged(announced) == {PAGE, RUNNER, HISTORY}


def test_reconnection_tells_what_was_missed(announced: Announced) -> None:
    announced.disconnect()
    assert unchanged(announced) == set()
    announced.hear([told(history=5)], NOW + 9)
    assert set(announced.changed(ALL, FRESH)) == {HISTORY}
    assert unchanged(announced, NOW + 9) == {PAGE, RUNNER}


def test_runner_that_a_new_stream_does_not_tell_is_not_vouched_for(announced: Announced) -> None:
    announced.disconnect()
    announced.hear([], NOW + 1)
    assert unchanged(announced, NOW + 1) == set()


def test_silent_stream_vouches_for_nothing(announced: Announced) -> None:
    assert unchanged(announced, NOW + 10)
    assert not unchanged(announced, NOW + 10.1)
    assert not unchanged(announced, NOW, since=NOW), "all is to be asked again from that moment on"


def test_answers_are_vouched_for_only_so_long(announced: Announced) -> None:
    announced.hear([], NOW + MAX_PAGE_AGE)
    assert unchanged(announced, NOW + MAX_PAGE_AGE) == {RUNNER, HISTORY}
    announced.hear([], NOW + MAX_AGE)
    assert unchanged(announced, NOW + MAX_AGE) == set()


def test_memory_is_bounded() -> None:
    announced = Announced()
    for number in range(20_000):
        announced.hear([RunnerRevisions(f"r{number}", 1, 1, 1, is_live=True)], NOW)
        announced.request(HistoryKey(f"r{number}"), NOW)
    assert len(announced._known) <= 3 * 10_000
    assert len(announced._requested) <= 1_000


def test_view_is_the_page_the_cursor_and_the_others() -> None:
    others = tuple(HistoryKey(id) for id in ("r2", "r3", "r4"))
    assert in_view(IN_VIEW) == (PAGE, HISTORY, RUNNER, *others)
    assert in_view(Attention(whole=True)) == ()
    assert in_view(Attention()) == (PageKey(),)
    assert StatsKey("r1") not in in_view(IN_VIEW)
    assert RunnerKey("r1") in in_view(IN_VIEW)
