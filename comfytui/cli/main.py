"""The `comfytui` command."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from enum import IntEnum
from typing import TYPE_CHECKING

from comfytui.cli.diagnostics import say
from comfytui.cli.parser import make_parser
from comfytui.config.paths import find_config_file
from comfytui.config.secrets import MISSING_TOKEN, TOKEN_VARIABLE, end_token_command, has_token, may_find_token
from comfytui.config.settings import DEFAULT_RUNNERS, Settings, SettingsError, api_url, host_of
from comfytui.tui.crashes import install_excepthook

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from comfytui.tui.app import ComfyTUI

__all__ = ["ExitStatus", "main", "settings_for"]


class ExitStatus(IntEnum):
    """What the process ends with."""

    OK = 0
    FAILED = 1
    USAGE = 2
    NO_TOKEN = 3


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line (this process's, unless another is given) and return the exit status."""
    install_excepthook(say)
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
        url = None if args.demo else api_url(args.url, os.environ)
        settings = settings_for(args, "demo" if url is None else host_of(url))
    except SettingsError as error:
        say(str(error))
        return ExitStatus.USAGE
    if not _is_terminal():
        # Nobody can be asked for a token there, so that is what is missing first.
        if not args.demo and not may_find_token(os.environ, settings.token_command):
            say(MISSING_TOKEN)
            return ExitStatus.NO_TOKEN
        say("The dashboard needs a terminal: standard input and standard error must be one, and TERM not dumb.")
        return ExitStatus.USAGE
    try:
        return _dashboard(args, settings, url).run_to_end(say, end_token_command)
    except KeyboardInterrupt:
        return ExitStatus.OK


def _dashboard(args: argparse.Namespace, settings: Settings, url: str | None) -> ComfyTUI:
    from comfytui.wiring import demo_dashboard, hosted_dashboard

    return demo_dashboard(settings, *_fleet(args)) if url is None else hosted_dashboard(settings, url)


def settings_for(args: argparse.Namespace, source: str) -> Settings:
    """What the flags say, and below them the configuration.

    Raises:
        SettingsError: The configuration cannot be used.
    """
    settings = Settings(
        source,
        args.interval,
        args.per_page,
        insecure_http=args.insecure_http,
        log_file=args.log,
        wallboard=args.wallboard,
        config_file=find_config_file(args.config),
    )
    if settings.config_file is None:
        return settings
    from comfytui.config.file import read_config

    config = read_config(settings.config_file)
    return replace(
        settings,
        wallboard=settings.wallboard or config.wallboard,
        ca_bundle=config.ca_bundle,
        token_command=config.token_command,
    )


def _fleet(args: argparse.Namespace) -> tuple[int, int]:
    """How many runners the simulated fleet has, and its seed."""
    return (DEFAULT_RUNNERS if args.runners is None else args.runners, args.seed or 0)


def _is_terminal() -> bool:
    """Textual reads standard input and draws on standard error; without either it would hang for ever."""
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()
    return terminal and os.environ.get("TERM", "") not in {"", "dumb"}


def _serve(args: argparse.Namespace) -> int:
    from comfytui.clock import SystemClock
    from comfytui.config.secrets import token_from
    from comfytui.gateway.serve import ServeError, is_loopback, serve
    from comfytui.sources import made_token, simulated_fleet

    given = has_token(os.environ)
    if not given and not is_loopback(args.host):
        say(f"Others can reach {args.host}: choose their token in {TOKEN_VARIABLE} first.")
        return ExitStatus.NO_TOKEN
    token = token_from(os.environ) if given else made_token()

    def announce(words: str) -> None:
        if not given:
            say(f"No {TOKEN_VARIABLE}, so this time the token is {token.get_secret_value()}")
        say(words)

    try:
        serve(simulated_fleet(*_fleet(args), SystemClock()), args.host, args.port, token, announce)
    except ServeError as error:
        say(str(error))
        return ExitStatus.USAGE
    return ExitStatus.OK
