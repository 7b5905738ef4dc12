"""Files that a view is saved in."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest

from comfytui.render.export import (
    ExportFormat,
    format_for_name,
    strip_external_assets,
    suggest_file_name,
    validate_file_name,
)
from comfytui.tui.exporter import save_file

WHEN = datetime(2026, 1, 31, 14, 25, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.txt", ExportFormat.TEXT),
        ("a.csv", ExportFormat.CSV),
        ("a.JSON", ExportFormat.JSON),
        ("a.b.svg", ExportFormat.SVG),
        ("a", None),
        ("a.", None),
        ("txt", None),
        (".txt", None),
        ("a.txt.gz", None),
        ("a.txt ", None),
        ("", None),
    ],
)
def test_the_ending_says_what_a_file_holds(name: str, kind: ExportFormat | None) -> None:
    assert format_for_name(name) is kind


@pytest.mark.parametrize(
    ("what", "kind", "name"),
    [
        ("runners", ExportFormat.TEXT, "comfytui-runners-20260131-142500.txt"),
        ("", ExportFormat.CSV, "comfytui-20260131-142500.csv"),
        ("../../etc/gpu 07\x1b", ExportFormat.SVG, "comfytui-etc-gpu-07-20260131-142500.svg"),
        ("𝒳" * 300, ExportFormat.JSON, f"comfytui-{'𝒳' * 40}-20260131-142500.json"),
        ("🎉", ExportFormat.JSON, "comfytui-20260131-142500.json"),
    ],
)
def test_the_name_offered_says_what_and_when_and_can_be_taken(what: str, kind: ExportFormat, name: str) -> None:
    assert suggest_file_name(what, WHEN, kind) == name
    assert validate_file_name(name) is None
    assert format_for_name(name) is kind


def test_an_early_year_has_four_digits() -> None:
    assert suggest_file_name("a", datetime(33, 4, 3, tzinfo=UTC), ExportFormat.TEXT) == "comfytui-a-00330403-000000.txt"


@pytest.mark.parametrize("name", ["a.txt", "Ünïcode 🎉.csv", "-a.json", "..svg.svg", f"{'x' * 196}.txt"])
def test_a_plain_name_is_taken(name: str) -> None:
    assert validate_file_name(name) is None


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("", "Enter a file name"),
        ("   ", "Enter a file name"),
        ("a/b.txt", "this directory"),
        ("/etc/passwd.txt", "this directory"),
        ("..\\a.txt", "this directory"),
        ("a\0.txt", "unprintable characters"),
        ("a\x1b]0;x\x07.txt", "unprintable characters"),
        ("a\n.txt", "unprintable characters"),
        ("\ud800.txt", "unprintable characters"),
        (f"{'x' * 197}.txt", "too long"),
        (f"{'é' * 100}.txt", "too long"),
        (".", ".txt, .csv, .json or .svg"),
        ("..", ".txt, .csv, .json or .svg"),
        ("a", ".txt, .csv, .json or .svg"),
        (".txt", ".txt, .csv, .json or .svg"),
        ("a.png", ".txt, .csv, .json or .svg"),
    ],
)
def test_another_name_is_not_and_it_is_said_why(name: str, said: str, tmp_path: Path) -> None:
    wrong = validate_file_name(name)
    assert wrong is not None
    assert said in wrong
    assert wrong.isprintable()
    assert save_file(tmp_path, name, "text") == wrong
    assert not list(tmp_path.iterdir())


def test_a_file_is_this_users_alone_and_exactly_the_text(tmp_path: Path) -> None:
    assert save_file(tmp_path, "a.csv", "é,🎉\r\nb\n") is None
    written = tmp_path / "a.csv"
    assert written.read_bytes() == "é,🎉\r\nb\n".encode()
    assert written.stat().st_mode & 0o777 == 0o600


def test_half_a_character_is_no_reason_to_lose_the_rest(tmp_path: Path) -> None:
    assert save_file(tmp_path, "a.txt", "a\ud800b") is None
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == "a?b"


def test_nothing_is_overwritten_not_even_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("before")
    (tmp_path / "b.txt").symlink_to(tmp_path / "elsewhere.txt")
    for name in ("a.txt", "b.txt"):
        assert save_file(tmp_path, name, "after") == f"{name} already exists and was not overwritten."
    assert (tmp_path / "a.txt").read_text() == "before"
    assert not (tmp_path / "elsewhere.txt").exists()


def test_invalid_file_names_are_explained(tmp_path: Path) -> None:
    said = save_file(tmp_path / "gone", "a.txt", "text")
    assert said == f"{tmp_path}/gone/a.txt cannot be written: no such file or directory."


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_file_that_cannot_be_written_whole_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = os.open

    def full(path: Path, flags: int, mode: int) -> int:
        os.close(opened(path, flags, mode))
        return opened("/dev/full", os.O_WRONLY)

    monkeypatch.setattr("comfytui.files.os.open", full)
    said = save_file(tmp_path, "a.txt", "text")
    assert said == f"{tmp_path}/a.txt cannot be written: no space left on device."
    assert not list(tmp_path.iterdir())


def test_fonts_and_comments_are_taken_out_of_pictures() -> None:
    svg = '<svg><!-- made by x https://x --><style>@font-face { src: url("https://fonts") }\n.a {}</style></svg>'
    assert strip_external_assets(svg) == "<svg><style>.a {}</style></svg>\n"
