"""Command-line parser. Imports the standard library only."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from comfytui import __version__
from comfytui.cli.options import (
    add_config_option,
    add_fleet_options,
    add_format_options,
    add_interval_option,
    add_no_wait_option,
    add_ordering_options,
    add_page_options,
    add_source_options,
    integer_between,
)
from comfytui.config.settings import DEFAULT_PER_PAGE, MAX_PER_PAGE, MAX_PORT
from comfytui.query.columns import RUNNER_COLUMNS, WORKFLOW_COLUMNS, column_keys, command_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import SupportsWrite

    from comfytui.query.columns import Column


_EPILOG = """\
The token is read from COMFYCONTROL_API_TOKEN, else from the token source of the profile, else from the output of
token_command, else from the file in which the dashboard saved it. Without a token the dashboard asks for one. In the
dashboard, ? shows the keys; comfytui keys lists all of them.

configuration (config.toml in ~/.config/comfytui or the platform's equivalent; every setting is optional):
  token_command = "pass comfycontrol"   program that prints the token; run without a shell
  ca_bundle = "/etc/ssl/own-ca.pem"     certificates to trust instead of the system's
  wallboard = false                     like --wallboard
  interval = 5                          like --interval
  url = "https://api.example.com"       like --url
  profile = "prod"                      default for --profile
  [profiles.prod]                       its url, interval, ca_bundle and colour, and its token source:
                                        token_command, token_file or token_env
  [keys]                                preset = "vim" (or emacs, tmux-safe); commands with a key or a list of keys

  [comfyui.NAME]                        url and headers of a ComfyUI server; --comfyui accepts the NAME

Precedence: command line, environment, profile, top level of the configuration.

exit status: 0 success, 1 refused by the API, or the dashboard crashed, 2 usage error,
  3 token missing, invalid or expired, 4 unreachable or timed out, 5 rate limited (--no-wait),
  6 the list kept changing while it was read, 129 terminal closed, 130 interrupted, 143 terminated
"""

_STATUSES = """\
exit status: 0 success, 1 refused by the API, 2 usage error, 3 token missing, invalid or expired,
  4 unreachable or timed out, 5 rate limited (--no-wait), 6 the list kept changing while it was read, 130 interrupted
"""


_TYPED = re.compile(
    r"(?<=invalid choice): .*(?= \(choose)|(?<=unrecognized arguments): .*|(?<=ignored explicit argument) .*", re.DOTALL
)


class _RedactingParser(argparse.ArgumentParser):
    """Parser whose errors never repeat what was typed: it may be a token in the wrong place."""

    def error(self, message: str) -> NoReturn:
        """Print the usage and the error, and exit with status 2."""
        if sys.stderr is None:
            # argparse would print the usage to standard output, which is for data alone.
            sys.exit(2)
        super().error(_TYPED.sub("", message))

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        """Write to a stream, to none if it is closed; raises OSError if standard output fails."""
        if file is sys.stdout and file is not None:
            file.write(message)
        elif file is not None:
            with suppress(OSError):
                file.write(message)


def build_parser(argv: Sequence[str] | None = None) -> argparse.ArgumentParser:
    """Build the parser of `comfytui` and its commands.

    Only commands named in the arguments get their options, and arguments that can name no command get no commands:
    building all of them takes longer than the rest of the start.

    The namespace has `command` (None for the dashboard), `demo`, `runners`, `seed`, `comfyui` (None or a list, and
    `comfyui_after` if given after the command: see `comfytui.cli.options.named_servers`), `config`, `url`, `profile`,
    `interval`, `per_page`, `insecure_http`, `log`, `wallboard`, `fresh`, `utc`, `ascii` and `color`; commands add
    their own options: `format` (json, ndjson, csv or None), `id`, `status`, `page`, `filter`, `sort`, `columns`,
    `watch`, `no_wait`, `timeout`, `host`, `port`, `json`, `action` and `shell`.

    Args:
        argv: The arguments to be parsed; None for a parser that describes every command.
    """
    parser = _RedactingParser(
        prog="comfytui",
        description="A terminal dashboard for ComfyUI fleets, with the same data for scripts.",
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
        dest="command", metavar="COMMAND", title="commands", description="Without a command: the dashboard."
    )
    known = {} if _names_no_command(argv) else _COMMANDS
    for name, (summary, add, epilog) in known.items():
        command = commands.add_parser(
            name,
            help=summary,
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog=epilog,
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        if argv is None or name in argv:
            add(command)
    return parser


def _names_no_command(argv: Sequence[str] | None) -> bool:
    """Return True if the arguments are long options only, without --help."""
    if argv is None or "--help" in argv:
        return False
    return all(word.startswith("--") and len(word) > len("--") and " " not in word for word in argv)


def _add_dashboard_options(parser: argparse.ArgumentParser) -> None:
    add_interval_option(parser, "polls")
    add_page_options(parser, f"default: as last time, else {DEFAULT_PER_PAGE}")
    parser.add_argument(
        "--wallboard",
        action="store_true",
        help="poll at the full rate, not at a quarter, while the terminal is not focused",
    )
    parser.add_argument("--fresh", action="store_true", help="do not restore or save the view")
    appearance = parser.add_argument_group("appearance")
    appearance.add_argument("--utc", action="store_true", help="start with times in UTC")
    appearance.add_argument("--ascii", action="store_true", help="draw with ASCII characters only")
    appearance.add_argument(
        "--color",
        choices=("auto", "truecolor", "256", "16", "none"),
        default="auto",
        metavar="HOW",
        help="color depth: auto (detected), truecolor, 256, 16 or none",
    )


def _add_runners(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--status", choices=("active", "disabled"), help="only runners with this status")
    parser.add_argument(
        "--filter", metavar="TEXT", help="only runners that match; the syntax of the dashboard's / prompt"
    )
    parser.add_argument(
        "--page",
        type=integer_between(1, 1_000_000),
        metavar="N",
        help="only this page (default: all); with --filter or --sort a page of the result",
    )
    add_page_options(parser, f"default: {MAX_PER_PAGE}, with --page {DEFAULT_PER_PAGE}")
    _add_ordering_options(parser, RUNNER_COLUMNS)
    parser.add_argument("--watch", action="store_true", help="keep running and print each change as a line of JSON")
    add_interval_option(parser, "polls with --watch")
    add_no_wait_option(parser)
    add_format_options(parser)
    add_source_options(parser, after=True)


def _add_runner(parser: argparse.ArgumentParser) -> None:
    _add_id(parser)
    add_no_wait_option(parser)
    add_format_options(parser)
    add_source_options(parser, after=True)


def _add_history(parser: argparse.ArgumentParser) -> None:
    _add_id(parser)
    _add_ordering_options(parser, WORKFLOW_COLUMNS)
    add_no_wait_option(parser)
    add_format_options(parser)
    add_source_options(parser, after=True)


def _add_id(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("id", metavar="ID", help="id of the runner, a prefix of it, or the runner's name")


def _add_serve(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Serve the ComfyControl API for a simulated fleet or for ComfyUI servers, so that only this process polls\n"
        "the servers, however many dashboards are open. The token is COMFYCONTROL_API_TOKEN; without one, a token\n"
        "is generated and printed."
    )
    add_fleet_options(parser, after=True)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1)")
    parser.add_argument(
        "--port",
        type=integer_between(0, MAX_PORT),
        default=8787,
        help="port to listen on, 0 for any free one (default: 8787)",
    )


def _add_doctor(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    add_source_options(parser, after=True)


def _add_config(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "path: print the path of the configuration. print: print every setting with its value and source.\n"
        "check: report errors in the configuration. init: create a commented configuration; never overwrites."
    )
    parser.add_argument("action", choices=("path", "print", "check", "init"), help="what to do")
    parser.add_argument("--json", action="store_true", help="with print: print one JSON document")
    add_source_options(parser, after=True)


def _add_keys(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "List every command of the dashboard with its keys; the preset and [keys] of the configuration are applied.\n"
        "Elsewhere than on a terminal: command, keys, scope and description, separated by tabs."
    )
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    add_config_option(parser)


def _add_completion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=("bash", "zsh", "fish"), help="the shell")


def _examples(*lines: str, statuses: str = _STATUSES) -> str:
    return "\n".join(("examples:", *(f"  {line}" for line in lines), "", statuses))


_COMMANDS: dict[str, tuple[str, Callable[[argparse.ArgumentParser], None], str]] = {
    "runners": (
        "list runners, all or one page",
        _add_runners,
        _examples(
            "comfytui runners --json --page 1",
            "comfytui runners --status active --filter 'tag:a100 !last:failed' --sort when:desc",
            "comfytui runners --columns name,endpoint --csv > runners.csv",
            "comfytui runners --watch --filter is:unreachable",
        ),
    ),
    "runner": (
        "show all fields of a runner",
        _add_runner,
        _examples("comfytui runner studio-1", "comfytui runner 7b2e --json"),
    ),
    "history": (
        "list the latest workflows of a runner",
        _add_history,
        _examples("comfytui history studio-1 --sort took", "comfytui history 7b2e --ndjson"),
    ),
    "stats": (
        "show version, devices and free memory of a runner",
        _add_runner,
        _examples("comfytui stats studio-1", "comfytui stats 7b2e --json"),
    ),
    "serve": (
        "serve a fleet over HTTP",
        _add_serve,
        _examples(
            "comfytui serve --demo --port 8788",
            "comfytui serve --comfyui gpu1,gpu2",
            statuses="exit status: 0 success, 2 usage error, 3 reachable from other hosts without a token of your own",
        ),
    ),
    "doctor": (
        "diagnose connection problems",
        _add_doctor,
        _examples(
            "comfytui doctor",
            "comfytui doctor --profile prod --json",
            statuses="exit status: 0 none failed, 1 a check failed, 2 usage error, 3 no valid token, 4 API unreachable",
        ),
    ),
    "config": (
        "show, check or create the configuration",
        _add_config,
        _examples(
            "comfytui config init",
            "comfytui config print --profile prod",
            statuses="exit status: 0 success, 2 usage error",
        ),
    ),
    "keys": (
        "list commands and keys of the dashboard",
        _add_keys,
        _examples("comfytui keys", "comfytui keys --json", statuses="exit status: 0 success, 2 usage error"),
    ),
    "completion": (
        "print a shell completion script",
        _add_completion,
        _examples(
            "comfytui completion bash > ~/.local/share/bash-completion/completions/comfytui",
            "comfytui completion zsh > ~/.zfunc/_comfytui    # with fpath+=(~/.zfunc) before compinit in ~/.zshrc",
            "comfytui completion fish > ~/.config/fish/completions/comfytui.fish",
            statuses="exit status: 0 success, 2 usage error",
        ),
    ),
}


def _add_ordering_options(parser: argparse.ArgumentParser, columns: Sequence[Column]) -> None:
    *keys, last = column_keys(columns)
    names = ", ".join(command_columns(columns)).replace("queue", "queue (running+waiting)")
    add_ordering_options(parser, f"{', '.join(keys)} or {last}", names)
