from __future__ import annotations

import json
from pathlib import Path

import pytest

from comfytui.cli.commands.provenance import SettingSource, Value, setting_sources, to_json, to_lines
from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.config.file import key_lines, load_config
from comfytui.config.paths import config_dir
from comfytui.config.precedence import CliOptions, ConfigFile, ConfigSources, resolve_settings
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
    flags: CliOptions | None = None, variables: dict[str, str] | None = None, file: Path | None = None
) -> dict[str, SettingSource]:
    config = ConfigFile() if file is None else load_config(file)
    choices = ConfigSources(flags or CliOptions(), variables or {}, config, file)
    told = setting_sources(choices, resolve_settings(choices), key_lines(file.read_text()) if file else {})
    assert "sekret" not in repr(told) + "".join(to_lines(told)) + json.dumps(to_json(told))
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
        ("config", CliOptions(), {}, None, "default"),
        ("config", CliOptions(config=Path("c.toml")), {}, None, "--config"),
        ("url", CliOptions(url="https://a.example"), {API_URL_VARIABLE: "https://b"}, "https://a.example", "--url"),
        ("url", CliOptions(), {API_URL_VARIABLE: "https://b.example"}, "https://b.example", API_URL_VARIABLE),
        ("url", CliOptions(profile="prod"), {}, "https://prod.example", "profile prod, ~/c.toml:7"),
        ("url", CliOptions(profile="lab"), {}, f"https://{MASK}@top.example/?key={MASK}", "~/c.toml:1"),
        ("url", CliOptions(demo=True), {}, None, "--demo"),
        ("url", CliOptions(comfyui=("gpu7",)), {}, None, "--comfyui"),
        ("profile", CliOptions(), {}, None, "default"),
        ("profile", CliOptions(profile="prod"), {}, "prod", "--profile"),
        ("profiles", CliOptions(), {}, ("prod", "lab"), "~/c.toml:6"),
        ("interval", CliOptions(interval=2.0, profile="prod"), {}, 2.0, "--interval"),
        ("interval", CliOptions(profile="prod"), {}, 7.0, "profile prod, ~/c.toml:8"),
        ("interval", CliOptions(profile="lab"), {}, 3.0, "~/c.toml:2"),
        ("wallboard", CliOptions(), {}, False, "~/c.toml:3"),
        ("wallboard", CliOptions(wallboard=True), {}, True, "--wallboard"),
        ("ca_bundle", CliOptions(profile="prod"), {}, "/etc/ca.pem", "~/c.toml:5"),
        ("colour", CliOptions(profile="prod"), {}, "red", "profile prod, ~/c.toml:10"),
        ("colour", CliOptions(), {}, None, "default"),
        ("token", CliOptions(), {TOKEN_VARIABLE: "sekret"}, MASK, TOKEN_VARIABLE),
        ("token", CliOptions(profile="prod"), {"PROD_TOKEN": "sekret"}, MASK, "PROD_TOKEN"),
        ("token", CliOptions(profile="prod"), {}, None, "default"),
        ("token", CliOptions(), {}, MASK, "token_command, ~/c.toml:4"),
        ("token", CliOptions(demo=True), {TOKEN_VARIABLE: "sekret"}, None, "default"),
        ("token_command", CliOptions(), {}, "pass …", "~/c.toml:4"),
        ("token_command", CliOptions(profile="prod"), {}, None, "default"),
        ("token_env", CliOptions(profile="prod"), {}, "PROD_TOKEN", "profile prod, ~/c.toml:9"),
        ("token_file", CliOptions(profile="lab"), {}, "/etc/token", "profile lab, ~/c.toml:12"),
        ("log", CliOptions(log=Path("l.log")), {}, "l.log", "--log"),
        ("color", CliOptions(color="16"), {}, "16", "--color"),
        ("per_page", CliOptions(per_page=9), {}, 9, "--per-page"),
        ("insecure_http", CliOptions(insecure_http=True), {}, True, "--insecure-http"),
        ("fresh", CliOptions(fresh=True), {}, True, "--fresh"),
        ("utc", CliOptions(), {}, False, "default"),
        ("comfyui", CliOptions(comfyui=("http://me:sekret@gpu7", "studio")), {}, ("gpu7", "studio"), "--comfyui"),
        ("comfyui.studio.url", CliOptions(), {}, "http://gpu2", "~/c.toml:14"),
        ("comfyui.studio.headers.X-Key", CliOptions(), {}, MASK, "~/c.toml:15"),
        ("keys.preset", CliOptions(), {}, "vim", "~/c.toml:17"),
        ("keys.quit", CliOptions(), {}, ("x", "f10"), "~/c.toml:18"),
    ],
    ids=lambda value: None if isinstance(value, CliOptions | dict) else str(value),
)
def test_each_setting_has_a_value_and_a_source(
    file: Path, name: str, flags: CliOptions, variables: dict[str, str], value: Value, source: str
) -> None:
    told = tell(flags, variables, None if name == "config" else file)[name]
    assert (told.value, told.source) == (value, source)


def test_a_saved_token_is_told_by_its_file() -> None:
    (ensure_private_dir(config_dir()) / "token").write_text("sekret")
    assert tell()["token"] == SettingSource("token", MASK, "~/comfytui/token")


def test_lines_are_aligned() -> None:
    told = [
        SettingSource("a", None, "default"),
        SettingSource("interval", 2.5, "--interval"),
        SettingSource("b", True, "x:1"),
        SettingSource("c", (), "d"),
    ]
    assert to_lines(told) == [
        "a         -     default",
        "interval  2.5   --interval",
        "b         true  x:1",
        "c         -     d",
    ]


def test_setting_from_a_file_is_one_sanitized_line() -> None:
    told = [SettingSource("keys.\x1b", ("a\nb", "c"), "x"), SettingSource("b", "\x1b[31m", "y")]
    assert to_lines(told) == ["keys.␛  a␊b, c  x", "b       ␛[31m   y"]
    assert to_json(told)["settings"] == [
        {"name": "keys.␛", "value": ("a␊b", "c"), "source": "x"},
        {"name": "b", "value": "␛[31m", "source": "y"},
    ]
