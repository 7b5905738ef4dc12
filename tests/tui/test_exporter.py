"""What can be taken out of the dashboard, and where it goes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from comfytui.config.state import InMemoryStateStore
from comfytui.tui.services import AppServices
from tests.support.builders import make_page, make_runner, make_workflow
from tests.support.pilot import Driven, demo, scripted

if TYPE_CHECKING:
    from pathlib import Path

RUNNER = make_runner(
    "r1",
    name="gpu-07",
    endpoint="https://somebody:sekret@gpu.test/x?key=sekret",
    headers={"Authorization": "sekret"},
    tags=["gpu"],
)
WORKFLOW = make_workflow("w1", name="[Upscale]")


def into(tmp_path: Path) -> AppServices:
    """No clipboard but a file, for there is no terminal."""
    return AppServices(
        InMemoryStateStore(), environ={"TERM": "dumb"}, clipboard_dir=tmp_path / "state", export_dir=tmp_path
    )


async def copied(driven: Driven, tmp_path: Path, key: str) -> str:
    """What is in the file once the key has been pressed."""
    file = tmp_path / "state" / "clipboard.txt"
    file.unlink(missing_ok=True)
    await driven.press(key)
    await driven.until(lambda: not any(worker.name == "copy" for worker in driven.app.workers))
    return file.read_text(encoding="utf-8")


async def test_ids_endpoints_and_items_are_copied_without_secrets(tmp_path: Path) -> None:
    async with scripted(make_page(RUNNER), (WORKFLOW,), services=into(tmp_path)) as (driven, _):
        assert await copied(driven, tmp_path, "y") == "r1"
        await driven.sees("The id of gpu-07: saved in", "clipboard.txt")
        assert await copied(driven, tmp_path, "e") == "https://••••••••@gpu.test/x?key=••••••••"
        runner = json.loads(await copied(driven, tmp_path, "Y"))
        assert (runner["id"], runner["name"], runner["tags"]) == ("r1", "gpu-07", ["gpu"])
        assert "sekret" not in json.dumps(runner)
        await driven.press("enter")
        assert await copied(driven, tmp_path, "y") == "w1"
        assert json.loads(await copied(driven, tmp_path, "Y"))["name"] == "[Upscale]"
        await driven.press("enter")
        assert await copied(driven, tmp_path, "y") == "w1"
        await driven.sees("The id of [Upscale]")
        assert await copied(driven, tmp_path, "e") == "https://••••••••@gpu.test/x?key=••••••••"
        assert json.loads(await copied(driven, tmp_path, "Y"))["status"] == "queued"


async def test_nothing_is_copied_where_there_is_nothing(tmp_path: Path) -> None:
    async with scripted(make_page(), services=into(tmp_path)) as (driven, _):
        await driven.press("y", "Y", "e", "enter", "y")
        assert not (tmp_path / "state").exists()


async def save(driven: Driven, ending: str) -> None:
    await driven.press("S")
    await driven.sees("Save this view in a file")
    for key in ("backspace", "backspace", "backspace", *ending, "enter"):
        await driven.pilot.press(key)
    await driven.sees("Saved in comfytui-")


def saved(tmp_path: Path) -> str:
    (found,) = tmp_path.glob("comfytui-*")
    return found.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("ending", "wanted"),
    [("txt", "Recent workflows"), ("csv", "id,user_id,name,status"), ("json", '"gpu-07"'), ("svg", "<svg")],
)
async def test_a_view_is_saved_as_what_its_name_says(tmp_path: Path, ending: str, wanted: str) -> None:
    async with scripted(make_page(RUNNER), (WORKFLOW,), services=into(tmp_path)) as (driven, _):
        await driven.press("H")
        await driven.sees("sekret")
        await save(driven, ending)
        assert wanted in saved(tmp_path)
        assert "gpu-07" in saved(tmp_path)
        assert "sekret" not in saved(tmp_path)
        assert "Save this view" not in saved(tmp_path)
        assert "url(" not in saved(tmp_path).replace("url(#", ""), "who looks at it asks nobody for anything"


async def test_a_table_of_nothing_still_says_what_its_columns_are(tmp_path: Path) -> None:
    async with scripted(make_page(), services=into(tmp_path)) as (driven, _):
        await save(driven, "csv")
        assert saved(tmp_path) == "id,user_id,name,status,endpoint,tags,headers,created_at,updated_at\n"


async def test_save_exports_all_matches(tmp_path: Path) -> None:
    async with demo(services=into(tmp_path)) as driven:
        await driven.press("slash", *"gpu", "enter")
        await driven.sees("1–25 of 110")
        await save(driven, "json")
        assert len(json.loads(saved(tmp_path))) == 110


async def test_the_history_is_saved_where_the_keys_go_there(tmp_path: Path) -> None:
    async with scripted(make_page(RUNNER), (WORKFLOW,), services=into(tmp_path)) as (driven, _):
        await driven.press("enter")
        await save(driven, "json")
        assert [each["id"] for each in json.loads(saved(tmp_path))] == ["w1"]


async def test_a_workflow_is_saved_from_its_screen(tmp_path: Path) -> None:
    async with scripted(make_page(RUNNER), (WORKFLOW,), services=into(tmp_path)) as (driven, _):
        await driven.press("enter", "enter")
        await save(driven, "txt")
        assert "[Upscale]" in saved(tmp_path)
