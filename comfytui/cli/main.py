"""The `comfytui` command."""

from __future__ import annotations

import os
import sys
from dataclasses import fields
from enum import IntEnum
from typing import TYPE_CHECKING

from comfytui.cli.diagnostics import say
from comfytui.cli.parser import make_parser
from comfytui.config.choices import Choices, ConfigFile, Flags, resolve
from comfytui.config.paths import find_config_file
from comfytui.config.secrets import (
    MISSING_TOKEN,
    TOKEN_VARIABLE,
    end_token_command,
    has_token,
    keep_from_children,
    may_find_token,
)
from comfytui.config.settings import DEFAULT_RUNNERS, SettingsError
from comfytui.config.state import Forgetful, Memory, StateFile, state_file
from comfytui.tui.crashes import install_excepthook
from comfytui.tui.surroundings import surroundings
from comfytui.wiring import demo_dashboard, hosted_dashboard, keymap_of, setup_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence
    from pathlib import Path

    from comfytui.config.settings import Settings
    from comfytui.tui.app import ComfyTUI

__all__ = ["ExitStatus", "choices_for", "main"]


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
    for flag, given in (("--url", args.url), ("--profile", args.profile)):
        if args.demo and given:
            parser.error(f"--demo and {flag} exclude each other")
    if args.command == "serve":
        if not args.demo:
            parser.error("serve needs to know which fleet: --demo")
        return _serve(args)
    return _show_dashboard(args)


def _show_dashboard(args: argparse.Namespace) -> int:
    try:
        choices = choices_for(args)
        memory = Forgetful() if args.fresh else Memory(StateFile(state_file()))
        settings = resolve(choices, memory.state.profile)
        keymap_of(settings)
    except SettingsError as error:
        say(str(error))
        return ExitStatus.USAGE
    if not _is_terminal():
        # Nobody can be asked for a token there, so that is what is missing first.
        if not args.demo and not may_find_token(os.environ, settings.tokens):
            say(MISSING_TOKEN)
            return ExitStatus.NO_TOKEN
        say("The dashboard needs a terminal: standard input and standard error must be one, and TERM not dumb.")
        return ExitStatus.USAGE
    try:
        app = _dashboard(args, choices, settings, memory)
        return app.run_to_end(say, end_token_command, mouse=app.setup.mouse)
    except KeyboardInterrupt:
        return ExitStatus.OK


def _dashboard(args: argparse.Namespace, choices: Choices, settings: Settings, memory: Memory | Forgetful) -> ComfyTUI:
    around = surroundings(os.environ, settings.color, settings.ascii, sys.stderr.encoding)
    around.apply(os.environ)
    setup = setup_of(settings, around, memory)
    if args.demo:
        return demo_dashboard(settings, *_fleet(args), setup=setup)
    return hosted_dashboard(choices, settings, setup)


def choices_for(args: argparse.Namespace) -> Choices:
    """What the flags, the environment and the configuration say; tokens in the environment are kept from children.

    Raises:
        SettingsError: The configuration cannot be used.
    """
    flags = Flags(**{each.name: getattr(args, each.name) for each in fields(Flags)})
    path = find_config_file(flags.config)
    config = ConfigFile() if path is None else _read(path)
    keep_from_children(profile.token_env for profile in config.profiles.values() if profile.token_env)
    return Choices(flags, os.environ, config, path)


def _read(path: Path) -> ConfigFile:
    from comfytui.config.file import read_config

    return read_config(path)


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
