from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from comfytui.api.models import Runner
from comfytui.engine.feed import Feed
from comfytui.engine.snapshot import HealthCheck
from comfytui.query.columns import RUNNER_COLUMNS
from comfytui.redaction import MASK
from comfytui.render.cells import Role, Span
from comfytui.render.panels import field
from comfytui.render.runners import runner_display_name, runner_fields, runner_period, runner_row
from comfytui.render.table import changed_ids, fit_columns
from comfytui.render.times import TimeStyle
from tests.contract.gateways import documented
from tests.support.builders import make_runner, make_workflow
from tests.support.lines import plain_text

if TYPE_CHECKING:
    from comfytui.api.models import Workflow
    from comfytui.render.table import Row
    from tests.render.conftest import InZone

NOW = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)

DOCUMENTED = Runner.model_validate(documented("get-runner"))
BARE = Runner.model_validate({"id": "bare"})

UNASKED: Feed[tuple[Workflow, ...]] = Feed()
UNCHECKED: Feed[HealthCheck] = Feed()


def row(runner: Runner, history: Feed[tuple[Workflow, ...]] = UNASKED, health: Feed[HealthCheck] = UNCHECKED) -> Row:
    return runner_row(runner, history, health, TimeStyle.RELATIVE, NOW)


def cells(row: Row) -> dict[str, str]:
    return {key: plain_text(cell) for key, cell in row.cells.items()}


def told(runner: Runner, style: TimeStyle = TimeStyle.UTC, *, reveal: bool = False) -> list[tuple[str, str]]:
    fields = runner_fields(runner, style, NOW, reveal=reveal)
    return [(label, plain_text(value)) for label, value in fields]


@pytest.mark.parametrize(("name", "shown"), [("gpu-07", "gpu-07"), (None, "r1"), ("", "r1"), ("  ", "r1")])
def test_a_runner_without_a_name_goes_by_its_id(name: str | None, shown: str) -> None:
    assert runner_display_name(make_runner("r1", name=name)) == shown


def test_a_runner_in_the_list() -> None:
    shown = row(DOCUMENTED)
    assert shown.id == DOCUMENTED.id
    assert (
        cells(shown).items()
        >= {
            "glyph": "●",
            "name": "Production GPU Runner",
            "status": "active",
            "tags": "production gpu-a100 image-generation",
            "endpoint": "https://my-comfy.example.com",
            "created": "2y",
            "updated": "2y",
        }.items()
    )
    assert shown.cells["status"] == (Span("active", Role.GOOD),)


def test_every_column_of_the_list_has_its_cell() -> None:
    for runner in (DOCUMENTED, BARE):
        assert set(row(runner).cells) == {column.key for column in RUNNER_COLUMNS}


def test_missing_fields_are_dashes() -> None:
    shown = cells(row(BARE))
    assert shown.items() >= {"name": "bare", "glyph": "?", "status": "–", "tags": "–", "endpoint": "–"}.items()
    assert shown.items() >= {"created": "–", "updated": "–"}.items()


def test_the_last_workflow_is_told_where_it_is_known() -> None:
    done = make_workflow(status="completed", created_at="2026-07-01T11:00:00Z", completed_at="2026-07-01T11:50:00Z")
    assert cells(row(DOCUMENTED, Feed((done, make_workflow())))).items() >= {"last": "✔ done", "when": "10m"}.items()
    unknown, none = cells(row(DOCUMENTED, UNASKED)), cells(row(DOCUMENTED, Feed(())))
    assert unknown["last"] != none["last"] == "–"


def test_reachability_and_the_queue_are_told_where_they_are_known() -> None:
    busy = (make_workflow(status="queued"), make_workflow(status="running"), make_workflow(status="completed"))
    told = cells(row(DOCUMENTED, Feed(busy), Feed(HealthCheck(reachable=False, error="no route"))))
    assert told.items() >= {"reach": "✖ no", "queue": "▶1 ◔1"}.items()
    assert cells(row(DOCUMENTED)).items() >= {"reach": "…", "queue": "…"}.items()


@pytest.mark.parametrize(
    ("history", "health", "is_change"),
    [
        (Feed((make_workflow(status="running"),)), Feed(HealthCheck(reachable=True, latency=0.02)), False),
        (Feed((make_workflow(status="running"),)), Feed(HealthCheck(reachable=False)), True),
        (Feed((make_workflow(status="running"), make_workflow("w2"))), Feed(HealthCheck(reachable=True)), True),
        (UNASKED, UNCHECKED, False),
    ],
    ids=["only faster", "unreachable", "one more waits", "not known any more"],
)
def test_a_row_has_changed_where_reachability_or_the_queue_has(
    history: Feed[tuple[Workflow, ...]], health: Feed[HealthCheck], is_change: bool
) -> None:
    before = row(DOCUMENTED, Feed((make_workflow(status="running"),)), Feed(HealthCheck(reachable=True, latency=0.04)))
    after = row(DOCUMENTED, history, health)
    assert changed_ids([before], [after]) == ([DOCUMENTED.id] if is_change else [])


@pytest.mark.parametrize(
    ("width", "shown"),
    [
        (56, "name last when tags"),
        (66, "name reach last when queue tags"),
        (76, "name status reach last when queue tags"),
    ],
    ids=["120 columns", "140 columns", "80 columns, stacked"],
)
def test_reachability_and_the_queue_come_as_the_list_widens(width: int, shown: str) -> None:
    assert [column.key for column in fit_columns(RUNNER_COLUMNS, width)] == ["glyph", *shown.split()]


def test_health_stands_below_the_schedule_and_the_machine_below_the_headers() -> None:
    fields = runner_fields(BARE, TimeStyle.UTC, NOW, [field("Reachable", "✔ 43 ms")], [field("ComfyUI", "0.33.0")])
    labels = " ".join(label for label, _ in fields)
    assert labels == "Name Schedule Reachable Endpoint Tags Headers ComfyUI Created Updated Id User id"


def test_every_field_the_api_documents_is_in_the_detail() -> None:
    assert told(DOCUMENTED) == [
        ("Name", "Production GPU Runner"),
        ("Schedule", "● active"),
        ("Endpoint", "https://my-comfy.example.com"),
        ("Tags", "production  gpu-a100  image-generation"),
        ("Headers", f"Authorization  {MASK}"),
        ("", f"X-Custom-Header  {MASK}"),
        ("Created", "2024-01-15 10:30:00 UTC"),
        ("Updated", "2024-01-15 10:30:00 UTC"),
        ("Id", "550e8400-e29b-41d4-a716-446655440000"),
        ("User id", "7c9e6679-7425-40de-944b-e07fc1f90ae7"),
    ]


def test_times_of_the_detail_follow_the_style(in_zone: InZone) -> None:
    in_zone("Europe/Berlin")
    assert dict(told(DOCUMENTED, TimeStyle.RELATIVE))["Created"] == "2024-01-15 11:30:00 CET  2y ago"


def test_a_bare_runner_has_every_label_and_a_dash() -> None:
    assert told(BARE) == [
        ("Name", "bare"),
        ("Schedule", "? –"),
        *((label, "–") for label in ("Endpoint", "Tags", "Headers", "Created", "Updated")),
        ("Id", "bare"),
        ("User id", "–"),
    ]


def test_undocumented_fields_are_shown_verbatim() -> None:
    runner = make_runner("r1", region="eu", gpu={"vram": 24}, **{"": "nameless"})
    assert told(runner)[-3:] == [("region", "eu"), ("gpu", '{"vram": 24}'), ("–", "nameless")]


def test_secrets_show_only_when_they_are_asked_for() -> None:
    runner = make_runner("r1", endpoint="https://me:sekret@host/?key=sekret", headers={"X-Key": "sekret", "": "sekret"})
    assert "sekret" not in str(told(runner)) + str(cells(row(runner)))
    revealed = told(runner, reveal=True)
    assert ("Headers", "X-Key  sekret") in revealed
    assert ("", "–  sekret") in revealed


def test_a_row_reads_the_same_until_its_period_is_over() -> None:
    runner = make_runner(created_at="2026-07-01T09:59:30Z", updated_at="2026-06-29T12:00:00Z")
    history = Feed((make_workflow(created_at="2026-07-01T11:56:20Z"),))

    def told(when: datetime) -> Row:
        return runner_row(runner, history, UNCHECKED, TimeStyle.RELATIVE, when)

    until = runner_period(runner, history, TimeStyle.RELATIVE, NOW).until
    assert until == NOW + timedelta(seconds=20), "when its workflow is four minutes old"
    assert told(NOW) == told(until - timedelta(microseconds=1))
    assert told(NOW) != told(until)
