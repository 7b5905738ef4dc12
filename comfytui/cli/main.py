"""The `comfytui` command."""

from __future__ import annotations

import os
import sys
from enum import IntEnum
from typing import TYPE_CHECKING

from comfytui.cli.diagnostics import say
from comfytui.cli.parser import make_parser
from comfytui.config.secrets import MISSING_TOKEN, TOKEN_VARIABLE, has_token
from comfytui.config.settings import DEFAULT_RUNNERS, Settings, SettingsError, api_url, host_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from comfytui.wiring import Connect

__all__ = ["ExitStatus", "main"]


class ExitStatus(IntEnum):
    """What the process ends with."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_TOKEN = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (this process's, unless another is given) and return the exit status."""
    parser = make_parser()
    args = parser.parse_args(argv)
    if not args.demo and (args.runners is not None or args.seed is not None):
        parser.error("--runners and --seed go with --demo")
    if args.demo and args.url:
        parser.error("--demo and --url exclude each other")
    if args.command == "serve":
        if not args.demo:
            parser.error("serve needs to know which fleet: --demo")
        return _serve(args)
    return _show_dashboard(args)


def _show_dashboard(args: argparse.Namespace) -> int:
    try:
        source, connect = _source(args)
    except SettingsError as error:
        say(str(error))
        return ExitStatus.USAGE
    if not args.demo and not has_token(os.environ):
        say(MISSING_TOKEN)
        return ExitStatus.NO_TOKEN
    if not _is_terminal():
        say("The dashboard needs a terminal: standard input and standard error must be one, and TERM not dumb.")
        return ExitStatus.USAGE
    from comfytui.wiring import build_dashboard

    app = build_dashboard(Settings(source, args.interval, args.per_page), connect)
    app.run()
    return app.return_code or ExitStatus.OK


def _source(args: argparse.Namespace) -> tuple[str, Connect]:
    from comfytui.wiring import demo_source, hosted_source

    if args.demo:
        return "demo", demo_source(*_fleet(args))
    url = api_url(args.url, os.environ)
    return host_of(url), hosted_source(url)


def _fleet(args: argparse.Namespace) -> tuple[int, int]:
    """How many runners the simulated fleet has, and its seed."""
    return (DEFAULT_RUNNERS if args.runners is None else args.runners, args.seed or 0)


def _is_terminal() -> bool:
    """Textual reads standard input and draws on standard error; without either it would hang for ever."""
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()
    return terminal and os.environ.get("TERM", "") not in {"", "dumb"}


def _serve(args: argparse.Namespace) -> int:
    from comfytui.config.secrets import token_from
    from comfytui.gateway.serve import ServeError, is_loopback, serve
    from comfytui.wiring import made_token, simulated_fleet

    given = has_token(os.environ)
    if not given and not is_loopback(args.host):
        say(f"Others can reach {args.host}: choose their token in {TOKEN_VARIABLE} first.")
        return ExitStatus.NO_TOKEN
    token = token_from(os.environ) if given else made_token()
    if not given:
        say(f"No {TOKEN_VARIABLE}, so this time the token is {token.get_secret_value()}")
    try:
        serve(simulated_fleet(*_fleet(args)), args.host, args.port, token, say)
    except ServeError as error:
        say(str(error))
        return ExitStatus.USAGE
    return ExitStatus.OK
