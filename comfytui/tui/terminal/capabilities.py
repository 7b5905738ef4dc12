"""What the terminal around us can do, as far as the environment tells; decided before Textual is imported.

Textual reads its own variables as it is imported, so what is decided here has to be in the environment by then.
"""

from __future__ import annotations

import codecs
import fnmatch
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from typing import NamedTuple


class ColorDepth(StrEnum):
    """How many colours may be drawn; `--color` takes the same words."""

    TRUECOLOR = "truecolor"
    COLOURS_256 = "256"
    COLOURS_16 = "16"
    NONE = "none"


# Without colours our own filter drops what is left of them; the name only has to be one that Textual knows.
_TEXTUAL_NAMES = {
    ColorDepth.TRUECOLOR: "truecolor",
    ColorDepth.COLOURS_256: "256",
    ColorDepth.COLOURS_16: "standard",
    ColorDepth.NONE: "standard",
}

_ESCAPE_DELAY_OVER_SSH = "500"
"""Milliseconds: on a slow link the parts of one key come as far apart."""

_MAX_ESCAPE_DELAY = 10_000
"""Milliseconds."""

# With them Textual loads another driver, presses keys, takes a picture and ends, or logs; Rich counts cells in another
# way or takes anything for a terminal; websockets ends on what is no number. None of that is for users of this program.
_LIBRARIES_PREFIXES = ("TEXTUAL_", "WEBSOCKETS_")
_LIBRARIES_VARIABLES = ("TEXTUAL", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "UNICODE_VERSION")

# They say of themselves that they can do no more, whatever COLORTERM was left over from elsewhere.
_PLAIN_TERMS = ("linux", "linux-16color", "vt[0-9]*", "ansi", "cons25*", "dumb", "screen", "screen.linux", "screen-16*")

# Terminals that bring a name of their own along, which crosses SSH where COLORTERM does not.
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
    """What may be drawn, and how Textual is told.

    Attributes:
        colours: How many colours there are.
        mouse: Whether the mouse is reported at the start.
        ascii: Whether nothing but ASCII may be drawn.
        variables: What the environment has to hold before Textual is imported; None for what it must not hold.
    """

    colours: ColorDepth
    mouse: bool
    ascii: bool
    variables: Mapping[str, str | None]

    def apply(self, environ: MutableMapping[str, str]) -> None:
        """Bring the variables into an environment."""
        for name, value in self.variables.items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value


def detect_capabilities(
    environ: Mapping[str, str], color: str = "auto", only_ascii: bool = False, encoding: str = "utf-8"
) -> TerminalCapabilities:
    """What an environment tells of its terminal.

    Args:
        environ: The environment.
        color: One of `Colours` to have just that, or `auto`.
        only_ascii: Whether the person wants nothing but ASCII.
        encoding: What the text that is written to the terminal is encoded in.
    """
    colours = _colours(environ) if color == "auto" else ColorDepth(color)
    remote = any(environ.get(name) for name in ("SSH_CONNECTION", "SSH_TTY"))
    return TerminalCapabilities(
        colours=colours,
        mouse=not remote,
        ascii=only_ascii or not _is_utf8(encoding),
        variables=_variables(environ, colours, remote=remote),
    )


def _variables(environ: Mapping[str, str], colours: ColorDepth, *, remote: bool) -> dict[str, str | None]:
    variables: dict[str, str | None] = {
        **dict.fromkeys(_LIBRARIES_VARIABLES),
        **{name: None for name in environ if name.startswith(_LIBRARIES_PREFIXES)},
        "TEXTUAL_COLOR_SYSTEM": _TEXTUAL_NAMES[colours],
        "TEXTUAL_ANIMATIONS": "none",
        # Textual takes an empty one for a wish, too.
        "NO_COLOR": "1" if colours is ColorDepth.NONE else None,
        # They would be believed instead of the terminal, and never change.
        "COLUMNS": None,
        "LINES": None,
    }
    if not _is_escape_delay(environ.get("ESCDELAY", "")):
        variables["ESCDELAY"] = _ESCAPE_DELAY_OVER_SSH if remote else None
    return variables


def _is_escape_delay(value: str) -> bool:
    """Return True if it is a number of milliseconds, 1 to `_MAX_ESCAPE_DELAY`."""
    is_number = value.isascii() and value.isdecimal() and len(value) <= len(str(_MAX_ESCAPE_DELAY))
    return is_number and 1 <= int(value) <= _MAX_ESCAPE_DELAY


def _colours(environ: Mapping[str, str]) -> ColorDepth:
    if environ.get("NO_COLOR"):
        return ColorDepth.NONE
    term = environ.get("TERM", "").lower()
    if _is_one_of(term, _PLAIN_TERMS):
        return ColorDepth.COLOURS_16
    # GNU screen reads 24 bits as something else, and passes on what its surroundings were when it began.
    if not environ.get("STY") and _is_truecolor(environ, term):
        return ColorDepth.TRUECOLOR
    known = "256color" in term or _is_one_of(term, ("tmux*",)) or environ.get("TERM_PROGRAM") == "Apple_Terminal"
    # Of one that nobody knows, the least is true.
    return ColorDepth.COLOURS_256 if known else ColorDepth.COLOURS_16


def _is_truecolor(environ: Mapping[str, str], term: str) -> bool:
    if environ.get("COLORTERM", "").strip().lower() in {"truecolor", "24bit"} or _is_one_of(term, _TRUECOLOR_TERMS):
        return True
    if environ.get("TMUX") or _is_one_of(term, _MULTIPLEXED_TERMS):
        # What follows tells of the terminal that the multiplexer was started in.
        return False
    program = environ.get("TERM_PROGRAM", "").lower()
    known = program in _TRUECOLOR_PROGRAMS or any(environ.get(name) for name in _TRUECOLOR_VARIABLES)
    vte = environ.get("VTE_VERSION", "")
    return known or (vte.isdecimal() and int(vte) >= _FIRST_TRUECOLOR_VTE)


def _is_one_of(term: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(term, pattern) for pattern in patterns)


def _is_utf8(encoding: str) -> bool:
    try:
        return codecs.lookup(encoding).name in {"utf-8", "utf-8-sig"}
    except LookupError:
        return False
