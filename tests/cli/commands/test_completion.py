from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from comfytui.cli.commands.completion import completion_script
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.grammar import describe_parser
from comfytui.cli.parser import build_parser
from tests.support.terminal import Terminal

if TYPE_CHECKING:
    from tests.cli.conftest import Run

SHELLS = ("bash", "zsh", "fish")

PARSES = {"bash": ("bash", "-n"), "zsh": ("zsh", "-n"), "fish": ("fish", "--no-execute")}


@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_is_printed_and_nothing_else(run: Run, shell: str) -> None:
    assert run("completion", shell) == (ExitCode.OK, f"{completion_script(shell).rstrip()}\n", "")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_command_and_option_is_in_it(shell: str) -> None:
    written = completion_script(shell)
    program = describe_parser(build_parser())
    for command in program.commands:
        assert command.name.removeprefix("comfytui ") in written
        for option in (option for group in command.groups for option in group.options):
            for flag in option.flags:
                assert flag.lstrip("-") in written


@pytest.mark.parametrize("shell", SHELLS)
def test_the_shell_understands_it(shell: str, tmp_path: Path) -> None:
    program, flag = PARSES[shell]
    found = shutil.which(program)
    if found is None:
        pytest.skip(f"there is no {shell} here")
    path = tmp_path / "script"
    path.write_text(completion_script(shell), encoding="utf-8")
    checked = subprocess.run([found, flag, str(path)], capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("do", "doctor"),
        ("runners --wa", "--watch"),
        ("runners --status ac", "active"),
        ("--demo runners --status dis", "disabled"),
        ("config i", "init"),
        ("completion f", "fish"),
        ("--config here.to", "here.toml"),
        ("runners --log here.to", "here.toml"),
        ("runners --url here.to", ""),
        ("runners --status=ac", "--status=active"),
        ("--color = r", ""),
        ("--color = tr", "truecolor"),
    ],
)
def test_bash_completes(typed: str, offered: str, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    (tmp_path / "here.toml").touch()
    words = ["comfytui", *typed.split()]
    asked = "\n".join(
        (
            completion_script("bash"),
            f"COMP_WORDS=({' '.join(words)}) COMP_CWORD={len(words) - 1}",
            '$(complete -p comfytui | sed "s/.*-F \\([^ ]*\\) .*/\\1/")',
            'echo "${COMPREPLY[@]}"',
        )
    )
    answered = subprocess.run([bash, "--norc"], input=asked, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answered.stdout.split() == offered.split()


@pytest.mark.parametrize("way", ['source "$1"', 'eval "$(<"$1")"'], ids=["source", "eval"])
def test_zsh_takes_it_as_one_gives_it(way: str, tmp_path: Path) -> None:
    zsh = shutil.which("zsh")
    if zsh is None:
        pytest.skip("there is no zsh here")
    path = tmp_path / "script"
    path.write_text(completion_script("zsh"), encoding="utf-8")
    asked = f'autoload -Uz compinit; compinit -D -u; {way}; print -- "$_comps[comfytui]"'
    argv = [zsh, "-f", "-c", asked, "zsh", str(path)]
    answered = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (answered.stdout.strip(), answered.stderr) == ("_shtab_comfytui", "")


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("do", {"doctor"}),
        ("runners --wa", {"--watch"}),
        ("--demo runners --status ", {"active", "disabled"}),
        ("config i", {"init"}),
        ("completion ", {"bash", "zsh", "fish"}),
        ("runners --status=", {"--status=active", "--status=disabled"}),
        ("--config=he", {"--config=here.toml"}),
        ("--config he", {"here.toml"}),
        ("--demo=r", set()),
        ("config --color=p", set()),
    ],
)
def test_fish_completes(typed: str, offered: set[str], tmp_path: Path) -> None:
    fish = shutil.which("fish")
    if fish is None:
        pytest.skip("there is no fish here")
    (tmp_path / "here.toml").touch()
    path = tmp_path / "script"
    path.write_text(completion_script("fish"), encoding="utf-8")
    argv = [fish, "--no-config", "-c", 'source $argv[1]; complete -C "comfytui $argv[2]"', str(path), typed]
    environ = {"HOME": str(tmp_path), "PATH": os.environ["PATH"]}
    answered = subprocess.run(argv, env=environ, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert {line.split("\t")[0] for line in answered.stdout.splitlines()} == offered


INTERACTIVE = {
    "bash": (("--norc", "--noprofile", "-i"), "bind 'set bell-style none'"),
    "zsh": (("-f", "-i"), "autoload -Uz compinit; compinit -D -u; unsetopt beep zle_bracketed_paste"),
}


def completed(shell: str, typed: str, directory: Path, settings: str = "true") -> str:
    """Return what an interactive shell makes of a line of `comfytui` when Tab is pressed behind it."""
    found = shutil.which(shell)
    if found is None:
        pytest.skip(f"there is no {shell} here")
    (directory / "here.toml").touch()
    (directory / "script").write_text(completion_script(shell), encoding="utf-8")
    argv, setup = INTERACTIVE[shell]
    with Terminal([found, *argv], size=(200, 24)) as terminal:
        terminal.send(f"cd '{directory}'; {setup}; source ./script; {settings}; PS1='ready''> '\r".encode())
        terminal.wait_for("ready>")
        terminal.send(b"comfytui " + typed.encode() + b"\t" + b"\x01" + b"echo 'made'': '" + b"\r")
        terminal.wait_for("made: comfytui")
        (made,) = (line for line in terminal.lines if line.startswith("made: comfytui"))
    return made.removeprefix("made: comfytui").strip()


@pytest.mark.parametrize("shell", INTERACTIVE)
@pytest.mark.parametrize(
    ("typed", "made"),
    [
        ("runners --status=ac", "runners --status=active"),
        ("--color=t", "--color=truecolor"),
        ("--color=r", "--color=r"),
        ("config --color=p", "config --color=p"),
        ("--demo=r", "--demo=r"),
        ("--none=r", "--none=r"),
        ("--config=he", "--config=here.toml"),
        ("config --log=there pa", "config --log=there path"),
        ("--comfyui=gpu2:8188 ser", "--comfyui=gpu2:8188 serve"),
        ("--comfyui :8188 ser", "--comfyui :8188 serve"),
        ("--comfyui gpu2:s", "--comfyui gpu2:s"),
        ("--url http://user@s", "--url http://user@s"),
        ("runners --sort ", "runners --sort"),
    ],
)
def test_value_behind_equals_sign_is_completed_as_a_next_word(
    shell: str, typed: str, made: str, tmp_path: Path
) -> None:
    assert completed(shell, typed, tmp_path) == made


def test_bash_that_does_not_break_words_completes_value_behind_equals_sign(tmp_path: Path) -> None:
    breaks = "COMP_WORDBREAKS=${COMP_WORDBREAKS//[=:@]}"
    assert completed("bash", "runners --status=ac", tmp_path, breaks) == "runners --status=active"


def test_without_what_makes_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shtab", None)
    words = "comfytui: Completion needs one more package: pip install 'comfytui[completion]'\n"
    for shell in SHELLS:
        assert run("completion", shell) == (ExitCode.USAGE, "", words)
