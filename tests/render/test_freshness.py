from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.engine.protocol import PageKey, Viewport
from comfytui.engine.snapshot import HealthCheck, Snapshot
from comfytui.render.cells import Role, Span, cell_width
from comfytui.render.freshness import RenderContext, describe_problem, freshness_label, problem_notice, summarize
from comfytui.render.times import TimeStyle
from tests.render.test_cells import TEXT
from tests.support.builders import make_page, make_runner
from tests.support.lines import plain_text

if TYPE_CHECKING:
    from comfytui.api.models import RunnerPage
    from tests.render.conftest import InZone

SINCE = datetime(2026, 7, 1, 12, 2, tzinfo=UTC)
NOW = 1000.0
AT = RenderContext(SINCE, NOW)
DOWN = Problem(ProblemKind.SERVER, "", 503, SINCE, failures=1, retry_monotonic=NOW + 7.2)


def feed(problem: Problem | None, fetched_on: float | None = None) -> Feed[RunnerPage]:
    value = None if fetched_on is None else make_page()
    return Feed(value, fetched_at=SINCE if value else None, fetched_monotonic=fetched_on, problem=problem)


@pytest.mark.parametrize(
    ("kind", "status", "words"),
    [
        (ProblemKind.REFUSED, None, "not requested"),
        (ProblemKind.UNREACHABLE, None, "the API cannot be reached"),
        (ProblemKind.TIMED_OUT, None, "timed out"),
        (ProblemKind.UNINTELLIGIBLE, None, "invalid response"),
        (ProblemKind.BAD_REQUEST, 400, "400 from the API"),
        (ProblemKind.UNAUTHORIZED, 401, "token rejected"),
        (ProblemKind.FORBIDDEN, 403, "403 from the API"),
        (ProblemKind.NOT_FOUND, 404, "404 from the API"),
        (ProblemKind.RATE_LIMITED, 429, "rate limited"),
        (ProblemKind.SERVER, 503, "503 from the API"),
        (ProblemKind.UNEXPECTED, 302, "302 from the API"),
    ],
)
def test_every_cause_in_words(kind: ProblemKind, status: int | None, words: str) -> None:
    problem = DOWN._replace(kind=kind, status=status)
    assert describe_problem(problem) == words
    assert describe_problem(problem._replace(message="[b]as sent[/b]")) == f"{words}: [b]as sent[/b]"


@pytest.mark.parametrize("kind", ProblemKind)
def test_no_cause_says_none(kind: ProblemKind) -> None:
    assert "None" not in describe_problem(DOWN._replace(kind=kind, status=None, message="what is known"))


def test_a_notice_says_since_when_why_and_what_happens_next(in_zone: InZone) -> None:
    in_zone("Europe/Berlin")
    assert problem_notice(feed(DOWN, fetched_on=900.0), AT, 80) == (
        (Span("stale since 14:02 — 503 from the API, retry in 8 s", Role.BAD),),
    )
    assert plain_text(problem_notice(feed(DOWN), AT, 80)[0]).startswith("no data since 14:02 — ")
    assert problem_notice(feed(None, fetched_on=900.0), AT, 80) == ()


def test_a_try_that_is_due_is_not_in_the_past() -> None:
    assert plain_text(problem_notice(feed(DOWN._replace(retry_monotonic=NOW - 3)), AT, 80)[0]).endswith("retry in 0 s")


@given(TEXT, st.integers(2, 80))
def test_a_notice_fits(message: str, width: int) -> None:
    lines = problem_notice(feed(DOWN._replace(message=message)), AT, width)
    assert lines
    assert all(cell_width(each) <= width for each in lines)


@pytest.mark.parametrize(
    ("shown", "word", "role"),
    [
        (feed(None), "◌ loading", Role.WAITING),
        (feed(None, fetched_on=NOW), "● live", Role.GOOD),
        (feed(None, fetched_on=NOW - 10.0), "● live", Role.GOOD),
        (feed(None, fetched_on=NOW - 10.1), "◔ late 10 s", Role.WAITING),
        (feed(None, fetched_on=NOW - 75.0), "◔ late 75 s", Role.WAITING),
        (feed(DOWN), "✖ stale since 12:02", Role.BAD),
        (feed(DOWN, fetched_on=NOW), "✖ stale since 12:02", Role.BAD),
    ],
)
def test_the_state_in_one_word(in_zone: InZone, shown: Feed[RunnerPage], word: str, role: Role) -> None:
    in_zone("UTC")
    snapshot = Snapshot(interval=5.0, pages={PageKey(): shown})
    assert freshness_label(summarize(snapshot), AT) == (Span(word, role),)
    paused = snapshot._replace(viewport=Viewport(paused=True))
    assert freshness_label(summarize(paused), AT) == (Span(" PAUSED ", Role.ALERT),)


def test_the_api_is_not_blamed_for_a_runner_that_is_known_not_to_answer() -> None:
    problem = DOWN._replace(message="connection refused")
    silent = HealthCheck(reachable=False, error="connection refused")
    assert describe_problem(problem, silent) == "the runner is unreachable: connection refused"
    assert plain_text(problem_notice(feed(problem), AT, 120, silent)[0]).endswith(
        "— the runner is unreachable: connection refused, retry in 8 s"
    )
    for health in (None, HealthCheck(reachable=True), silent._replace(error="no route to host")):
        assert describe_problem(problem, health) == "503 from the API: connection refused"


def test_since_when_is_told_by_the_clock_that_all_times_are_told_by(in_zone: InZone) -> None:
    in_zone("Asia/Kolkata")
    snapshot = Snapshot(interval=5.0, pages={PageKey(): feed(DOWN)})
    in_utc = AT._replace(style=TimeStyle.UTC)
    assert plain_text(freshness_label(summarize(snapshot), AT)) == "✖ stale since 17:32"
    assert plain_text(freshness_label(summarize(snapshot), in_utc)) == "✖ stale since 12:02"
    assert plain_text(problem_notice(feed(DOWN), AT, 80)[0]).startswith("no data since 17:32")
    assert plain_text(problem_notice(feed(DOWN), in_utc, 80)[0]).startswith("no data since 12:02")


def test_shown_problem_is_not_repeated_beside_data() -> None:
    elsewhere = AT._replace(shown_problem=DOWN._replace(failures=3))
    assert problem_notice(feed(DOWN, fetched_on=900.0), elsewhere, 80) == ()
    assert problem_notice(feed(DOWN), elsewhere, 80)
    assert problem_notice(feed(DOWN._replace(message="another"), fetched_on=900.0), elsewhere, 80)


@pytest.mark.parametrize("fetched_on", [None, 900.0])
def test_part_that_is_not_found_is_not_known(fetched_on: float | None, in_zone: InZone) -> None:
    in_zone("Europe/Berlin")
    missing = DOWN._replace(kind=ProblemKind.NOT_FOUND, status=404, message="requested entity not found")
    (line,) = problem_notice(feed(missing, fetched_on), AT, 120)
    assert plain_text(line) == "not found (404) since 14:02 — requested entity not found, retry in 8 s"


@pytest.mark.parametrize("kind", [ProblemKind.RUNNER_SILENT, ProblemKind.RUNNER_PARTIAL])
def test_silent_runner_is_named_and_the_api_is_not(kind: ProblemKind) -> None:
    slow = DOWN._replace(kind=kind, message="gpu2: slow, last answered 12 s ago")
    assert describe_problem(slow) == "gpu2: slow, last answered 12 s ago"


def shown(total: int, *reachable: bool | None, problem: Problem | None = None) -> Snapshot:
    """A list whose runners answer, do not, or were never checked."""
    ids = [f"r{number}" for number in range(len(reachable))]
    page = make_page(*(make_runner(id) for id in ids), total=total)
    known = [(id, yes) for id, yes in zip(ids, reachable, strict=True) if yes is not None]
    stats = {id: Feed(HealthCheck(reachable=yes), SINCE, NOW, problem) for id, yes in known}
    return Snapshot(pages={PageKey(): Feed(page, SINCE, NOW)}, stats=stats)


@pytest.mark.parametrize(
    ("snapshot", "words"),
    [
        (shown(3, False, False, False), "✖ 3 of 3 away"),
        (shown(1, False), "✖ 1 of 1 away"),
        (shown(7, False, False), "✖ 2 of 7 away"),
        (shown(3, False, False, True), "● live"),
        (shown(3, False, False, None), "● live"),
        (shown(2, False, False, problem=DOWN), "● live"),
        (shown(0), "● live"),
    ],
)
def test_header_is_not_live_if_every_runner_is_away(snapshot: Snapshot, words: str) -> None:
    assert plain_text(freshness_label(summarize(snapshot), AT)) == words
