"""`comfytui serve`: a fleet on a socket."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

from comfytui.cli.config_sources import choices_for, simulation
from comfytui.cli.exit_codes import ExitStatus
from comfytui.cli.progress import say
from comfytui.config.credentials import TOKEN_VARIABLE, has_token
from comfytui.config.precedence import resolve

if TYPE_CHECKING:
    import argparse

    from comfytui.clock import Clock
    from comfytui.gateway.fleet import Fleet


def run(args: argparse.Namespace) -> int:
    """Serve until told to end.

    Raises:
        SettingsError: A setting cannot be used.
    """
    gc.enable()
    _open_standard_streams()
    from comfytui.backends import generate_token
    from comfytui.clock import SystemClock
    from comfytui.config.credentials import token_from
    from comfytui.gateway.server import ServeError, serve
    from comfytui.hosts import is_loopback

    given = has_token(os.environ)
    if not given and not is_loopback(args.host):
        say(f"Others can reach {args.host}: choose their token in {TOKEN_VARIABLE} first.")
        return ExitStatus.NO_TOKEN
    token = token_from(os.environ) if given else generate_token()

    def announce(words: str) -> None:
        if not given:
            say(f"No {TOKEN_VARIABLE}, so this time the token is {token.get_secret_value()}")
        say(words)

    try:
        serve(_served(args, SystemClock()), args.host, args.port, token, announce)
    except ServeError as error:
        say(str(error))
        return ExitStatus.USAGE
    return ExitStatus.OK


def _open_standard_streams() -> None:
    """Open /dev/null as each standard stream that is closed: else a socket would take its number, and its output."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _served(args: argparse.Namespace, clock: Clock) -> Fleet:
    from comfytui.backends import build_comfyui_fleet, build_demo_fleet

    if args.demo:
        return build_demo_fleet(*simulation(args), clock)
    settings = resolve(choices_for(args))
    return build_comfyui_fleet(settings.servers, settings.ca_bundle, clock)
