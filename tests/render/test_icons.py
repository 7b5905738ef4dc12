from __future__ import annotations

import pytest

from comfytui.api.statuses import RunnerStatus, WorkflowStatus
from comfytui.render.cells import Role, Span, cell_width, line
from comfytui.render.icons import health_icon, runner_icon, runner_status_cell, workflow_icon, workflow_status_cell
from tests.support.lines import plain_text

WORKFLOWS = {
    "accepted": Span("◌", Role.WAITING),
    "uploaded": Span("◍", Role.WAITING),
    "queued": Span("◔", Role.WAITING),
    "running": Span("▶", Role.WORKING),
    "completed": Span("✔", Role.GOOD),
    "cancelled": Span("⊘", Role.NEUTRAL),
    "invalid": Span("⚠", Role.BAD),
    "failed": Span("✖", Role.BAD),
}

RUNNERS = {"active": Span("●", Role.GOOD), "disabled": Span("○", Role.NEUTRAL)}

UNKNOWN = Span("?", Role.UNKNOWN)


def test_each_status_the_api_documents_has_its_glyph() -> None:
    assert {word: workflow_icon(WorkflowStatus(word)) for word in WorkflowStatus} == WORKFLOWS
    assert {word: runner_icon(RunnerStatus(word)) for word in RunnerStatus} == RUNNERS


def test_shapes_tell_statuses_apart_without_colour_and_take_one_cell() -> None:
    shapes = [glyph.text for glyph in (*WORKFLOWS.values(), *RUNNERS.values(), UNKNOWN)]
    assert len(set(shapes)) == len(shapes)
    assert {cell_width(line(shape)) for shape in shapes} == {1}


@pytest.mark.parametrize("word", sorted(WORKFLOWS))
def test_a_workflow_s_role_is_that_of_its_glyph(word: str) -> None:
    assert workflow_icon(WorkflowStatus(word)).role is WORKFLOWS[word].role


@pytest.mark.parametrize("word", ["paused", "COMPLETED", "[red]x[/red]", "UNLISTED", "渲染"])
def test_unknown_status_is_shown_verbatim(word: str) -> None:
    assert workflow_status_cell(WorkflowStatus(word)) == (UNKNOWN, Span(f" {word}", Role.UNKNOWN))
    assert runner_status_cell(RunnerStatus(word)) == (UNKNOWN, Span(f" {word}", Role.UNKNOWN))


def test_no_status_never_looks_like_one() -> None:
    assert plain_text(workflow_status_cell(None)) == "? –"
    assert plain_text(runner_status_cell(None)) == "? –"
    assert workflow_icon(WorkflowStatus("")) == runner_icon(RunnerStatus("")) == UNKNOWN


def test_shape_and_word_of_a_known_status() -> None:
    assert workflow_status_cell(WorkflowStatus.FAILED) == (Span("✖", Role.BAD), Span(" failed", Role.BAD))
    assert runner_status_cell(RunnerStatus.ACTIVE) == (Span("●", Role.GOOD), Span(" active", Role.GOOD))


def test_health_icons_differ_from_unknown() -> None:
    assert [health_icon(each) for each in (True, False)] == [Span("✔", Role.GOOD), Span("✖", Role.BAD)]
    assert health_icon(None) == Span("?", Role.MUTED)
