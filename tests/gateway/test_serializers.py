"""What the API's pages show goes through the models and comes out as it went in."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from comfytui.api.models import Device, Runner, RunnerPage, RunnerStats, Workflow, parse_history, parse_stats
from comfytui.gateway.serializers import (
    serialize_error,
    serialize_history,
    serialize_page,
    serialize_runner,
    serialize_stats,
    serialize_workflow,
)

FIXTURES = Path(__file__).parents[1] / "fixtures"


def documented(page: str) -> Any:
    return json.loads((FIXTURES / f"{page}.json").read_text())


def as_json(body: object) -> str:
    """JSON in the body's own order, so that the order of fields is compared as well."""
    return json.dumps(body)


def test_the_example_of_list_runners() -> None:
    body = documented("list-runners")
    assert as_json(serialize_page(RunnerPage.parse(body))) == as_json(body)


def test_the_example_of_get_runner() -> None:
    body = documented("get-runner")
    assert as_json(serialize_runner(Runner.model_validate(body))) == as_json(body)


def test_the_example_of_get_runner_history() -> None:
    body = documented("get-runner-history")
    assert as_json(serialize_history(parse_history(body))) == as_json(body)


def test_the_example_of_get_runner_stats() -> None:
    body = documented("get-runner-stats")
    assert as_json(serialize_stats(parse_stats(body))) == as_json(body)


def test_missing_stats_are_serialized_as_null_or_empty() -> None:
    nothing = {"os": None, "ram_free": None, "ram_total": None, "comfyui_version": None, "python_version": None}
    device = {"name": None, "type": None, "vram_total": None, "vram_free": None}
    assert serialize_stats(RunnerStats(devices=(Device(),))) == {
        "system": nothing,
        "devices": [device],
        "dev_mode": None,
        "extensions": [],
    }


def test_only_documented_fields_are_sent() -> None:
    runner = Runner.model_validate({**documented("get-runner"), "health": "good"})
    assert serialize_runner(runner) == documented("get-runner")


@pytest.mark.parametrize(
    ("moment", "sent"),
    [
        (datetime(2024, 1, 15, 10, 30, tzinfo=UTC), "2024-01-15T10:30:00Z"),
        (datetime(2024, 1, 15, 10, 30, 5, 999_999, tzinfo=UTC), "2024-01-15T10:30:05.999Z"),
        (datetime(2024, 1, 15, 10, 30, 5, 70_000, tzinfo=UTC), "2024-01-15T10:30:05.070Z"),
        (datetime(2024, 1, 15, 10, 30, 5, 999, tzinfo=UTC), "2024-01-15T10:30:05Z"),
        (datetime(2024, 1, 15, 10, 30, tzinfo=timezone(timedelta(hours=2))), "2024-01-15T08:30:00Z"),
        (datetime.min.replace(tzinfo=UTC), "0001-01-01T00:00:00Z"),
        (datetime.max.replace(tzinfo=UTC), "9999-12-31T23:59:59.999Z"),
        ("soon", "soon"),
        (None, None),
    ],
)
def test_times(moment: datetime | str | None, sent: str | None) -> None:
    workflow = Workflow.model_validate({"id": "w", "created_at": moment})
    assert serialize_workflow(workflow)["created_at"] == sent


def test_extension_fields_come_last_if_the_fleet_tells_them() -> None:
    runner = Runner.model_validate({"id": "r", "queue_running": 1, "queue_pending": None, "clock_skew": 300})
    last = [*serialize_runner(runner).items()][-3:]
    assert last == [("queue_running", 1), ("queue_pending", None), ("clock_skew", 300)]


def test_missing_runner_fields_are_serialized_as_null_or_empty() -> None:
    assert serialize_runner(Runner.model_validate({"id": "r"})) == {
        "id": "r",
        "user_id": None,
        "name": None,
        "status": None,
        "endpoint": None,
        "tags": [],
        "headers": {},
        "created_at": None,
        "updated_at": None,
    }


def test_an_error() -> None:
    assert as_json(serialize_error(404, "requested entity not found")) == (
        '{"status": 404, "message": "requested entity not found"}'
    )
