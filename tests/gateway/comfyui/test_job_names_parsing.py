"""What jobs are called."""

from __future__ import annotations

import pytest

from comfytui.api.statuses import WorkflowStatus
from comfytui.gateway.comfyui.job_names import job_name, parse_userdata_list, short_id, workflow_id
from comfytui.gateway.comfyui.models import Job, filename_prefix
from tests.support.comfyui_jobs import recording

ID = "679efc54-5dbb-4e26-8c28-663c4fbfbfcf"


@pytest.mark.parametrize(
    ("document", "prefix", "name"),
    [
        ("doc", "ComfyUI", "my portrait"),
        ("folded", "ComfyUI", "b"),
        ("odd", "ComfyUI", "ComfyUI"),
        ("other", "ComfyUI", "ComfyUI"),
        ("", "chain/img", "img"),
        ("", "chain\\img", "img"),
        ("", "../../outside", "outside"),
        ("", "folder/", "folder"),
        ("", "", "679efc54"),
        ("", "/", "679efc54"),
    ],
)
def test_the_name_of_a_job(document: str, prefix: str, name: str) -> None:
    saved = {"doc": "my portrait.json", "folded": "a/b.json", "odd": ".json", "": "never.json"}
    assert job_name(Job(ID, WorkflowStatus.COMPLETED, prefix=prefix, document=document), saved) == name


@pytest.mark.parametrize(("id", "short"), [(ID, "679efc54"), ("hero", "hero"), ("hero shot 12", "hero sho")])
def test_short_ids(id: str, short: str) -> None:
    assert short_id(id) == short


@pytest.mark.parametrize(
    ("filename", "prefix"),
    [
        ("ComfyUI_00012_.png", "ComfyUI"),
        ("my_hero_00001_.webp", "my_hero"),
        ("run_00001_00002_.png", "run_00001"),
        ("ComfyUI_123456_.png", "ComfyUI"),
        ("AnimateDiff_00001.mp4", "AnimateDiff"),
        ("AnimateDiff_00001-audio.mp4", "AnimateDiff"),
        ("_00001_.png", ""),
        ("ComfyUI_temp_egrbg_00001_.png", ""),
        ("result.final.png", "result.final"),
        ("shot_12.png", "shot_12"),
        ("README", "README"),
        ("", ""),
    ],
)
def test_the_prefix_of_a_filename(filename: str, prefix: str) -> None:
    assert filename_prefix(filename) == prefix


@pytest.mark.parametrize(("version", "modified"), [("0.33.0", 1795279866.739), ("0.3.64", 1795280879.1156433)])
def test_saved_workflows_of_both_versions(version: str, modified: float) -> None:
    assert parse_userdata_list(recording(version, "userdata-list")) == (("my portrait.json", modified),)


def test_saved_workflows_are_told_newest_first_without_what_can_be_none() -> None:
    body = [
        {"path": "old.json", "size": 1, "modified": 1795279866000},
        {"path": "new.json", "size": 999_999, "modified": 1795279867000},
        {"path": "large.json", "size": 1_000_000, "modified": 1795279868000},
        {"path": "undated.json", "modified": None},
        {"path": "endless.json", "modified": 10**400},
        {"path": "nan.json", "modified": float("nan")},
        {"path": "note.txt", "modified": 1795279868000},
        {"path": "half \ud800.json", "modified": 1795279868000},
        {"path": "x" * 996 + ".json", "modified": 1795279868000},
        {"path": 3},
        "plain.json",
    ]
    assert [path for path, _ in parse_userdata_list(body)] == [
        "new.json",
        "old.json",
        "endless.json",
        "nan.json",
        "undated.json",
    ]


@pytest.mark.parametrize("body", [None, {}, "x", 3])
def test_without_a_list_nothing_is_saved(body: object) -> None:
    assert parse_userdata_list(body) == ()


def test_the_document_of_a_saved_workflow() -> None:
    assert workflow_id(recording("0.33.0", "userdata-get")) == "841eaa5b-6afc-51e9-8aff-f9c0913cbe25"


@pytest.mark.parametrize("body", [None, [], {}, {"id": None}, {"id": 3}])
def test_a_file_without_an_id_is_of_no_document(body: object) -> None:
    assert workflow_id(body) == ""
