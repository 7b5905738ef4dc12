"""The command line's grammar. Imports the standard library only."""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from comfytui import __version__
from comfytui.config.settings import (
    API_URL,
    API_URL_VARIABLE,
    DEFAULT_INTERVAL,
    DEFAULT_PER_PAGE,
    DEFAULT_RUNNERS,
    MAX_PER_PAGE,
)

__all__ = ["make_parser"]

_EPILOG = """\
The token is read from COMFYCONTROL_API_TOKEN, else from where the profile or the token_command of the configuration
says, else from the file that the dashboard saves it in when told to; without one it asks. In the dashboard, ? lists
the keys.

configuration (config.toml in ~/.config/comfytui, or where the platform has such files; nothing in it is needed):
  token_command = "pass comfycontrol"   the program that prints the token; no shell runs it
  ca_bundle = "/etc/ssl/own-ca.pem"     certificates to trust instead of the usual ones
  wallboard = false                     as --wallboard
  interval = 5                          as --interval
  url = "https://api.example.com"       as --url
  profile = "prod"                      the profile to use where none is named
  [profiles.prod]                       its url, interval, ca_bundle and colour, and where its token is:
                                        token_command, token_file or token_env
  [keys]                                preset = "vim" (or emacs, tmux-safe); commands with a key or a list of keys

What a flag says comes first, then the environment, then the profile, then the rest of the configuration.

exit status: 0 fine, 1 the dashboard failed, 2 usage, 3 no token, 129 the terminal went, 143 told to end
"""

_TYPED = re.compile(r"(invalid choice): '.*?'(?= \(choose)")

MAX_PORT = 65535


class _DiscreetParser(argparse.ArgumentParser):
    """Says what is wrong without repeating what was typed: it may have been a token, in the wrong place."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with status 2."""
        kind, colon, typed = message.partition("unrecognized arguments: ")
        if colon:
            options = [word.partition("=")[0] for word in typed.split() if word.startswith("-")]
            message = f"{kind}{colon}{' '.join(options) or 'none is expected there'}"
        super().error(_TYPED.sub(r"\1", message))


def make_parser() -> argparse.ArgumentParser:
    """The parser of `comfytui` and its commands.

    What it parses has `command` (None for the dashboard), `demo`, `runners`, `seed`, `url`, `interval`, `per_page`,
    `insecure_http`, `log`, `wallboard`, `config`, `profile`, `fresh`, `utc`, `ascii` and `color`; with `serve` also
    `host` and `port`.
    """
    parser = _DiscreetParser(
        prog="comfytui",
        description="A terminal dashboard for ComfyUI fleets.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"comfytui {__version__}")
    _add_fleet_options(parser)
    _add_dashboard_options(parser)
    parser.set_defaults(demo=False, runners=None, seed=None)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    _add_serve(commands.add_parser("serve", help="put a fleet on a socket", allow_abbrev=False))
    return parser


def _add_fleet_options(parser: argparse.ArgumentParser) -> None:
    """Options that stand before or after the command; without a default, so that neither place undoes the other."""
    fleet = parser.add_argument_group("simulated fleet")
    fleet.add_argument(
        "--demo", action="store_true", default=argparse.SUPPRESS, help="a simulated fleet: no token, no network"
    )
    fleet.add_argument(
        "--runners",
        type=_whole(0, 1_000_000),
        metavar="N",
        default=argparse.SUPPRESS,
        help=f"how many runners it has ({DEFAULT_RUNNERS})",
    )
    fleet.add_argument(
        "--seed", type=int, metavar="S", default=argparse.SUPPRESS, help="another seed, another fleet (0)"
    )


def _add_dashboard_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--url", help=f"the API's address ({API_URL_VARIABLE}, else {API_URL})")
    parser.add_argument("--profile", metavar="NAME", help="a profile of the configuration (the one used last)")
    parser.add_argument(
        "--interval",
        type=_seconds,
        metavar="SECONDS",
        help=f"time between polls, 1 or more ({DEFAULT_INTERVAL:g})",
    )
    parser.add_argument(
        "--per-page",
        type=_whole(1, MAX_PER_PAGE),
        metavar="N",
        help=f"runners on a page, 1 to {MAX_PER_PAGE} (as last time, else {DEFAULT_PER_PAGE})",
    )
    parser.add_argument(
        "--wallboard", action="store_true", help="poll at full rate while the terminal is not focused, not at a quarter"
    )
    parser.add_argument(
        "--log", type=_file, metavar="FILE", help="copy the request log there, not into the state directory"
    )
    parser.add_argument("--config", type=_file, metavar="FILE", help="the configuration to read, not the usual one")
    parser.add_argument(
        "--insecure-http", action="store_true", help="send the token over plain http even to another host"
    )
    parser.add_argument("--fresh", action="store_true", help="neither restore the view of last time nor keep this one")
    _add_looks(parser)


def _add_looks(parser: argparse.ArgumentParser) -> None:
    looks = parser.add_argument_group("looks")
    looks.add_argument("--utc", action="store_true", help="tell times in UTC at the start")
    looks.add_argument("--ascii", action="store_true", help="draw nothing but ASCII")
    looks.add_argument(
        "--color",
        choices=("auto", "truecolor", "256", "16", "none"),
        default="auto",
        metavar="HOW",
        help="colours: auto (as the terminal says of itself), truecolor, 256, 16 or none",
    )


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve the ComfyControl API for a fleet. The token is COMFYCONTROL_API_TOKEN, or one made and printed."
    )
    _add_fleet_options(parser)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument("--port", type=_whole(0, MAX_PORT), default=8787, help="the port; 0 takes a free one (8787)")


def _whole(least: int, most: int) -> Callable[[str], int]:
    def whole_number(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if not least <= number <= most:
            raise argparse.ArgumentTypeError(f"expected a whole number from {least} to {most}, not {text!r}")
        return number

    return whole_number


def _file(text: str) -> Path:
    if not text or "\0" in text:
        raise argparse.ArgumentTypeError("expected the path of a file")
    return Path(text)


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 1):
        raise argparse.ArgumentTypeError(f"expected seconds, 1 or more, not {text!r}")
    return seconds
