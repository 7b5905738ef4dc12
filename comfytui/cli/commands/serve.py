"""`comfytui serve`: serve a fleet over HTTP."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

from comfytui.cli.config_sources import demo_options, load_sources
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.progress import print_error
from comfytui.config.credentials import TOKEN_VARIABLE, env_has_token
from comfytui.config.precedence import resolve_settings

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
    from comfytui.config.credentials import token_from_env
    from comfytui.gateway.server import ServeError, serve
    from comfytui.hosts import is_loopback

    given = env_has_token(os.environ)
    if not given and not is_loopback(args.host):
        print_error(f"Others can reach {args.host}: choose their token in {TOKEN_VARIABLE} first.")
        return ExitCode.NO_TOKEN
    token = token_from_env(os.environ) if given else generate_token()

    def announce(words: str) -> None:
        if not given:
            print_error(f"No {TOKEN_VARIABLE}, so this time the token is {token.get_secret_value()}")
        print_error(words)

    try:
        serve(_serve(args, SystemClock()), args.host, args.port, token, announce)
    except ServeError as error:
        print_error(str(error))
        return ExitCode.USAGE
    return ExitCode.OK


def _open_standard_streams() -> None:
    """Open /dev/null as each closed standard stream, for a socket would take its descriptor."""
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)


def _serve(args: argparse.Namespace, clock: Clock) -> Fleet:
    from comfytui.backends import build_comfyui_fleet, build_demo_fleet

    if args.demo:
        return build_demo_fleet(*demo_options(args), clock)
    settings = resolve_settings(load_sources(args))
    return build_comfyui_fleet(settings.servers, settings.ca_bundle, clock)
