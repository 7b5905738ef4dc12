from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.cli.commands.keys import bound_commands
from comfytui.cli.exit_codes import ExitCode
from comfytui.tui.keys.commands import COMMANDS
from comfytui.tui.keys.keymap import PRESETS, Keymap, build_keymap
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from tests.cli.conftest import Run


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A configuration with a preset, a replaced key and a command without any."""
    path = tmp_path / "config.toml"
    path.write_text('[keys]\npreset = "tmux-safe"\nrefresh_now = ["f5", "R"]\nquit = []\n')
    return path


def test_keys_without_configuration_lists_every_command_tab_separated(run: Run) -> None:
    status, out, err = run("keys")
    assert (status, err) == (ExitCode.OK, "")
    rows = [line.split("\t") for line in out.splitlines()]
    assert [row[0] for row in rows] == [command.id for command in COMMANDS]
    assert ["next_page", "n ]", "in the dashboard", "Next page of runners"] in rows
    assert ["switch_profile", "", "anywhere", "Switch to another profile"] in rows


@pytest.mark.parametrize("before", [True, False], ids=["option first", "option last"])
def test_keys_json_applies_preset_and_bindings(run: Run, config: Path, before: bool) -> None:
    option = ("--config", str(config))
    status, out, err = run(*(option if before else ()), "keys", "--json", *(() if before else option))
    assert (status, err) == (ExitCode.OK, "")
    document = json.loads(out)
    assert document["schema"] == 1
    keys = {entry["command"]: entry["keys"] for entry in document["keys"]}
    assert keys["refresh_now"] == ["f5", "R"]
    assert keys["command_palette"] == [":"]
    assert keys["back"] == ["escape", "backspace"]
    assert keys["quit"] == keys["redraw"] == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[keys]\nquitt = ['x']", "line 2: keys.quitt: unknown command; similar: quit"),
        ("[keys]\nrefresh_now = ['q']", "refresh_now and quit have the same key q"),
        ("keys = 3", "keys"),
    ],
)
def test_keys_with_invalid_configuration_is_a_usage_error(run: Run, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "config.toml"
    path.write_text(text)
    status, out, err = run("keys", "--config", str(path))
    assert (status, out) == (ExitCode.USAGE, "")
    assert message in err


@pytest.mark.parametrize("preset", PRESETS)
def test_printed_keys_can_be_written_into_the_configuration(preset: str) -> None:
    printed = {command.command: command.keys for command in bound_commands(build_keymap(preset, {}))}
    assert bound_commands(build_keymap("default", printed)) == bound_commands(build_keymap(preset, {}))


def test_bound_commands_of_the_default_keymap_have_the_declared_scope_and_help() -> None:
    assert [(each.command, each.scope, each.description) for each in bound_commands(Keymap())] == [
        (command.id, command.scope, command.help) for command in COMMANDS
    ]


def test_keys_on_a_terminal_are_grouped_by_scope(config: Path) -> None:
    argv = [sys.executable, "-m", "comfytui", "keys", "--config", str(config)]
    with Terminal(argv, size=(120, 100)) as terminal:
        assert terminal.wait_exit() == 0
        lines = terminal.lines
    assert "In a table" in lines
    assert lines.count("Anywhere") == 1
    (refresh,) = (line.split() for line in lines if "refresh_now" in line)
    assert refresh == ["f5", "R", "refresh_now", "Refresh", "now"]


def test_keys_needs_no_terminal_or_network_library() -> None:
    code = """
import sys
from comfytui.cli.main import main
main(["keys"])
print(*(name for name in ("textual", "rich", "pydantic", "httpx", "starlette") if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == ""
