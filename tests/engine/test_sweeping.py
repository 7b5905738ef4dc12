from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.outlook import Standing
from comfytui.engine.planner import Ask, Plan, attended, plan
from comfytui.engine.protocol import Attention, HistoryKey, PageKey, Resource, RunnerKey, StatsKey
from comfytui.engine.snapshot import Snapshot
from comfytui.engine.sweeping import MAX_SWEPT, next_swept
from comfytui.ratelimit.window import Spending, Use
from tests.support.builders import make_page, make_runner
from tests.support.clock import START

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage

NOW = 1000.0
WHOLE = Attention(whole=True)
PAUSED = WHOLE._replace(paused=True)
WITH_RUNNER = WHOLE._replace(runner_id="r1")
LATELY = Standing(NOW, listed_on=NOW - 1)
DOWN = Problem(ProblemKind.SERVER, "down", 503, START, 1, next_try=NOW - 1, tried_on=NOW - 6)


def page(number: int) -> PageKey:
    return PageKey(number, 100)


def known(*ages: float | None, attention: Attention = WHOLE) -> Snapshot:
    """A list of so many pages, each answered that many seconds ago or never."""
    answer = make_page(make_runner(), total=100 * len(ages))
    feeds: dict[PageKey, Feed[RunnerPage]] = {
        PageKey(): Feed(answer, START, NOW),
        **{page(number): Feed(answer, START, NOW - age) for number, age in enumerate(ages, 1) if age is not None},
    }
    return Snapshot(attention=attention, interval=5.0, pages=feeds)


def with_problem(snapshot: Snapshot, number: int, problem: Problem) -> Snapshot:
    feed = replace(snapshot.page_at(page(number)), problem=problem)
    return snapshot._replace(pages={**snapshot.pages, page(number): feed})


def flying(*resources: Resource) -> Mapping[Resource, Use]:
    return dict.fromkeys(resources, Use.POLL)


def due(snapshot: Snapshot, standing: Standing = LATELY) -> tuple[int, float]:
    """Which page comes next, and in how many seconds it is due."""
    swept = next_swept(snapshot, standing)
    assert swept is not None
    return swept.key.page, swept.due_at - standing.now


@pytest.mark.parametrize(
    ("snapshot", "number", "seconds"),
    [
        pytest.param(Snapshot(attention=WHOLE), 1, -math.inf, id="nothing known: the first tells the total"),
        pytest.param(known(1, None, None), 2, -math.inf, id="never asked: in order"),
        pytest.param(known(1, None, None, attention=PAUSED), 2, -math.inf, id="never asked, paused"),
        pytest.param(known(900, None), 2, -math.inf, id="never asked before old"),
        pytest.param(known(5, 7, 6, 8), 4, -0.5, id="overdue"),
        pytest.param(known(1), 1, 4, id="a single page is polled as ever"),
        pytest.param(known(2, 3), 2, 1.5, id="of two one each half interval"),
        pytest.param(known(1, 2, 3, 4, 3, 2, 3, 2), 4, 0.25, id="of eight one each eighth of their pace"),
        pytest.param(known(1, 2, 3, 4, attention=PAUSED), 1, math.inf, id="paused: old is not due"),
        pytest.param(with_problem(known(1, 2, None), 3, DOWN), 3, -1, id="failed: when its next try is"),
        pytest.param(
            with_problem(known(1, 2, None), 3, DOWN._replace(next_try=NOW + 4)), 2, 2 / 3, id="failed: others go on"
        ),
        pytest.param(with_problem(known(1, None, attention=PAUSED), 2, DOWN), 1, math.inf, id="failed, paused"),
    ],
)
def test_which_page_comes_next_and_when(snapshot: Snapshot, number: int, seconds: float) -> None:
    key, due_in = due(snapshot)
    assert (key, round(due_in, 6)) == (number, round(seconds, 6))


def test_a_page_is_wished_for_at_its_moment() -> None:
    wished: dict[Resource, float] = {page(2): NOW - 1, page(1): NOW + 2}
    standing = Standing(NOW, wished=wished, listed_on=NOW)
    assert due(known(1, 2, 3, attention=PAUSED), standing) == (2, -1)
    assert due(known(1, 2, 3), standing) == (2, -1)
    standing = standing._replace(in_flight=flying(page(2)))
    assert due(known(1, 2, 3, attention=PAUSED), standing) == (1, 2)


def test_what_is_under_way_is_not_next() -> None:
    standing = Standing(NOW, in_flight=flying(page(1), page(2)))
    assert due(known(None, None, 1), standing)[0] == 3
    assert next_swept(Snapshot(attention=WHOLE), standing) is None


def test_page_from_before_a_change_of_the_list_is_due_soon() -> None:
    paces = known(*[10.0] * 40)
    assert due(paces)[1] > -8.0
    before = paces.pages[page(7)]
    changed = replace(before, value=make_page(make_runner(), total=3_999), fetched_on=NOW - 1.0)
    snapshot = paces._replace(pages={**paces.pages, page(7): changed})
    assert due(snapshot) == (1, -7.5)
    paused = snapshot._replace(attention=PAUSED)
    assert next_swept(paused, LATELY) == next_swept(paces._replace(attention=PAUSED), LATELY)


class TestRhythm:
    """When the page that comes next may be asked, as far as the sweep alone is concerned."""

    def room(self, snapshot: Snapshot, standing: Standing) -> float:
        """In how many seconds that is."""
        swept = next_swept(snapshot, standing)
        assert swept is not None
        return swept.room_at - standing.now

    def spent(self, sent: int) -> Snapshot:
        return known(1, None, None)._replace(spending=Spending(tuple(NOW - 9 + n / 100 for n in range(sent))))

    @pytest.mark.parametrize(("sent", "seconds"), [(0, -math.inf), (14, -math.inf), (15, 10 / 18), (20, 10 / 18)])
    def test_in_a_burst_while_little_was_sent_and_evenly_afterwards(self, sent: int, seconds: float) -> None:
        assert self.room(self.spent(sent), Standing(NOW, listed_on=NOW)) == pytest.approx(seconds)

    def test_not_too_many_at_once(self) -> None:
        snapshot = known(*[None] * 20)
        standing = Standing(NOW, in_flight=flying(*(page(number) for number in range(1, MAX_SWEPT))))
        assert self.room(snapshot, standing) == -math.inf
        others = flying(page(900), PageKey(), HistoryKey("r1"), RunnerKey("r1"), StatsKey("r1"))
        assert self.room(snapshot, standing._replace(in_flight={**standing.in_flight, **others})) == -math.inf
        more = {**standing.in_flight, **flying(page(MAX_SWEPT))}
        assert self.room(snapshot, standing._replace(in_flight=more)) == math.inf

    def test_a_page_an_interval_while_nothing_succeeds(self) -> None:
        snapshot = with_problem(known(1, None, None), 2, DOWN)
        assert self.room(snapshot, Standing(NOW, listed_on=NOW - 2)) == 3
        wished: dict[Resource, float] = {page(3): NOW}
        assert self.room(snapshot, Standing(NOW, listed_on=NOW - 2, wished=wished)) == -math.inf
        something_did = with_problem(snapshot, 2, DOWN._replace(streak=0))
        assert self.room(something_did, Standing(NOW, listed_on=NOW - 2)) == -math.inf


class TestPlan:
    """The whole list among everything else that is asked."""

    def test_all_its_pages_are_attended(self) -> None:
        snapshot = known(1, None, 2, attention=WITH_RUNNER)
        assert attended(snapshot) == (page(1), page(2), page(3), HistoryKey("r1"), RunnerKey("r1"), StatsKey("r1"))

    def test_the_first_page_is_waited_for_and_the_others_leave_what_is_kept_for_key_presses(self) -> None:
        assert plan(Snapshot(attention=WHOLE), Standing(NOW)).ask == Ask(page(1), Use.WISH)
        assert plan(known(1, None), LATELY).ask == Ask(page(2), Use.POLL)

    def test_the_runner_goes_before_the_pages(self) -> None:
        snapshot = known(1, None, None, attention=WITH_RUNNER)
        assert plan(snapshot, LATELY).ask == Ask(HistoryKey("r1"), Use.WISH)
        asked = snapshot._replace(
            runners={"r1": Feed(make_runner(), START, NOW - 9)},
            histories={"r1": Feed((), START, NOW)},
        )
        assert plan(asked, LATELY).ask == Ask(RunnerKey("r1"), Use.POLL)

    def test_the_runner_may_take_all_that_is_left(self) -> None:
        sent = tuple(NOW - 8 + n / 10 for n in range(19))
        snapshot = known(1, None, attention=WITH_RUNNER)._replace(spending=Spending(sent))
        standing = Standing(NOW, {Use.POLL: 3.0}, listed_on=NOW - 1)
        assert plan(snapshot, standing).ask == Ask(HistoryKey("r1"), Use.WISH)

    def test_what_key_presses_held_up_for_long_goes_before_them(self) -> None:
        snapshot, waits = known(1, None, attention=WITH_RUNNER), {Use.POLL: 3.0}
        assert plan(snapshot, Standing(NOW, waits, listed_on=NOW - 15)).ask == Ask(page(2), Use.WISH)
        assert plan(snapshot, Standing(NOW, waits, listed_on=NOW - 14)).ask == Ask(HistoryKey("r1"), Use.WISH)

    def test_the_rotation_waits_while_pages_were_never_answered(self) -> None:
        attention = WHOLE._replace(visible=("r1", "r2"))
        busy = Standing(NOW, in_flight=flying(*map(page, range(1, 5))), listed_on=NOW - 1)
        assert plan(known(*[None] * 9, attention=attention), busy).ask is None
        assert plan(known(1, None, attention=attention), Standing(NOW, listed_on=NOW)).ask == Ask(page(2), Use.POLL)
        assert plan(known(1, 2, attention=attention), Standing(NOW, listed_on=NOW)).ask == Ask(
            HistoryKey("r1"), Use.ROTATION
        )

    def test_when_to_look_again(self) -> None:
        assert plan(known(2), Standing(NOW, listed_on=NOW - 3)) == Plan(None, NOW + 3)
        assert plan(known(2, attention=PAUSED), Standing(NOW)) == Plan(None)
        assert plan(Snapshot(attention=WHOLE), Standing(NOW, in_flight=flying(page(1)))) == Plan(None)
