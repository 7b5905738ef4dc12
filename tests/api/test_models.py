from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from comfytui.api.models import Runner, RunnerPage, Timestamp, Workflow, parse_history
from comfytui.api.statuses import RunnerStatus, WorkflowStatus

FIXTURES = Path(__file__).parent.parent / "fixtures"

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
RUNNER_FIELDS = ("user_id", "name", "status", "endpoint", "tags", "headers", "created_at", "updated_at")
WORKFLOW_FIELDS = ("name", "status", "tags", "created_at", "updated_at", "started_at", "completed_at")
ODD_VALUES = [None, True, 7, 0.5, float("nan"), "", "\x1b[2J", "\ud800", [], [None, 1], {}, {"a": {"b": [1]}}]


def fixture(name: str) -> object:
    body: object = json.loads((FIXTURES / f"{name}.json").read_text())
    return body


def at(year: int, month: int, day: int, hour: int = 0, minute: int = 0, second: int = 0) -> datetime:
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC)


@pytest.fixture
def far_from_utc() -> Iterator[None]:
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Kathmandu"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


class TestDocumentedBodies:
    def test_list_runners(self) -> None:
        page = RunnerPage.parse(fixture("list-runners"))
        assert page.total == 2
        assert page.invalid_count == 0
        assert [runner.name for runner in page.runners] == ["Production GPU Runner", "Development Runner"]
        assert page.runners[1].headers == {}

    def test_get_runner(self) -> None:
        runner = Runner.model_validate(fixture("get-runner"))
        assert runner.id == "550e8400-e29b-41d4-a716-446655440000"
        assert runner.user_id == "7c9e6679-7425-40de-944b-e07fc1f90ae7"
        assert runner.status is RunnerStatus.ACTIVE
        assert runner.endpoint == "https://my-comfy.example.com"
        assert runner.tags == ("production", "gpu-a100", "image-generation")
        assert runner.headers["Authorization"].get_secret_value() == "Bearer secret_token"
        assert runner.created_at == runner.updated_at == at(2024, 1, 15, 10, 30)
        assert runner.extras == ()

    def test_get_runner_history(self) -> None:
        history = parse_history(fixture("get-runner-history"))
        assert [workflow.status for workflow in history] == [
            WorkflowStatus.COMPLETED,
            WorkflowStatus.FAILED,
            WorkflowStatus.RUNNING,
        ]
        assert history[0].started_at == at(2024, 1, 15, 14, 30, 5)
        assert history[2].completed_at is None


class TestFields:
    @pytest.mark.parametrize("sent", [{}, dict.fromkeys(RUNNER_FIELDS)])
    def test_a_runner_of_an_id_alone(self, sent: dict[str, object]) -> None:
        runner = Runner.model_validate({"id": "r", **sent})
        assert (runner.user_id, runner.name, runner.status, runner.endpoint) == (None, None, None, None)
        assert (runner.tags, runner.headers, runner.created_at, runner.updated_at) == ((), {}, None, None)

    @pytest.mark.parametrize("sent", [{}, dict.fromkeys(WORKFLOW_FIELDS)])
    def test_a_workflow_of_an_id_alone(self, sent: dict[str, object]) -> None:
        workflow = Workflow.model_validate({"id": "w", **sent})
        assert (workflow.name, workflow.status, workflow.tags, workflow.created_at) == (None, None, (), None)
        assert (workflow.updated_at, workflow.started_at, workflow.completed_at) == (None, None, None)

    @pytest.mark.parametrize("value", ODD_VALUES)
    @pytest.mark.parametrize("name", RUNNER_FIELDS)
    def test_an_odd_value_spoils_its_field_alone(self, name: str, value: object) -> None:
        runner = Runner.model_validate({**dict.fromkeys(RUNNER_FIELDS, "x"), "id": "r", name: value})
        assert runner.id == "r"
        others = {field: getattr(runner, field) for field in ("user_id", "name", "endpoint") if field != name}
        assert set(others.values()) == {"x"}

    @pytest.mark.parametrize("value", [None, True, "", "\u200b", 0.5, [], {}, float("nan")])
    def test_without_an_id_it_is_nothing(self, value: object) -> None:
        with pytest.raises(ValidationError):
            Runner.model_validate({"id": value})

    def test_a_number_may_be_an_id(self) -> None:
        assert Runner.model_validate({"id": 7}).id == "7"

    def test_an_unknown_status_keeps_its_word(self) -> None:
        status = Runner.model_validate({"id": "r", "status": "draining\x1b"}).status
        assert status == "draining␛"
        assert status is not None
        assert not status.is_known

    def test_a_single_tag_need_not_be_a_list(self) -> None:
        assert Runner.model_validate({"id": "r", "tags": "gpu"}).tags == ("gpu",)

    def test_header_values_are_secret(self) -> None:
        runner = Runner.model_validate({"id": "r", "headers": {"X-Key": "hunter2", "X-Deep": {"a": "hunter2"}}})
        assert "hunter2" not in f"{runner!r} {runner} {runner.model_dump()}"

    def test_text_is_clean(self) -> None:
        runner = Runner.model_validate({"id": "\x1b", "name": "\u202e", "tags": ["\x9b"], "headers": {"\x07": "v"}})
        assert (runner.id, runner.name, runner.tags, list(runner.headers)) == ("␛", "", ("\ufffd",), ["␇"])

    def test_undocumented_fields_are_kept_as_text_in_the_order_they_came(self) -> None:
        sent = {"zone": "eu\x1b", "id": "r", "gpu": {"count": 2}, "\ud800": None, "extras": 1, "copy": 2}
        runner = Runner.model_validate(sent)
        assert runner.extras == (
            ("zone", "eu␛"),
            ("gpu", '{"count": 2}'),
            ("?", "null"),
            ("extras", "1"),
            ("copy", "2"),
        )

    def test_the_same_body_makes_equal_models(self) -> None:
        first, second = (
            Runner.model_validate({"id": "r", "load": float("nan"), "headers": {"a": "b"}, "created_at": float("nan")})
            for _ in range(2)
        )
        assert first == second

    def test_endless_nesting_spoils_only_its_field(self) -> None:
        deep: list[object] = []
        for _ in range(100_000):
            deep = [deep]
        runner = Runner.model_validate({"id": "r", "name": deep, "tags": [deep], "more": deep})
        assert (runner.name, runner.tags, runner.extras) == ("…", ("…",), (("more", "…"),))

    def test_models_do_not_change(self) -> None:
        with pytest.raises(ValidationError):
            Runner.model_validate({"id": "r"}).name = "other"


class TestTimes:
    @pytest.mark.parametrize(
        ("sent", "moment"),
        [
            ("2024-01-15T10:30:00Z", at(2024, 1, 15, 10, 30)),
            ("2024-01-15T10:30:00.250Z", at(2024, 1, 15, 10, 30) + timedelta(milliseconds=250)),
            ("2024-01-15T12:30:00+02:00", at(2024, 1, 15, 10, 30)),
            ("2024-01-15T10:30:00", at(2024, 1, 15, 10, 30)),
            ("2024-01-15", at(2024, 1, 15)),
            ("soon", "soon"),
            ("", ""),
            ("2024-13-45T99:00:00Z", "2024-13-45T99:00:00Z"),
            ("0001-01-01T00:00:00Z", None),
            ("0000-00-00T00:00:00Z", None),
            ("0000-00-00 00:00:00", None),
            ("0001-01-01T00:00:00+14:00", None),
            ("9999-12-31T23:00:00-14:00", "9999-12-31T23:00:00-14:00"),
            (1705314600, "1705314600"),
            (20240115, "20240115"),
            (True, "true"),
            (["2024-01-15"], '["2024-01-15"]'),
        ],
    )
    def test_a_time_is_read_or_stays_the_text_it_was(self, sent: object, moment: Timestamp | None) -> None:
        read = Runner.model_validate({"id": "r", "created_at": sent}).created_at
        assert read == moment
        assert read is None or isinstance(read, str) or read.tzinfo is UTC

    @pytest.mark.usefixtures("far_from_utc")
    def test_a_datetime_without_a_zone_is_utc_too(self) -> None:
        naive = at(2024, 1, 15).replace(tzinfo=None)
        assert Runner.model_validate({"id": "r", "created_at": naive}).created_at == at(2024, 1, 15)

    def test_a_datetime_comes_out_in_utc(self) -> None:
        eastern = datetime(2024, 1, 15, 5, tzinfo=timezone(timedelta(hours=-5)))
        read = Runner.model_validate({"id": "r", "created_at": eastern}).created_at
        assert read == at(2024, 1, 15, 10)
        assert isinstance(read, datetime)
        assert read.tzinfo is UTC


class TestLists:
    def test_invalid_entry_drops_only_itself(self) -> None:
        page = RunnerPage.parse({"runners": [{"id": "a"}, None, {"name": "no id"}, [], 7, {"id": "b"}], "total": 6})
        assert [runner.id for runner in page.runners] == ["a", "b"]
        assert page.invalid_count == 4

    def test_the_first_of_each_id_is_kept(self) -> None:
        page = RunnerPage.parse({"runners": [{"id": "a", "name": "1"}, {"id": "b"}, {"id": "a", "name": "2"}]})
        assert [(runner.id, runner.name) for runner in page.runners] == [("a", "1"), ("b", None)]
        assert page.invalid_count == 0

    @pytest.mark.parametrize("total", [None, True, -1, 2.0, "2", [], float("inf")])
    def test_a_total_that_is_no_count_is_unknown(self, total: object) -> None:
        assert RunnerPage.parse({"runners": [], "total": total}).total is None

    @pytest.mark.parametrize("body", [None, [], "runners", {}, {"total": 0}, {"runners": {"id": "a"}}])
    def test_invalid_pages_are_refused(self, body: object) -> None:
        with pytest.raises(ValueError, match="list of runners"):
            RunnerPage.parse(body)

    def test_null_page_list_is_empty(self) -> None:
        page = RunnerPage.parse({"runners": None, "total": 0})
        assert (page.runners, page.total, page.invalid_count) == ((), 0, 0)

    def test_null_history_is_empty(self) -> None:
        assert parse_history(None) == ()

    def test_entries_of_a_history_without_an_id_are_left_out(self) -> None:
        assert [workflow.id for workflow in parse_history([{"id": "a"}, {}, None, {"id": "a"}])] == ["a"]

    @pytest.mark.parametrize("body", [{}, "[]", 0, {"workflows": []}])
    def test_invalid_histories_are_refused(self, body: object) -> None:
        with pytest.raises(ValueError, match="list of workflows"):
            parse_history(body)


class TestAnything:
    @given(st.dictionaries(st.sampled_from(RUNNER_FIELDS) | st.text(), JSON, max_size=6))
    def test_a_runner_with_an_id_is_read_whatever_else_is_sent(self, sent: dict[str, object]) -> None:
        runner = Runner.model_validate({**sent, "id": "r"})
        assert runner.id == "r"
        assert all(isinstance(value, str) for _, value in runner.extras)

    @given(st.dictionaries(st.sampled_from(WORKFLOW_FIELDS) | st.text(), JSON, max_size=6))
    def test_a_workflow_with_an_id_is_read_whatever_else_is_sent(self, sent: dict[str, object]) -> None:
        assert Workflow.model_validate({**sent, "id": "w"}).id == "w"

    @given(st.lists(JSON | st.fixed_dictionaries({"id": JSON})))
    def test_every_entry_is_a_runner_or_counted(self, entries: list[object]) -> None:
        page = RunnerPage.parse({"runners": entries})
        assert len(page.runners) + page.invalid_count <= len(entries)
        assert all(runner.id for runner in page.runners)


def test_equal_values_of_runners_are_shared() -> None:
    sent = {"user_id": "owner", "name": "a", "tags": ["gpu"]}
    body = {"runners": json.loads(json.dumps([{**sent, "id": "1"}, {**sent, "id": "2"}, {"id": "3"}])), "total": 3}
    first, second, third = RunnerPage.parse(body).runners
    assert first.model_fields_set is second.model_fields_set
    assert (first.model_fields_set, third.model_fields_set) == ({"id", *sent}, {"id"})
    assert first.user_id is second.user_id
    assert first.tags[0] is second.tags[0]


@pytest.mark.parametrize(
    ("sent", "read"),
    [(0, 0), (399, 399), (None, None), (-1, None), (True, None), ("3", None), (1.0, None), (10**400, None), ([], None)],
)
def test_extension_counts_that_are_none_are_not_known(sent: object, read: int | None) -> None:
    runner = Runner.model_validate({"id": "r", "queue_running": sent, "queue_pending": sent})
    assert (runner.queue_running, runner.queue_pending, runner.tells_queue) == (read, read, True)
    assert not runner.extras
    assert not Runner.model_validate({"id": "r"}).tells_queue


@pytest.mark.parametrize(
    ("sent", "read"),
    [(300, 300), (-7.5, -7.5), (None, None), ("5", None), (True, None), (float("nan"), None), (10**400, None)],
)
def test_clock_skew_that_is_none_is_not_known(sent: object, read: float | None) -> None:
    assert Runner.model_validate({"id": "r", "clock_skew": sent}).clock_skew == read
