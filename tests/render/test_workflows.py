from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.api.models import Workflow, parse_history
from comfytui.api.statuses import LAST_SEEN_RUNNING, WorkflowStatus
from comfytui.engine.feed import Feed, Problem, ProblemKind
from comfytui.query.columns import RUNNER_COLUMNS, WORKFLOW_COLUMNS
from comfytui.render.cells import EMPTY, Role, Span, cell_width
from comfytui.render.times import TimeStyle
from comfytui.render.workflows import (
    last_workflow_cells,
    queue_cell,
    status_tally,
    timeline,
    workflow_display_name,
    workflow_fields,
    workflow_period,
    workflow_row,
)
from tests.contract.gateways import documented
from tests.query.test_workflows import COMPLETED, INVALID, NOW, QUEUED, RUNNING, ago
from tests.support.builders import make_runner, make_workflow
from tests.support.lines import plain_text

if TYPE_CHECKING:
    from comfytui.render.table import Row

BARE = Workflow.model_validate({"id": "bare"})

R = make_runner()


def cells(row: Row) -> dict[str, str]:
    return {key: plain_text(cell) for key, cell in row.cells.items()}


@pytest.mark.parametrize(("name", "shown"), [("Upscale", "Upscale"), (None, "w1"), ("", "w1"), ("  ", "w1")])
def test_a_workflow_without_a_name_goes_by_its_id(name: str | None, shown: str) -> None:
    assert workflow_display_name(make_workflow("w1", name=name)) == shown


def test_a_workflow_in_the_history() -> None:
    row = workflow_row(COMPLETED, TimeStyle.RELATIVE, NOW)
    assert row.id == "w1"
    assert cells(row) == {
        "glyph": "✔",
        "name": "Workflow w1",
        "status": "completed",
        "took": "2m10",
        "waited": "20s",
        "tags": "–",
        "created": "1h",
        "started": "59m",
        "completed": "57m",
        "updated": "–",
    }


def test_every_column_of_the_history_has_its_cell() -> None:
    keys = {column.key for column in WORKFLOW_COLUMNS}
    assert set(workflow_row(COMPLETED, TimeStyle.UTC, NOW).cells) == keys
    assert set(workflow_row(BARE, TimeStyle.UTC, NOW).cells) == keys


LOST = make_workflow("w1", status="failed", name="face").model_copy(update={"tags": (LAST_SEEN_RUNNING,)})


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (("name", "status", "tags"), ["face", "failed", "last seen running"]),
        (("name", "status"), ["face", "running?"]),
        (("name",), ["running? face"]),
        (("name", "tags"), ["running? face", "last seen running"]),
    ],
)
def test_job_last_seen_running_says_so_without_room_for_tags(columns: tuple[str, ...], shown: list[str]) -> None:
    known = {column.key: column for column in WORKFLOW_COLUMNS}
    row = workflow_row(LOST, TimeStyle.RELATIVE, NOW)
    assert [plain_text(cell) for cell in row.visible_cells([known[key] for key in columns])] == shown
    other = workflow_row(COMPLETED, TimeStyle.RELATIVE, NOW)
    assert plain_text(other.visible_cells([known["status"]])[0]) == "completed"


def test_last_run_last_seen_running_says_so_in_the_list() -> None:
    told = last_workflow_cells(Feed((LOST,), fetched_monotonic=1.0), TimeStyle.RELATIVE, NOW)
    assert plain_text(told["last"]) == "✖ run?"


def test_running_duration_is_coarse_unless_exact() -> None:
    coarse, exact = (cells(workflow_row(RUNNING, TimeStyle.UTC, NOW, exact=exact)) for exact in (False, True))
    assert (coarse["took"], exact["took"]) == ("3m", "3m10")
    assert coarse["waited"] == exact["waited"] == "1m50"
    assert cells(workflow_row(QUEUED, TimeStyle.UTC, NOW))["waited"] == "<1m"
    assert cells(workflow_row(QUEUED, TimeStyle.UTC, NOW, exact=True))["waited"] == "46s"


def test_a_row_does_not_change_while_seconds_pass() -> None:
    for workflow in (QUEUED, RUNNING, COMPLETED):
        now, then = (workflow_row(workflow, TimeStyle.RELATIVE, NOW + timedelta(seconds=s)) for s in (1, 9))
        assert now == then


def test_every_field_of_a_workflow() -> None:
    first = parse_history(documented("get-runner-history"))[0].model_copy(update={"updated_at": "about noon"})
    told = {label: plain_text(value) for label, value in workflow_fields(first, TimeStyle.UTC, NOW)}
    assert list(told) == [
        "Name", "Status", "Tags", "Created", "Started", "Completed", "Updated", "Waited", "Took", "Id",
    ]  # fmt: skip
    assert (told["Id"], told["Name"], told["Updated"]) == (first.id, first.name, "about noon")
    assert told["Status"].endswith(str(first.status))


def test_bare_workflow_and_undocumented_fields() -> None:
    fields = workflow_fields(Workflow.model_validate({"id": "w", "error_node": "[3]"}), TimeStyle.UTC, NOW)
    told = [(label, plain_text(value)) for label, value in fields]
    assert told[:3] == [("Name", "w"), ("Status", "? –"), ("Tags", "–")]
    assert told[3:9] == [(label, "–") for label in ("Created", "Started", "Completed", "Updated", "Waited", "Took")]
    assert told[9:] == [("Id", "w"), ("error_node", "[3]")]


def test_the_tally_counts_by_glyph_the_most_frequent_first() -> None:
    failed = make_workflow(status="failed")
    assert plain_text(status_tally([failed, COMPLETED, RUNNING, COMPLETED])) == "✔2 ✖1 ▶1"
    assert plain_text(status_tally([make_workflow(status="odd"), make_workflow(status="odder")])) == "?2"
    assert status_tally([]) == EMPTY
    assert status_tally([failed]) == (Span("✖1", Role.BAD),)


def test_a_timeline_is_to_scale_and_says_what_it_shows() -> None:
    bar, legend = timeline(COMPLETED, NOW, 30)
    assert [(text, role) for text, role in bar] == [("░" * 4, Role.WAITING), ("█" * 26, Role.GOOD)]
    assert plain_text(legend) == "waited 20s → ran 2m10"
    assert plain_text(timeline(RUNNING, NOW, 60)[1]) == "waited 1m50 → running 3m10"
    assert plain_text(timeline(QUEUED, NOW, 60)[1]) == "waiting 46s"
    assert timeline(INVALID, NOW, 60) == ()


@given(
    st.sampled_from(WorkflowStatus),
    st.lists(st.floats(-1e6, 1e6) | st.none(), min_size=3, max_size=3),
    st.integers(2, 200),
)
def test_a_timeline_fills_its_width_whatever_the_times(
    status: WorkflowStatus, seconds: list[float | None], width: int
) -> None:
    created, started, completed = (None if each is None else ago(each) for each in seconds)
    workflow = make_workflow(status=status, created_at=created, started_at=started, completed_at=completed)
    lines = timeline(workflow, NOW, width)
    assert len(lines) in {0, 2}
    for bar in lines[:1]:
        assert cell_width(bar) == min(width, 72)
        assert all(text for text, _ in bar)


def test_the_last_workflow_in_short() -> None:
    words = {
        "accepted": "◌ new",
        "uploaded": "◍ sent",
        "queued": "◔ queue",
        "running": "▶ run",
        "completed": "✔ done",
        "cancelled": "⊘ stop",
        "invalid": "⚠ inval",
        "failed": "✖ fail",
        "odd": "? odd",
    }
    for status, word in words.items():
        last = last_workflow_cells(Feed((make_workflow(status=status),)), TimeStyle.RELATIVE, NOW)
        assert plain_text(last["last"]) == word
        assert last["last"][0].role is not Role.MUTED
    assert plain_text(last_workflow_cells(Feed((RUNNING,)), TimeStyle.RELATIVE, NOW)["when"]) == "3m"


@pytest.mark.parametrize("status", ["accepted", "uploaded", "queued"])
def test_waiting_workflow_is_not_the_last_if_another_ended(status: str) -> None:
    waiting = [make_workflow(f"w{number}", status=status) for number in range(3)]
    last = last_workflow_cells(Feed((*waiting, INVALID, COMPLETED)), TimeStyle.RELATIVE, NOW)
    assert plain_text(last["last"]) == "⚠ inval"
    last = last_workflow_cells(Feed((*waiting, RUNNING, COMPLETED)), TimeStyle.RELATIVE, NOW)
    assert (plain_text(last["last"]), plain_text(last["when"])) == ("▶ run", "3m")


@pytest.mark.parametrize(
    ("running", "pending", "told"),
    [
        (0, 0, "–"),
        (1, 3, "▶1 ◔3"),
        (1, 40, "▶1 ◔40"),
        (1, 399, "▶1◔399"),
        (1, 1234, "▶◔1234"),
        (1, 12_345, "▶1◔12k"),
        (2, 123_456, "▶◔123k"),
        (None, 399, "◔399"),
    ],
)
def test_queue_cell_tells_the_numbers_of_the_api(running: int | None, pending: int, told: str) -> None:
    runner = make_runner(queue_running=running, queue_pending=pending)
    unasked: Feed[tuple[Workflow, ...]] = Feed()
    for history in (unasked, Feed((RUNNING, QUEUED, QUEUED, QUEUED, *(COMPLETED,) * 6))):
        assert plain_text(queue_cell(runner, history)) == told
    assert len(told) <= next(column.width for column in RUNNER_COLUMNS if column.key == "queue")


def test_queue_cell_of_a_server_that_has_not_told_its_queue_counts_no_shortened_history() -> None:
    runner = make_runner(queue_pending=None)
    assert plain_text(queue_cell(runner, Feed((RUNNING, QUEUED, QUEUED, QUEUED)))) == "…"


@pytest.mark.parametrize(
    ("milliseconds", "told"),
    [(4, "0s"), (300, "0.3s"), (1_930, "1.9s"), (1_960, "2s"), (9_960, "10s"), (42_600, "43s"), (59_700, "1m00")],
)
def test_durations_that_are_over_are_not_cut_off(milliseconds: int, told: str) -> None:
    started, ended = NOW - timedelta(milliseconds=milliseconds + 20), NOW - timedelta(milliseconds=20)
    workflow = make_workflow(status="completed", started_at=started, completed_at=ended)
    assert plain_text(workflow_row(workflow, TimeStyle.RELATIVE, NOW).cells["took"]) == told
    assert plain_text(timeline(workflow, NOW, 60)[1]) == f"ran {told}"
    assert ("Took", told) in [
        (name, plain_text(value)) for name, value in workflow_fields(workflow, TimeStyle.UTC, NOW)
    ]


def test_the_queue_counts_what_runs_and_what_waits() -> None:
    statuses = ("queued", "running", "accepted", "uploaded", "completed", "failed", "odd", None)
    busy = Feed(tuple(make_workflow(status=status) for status in statuses))
    assert queue_cell(R, busy) == (Span("▶1", Role.WORKING), Span(" "), Span("◔3", Role.WAITING))
    assert plain_text(queue_cell(R, Feed((QUEUED, QUEUED)))) == "◔2"
    assert plain_text(queue_cell(R, Feed((RUNNING,)))) == "▶1"


@pytest.mark.parametrize(
    ("statuses", "told"),
    [
        (["queued"] * 9 + ["running"], "▶1◔9+"),
        (["queued"] * 10, "◔10+"),
        (["queued"] * 9, "◔9"),
        (["queued"] * 8 + ["running", "completed"], "▶1 ◔8"),
        (["running"] * 10, "▶10"),
    ],
)
def test_a_full_history_may_have_left_out_some_that_wait(statuses: list[str], told: str) -> None:
    history = Feed(tuple(make_workflow(f"w{place}", status=status) for place, status in enumerate(statuses)))
    assert plain_text(queue_cell(R, history)) == told
    # The column is no wider, however wide the list is: what is cut off could not be told from fewer.
    assert len(told) <= next(column.width for column in RUNNER_COLUMNS if column.key == "queue")


def test_unknown_queue_looks_unknown() -> None:
    problem = Problem(ProblemKind.SERVER, "", 503, NOW, 1, 0.0)
    unasked: Feed[tuple[Workflow, ...]] = Feed()
    feeds = (
        unasked,
        replace(unasked, problem=problem),
        Feed(()),
        Feed((COMPLETED,)),
        Feed((RUNNING,), problem=problem),
    )
    shown = [queue_cell(R, each) for each in feeds]
    assert [plain_text(each) for each in shown] == ["…", "?", "–", "–", "▶1"]
    assert {span.role for each in shown for span in each} == {Role.MUTED}


def test_unknown_last_workflow_looks_unknown() -> None:
    problem = Problem(ProblemKind.SERVER, "", 503, NOW, 1, 0.0)
    unasked = last_workflow_cells(Feed(), TimeStyle.UTC, NOW)
    untold = last_workflow_cells(Feed(problem=problem), TimeStyle.UTC, NOW)
    unused = last_workflow_cells(Feed(()), TimeStyle.UTC, NOW)
    stale = last_workflow_cells(Feed((COMPLETED,), problem=problem), TimeStyle.UTC, NOW)
    assert [plain_text(each["last"]) for each in (unasked, untold, unused, stale)] == ["…", "?", "–", "✔ done"]
    assert {span.role for each in (unasked, untold, unused, stale) for span in each["last"]} == {Role.MUTED}


@pytest.mark.parametrize("style", TimeStyle)
@pytest.mark.parametrize("workflow", [QUEUED, RUNNING, COMPLETED, INVALID])
@pytest.mark.parametrize("exact", [False, True])
@given(share=st.floats(min_value=0, max_value=0.999))
def test_a_row_reads_the_same_for_all_of_its_period(
    workflow: Workflow, style: TimeStyle, share: float, *, exact: bool
) -> None:
    period = workflow_period(workflow, style, NOW, exact=exact)
    later = NOW + (period.until - NOW) * share
    assert workflow_row(workflow, style, later, exact=exact) == workflow_row(workflow, style, NOW, exact=exact)


def test_exact_duration_is_valid_for_a_second() -> None:
    running = make_workflow(status="running", created_at=ago(100), started_at=ago(12.25))
    period = workflow_period(running, TimeStyle.RELATIVE, NOW, exact=True)
    assert period.until - NOW == timedelta(seconds=0.75)
    assert workflow_period(running, TimeStyle.RELATIVE, NOW).until - NOW == timedelta(seconds=20)
