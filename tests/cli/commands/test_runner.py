from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from comfytui.cli.commands.runner import history_output, runner_output, stats_output, stats_to_dict
from comfytui.cli.output import tab_separated
from tests.support.builders import make_runner, make_stats, make_workflow
from tests.support.clock import START

if TYPE_CHECKING:
    from tests.cli.conftest import Run

FIRST = "550e8400-e29b-41d4-a716-446655440000"
NAME = "Production GPU Runner"


def test_a_runner() -> None:
    runner = make_runner(tags=["a", "b"], headers={"X-Key": "sekret"}, endpoint=None)
    answer = runner_output(runner)
    assert list(tab_separated(answer.table())) == [
        "id\tr1",
        "user_id\t",
        "name\tRunner r1",
        "status\tactive",
        "endpoint\t",
        "tags\ta b",
        "headers.X-Key\t••••••••",
        "created_at\t",
        "updated_at\t",
    ]
    assert answer.items == [answer.document["runner"]] == answer.rows()


def test_stats() -> None:
    stats = make_stats(extensions=["one", "two"], dev_mode=True)
    answer = stats_output("r1", stats)
    assert answer.document == {"runner_id": "r1", "stats": stats_to_dict(stats)}
    assert set(tab_separated(answer.table())) > {
        "system.os\tposix",
        "system.ram_total\t68719476736",
        "devices.0.type\tcuda",
        "dev_mode\ttrue",
        "extensions\tone two",
    }
    assert [dict(row)["devices.0.vram_free"] for row in answer.rows()] == ["12884901888"]


def test_stats_of_which_nothing_was_said() -> None:
    stats = make_stats(system={}, devices=[{}], dev_mode=None)
    assert stats_to_dict(stats) == {
        "system": dict.fromkeys(("os", "ram_total", "ram_free", "comfyui_version", "python_version")),
        "devices": [dict.fromkeys(("name", "type", "vram_total", "vram_free"))],
        "dev_mode": None,
        "extensions": [],
    }
    assert "dev_mode\t" in list(tab_separated(stats_output("r1", stats).table()))


def test_a_history() -> None:
    workflows = [make_workflow("w1", tags=["a"]), make_workflow("w2", status="completed")]
    answer = history_output("r1", workflows, ("id", "status"), START, only_columns=True)
    assert answer.document == {"runner_id": "r1", "workflows": list(answer.items)}
    assert list(tab_separated(answer.table())) == ["w1\tqueued", "w2\tcompleted"]
    assert answer.rows() == [{"id": "w1", "status": "queued"}, {"id": "w2", "status": "completed"}]
    whole = history_output("r1", workflows, ("id",), START, only_columns=False)
    assert whole.rows() == answer.items
    assert (answer.fields, whole.fields) == (("id", "status"), tuple(answer.items[0]))


@pytest.mark.parametrize("named", [FIRST, FIRST.upper(), "550e", NAME])
@pytest.mark.parametrize("command", ["runner", "history", "stats"])
def test_a_runner_may_be_named_in_several_ways(run: Run, command: str, named: str) -> None:
    before = run("--demo", command, named, "--json")
    document = json.loads(before.out)
    assert (before.status, before.err, document["schema"]) == (0, "", 1)
    assert (document["runner"]["id"] if command == "runner" else document["runner_id"]) == FIRST
    assert (
        set(document)
        == {
            "runner": {"schema", "runner"},
            "history": {"schema", "runner_id", "workflows"},
            "stats": {"schema", "runner_id", "stats"},
        }[command]
    )


def test_no_such_runner(run: Run) -> None:
    for text in ("sekret", "00000000-0000-4000-8000-000000000000"):
        outcome = run("--demo", "runner", text)
        assert (outcome.status, outcome.out) == (1, "")
        assert "sekret" not in outcome.err


def test_several_runners(run: Run) -> None:
    outcome = run("--demo", "stats", "7")
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.count("(") == 5


@pytest.mark.parametrize("argv", [["runner", ""], ["history", "x", "--sort", "id"], ["history", "x", "--columns", "y"]])
def test_wrong_usage(run: Run, argv: list[str]) -> None:
    outcome = run("--demo", *argv)
    assert (outcome.status, outcome.out) == (2, "")
    assert outcome.err.startswith("comfytui: ")


def test_a_history_in_order(run: Run) -> None:
    outcome = run("--demo", "history", FIRST, "--sort", "name:asc", "--columns", "name")
    names = outcome.out.splitlines()
    assert len(names) > 1
    assert names == sorted(names, key=str.casefold)
