from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import TypeAlias

import pytest

from comfytui.query.columns import Requirement
from comfytui.query.filter import RunnerData
from comfytui.query.sorting import (
    RUNNER_KEYS,
    WORKFLOW_KEYS,
    Sort,
    default_order,
    is_decidable,
    requirements,
    sort_runners,
    sort_workflows,
)
from tests.support.builders import make_runner, make_workflow

Told: TypeAlias = tuple[str, dict[str, object]]

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def ran(status: str | None = "completed", **fields: object) -> tuple[object, ...]:
    return (make_workflow("w", status=status, **fields),)


def facts(runner_id: str, history: object = None, *, reachable: bool | None = None, **fields: object) -> RunnerData:
    known = history if isinstance(history, tuple) else None
    return RunnerData(make_runner(runner_id, **fields), known, reachable)


def queue(*statuses: str) -> tuple[object, ...]:
    return tuple(make_workflow(f"w{number}", status=status) for number, status in enumerate(statuses))


# Of each key: runners in ascending order, and those that come last either way.
RUNNERS: dict[str, tuple[list[RunnerData], list[RunnerData]]] = {
    "name": ([facts("z", name="alpha"), facts("beta", name=None), facts("y", name="Gamma")], []),
    "status": (
        [
            facts("z", status="active"),
            facts("y", status="disabled"),
            facts("x", status="Drained"),
            facts("w", status="zombie"),
        ],
        [facts("a", status=None)],
    ),
    "reach": ([facts("z", reachable=True), facts("y", reachable=False)], [facts("a"), facts("b", ())]),
    "last": (
        [
            facts(f"z{rank}", ran(status), name=f"{9 - rank}")
            for rank, status in enumerate(
                ["failed", "invalid", "running", "queued", "uploaded", "accepted", "completed", "cancelled", "paused"]
            )
        ],
        [facts("c", ()), facts("d", ran(None)), facts("a"), facts("b")],
    ),
    "when": (
        [
            facts("z", ran(completed_at=ago(9), created_at=ago(1))),
            facts("y", ran(started_at=ago(8), created_at=ago(20))),
            facts("x", ran(created_at=ago(7))),
            facts("w", (*queue("queued", "accepted"), *ran(completed_at=ago(6)))),
        ],
        [facts("c", ()), facts("d", ran(created_at="noonish")), facts("e", ran()), facts("a"), facts("b")],
    ),
    "queue": (
        [
            facts("z", ()),
            facts("y", queue("completed", "running", "failed")),
            facts("x", queue("queued", "accepted", "uploaded", "cancelled")),
            facts("w", queue("queued", "running", "queued", "queued")),
            facts("v", queue_running=1, queue_pending=4),
            facts("u", queue("queued", "running"), queue_running=1, queue_pending=399),
        ],
        [facts("a"), facts("b", reachable=True)],
    ),
    "tags": ([facts("z", tags=["A", "b"]), facts("y", tags=["a", "c"]), facts("x", tags=["B"])], [facts("a")]),
    "endpoint": (
        [facts("z", endpoint="http://a"), facts("y", endpoint="HTTP://b")],
        [facts("a", endpoint=None), facts("b", endpoint="")],
    ),
    "created": (
        [facts("z", created_at=ago(9)), facts("y", created_at=ago(1))],
        [facts("a", created_at="2026-13-45"), facts("b", created_at=None)],
    ),
    "updated": (
        [facts("z", updated_at=ago(9)), facts("y", updated_at=ago(1))],
        [facts("a", updated_at="soon"), facts("b", updated_at=None)],
    ),
}


@pytest.mark.parametrize("key", RUNNER_KEYS)
def test_runners_in_order_either_way_with_what_is_unknown_last(key: str) -> None:
    known, unknown = RUNNERS[key]
    jumbled = [*unknown[::-1], *known[1::2], *known[::2]]
    assert sort_runners(jumbled, Sort(key)) == [*known, *unknown]
    assert sort_runners(jumbled, Sort(key, descending=True)) == [*known[::-1], *unknown]


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("key", RUNNER_KEYS[1:])
def test_ties_go_by_name_then_id_upwards_either_way(key: str, descending: bool) -> None:
    same: dict[str, object] = {"tags": ["x"], "endpoint": "http://x", "created_at": NOW, "updated_at": NOW}
    history = ran(created_at=NOW)
    names = [("9", "a"), ("1", "B"), ("2", "b"), ("3", "c")]
    tied = [facts(runner_id, history, reachable=True, name=name, **same) for runner_id, name in names]
    for jumbled in permutations(tied):
        assert sort_runners(jumbled, Sort(key, descending)) == tied


def test_runners_without_workflows_sort_before_unknown_ones() -> None:
    runners = [facts("a"), facts("b", ()), facts("c", ran("cancelled"))]
    for descending in (False, True):
        assert [each.runner.id for each in sort_runners(runners, Sort("last", descending))] == ["c", "b", "a"]


# The same of workflows: (id, fields).
WORKFLOWS: dict[str, tuple[list[Told], list[Told]]] = {
    "name": ([("z", {"name": "a"}), ("b", {"name": None}), ("y", {"name": "C"})], []),
    "status": ([("z", {"status": "failed"}), ("y", {"status": "running"})], [("a", {"status": None})]),
    "took": (
        [
            ("z", {"started_at": ago(100), "completed_at": ago(90)}),
            ("y", {"status": "running", "started_at": ago(50)}),
            ("x", {"started_at": ago(100), "completed_at": ago(10)}),
        ],
        [("a", {}), ("b", {"started_at": "?", "completed_at": NOW})],
    ),
    "waited": (
        [
            ("z", {"created_at": ago(100), "started_at": ago(90)}),
            ("y", {"status": "queued", "created_at": ago(50)}),
        ],
        [("a", {"created_at": None})],
    ),
    "tags": ([("z", {"tags": ["a"]}), ("y", {"tags": ["b"]})], [("a", {})]),
    **{
        name: ([("z", {f"{name}_at": ago(9)}), ("y", {f"{name}_at": ago(1)})], [("a", {f"{name}_at": "soon"})])
        for name in ("created", "started", "completed", "updated")
    },
}


@pytest.mark.parametrize("key", WORKFLOW_KEYS)
def test_workflows_in_order_either_way_with_what_is_unknown_last(key: str) -> None:
    known, unknown = ([make_workflow(workflow_id, **fields) for workflow_id, fields in part] for part in WORKFLOWS[key])
    jumbled = [*unknown[::-1], *known[1::2], *known[::2]]
    assert sort_workflows(jumbled, Sort(key), NOW) == [*known, *unknown]
    assert sort_workflows(jumbled, Sort(key, descending=True), NOW) == [*known[::-1], *unknown]


def test_duration_of_a_running_workflow_grows() -> None:
    long = make_workflow("a", started_at=ago(100), completed_at=ago(40))
    going = make_workflow("b", status="running", started_at=ago(50))
    assert sort_workflows([long, going], Sort("took"), NOW) == [going, long]
    assert sort_workflows([long, going], Sort("took"), NOW + timedelta(seconds=20)) == [long, going]


def test_moments_durations_and_counts_are_expected_the_greatest_first() -> None:
    downwards = {key for key in {*RUNNER_KEYS, *WORKFLOW_KEYS} if default_order(key).descending}
    assert downwards == {"when", "queue", "took", "waited", "created", "started", "completed", "updated"}
    assert default_order("name") == Sort("name")
    assert Sort("name").reversed == Sort("name", descending=True)
    assert Sort("name").reversed.reversed == Sort("name")


def test_requirements() -> None:
    asking = {key: requirements(Sort(key)) for key in RUNNER_KEYS if requirements(Sort(key))}
    history = {Requirement.HISTORY}
    assert asking == {"last": history, "when": history, "queue": history, "reach": {Requirement.REACHABILITY}}
    assert is_decidable(Sort("name"), facts("a"))
    assert not is_decidable(Sort("last"), facts("a"))
    assert is_decidable(Sort("last"), facts("a", ()))
    assert is_decidable(Sort("reach"), facts("a", reachable=False))
    assert not is_decidable(Sort("reach"), facts("a", ()))


def test_another_key_is_no_key() -> None:
    with pytest.raises(KeyError):
        sort_runners([], Sort("took"))
    with pytest.raises(KeyError):
        sort_workflows([], Sort("endpoint"), NOW)


@pytest.mark.parametrize("key", ["name", "tags", "endpoint"])
def test_numbers_in_text_sort_by_value(key: str) -> None:
    told: dict[str, Callable[[str], dict[str, object]]] = {
        "name": lambda text: {"name": text},
        "tags": lambda text: {"tags": [text]},
        "endpoint": lambda text: {"endpoint": f"http://{text}:8188"},
    }
    texts = ["gpu-10", "GPU-9", "gpu-2"]
    facts = [RunnerData(make_runner(str(index), **told[key](text))) for index, text in enumerate(texts)]
    assert [item.runner.id for item in sort_runners(facts, Sort(key))] == ["2", "1", "0"]


def test_ties_of_names_with_numbers_sort_by_value() -> None:
    facts = [RunnerData(make_runner(name, name=name, status="active")) for name in ("gpu-10", "gpu-2")]
    assert [item.runner.id for item in sort_runners(facts, Sort("status"))] == ["gpu-2", "gpu-10"]
