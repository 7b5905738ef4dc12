"""The command line's grammar. Imports the standard library only."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from comfytui import __version__
from comfytui.cli.options import (
    MAX_PORT,
    add_fleet_options,
    add_format_options,
    add_interval_option,
    add_ordering_options,
    add_page_options,
    add_source_options,
    add_waiting_option,
    whole_number,
)
from comfytui.config.settings import DEFAULT_PER_PAGE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import SupportsWrite

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

  [comfyui.NAME]                        url and headers of a ComfyUI server; --comfyui takes the NAME, too

What a flag says comes first, then the environment, then the profile, then the rest of the configuration.

exit status: 0 fine, 1 the API said no or the dashboard failed, 2 usage, 3 token missing, wrong or expired,
  4 unreachable or timed out, 5 cooling down and --no-wait, 6 the list went on changing while it was read,
  129 the terminal went, 130 interrupted, 143 told to end
"""

_STATUSES = """\
exit status: 0 fine, 1 the API said no, 2 usage, 3 token missing, wrong or expired, 4 unreachable or timed out,
  5 cooling down and --no-wait, 6 the list went on changing while it was read, 130 interrupted
"""

_RUNNER_KEYS = "name, status, reach, last, when, queue, tags, endpoint, created or updated"
_RUNNER_COLUMNS = "id, name, status, reach, last, when, queue (running+waiting), tags, endpoint, created, updated"
_WORKFLOW_KEYS = "name, status, took, created, waited, tags, started, completed or updated"
_WORKFLOW_COLUMNS = "id, name, status, took, created, waited, tags, started, completed, updated"

_TYPED = re.compile(
    r"(?<=invalid choice): .*(?= \(choose)|(?<=unrecognized arguments): .*|(?<=ignored explicit argument) .*", re.DOTALL
)


class _DiscreetParser(argparse.ArgumentParser):
    """Says what is wrong without repeating what was typed: it may have been a token, in the wrong place."""

    def error(self, message: str) -> NoReturn:
        """Say what is wrong and exit with status 2."""
        if sys.stderr is None:
            # The usage would go to standard output then, where it is no data.
            sys.exit(2)
        super().error(_TYPED.sub("", message))

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Write it, nothing where that is closed; raises OSError where standard output does not take it."""
        if file is sys.stdout and file is not None:
            file.write(message)
        elif file is not None:
            with suppress(OSError):
                file.write(message)


def make_parser(argv: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """The parser of `comfytui` and its commands; of those only the ones that are among the arguments have options.

    Without arguments all of them have, as what tells of them needs it: to make them takes longer than all the rest.
    Where the arguments can name no command, as those of the dashboard mostly do not, there are none.

    What it parses has `command` (None for the dashboard), `demo`, `runners`, `seed`, `comfyui` (None or a list, and
    `comfyui_after` where that stood after the command: see `comfytui.cli.options.named_servers`), `config`, `url`,
    `profile`, `interval`, `per_page`, `insecure_http`, `log`, `wallboard`, `fresh`, `utc`, `ascii` and `color`; and
    with a command what its own options say: `format` (json, ndjson, csv or None), `id`, `status`, `page`, `filter`,
    `sort`, `columns`, `watch`, `no_wait`, `host`, `port`, `json`, `action` and `shell`.
    """
    parser = _DiscreetParser(
        prog="comfytui",
        description="A terminal dashboard for ComfyUI fleets, and its answers for scripts.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"comfytui {__version__}")
    _add_dashboard_options(parser)
    add_source_options(parser, after=False)
    parser.set_defaults(
        **dict.fromkeys(("runners", "seed", "comfyui", "config", "url", "profile", "log", "interval", "per_page")),
        demo=False,
        insecure_http=False,
    )
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", title="commands", description="Without one: the dashboard."
    )
    known = {} if _names_no_command(argv) else _COMMANDS
    for name, (words, add, epilog) in known.items():
        command = commands.add_parser(
            name,
            help=words,
            description=f"{words[0].upper()}{words[1:]}.",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if argv is None or name in argv:
            add(command)
    return parser


def _names_no_command(argv: Sequence[str] | None) -> bool:
    """Whether all of it are options with what belongs to them, and none asks what there is."""
    if argv is None or "--help" in argv:
        return False
    return all(each.startswith("--") and len(each) > len("--") and " " not in each for each in argv)


def _add_dashboard_options(parser: argparse.ArgumentParser) -> None:
    add_interval_option(parser, "polls")
    add_page_options(parser, f"as last time, else {DEFAULT_PER_PAGE}")
    parser.add_argument(
        "--wallboard", action="store_true", help="poll at full rate while the terminal is not focused, not at a quarter"
    )
    parser.add_argument("--fresh", action="store_true", help="neither restore the view of last time nor keep this one")
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


def _add_runners(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", choices=("active", "disabled"), help="only those with this status")
    parser.add_argument("--filter", metavar="TEXT", help="only those that the dashboard's / would find")
    parser.add_argument(
        "--page",
        type=whole_number(1, 1_000_000),
        metavar="N",
        help="that page alone, 1 or more (all of them); of what is found, with --filter or --sort",
    )
    add_page_options(parser, f"all there may be, with --page {DEFAULT_PER_PAGE}")
    add_ordering_options(parser, _RUNNER_KEYS, _RUNNER_COLUMNS)
    parser.add_argument("--watch", action="store_true", help="go on, and print each change as a line of JSON")
    add_interval_option(parser, "looks with --watch")
    add_waiting_option(parser)
    add_format_options(parser)
    add_source_options(parser, after=True)


def _add_runner(parser: argparse.ArgumentParser) -> None:
    _add_id(parser)
    add_waiting_option(parser)
    add_format_options(parser)
    add_source_options(parser, after=True)


def _add_history(parser: argparse.ArgumentParser) -> None:
    _add_id(parser)
    add_ordering_options(parser, _WORKFLOW_KEYS, _WORKFLOW_COLUMNS)
    add_waiting_option(parser)
    add_format_options(parser)
    add_source_options(parser, after=True)


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="the runner's id, the beginning of it, or the runner's name")


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve the ComfyControl API for a simulated fleet, or for ComfyUI servers: each is then asked by this process\n"
        "alone, however many watch. The token is COMFYCONTROL_API_TOKEN, or one made and printed."
    )
    add_fleet_options(parser, after=True)
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (127.0.0.1)")
    parser.add_argument(
        "--port", type=whole_number(0, MAX_PORT), default=8787, help="the port; 0 takes a free one (8787)"
    )


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="one JSON document")
    add_source_options(parser, after=True)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "path: where the configuration is, or would be read from. print: every setting, and where it comes from.\n"
        "check: whether it can be used. init: write one that explains itself; nothing is overwritten."
    )
    parser.add_argument("action", choices=("path", "print", "check", "init"), help="what to do with it")
    parser.add_argument("--json", action="store_true", help="print: one JSON document")
    add_source_options(parser, after=True)


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="for which shell")


def _examples(*lines: str, statuses: str = _STATUSES) -> str:
    return "\n".join(("examples:", *(f"  {line}" for line in lines), "", statuses))


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], str]] = {
    "runners": (
        "list runners, all of them or a page",
        _add_runners,
        _examples(
            "comfytui runners --json --page 1",
            "comfytui runners --status active --filter 'tag:a100 !last:failed' --sort when:desc",
            "comfytui runners --columns name,endpoint --csv > runners.csv",
            "comfytui runners --watch --filter is:unreachable",
        ),
    ),
    "runner": (
        "tell everything about one runner",
        _add_runner,
        _examples("comfytui runner studio-1", "comfytui runner 7b2e --json"),
    ),
    "history": (
        "list the newest workflows of a runner",
        _add_history,
        _examples("comfytui history studio-1 --sort took", "comfytui history 7b2e --ndjson"),
    ),
    "stats": (
        "ask a runner's machine what it is and has left",
        _add_runner,
        _examples("comfytui stats studio-1", "comfytui stats 7b2e --json"),
    ),
    "serve": (
        "put a fleet on a socket",
        _add_serve,
        _examples(
            "comfytui serve --demo --port 8788",
            "comfytui serve --comfyui gpu1,gpu2",
            statuses="exit status: 0 fine, 2 usage, 3 others could reach it and no token was chosen",
        ),
    ),
    "doctor": (
        "find out why it does not connect",
        _add_doctor,
        _examples(
            "comfytui doctor",
            "comfytui doctor --profile prod --json",
            statuses="exit status: 0 nothing failed, 1 a check failed, 2 usage, 3 the token, 4 the API is unreachable",
        ),
    ),
    "config": (
        "show, check or begin the configuration",
        _add_config,
        _examples(
            "comfytui config init", "comfytui config print --profile prod", statuses="exit status: 0 fine, 2 usage"
        ),
    ),
    "completion": (
        "print the completion script of a shell",
        _add_completion,
        _examples(
            "comfytui completion bash > ~/.local/share/bash-completion/completions/comfytui",
            "comfytui completion zsh > ~/.zfunc/_comfytui    # with fpath+=(~/.zfunc) before compinit in ~/.zshrc",
            "comfytui completion fish > ~/.config/fish/completions/comfytui.fish",
            statuses="exit status: 0 fine, 2 usage",
        ),
    ),
}
