from __future__ import annotations

from datetime import UTC, datetime

import pytest

from comfytui.config.settings import SettingsError
from comfytui.query.columns import Requirement
from comfytui.query.filter import RunnerData
from comfytui.query.sorting import RUNNER_KEYS, WORKFLOW_KEYS, Sort
from comfytui.render.columns import RUNNER_TEXTS, WORKFLOW_TEXTS, parse_columns, parse_sort, requirements
from tests.support.builders import make_runner, make_workflow

NOW = datetime(2026, 1, 1, 12, 0, 10, tzinfo=UTC)

RUNNER = make_runner(
    name="gpu",
    endpoint="https://me:secret@host/?key=secret",
    tags=["a", "b"],
    created_at="2026-01-01T13:00:00+01:00",
    updated_at="yesterday",
)
WORKFLOW = make_workflow(
    status="running",
    tags=["x"],
    created_at="2026-01-01T12:00:00Z",
    started_at="2026-01-01T12:00:04Z",
)


def runner_cells(facts: RunnerData) -> dict[str, str]:
    return {name: cell(facts) for name, cell in RUNNER_TEXTS.items()}


def test_cells_of_a_runner() -> None:
    history = (WORKFLOW, make_workflow("w2"), make_workflow("w3", status="failed"))
    assert runner_cells(RunnerData(RUNNER, history, reachable=False)) == {
        "id": "r1",
        "name": "gpu",
        "status": "active",
        "reach": "no",
        "last": "running",
        "when": "2026-01-01T12:00:04Z",
        "queue": "1+1",
        "tags": "a b",
        "endpoint": "https://••••••••@host/?key=••••••••",
        "created": "2026-01-01T12:00:00Z",
        "updated": "yesterday",
    }


def test_unknown_cells_differ_from_empty_ones() -> None:
    cells = runner_cells(RunnerData(make_runner(name=" ", status=None)))
    assert {name for name, cell in cells.items() if cell == "?"} == {"reach", "last", "when", "queue"}
    assert {name for name, cell in cells.items() if not cell} == {"status", "tags", "endpoint", "created", "updated"}
    assert cells["name"] == "r1"


def test_waiting_workflows_are_counted_and_are_not_the_last() -> None:
    waiting = (make_workflow(status="queued", created_at="2026-01-01T12:00:09Z"),)
    ended = make_workflow("w2", status="failed", completed_at="2026-01-01T12:00:05Z")
    cells = runner_cells(RunnerData(make_runner(queue_running=1, queue_pending=399), (*waiting, ended)))
    assert (cells["last"], cells["when"], cells["queue"]) == ("failed", "2026-01-01T12:00:05Z", "1+399")
    assert runner_cells(RunnerData(make_runner(queue_running=1, queue_pending=399)))["queue"] == "1+399"
    assert runner_cells(RunnerData(make_runner(queue_pending=None), waiting))["queue"] == "?"
    assert runner_cells(RunnerData(make_runner(), waiting))["last"] == "queued"


def test_a_runner_without_workflows() -> None:
    cells = runner_cells(RunnerData(make_runner(), (), reachable=True))
    assert (cells["reach"], cells["last"], cells["when"], cells["queue"]) == ("yes", "none", "", "0+0")


def test_cells_of_a_workflow() -> None:
    assert {name: cell(WORKFLOW, NOW) for name, cell in WORKFLOW_TEXTS.items()} == {
        "id": "w1",
        "name": "Workflow w1",
        "status": "running",
        "took": "6s",
        "created": "2026-01-01T12:00:00Z",
        "waited": "4s",
        "tags": "x",
        "started": "2026-01-01T12:00:04Z",
        "completed": "",
        "updated": "",
    }


def test_columns_and_keys_are_of_the_same_names() -> None:
    assert set(RUNNER_KEYS) < set(RUNNER_TEXTS)
    assert set(WORKFLOW_KEYS) < set(WORKFLOW_TEXTS)


@pytest.mark.parametrize(
    ("text", "columns"),
    [(None, ("id", "tags")), ("tags", ("tags",)), ("Tags, id,tags", ("tags", "id")), ("name,id", ("name", "id"))],
)
def test_columns_in_the_order_asked_for(text: str | None, columns: tuple[str, ...]) -> None:
    assert parse_columns(text, ("id", "name", "tags"), ("id", "tags")) == columns


@pytest.mark.parametrize("text", ["", "id,", "secret", "id;name"])
def test_no_such_column(text: str) -> None:
    with pytest.raises(SettingsError, match="one or more of id, name, tags, separated by commas") as raised:
        parse_columns(text, ("id", "name", "tags"), ("id",))
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "sort"),
    [
        (None, None),
        ("name", Sort("name")),
        ("when", Sort("when", descending=True)),
        ("when:asc", Sort("when")),
        (" Name:DESC ", Sort("name", descending=True)),
    ],
)
def test_order(text: str | None, sort: Sort | None) -> None:
    assert parse_sort(text, RUNNER_KEYS) == sort


@pytest.mark.parametrize("text", ["", "secret", "name:", "name:up", ":asc", "id"])
def test_no_such_order(text: str) -> None:
    with pytest.raises(SettingsError, match=r"one of name, status.*updated, optionally followed by :asc or :desc"):
        parse_sort(text, RUNNER_KEYS)


@pytest.mark.parametrize(
    ("columns", "needed"),
    [
        (("id", "name"), set()),
        (("last", "queue"), {Requirement.HISTORY}),
        (("reach", "when"), {Requirement.HISTORY, Requirement.REACHABILITY}),
    ],
)
def test_requirements_of_columns(columns: tuple[str, ...], needed: set[Requirement]) -> None:
    assert requirements(columns) == needed
