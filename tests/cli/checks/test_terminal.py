from __future__ import annotations

import stat
from pathlib import Path

import pytest

from comfytui.cli.checks.check import Result
from comfytui.cli.checks.terminal import Terminal, Tmux, ask_tmux, clipboard, look_at_clipboard, look_at_terminal
from comfytui.cli.checks.terminal import this_terminal as terminal_of_this_process
from comfytui.config.credentials import TOKEN_VARIABLE

GOOD = Terminal(True, (120, 40), "utf-8")
XTERM = {"TERM": "xterm-256color"}


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        (XTERM, "xterm-256color, 256 colours, 120x40, mouse on, Unicode"),
        ({**XTERM, "COLORTERM": "truecolor"}, "xterm-256color, 16 million colours, 120x40, mouse on, Unicode"),
        ({**XTERM, "NO_COLOR": "1"}, "xterm-256color, no colours, 120x40, mouse on, Unicode"),
        ({"TERM": "vt100"}, "vt100, 16 colours, 120x40, mouse on, Unicode"),
        (
            {**XTERM, "SSH_TTY": "/dev/pts/1"},
            "xterm-256color, 256 colours, 120x40, mouse off, for it is over SSH, Unicode, Escape waits 500 ms",
        ),
        (
            {**XTERM, "SSH_TTY": "/dev/pts/1", "ESCDELAY": "20"},
            "xterm-256color, 256 colours, 120x40, mouse off, for it is over SSH, Unicode, Escape waits 20 ms",
        ),
    ],
)
def test_a_good_terminal(variables: dict[str, str], found: str) -> None:
    check = look_at_terminal(GOOD, variables, "auto", False)
    assert (check.result, check.found, check.remedy) == (Result.OK, found, "")


@pytest.mark.parametrize(
    ("terminal", "variables", "result", "words"),
    [
        (GOOD, {"TERM": "dumb"}, Result.FAIL, "dumb"),
        (GOOD, {}, Result.FAIL, "TERM is not set"),
        (Terminal(False, None, "utf-8"), {"TERM": "dumb"}, Result.WARN, "the dashboard needs one"),
        (Terminal(True, (39, 40), "utf-8"), XTERM, Result.WARN, "39x40"),
        (Terminal(True, (120, 9), "utf-8"), XTERM, Result.WARN, "120x9"),
        (Terminal(True, None, "utf-8"), XTERM, Result.OK, "size unknown, so 80x24"),
        (Terminal(True, (120, 40), "iso8859-1"), XTERM, Result.WARN, "ASCII, for it is written to as iso8859-1"),
    ],
)
def test_what_stands_in_the_way(terminal: Terminal, variables: dict[str, str], result: Result, words: str) -> None:
    check = look_at_terminal(terminal, variables, "auto", False)
    assert check.result is result
    assert words in check.found


def test_what_was_wished_for_is_no_trouble() -> None:
    check = look_at_terminal(Terminal(True, (120, 40), "ascii"), XTERM, "none", True)
    assert (check.result, check.found) == (Result.OK, "xterm-256color, no colours, 120x40, mouse on, ASCII")


def test_standard_streams_that_are_no_terminal() -> None:
    terminal = terminal_of_this_process()
    assert (terminal.is_there, terminal.size) == (False, None)


@pytest.mark.parametrize(
    ("variables", "tmux", "result", "words"),
    [
        (XTERM, None, Result.OK, "OSC 52"),
        ({"TERM": "screen", "STY": "1.pts"}, None, Result.WARN, "into a file"),
        ({"TERM": "linux"}, None, Result.WARN, "into a file"),
        (XTERM, Tmux("3.3a", "external"), Result.OK, "by tmux 3.3a, set-clipboard external"),
        (XTERM, Tmux("3.4", "on"), Result.OK, "set-clipboard on"),
        (XTERM, Tmux("next-3.6", "on"), Result.OK, "tmux next-3.6"),
        (XTERM, Tmux("master", "on"), Result.OK, "tmux master"),
        (XTERM, Tmux("3.3a", "off"), Result.WARN, "stays inside tmux"),
        (XTERM, Tmux("3.1c", "on"), Result.WARN, "too old"),
        (XTERM, Tmux("", ""), Result.WARN, "does not answer"),
    ],
)
def test_the_way_to_the_clipboard(variables: dict[str, str], tmux: Tmux | None, result: Result, words: str) -> None:
    check = clipboard(variables, tmux)
    assert check.result is result
    assert words in check.found
    assert bool(check.remedy) is (result is Result.WARN)


def put_tmux(directory: Path, script: str) -> dict[str, str]:
    """An environment in which this is the tmux around us."""
    program = directory / "tmux"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    return {"PATH": f"{directory}:/usr/bin:/bin", "TMUX": "/run/tmux,1,0", TOKEN_VARIABLE: "cfc_s3cret"}


async def test_tmux_is_asked_and_told_no_token(tmp_path: Path) -> None:
    script = f"""env >>{tmp_path}/environ
case "$*" in
-V) echo tmux 3.3a ;;
'show-options -gv set-clipboard') echo external ;;
esac"""
    variables = put_tmux(tmp_path, script)
    assert (await look_at_clipboard(variables, 5.0)).found == "by tmux 3.3a, set-clipboard external"
    assert "TMUX=" in (tmp_path / "environ").read_text()
    assert "s3cret" not in (tmp_path / "environ").read_text()


@pytest.mark.parametrize("script", ["exit 1", "exec sleep 60"])
async def test_a_tmux_that_does_not_answer(tmp_path: Path, script: str) -> None:
    assert await ask_tmux(put_tmux(tmp_path, script), 0.2) == Tmux("", "")


async def test_a_tmux_that_is_not_there(tmp_path: Path) -> None:
    assert await ask_tmux({"PATH": str(tmp_path)}, 5.0) == Tmux("", "")
    (tmp_path / "tmux").write_text("no program")
    (tmp_path / "tmux").chmod(0o700)
    assert await ask_tmux({"PATH": str(tmp_path)}, 5.0) == Tmux("", "")


async def test_nobody_is_asked_outside_tmux(tmp_path: Path) -> None:
    variables = put_tmux(tmp_path, f"touch {tmp_path}/asked")
    del variables["TMUX"]
    assert (await look_at_clipboard({**variables, **XTERM}, 5.0)).result is Result.OK
    assert not (tmp_path / "asked").exists()
