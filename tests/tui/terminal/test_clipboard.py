"""Copying: which way is taken where, and what is left behind."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest

from comfytui.config.credentials import TOKEN_VARIABLE
from comfytui.tui.terminal.clipboard import MAX_ENCODED, ClipboardRoute, CopyResult, available_routes, copy_text

TMUX, OSC52, FILE = ClipboardRoute.TMUX, ClipboardRoute.OSC52, ClipboardRoute.FILE

LARGEST = MAX_ENCODED // 4 * 3
XTERM = {"TERM": "xterm-256color"}
IN_TMUX = {"TERM": "tmux-256color", "TMUX": "/run/tmux/default,1,0"}

TEXT = "gpu-07 / 日本"


@pytest.mark.parametrize(
    ("environ", "size", "expected"),
    [
        (XTERM, 10, (OSC52, FILE)),
        (XTERM, LARGEST, (OSC52, FILE)),
        (XTERM, LARGEST + 1, (FILE,)),
        (IN_TMUX, 10, (TMUX, OSC52, FILE)),
        (IN_TMUX, LARGEST + 1, (TMUX, FILE)),
        ({"TERM": "screen.xterm-256color", "STY": "1.pts-0"}, 10, (FILE,)),
        ({"TERM": "linux"}, 10, (FILE,)),
        ({"TERM": "dumb"}, 10, (FILE,)),
        ({}, 10, (FILE,)),
        ({**XTERM, "TMUX": ""}, 10, (OSC52, FILE)),
    ],
)
def test_the_ways_there_are(environ: dict[str, str], size: int, expected: tuple[ClipboardRoute, ...]) -> None:
    assert available_routes(environ, size) == expected


def tmux(directory: Path, script: str) -> dict[str, str]:
    """The environment inside a tmux that does this."""
    program = directory / "tmux"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o700)
    return {**IN_TMUX, "PATH": str(directory), TOKEN_VARIABLE: "cfc_" + "sekret", "HERE": str(directory)}


async def test_tmux_takes_it_and_nothing_is_drawn(tmp_path: Path) -> None:
    environ = tmux(tmp_path, 'echo "$@" $' + TOKEN_VARIABLE + '> "$HERE/args"; /bin/cat > "$HERE/text"; echo drawn >&2')
    written: list[str] = []
    assert await copy_text(TEXT, environ, written.append, tmp_path / "state") == CopyResult(TMUX, "copied with tmux")
    assert (tmp_path / "text").read_text() == TEXT
    assert (tmp_path / "args").read_text() == "load-buffer -w -\n"
    assert written == []
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize("script", ["exit 1", "exec /bin/sleep 60", "kill -9 $$"])
async def test_copy_falls_back_to_the_terminal_if_tmux_fails(tmp_path: Path, script: str) -> None:
    written: list[str] = []
    copied = await copy_text(TEXT, tmux(tmp_path, script), written.append, tmp_path / "state", timeout_s=0.3)
    assert copied == CopyResult(OSC52, "sent to the terminal (OSC 52)")
    (sequence,) = written
    assert sequence.startswith("\x1b]52;c;")
    assert sequence.endswith("\x07")
    assert base64.b64decode(sequence[len("\x1b]52;c;") : -1]).decode() == TEXT


async def test_without_a_tmux_the_terminal_takes_it(tmp_path: Path) -> None:
    environ = {**IN_TMUX, "PATH": str(tmp_path)}
    assert (await copy_text(TEXT, environ, lambda _: None, tmp_path / "state")).route is OSC52


async def test_copy_falls_back_to_the_terminal_without_tmux(tmp_path: Path) -> None:
    environ = tmux(tmp_path, "")
    (tmp_path / "tmux").write_bytes(b"\x7fELF no program")
    assert (await copy_text(TEXT, environ, lambda _: None, tmp_path / "state")).route is OSC52


async def test_the_last_resort_is_a_file_for_this_user_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    directory = tmp_path / "state" / "comfytui"
    written: list[str] = []
    for text in ("x" * (LARGEST + 1), TEXT):
        copied = await copy_text(text, {}, written.append, directory)
        assert copied == CopyResult(FILE, "saved in ~/state/comfytui/clipboard.txt")
        assert (directory / "clipboard.txt").read_text() == text
    assert written == []
    assert stat.S_IMODE((directory / "clipboard.txt").stat().st_mode) == 0o600
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700


async def test_the_file_replaces_a_link_and_not_what_it_leads_to(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text("as it was")
    (tmp_path / "clipboard.txt").symlink_to(other)
    await copy_text(TEXT, {}, lambda _: None, tmp_path)
    assert other.read_text() == "as it was"
    assert (tmp_path / "clipboard.txt").read_text() == TEXT


async def test_copy_without_a_route_is_reported(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("no directory")
    copied = await copy_text(TEXT, {}, lambda _: None, tmp_path / "state")
    assert copied.route is None
    assert copied.message.startswith("not copied: ")
    assert "clipboard.txt cannot be written: " in copied.message
