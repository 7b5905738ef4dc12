"""What the environment tells of a terminal."""

from __future__ import annotations

import subprocess
import sys

import pytest

from comfytui.tui.terminal.capabilities import ColorDepth, detect_capabilities

TRUE, C256, C16, NONE = ColorDepth.TRUECOLOR, ColorDepth.COLORS_256, ColorDepth.COLORS_16, ColorDepth.NONE

TRUECOLOR = {"COLORTERM": "truecolor"}
SSH = {"SSH_CONNECTION": "10.0.0.1 50000 10.0.0.2 22"}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, C16),
        ({"TERM": ""}, C16),
        ({"TERM": "xterm"}, C16),
        ({"TERM": "xterm-color"}, C16),
        ({"TERM": "xterm-16color"}, C16),
        ({"TERM": "screen"}, C16),
        ({"TERM": "linux"}, C16),
        ({"TERM": "vt220"}, C16),
        ({"TERM": "rxvt-unicode"}, C16),
        ({"TERM": "what-nobody-knows"}, C16),
        ({"TERM": "xterm-256color"}, C256),
        ({"TERM": "rxvt-unicode-256color"}, C256),
        ({"TERM": "screen-256color"}, C256),
        ({"TERM": "screen.xterm-256color"}, C256),
        ({"TERM": "tmux"}, C256),
        ({"TERM": "tmux-256color"}, C256),
        ({"TERM": "xterm", "TERM_PROGRAM": "Apple_Terminal"}, C256),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "Apple_Terminal"}, C256),
        ({"TERM": "xterm-256color", **TRUECOLOR}, TRUE),
        ({"TERM": "xterm", "COLORTERM": "24bit"}, TRUE),
        ({"TERM": "xterm-256color", "COLORTERM": " TrueColor "}, TRUE),
        ({"TERM": "xterm-256color", "COLORTERM": "yes"}, C256),
        ({"TERM": "xterm-kitty"}, TRUE),
        ({"TERM": "xterm-kitty", **SSH}, TRUE),
        ({"TERM": "xterm-ghostty", **SSH}, TRUE),
        ({"TERM": "alacritty"}, TRUE),
        ({"TERM": "foot"}, TRUE),
        ({"TERM": "foot-direct"}, TRUE),
        ({"TERM": "wezterm"}, TRUE),
        ({"TERM": "xterm-direct"}, TRUE),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "iTerm.app"}, TRUE),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "WezTerm"}, TRUE),
        ({"TERM": "xterm-256color", "TERM_PROGRAM": "vscode"}, TRUE),
        ({"TERM": "xterm-256color", "WT_SESSION": "a-b-c"}, TRUE),
        ({"TERM": "xterm-256color", "KITTY_WINDOW_ID": "1"}, TRUE),
        ({"TERM": "xterm-256color", "KONSOLE_VERSION": "230401"}, TRUE),
        ({"TERM": "xterm-256color", "VTE_VERSION": "7006"}, TRUE),
        ({"TERM": "xterm-256color", "VTE_VERSION": "3599"}, C256),
        ({"TERM": "xterm-256color", "VTE_VERSION": "what?"}, C256),
        # What is inherited from where a multiplexer was started.
        ({"TERM": "tmux-256color", "TMUX": "/run/tmux", "KITTY_WINDOW_ID": "1"}, C256),
        ({"TERM": "xterm-256color", "TMUX": "/run/tmux", "WT_SESSION": "a-b-c"}, C256),
        ({"TERM": "tmux-256color", "TMUX": "/run/tmux", **TRUECOLOR}, TRUE),
        ({"TERM": "screen", **TRUECOLOR}, C16),
        ({"TERM": "screen.xterm-256color", "STY": "1.pts", **TRUECOLOR}, C256),
        ({"TERM": "xterm-kitty", "STY": "1.pts"}, C16),
        ({"TERM": "linux", **TRUECOLOR}, C16),
        ({"TERM": "xterm-256color", **TRUECOLOR, "NO_COLOR": "1"}, NONE),
        ({"TERM": "xterm-256color", "NO_COLOR": ""}, C256),
    ],
)
def test_color_depth_is_detected(environ: dict[str, str], expected: ColorDepth) -> None:
    assert detect_capabilities(environ).colors is expected


@pytest.mark.parametrize("colours", ColorDepth)
@pytest.mark.parametrize("environ", [{}, {"NO_COLOR": "1"}, {"TERM": "linux"}, TRUECOLOR], ids=str)
def test_explicit_capabilities_win(colours: ColorDepth, environ: dict[str, str]) -> None:
    assert detect_capabilities(environ, colours.value).colors is colours


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, True),
        (SSH, False),
        ({"SSH_TTY": "/dev/pts/1"}, False),
        ({"SSH_CONNECTION": "", "SSH_TTY": ""}, True),
        ({"SSH_AUTH_SOCK": "/run/agent"}, True),
    ],
)
def test_the_mouse_is_left_alone_over_ssh(environ: dict[str, str], expected: bool) -> None:
    assert detect_capabilities(environ).mouse is expected


@pytest.mark.parametrize(
    ("only_ascii", "encoding", "expected"),
    [
        (False, "utf-8", False),
        (False, "UTF8", False),
        (False, "utf_8", False),
        (True, "utf-8", True),
        (False, "iso8859-15", True),
        (False, "ANSI_X3.4-1968", True),
        (False, "what-nobody-knows", True),
    ],
)
def test_unicode_support_is_detected(only_ascii: bool, encoding: str, expected: bool) -> None:
    assert detect_capabilities({}, only_ascii=only_ascii, encoding=encoding).ascii is expected


@pytest.mark.parametrize(
    ("colours", "name"), [(TRUE, "truecolor"), (C256, "256"), (C16, "standard"), (NONE, "standard")]
)
def test_textual_is_told(colours: ColorDepth, name: str) -> None:
    environ = {"NO_COLOR": "", "COLUMNS": "10", "LINES": "5", "TERM": "xterm", "TEXTUAL_COLOR_SYSTEM": "nonsense"}
    detect_capabilities(environ, colours.value).apply(environ)
    no_color = {"NO_COLOR": "1"} if colours is NONE else {}
    assert environ == {"TERM": "xterm", "TEXTUAL_COLOR_SYSTEM": name, "TEXTUAL_ANIMATIONS": "none", **no_color}


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, None),
        (SSH, "500"),
        ({**SSH, "ESCDELAY": "50"}, "50"),
        ({"ESCDELAY": "50"}, "50"),
        ({"ESCDELAY": "10000"}, "10000"),
        *(({"ESCDELAY": value}, None) for value in ("", "0", "-5", "10001", "9" * 400, "soon", "²", "1e3")),
        ({**SSH, "ESCDELAY": "soon"}, "500"),
    ],
)
def test_over_ssh_escape_waits_longer(environ: dict[str, str], expected: str | None) -> None:
    environ = dict(environ)
    detect_capabilities(environ).apply(environ)
    assert environ.get("ESCDELAY") == expected


def test_variables_of_libraries_are_dropped() -> None:
    environ = dict.fromkeys(
        ("TEXTUAL", "TEXTUAL_DRIVER", "TEXTUAL_PRESS", "TEXTUAL_THEME", "UNICODE_VERSION", "WEBSOCKETS_MAX_FRAGMENTS"),
        "nonsense",
    )
    detect_capabilities(environ).apply(environ)
    assert environ == {"TEXTUAL_COLOR_SYSTEM": "standard", "TEXTUAL_ANIMATIONS": "none"}


def test_textual_believes_it() -> None:
    program = """
import os
from comfytui.tui.terminal.capabilities import detect_capabilities
detect_capabilities({"SSH_TTY": "/dev/pts/1"}, "256").apply(os.environ)
import sys
assert "textual" not in sys.modules
from textual import constants
from textual.app import App
print(App().console.color_system, constants.ESCAPE_DELAY, constants.TEXTUAL_ANIMATIONS, App().no_color)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env={})
    assert ran.stdout.split() == ["256", "0.5", "none", "False"]
