from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import SecretStr
from referencing import Registry, Resource

from comfytui.api.client import ComfyControlClient
from comfytui.api.session import Session
from comfytui.cli.commands.runner import stats_to_dict
from comfytui.cli.commands.watch import EventType, FleetChange, event_to_dict
from comfytui.clock import SystemClock
from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.settings import API_URL_VARIABLE
from comfytui.render.export import runner_json, runner_to_dict, workflow_to_dict
from tests.support.builders import make_runner
from tests.support.clock import START
from tests.support.misbehaving import TOKEN, MisbehavingServer

if TYPE_CHECKING:
    from tests.cli.conftest import Run

FILES = sorted((Path(__file__).parents[1] / "schema").iterdir())
SCHEMAS = {path.name: json.loads(path.read_text("utf-8")) for path in FILES}
REGISTRY: Registry[Any] = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)

DEMO = "550e8400-e29b-41d4-a716-446655440000"
UTC_TIME = re.compile(r'"[a-z]+_at": "(?!\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z")')


def flaws(name: str, document: object) -> list[str]:
    """What the schema of this name has against a document."""
    validator = Draft202012Validator(SCHEMAS[name], registry=REGISTRY)
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(document)]


def flaws_of_runner(runner: object) -> list[str]:
    """What is wrong with a line of `--ndjson`."""
    return flaws("runner.json", {"schema": 1, "runner": runner})


@pytest.fixture
def server(environ: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[MisbehavingServer]:
    """An API whose token and address the environment holds."""
    with MisbehavingServer(runners=5).in_a_thread() as server:
        environ.setenv(API_URL_VARIABLE, server.url)
        environ.setenv(TOKEN_VARIABLE, TOKEN)
        environ.setenv("XDG_RUNTIME_DIR", str(tmp_path))
        yield server


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schemas_are_some(name: str) -> None:
    Draft202012Validator.check_schema(SCHEMAS[name])


@pytest.mark.parametrize(
    ("argv", "schema"),
    [
        ("runners", "runners.json"),
        ("runners --page 2 --per-page 3", "runners.json"),
        ("runners --filter nobody", "runners.json"),
        ("runners --filter last:failed", "runners.json"),
        (f"runner {DEMO}", "runner.json"),
        (f"history {DEMO}", "history.json"),
        (f"stats {DEMO}", "stats.json"),
        ("doctor", "checks.json"),
        ("config print", "settings.json"),
        ("keys", "keys.json"),
    ],
)
def test_json_of_the_demo_matches_schema(run: Run, argv: str, schema: str) -> None:
    ended = run("--demo", "--runners", "6", *argv.split(), "--json")
    assert ended.status == 0, ended.err
    assert flaws(schema, json.loads(ended.out)) == []
    assert not UTC_TIME.search(ended.out)


def test_a_runner_a_line(run: Run) -> None:
    lines = run("runners", "--demo", "--runners", "6", "--ndjson").out.splitlines()
    assert [flaws_of_runner(json.loads(line)) for line in lines] == [[]] * 6


@pytest.mark.parametrize("hostile", [False, True], ids=["decent", "hostile"])
def test_json_equals_the_export_of_the_dashboard(run: Run, server: MisbehavingServer, hostile: bool) -> None:
    if hostile:
        server.turn_hostile()

    async def answers() -> tuple[dict[str, object], str]:
        """The documents as they should be, and the first runner as the dashboard copies it."""
        client = ComfyControlClient(Session(server.url, SecretStr(TOKEN), clock=SystemClock()))
        page = await client.list_runners(per_page=100)
        first = page.runners[0]
        history, stats = await client.get_history(first.id), await client.get_stats(first.id)
        await client.aclose()
        documents: dict[str, object] = {
            "runners": {"runners": [runner_to_dict(runner) for runner in page.runners], "total": page.total},
            f"runner {first.id}": {"runner": runner_to_dict(first)},
            f"history {first.id}": {"runner_id": first.id, "workflows": [workflow_to_dict(each) for each in history]},
            f"stats {first.id}": {"runner_id": first.id, "stats": stats_to_dict(stats)},
        }
        return documents, runner_json(first)

    wanted, copied = asyncio.run(answers())
    for argv, body in wanted.items():
        command, *rest = argv.split()
        ended = run(command, *rest, "--json")
        assert ended.status == 0, ended.err
        document = json.loads(ended.out)
        assert isinstance(body, dict)
        assert document == {"schema": 1, **body}
        assert flaws(f"{command}.json", document) == []
        assert "hunter2" not in ended.out
        if command == "runner":
            assert document["runner"] == json.loads(copied)


def event(kind: EventType) -> dict[str, Any]:
    runner = make_runner("a", headers={"X-Api-Key": "hunter2"}, gpu="odd")
    return event_to_dict(FleetChange(kind, "a", None if kind is EventType.REMOVED else runner), START)


@pytest.mark.parametrize("kind", EventType)
def test_the_events_of_a_watch(kind: EventType) -> None:
    assert flaws("event.json", event(kind)) == []


CHANGED = event(EventType.CHANGED)


def with_runner(**fields: object) -> dict[str, Any]:
    """A change with other fields of the runner."""
    return CHANGED | {"runner": CHANGED["runner"] | fields}


@pytest.mark.parametrize("missing", CHANGED)
def test_the_schema_wants_every_field(missing: str) -> None:
    assert flaws("event.json", {name: value for name, value in CHANGED.items() if name != missing}) != []


@pytest.mark.parametrize(
    "flawed",
    {
        "another version": CHANGED | {"schema": 2},
        "another event": CHANGED | {"event": "renamed"},
        "one field more": CHANGED | {"more": ""},
        "a local time": CHANGED | {"at": "2026-11-21T14:00:00.000+01:00"},
        "a runner that is gone": event(EventType.REMOVED) | {"runner": CHANGED["runner"]},
        "the value of a header": with_runner(headers={"X-Api-Key": "hunter2"}),
        "an escape sequence": with_runner(name="\x1b[2J"),
        "no list of tags": with_runner(tags=None),
        "an empty id": with_runner(id=""),
    }.items(),
    ids=lambda flawed: flawed[0],
)
def test_the_schema_takes_nothing_else(flawed: tuple[str, dict[str, Any]]) -> None:
    assert flaws("event.json", flawed[1]) != []
