"""What leaves the dashboard: whole, exact, and without a secret."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfytui.api.models import Runner, RunnerPage, parse_history
from comfytui.redaction import MASK
from comfytui.render.export import (
    RUNNER_FIELDS,
    WORKFLOW_FIELDS,
    runner_json,
    runner_to_dict,
    to_csv,
    to_json,
    to_text,
    workflow_json,
    workflow_to_dict,
)
from tests.support.builders import make_runner, make_workflow

FIXTURES = Path(__file__).parents[1] / "fixtures"
SECRET = "sEkReT"


def sent(name: str) -> object:
    """What the API's page shows as an answer."""
    return json.loads((FIXTURES / name).read_text())


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_runner_is_what_the_api_sent_with_its_header_values_masked() -> None:
    answer = sent("get-runner.json")
    assert isinstance(answer, dict)
    data = runner_to_dict(Runner.model_validate(answer))
    assert data == {**answer, "headers": dict.fromkeys(answer["headers"], MASK)}
    assert list(data) == list(answer)


def test_a_workflow_is_what_the_api_sent() -> None:
    answer = sent("get-runner-history.json")
    data = [workflow_to_dict(each) for each in parse_history(answer)]
    assert data == answer
    assert isinstance(answer, list)
    assert list(data[0]) == list(answer[0])


def test_export_keeps_missing_as_null_and_invalid_times_verbatim() -> None:
    assert runner_to_dict(Runner.model_validate({"id": 7, "created_at": "soon", "updated_at": None})) == {
        "id": "7",
        "user_id": None,
        "name": None,
        "status": None,
        "endpoint": None,
        "tags": [],
        "headers": {},
        "created_at": "soon",
        "updated_at": None,
    }


@pytest.mark.parametrize(
    ("time", "told"),
    [
        ("2026-01-31T14:25:00Z", "2026-01-31T14:25:00Z"),
        ("2026-01-31T14:25:00.250+02:00", "2026-01-31T12:25:00.250000Z"),
        ("2026-01-31 14:25", "2026-01-31T14:25:00Z"),
        ("0002-01-01T00:00:00Z", "0002-01-01T00:00:00Z"),
    ],
)
def test_times_are_iso_8601_in_utc(time: str, told: str) -> None:
    assert workflow_to_dict(make_workflow(created_at=time))["created_at"] == told


def test_the_endpoint_keeps_its_secrets() -> None:
    data = runner_to_dict(make_runner(endpoint=f"https://me:{SECRET}@host/?key={SECRET}"))
    assert data["endpoint"] == f"https://{MASK}@host/?key={MASK}"


def test_unknown_status_is_exported_verbatim() -> None:
    assert json.loads(workflow_json(make_workflow(status="paused")))["status"] == "paused"


@pytest.mark.parametrize(
    ("extra", "told"),
    [
        ("plain words", "plain words"),
        ("somebody@example.com", "somebody@example.com"),
        (42, "42"),
        (None, "null"),
        (f"https://host/x?sig={SECRET}&n={SECRET}", f"https://host/x?sig={MASK}&n={MASK}"),
        (f"see https://me:{SECRET}@host/ for it", f"see https://{MASK}@host/ for it"),
        (f"me:{SECRET}@host:8188", f"{MASK}@host:8188"),
        (f"/view?token={SECRET}", f"/view?token={MASK}"),
        ({"src": f"https://host/?sig={SECRET}", "n": 1}, f'{{"src": "https://host/?sig={MASK}", "n": 1}}'),
        ([f"//me:{SECRET}@host", "b"], f'["//{MASK}@host", "b"]'),
    ],
)
def test_other_fields_come_last_and_what_looks_like_a_url_is_masked(extra: object, told: str) -> None:
    data = runner_to_dict(make_runner(endpoint="https://host", extra=extra))
    assert list(data)[-1] == "extra"
    assert data["extra"] == told
    assert workflow_to_dict(make_workflow(extra=extra))["extra"] == told


def test_a_field_whose_name_sounds_secret_is_masked() -> None:
    extras: dict[str, Any] = {"api_token": SECRET, "login": {"user": "me", "password": SECRET}}
    for data in (runner_to_dict(make_runner(**extras)), workflow_to_dict(make_workflow(**extras))):
        assert SECRET not in json.dumps(data) + to_csv([data])
        assert (data["api_token"], data["login"]) == (MASK, f'{{"user": "me", "password": "{MASK}"}}')


def test_a_field_that_only_looks_like_a_known_one_does_not_take_its_place() -> None:
    sent = {"id": "a", "name": "A", "name\u200b": "other", "headers": {"X": SECRET}, "headers\u200b": SECRET}
    data = runner_to_dict(Runner.model_validate(sent))
    assert data["headers"] == {"X": MASK}
    assert data["name"] == "A"


def test_json_is_one_object_for_people_to_read() -> None:
    text = runner_json(make_runner(name="Füllhorn 🎉"))
    assert text.startswith('{\n  "id": "r1",\n  "user_id": null,\n  "name": "Füllhorn 🎉",\n')
    assert text.endswith("}")


def test_json_of_several_is_an_array() -> None:
    items = [runner_to_dict(make_runner("a")), runner_to_dict(make_runner("b"))]
    assert json.loads(to_json(items)) == items
    assert to_json(items).endswith("]\n")
    assert to_json([]) == "[]\n"


def test_csv_has_a_line_of_names_and_one_for_each_item() -> None:
    page = RunnerPage.parse(sent("list-runners.json"))
    rows = read_csv(to_csv([runner_to_dict(runner) for runner in page.runners]))
    assert [row["id"] for row in rows] == [runner.id for runner in page.runners]
    assert list(rows[0]) == list(runner_to_dict(page.runners[0]))
    assert rows[0]["tags"] == "production gpu-a100"
    assert rows[0]["headers"] == f"Authorization={MASK}"
    assert rows[0]["created_at"] == "2024-01-15T10:30:00Z"
    assert rows[1]["headers"] == ""


def test_csv_has_the_fields_of_all_items() -> None:
    rows = read_csv(to_csv([workflow_to_dict(make_workflow("a", x=1)), workflow_to_dict(make_workflow("b", y=2))]))
    assert [(row["x"], row["y"], row["started_at"]) for row in rows] == [("1", "", ""), ("", "2", "")]


def test_csv_of_nothing_is_nothing() -> None:
    assert to_csv([]) == ""


def test_csv_of_nothing_may_have_its_names() -> None:
    assert to_csv([], WORKFLOW_FIELDS[:2]) == "id,name\n"
    assert to_csv([{"id": "a", "x": "b"}], ("id", "name")) == "id,name,x\na,,b\n"
    assert tuple(runner_to_dict(make_runner("a"))) == RUNNER_FIELDS
    assert tuple(workflow_to_dict(make_workflow("a"))) == WORKFLOW_FIELDS


@pytest.mark.parametrize("start", [*"=+-@\t＝＋－＠", " =", "\u3000＝", "\xa0@"])
def test_no_cell_is_a_formula(start: str) -> None:
    text = to_csv([{"id": f"{start}1+1", f"{start}name": None, "tags": [f"{start}cmd"], "plain": f"a{start}b"}])
    names, row = csv.reader(io.StringIO(text, newline=""))
    assert names == ["id", f"'{start}name", "tags", "plain"]
    assert row == [f"'{start}1+1", "", f"'{start}cmd", f"a{start}b"]


def test_text_has_no_blanks_at_its_ends() -> None:
    assert to_text(["a  b   ", "", "  c"]) == "a  b\n\n  c\n"


VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda each: st.lists(each, max_size=3) | st.dictionaries(st.text(max_size=4), each, max_size=3),
    max_leaves=4,
)
FIELDS = ["name", "status", "endpoint", "tags", "created_at", "=extra", "@", ""]


@settings(max_examples=60)
@given(
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=4), VALUES, max_size=5), st.lists(st.text(max_size=4))
)
def test_whatever_was_sent_can_be_saved_and_read_again(fields: dict[str, object], headers: list[str]) -> None:
    runner = Runner.model_validate({**fields, "id": "a", "headers": dict.fromkeys(headers, SECRET)})
    data = runner_to_dict(runner)
    written = [runner_json(runner), to_json([data]), to_csv([data])]
    assert json.loads(written[0]) == json.loads(written[1])[0] == data
    rows = list(csv.reader(io.StringIO(written[2], newline="")))
    assert [len(row) for row in rows] == [len(data)] * 2
    assert all(SECRET not in text for text in written)
    assert all(not cell.startswith(("=", "+", "-", "@", "\t")) for row in rows for cell in row)
