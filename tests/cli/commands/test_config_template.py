from __future__ import annotations

from pathlib import Path

from comfytui.cli.commands.config import template
from comfytui.config.file import load_config
from comfytui.config.precedence import ConfigFile, Profile
from comfytui.config.schema import KeysSchema, ServerSchema
from comfytui.config.settings import ACCENT_COLORS, PRESETS, KeySettings, Server
from comfytui.tui.keys.commands import COMMANDS
from comfytui.tui.keys.keymap import Keymap, build_keymap


def read(text: str, tmp_path: Path) -> ConfigFile:
    file = tmp_path / "config.toml"
    file.write_text(text, encoding="utf-8")
    return load_config(file)


def uncommented(text: str) -> str:
    """What the head of the file tells people to do, done to all of it."""
    return "".join(
        line[1:] if line.startswith("#") and line[1:2].strip() else line for line in text.splitlines(keepends=True)
    )


def test_as_it_is_it_sets_nothing(tmp_path: Path) -> None:
    config = read(template(), tmp_path)
    assert (config.keys.overrides, config.keys.preset) == ({}, "default")
    assert config == ConfigFile(keys=KeySettings(locations=config.keys.locations, file=config.keys.file))


def test_uncommented_it_can_be_used_and_knows_every_setting(tmp_path: Path) -> None:
    config = read(uncommented(template()), tmp_path)
    for name in ConfigFile._fields:
        assert f"\n#{name} = " in template() or f"\n#[{name}" in template(), name
    for name in Profile._fields:
        assert any(getattr(profile, name) for profile in config.profiles.values()), name
    (server,) = config.comfyui
    assert all(getattr(server, name) for name in Server._fields)
    assert set(ServerSchema.model_fields) == {"url", "headers"}
    assert set(KeysSchema.model_fields) == {"preset"}
    assert [*config.keys.overrides] == [command.id for command in COMMANDS]


def test_the_keys_in_it_are_the_usual_ones(tmp_path: Path) -> None:
    keys = read(uncommented(template()), tmp_path).keys
    assert build_keymap(keys.preset, keys.overrides) == Keymap()


def test_the_words_that_can_be_chosen_are_all_there() -> None:
    for word in (*ACCENT_COLORS, *PRESETS):
        assert word in template()


def test_no_line_is_longer_than_a_terminal_is_wide() -> None:
    assert max(map(len, template().splitlines())) <= 120
