from __future__ import annotations

import json
from pathlib import Path

import pytest

from comfytui.cli.commands.provenance import Told, Value, document, lines, tell_settings
from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.file import lines_of, read_config
from comfytui.config.paths import config_dir
from comfytui.config.precedence import Choices, ConfigFile, Flags, resolve
from comfytui.config.settings import API_URL, API_URL_VARIABLE
from comfytui.files import ensure_private_dir

MASK = "••••••••"

TEXT = """\
url = "https://me:sekret@top.example/?key=sekret"
interval = 3
wallboard = false
token_command = ["pass", "show", "sekret"]
ca_bundle = "/etc/ca.pem"
[profiles.prod]
url = "https://prod.example"
interval = 7
token_env = "PROD_TOKEN"
colour = "red"
[profiles.lab]
token_file = "/etc/token"
[comfyui.studio]
url = "http://me:sekret@gpu2"
headers = { X-Key = "sekret" }
[keys]
preset = "vim"
quit = ["x", "f10"]
"""


def tell(
    flags: Flags | None = None, variables: dict[str, str] | None = None, file: Path | None = None
) -> dict[str, Told]:
    config = ConfigFile() if file is None else read_config(file)
    choices = Choices(flags or Flags(), variables or {}, config, file)
    told = tell_settings(choices, resolve(choices), lines_of(file.read_text()) if file else {})
    assert "sekret" not in repr(told) + "".join(lines(told)) + json.dumps(document(told))
    return {each.name: each for each in told}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "c.toml"
    file.write_text(TEXT)
    return file


def test_without_anything_all_is_by_default() -> None:
    told = tell()
    assert {each.source for each in told.values()} == {"default"}
    assert (told["url"].value, told["interval"].value, told["token"].value) == (API_URL, 5.0, None)


@pytest.mark.parametrize(
    ("name", "flags", "variables", "value", "source"),
    [
        ("config", Flags(), {}, None, "default"),
        ("config", Flags(config=Path("c.toml")), {}, None, "--config"),
        ("url", Flags(url="https://a.example"), {API_URL_VARIABLE: "https://b"}, "https://a.example", "--url"),
        ("url", Flags(), {API_URL_VARIABLE: "https://b.example"}, "https://b.example", API_URL_VARIABLE),
        ("url", Flags(profile="prod"), {}, "https://prod.example", "profile prod, ~/c.toml:7"),
        ("url", Flags(profile="lab"), {}, f"https://{MASK}@top.example/?key={MASK}", "~/c.toml:1"),
        ("url", Flags(demo=True), {}, None, "--demo"),
        ("url", Flags(comfyui=("gpu7",)), {}, None, "--comfyui"),
        ("profile", Flags(), {}, None, "default"),
        ("profile", Flags(profile="prod"), {}, "prod", "--profile"),
        ("profiles", Flags(), {}, ("prod", "lab"), "~/c.toml:6"),
        ("interval", Flags(interval=2.0, profile="prod"), {}, 2.0, "--interval"),
        ("interval", Flags(profile="prod"), {}, 7.0, "profile prod, ~/c.toml:8"),
        ("interval", Flags(profile="lab"), {}, 3.0, "~/c.toml:2"),
        ("wallboard", Flags(), {}, False, "~/c.toml:3"),
        ("wallboard", Flags(wallboard=True), {}, True, "--wallboard"),
        ("ca_bundle", Flags(profile="prod"), {}, "/etc/ca.pem", "~/c.toml:5"),
        ("colour", Flags(profile="prod"), {}, "red", "profile prod, ~/c.toml:10"),
        ("colour", Flags(), {}, None, "default"),
        ("token", Flags(), {TOKEN_VARIABLE: "sekret"}, MASK, TOKEN_VARIABLE),
        ("token", Flags(profile="prod"), {"PROD_TOKEN": "sekret"}, MASK, "PROD_TOKEN"),
        ("token", Flags(profile="prod"), {}, None, "default"),
        ("token", Flags(), {}, MASK, "token_command, ~/c.toml:4"),
        ("token", Flags(demo=True), {TOKEN_VARIABLE: "sekret"}, None, "default"),
        ("token_command", Flags(), {}, "pass …", "~/c.toml:4"),
        ("token_command", Flags(profile="prod"), {}, None, "default"),
        ("token_env", Flags(profile="prod"), {}, "PROD_TOKEN", "profile prod, ~/c.toml:9"),
        ("token_file", Flags(profile="lab"), {}, "/etc/token", "profile lab, ~/c.toml:12"),
        ("log", Flags(log=Path("l.log")), {}, "l.log", "--log"),
        ("color", Flags(color="16"), {}, "16", "--color"),
        ("per_page", Flags(per_page=9), {}, 9, "--per-page"),
        ("insecure_http", Flags(insecure_http=True), {}, True, "--insecure-http"),
        ("fresh", Flags(fresh=True), {}, True, "--fresh"),
        ("utc", Flags(), {}, False, "default"),
        ("comfyui", Flags(comfyui=("http://me:sekret@gpu7", "studio")), {}, ("gpu7", "studio"), "--comfyui"),
        ("comfyui.studio.url", Flags(), {}, "http://gpu2", "~/c.toml:14"),
        ("comfyui.studio.headers.X-Key", Flags(), {}, MASK, "~/c.toml:15"),
        ("keys.preset", Flags(), {}, "vim", "~/c.toml:17"),
        ("keys.quit", Flags(), {}, ("x", "f10"), "~/c.toml:18"),
    ],
    ids=lambda value: None if isinstance(value, Flags | dict) else str(value),
)
def test_each_setting_has_a_value_and_a_source(
    file: Path, name: str, flags: Flags, variables: dict[str, str], value: Value, source: str
) -> None:
    told = tell(flags, variables, None if name == "config" else file)[name]
    assert (told.value, told.source) == (value, source)


def test_a_saved_token_is_told_by_its_file() -> None:
    (ensure_private_dir(config_dir()) / "token").write_text("sekret")
    assert tell()["token"] == Told("token", MASK, "~/comfytui/token")


def test_lines_are_aligned() -> None:
    told = [Told("a", None, "default"), Told("interval", 2.5, "--interval"), Told("b", True, "x:1"), Told("c", (), "d")]
    assert lines(told) == [
        "a         -     default",
        "interval  2.5   --interval",
        "b         true  x:1",
        "c         -     d",
    ]


def test_what_a_file_says_stays_one_harmless_line() -> None:
    told = [Told("keys.\x1b", ("a\nb", "c"), "x"), Told("b", "\x1b[31m", "y")]
    assert lines(told) == ["keys.␛  a␊b, c  x", "b       ␛[31m   y"]
    assert document(told)["settings"] == [
        {"name": "keys.␛", "value": ("a␊b", "c"), "source": "x"},
        {"name": "b", "value": "␛[31m", "source": "y"},
    ]
