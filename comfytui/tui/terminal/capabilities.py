"""Terminal capabilities derived from the environment, before Textual is imported.

Textual reads its own variables at import, so they have to be set before.
"""

from __future__ import annotations

import codecs
import fnmatch
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from typing import NamedTuple


class ColorDepth(StrEnum):
    """Number of colors; `--color` accepts the same names."""

    TRUECOLOR = "truecolor"
    COLORS_256 = "256"
    COLORS_16 = "16"
    NONE = "none"


# Without color our own filter removes all colors, so any name that Textual knows will do.
_TEXTUAL_NAMES = {
    ColorDepth.TRUECOLOR: "truecolor",
    ColorDepth.COLORS_256: "256",
    ColorDepth.COLORS_16: "standard",
    ColorDepth.NONE: "standard",
}

_ESCAPE_DELAY_OVER_SSH = "500"
"""Milliseconds; on a slow link the bytes of one key can arrive that far apart."""

_MAX_ESCAPE_DELAY = 10_000
"""Milliseconds."""

# For developers only: with them Textual loads another driver, presses keys, takes a screenshot and exits, or logs; Rich
# measures cells differently or treats any file as a terminal; websockets fails if a value is not a number.
_LIBRARY_PREFIXES = ("TEXTUAL_", "WEBSOCKETS_")
_LIBRARY_VARIABLES = ("TEXTUAL", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "UNICODE_VERSION")

# These have 16 colors; a COLORTERM beside them was inherited from another terminal.
_PLAIN_TERMS = ("linux", "linux-16color", "vt[0-9]*", "ansi", "cons25*", "dumb", "screen", "screen.linux", "screen-16*")

# Terminals with a TERM of their own, which SSH passes on, unlike COLORTERM.
_TRUECOLOR_TERMS = (
    "*-direct",
    "*-truecolor",
    "xterm-kitty",
    "xterm-ghostty",
    "ghostty",
    "alacritty",
    "foot",
    "foot-extra",
    "wezterm",
    "contour*",
    "iterm*",
    "mintty",
    "rio",
)

_TRUECOLOR_PROGRAMS = {"iterm.app", "wezterm", "vscode", "ghostty", "hyper", "mintty", "rio", "tabby", "warpterminal"}

_TRUECOLOR_VARIABLES = (
    "WT_SESSION",
    "KITTY_WINDOW_ID",
    "KONSOLE_VERSION",
    "ALACRITTY_WINDOW_ID",
    "WEZTERM_PANE",
    "GHOSTTY_RESOURCES_DIR",
)

_FIRST_TRUECOLOR_VTE = 3600

_MULTIPLEXED_TERMS = ("tmux*", "screen*")


class TerminalCapabilities(NamedTuple):
    """Capabilities of the terminal, and the environment that tells Textual about them.

    Attributes:
        colors: Color depth.
        mouse: True if mouse reports are switched on at the start.
        ascii: True if only ASCII is drawn.
        variables: Variables to set before Textual is imported; None to remove one.
    """

    colors: ColorDepth
    mouse: bool
    ascii: bool
    variables: Mapping[str, str | None]

    def apply(self, environ: MutableMapping[str, str]) -> None:
        """Set and remove the variables in an environment."""
        for name, value in self.variables.items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value


def detect_capabilities(
    environ: Mapping[str, str], color: str = "auto", only_ascii: bool = False, encoding: str = "utf-8"
) -> TerminalCapabilities:
    """Detect the terminal's capabilities from the environment.

    Args:
        environ: Environment variables.
        color: Color depth to use, or `auto`.
        only_ascii: True if the user wants nothing but ASCII.
        encoding: Encoding of text written to the terminal.
    """
    colors = _color_depth(environ) if color == "auto" else ColorDepth(color)
    remote = any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY"))
    return TerminalCapabilities(
        colors=colors,
        mouse=not remote,
        ascii=only_ascii or not _is_utf8(encoding),
        variables=_variables(environ, colors, remote=remote),
    )


def _variables(environ: Mapping[str, str], colors: ColorDepth, *, remote: bool) -> dict[str, str | None]:
    variables: dict[str, str | None] = {
        **dict.fromkeys(_LIBRARY_VARIABLES),
        **{name: None for name in environ if name.startswith(_LIBRARY_PREFIXES)},
        "TEXTUAL_COLOR_SYSTEM": _TEXTUAL_NAMES[colors],
        "TEXTUAL_ANIMATIONS": "none",
        # Textual also reacts to an empty value, so the variable is removed.
        "NO_COLOR": "1" if colors is ColorDepth.NONE else None,
        # Textual would use these instead of the terminal's size, and miss every resize.
        "COLUMNS": None,
        "LINES": None,
    }
    if not _is_escape_delay(environ.get("ESCDELAY", "")):
        variables["ESCDELAY"] = _ESCAPE_DELAY_OVER_SSH if remote else None
    return variables


def _is_escape_delay(value: str) -> bool:
    """Return True if the value is a number of milliseconds from 1 to `_MAX_ESCAPE_DELAY`."""
    is_number = value.isascii() and value.isdecimal() and len(value) <= len(str(_MAX_ESCAPE_DELAY))
    return is_number and 1 <= int(value) <= _MAX_ESCAPE_DELAY


def _color_depth(environ: Mapping[str, str]) -> ColorDepth:
    if environ.get("NO_COLOR"):
        return ColorDepth.NONE
    term = environ.get("TERM", "").lower()
    if _matches_any(term, _PLAIN_TERMS):
        return ColorDepth.COLORS_16
    # GNU screen misreads 24-bit colors, and passes on the variables of the terminal in which it was started.
    if not environ.get("STY") and _is_truecolor(environ, term):
        return ColorDepth.TRUECOLOR
    known = "256color" in term or _matches_any(term, ("tmux*",)) or environ.get("TERM_PROGRAM") == "Apple_Terminal"
    # Unknown terminal: assume 16 colors.
    return ColorDepth.COLORS_256 if known else ColorDepth.COLORS_16


def _is_truecolor(environ: Mapping[str, str], term: str) -> bool:
    if environ.get("COLORTERM", "").strip().lower() in {"truecolor", "24bit"} or _matches_any(term, _TRUECOLOR_TERMS):
        return True
    if environ.get("TMUX") or _matches_any(term, _MULTIPLEXED_TERMS):
        # The variables below describe the terminal in which the multiplexer was started.
        return False
    program = environ.get("TERM_PROGRAM", "").lower()
    known = program in _TRUECOLOR_PROGRAMS or any(environ.get(name) for name in _TRUECOLOR_VARIABLES)
    vte = environ.get("VTE_VERSION", "")
    return known or (vte.isdecimal() and int(vte) >= _FIRST_TRUECOLOR_VTE)


def _matches_any(term: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(term, pattern) for pattern in patterns)


def _is_utf8(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}
    except LookupError:
        return False
