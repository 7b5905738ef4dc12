"""`comfytui` itself: the dashboard, if there is a terminal to show it on."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from comfytui.cli.config_sources import demo_options, load_sources
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.progress import print_error
from comfytui.config.credentials import has_token_source, kill_token_commands, missing_token_message
from comfytui.config.precedence import resolve_settings
from comfytui.config.state import InMemoryStateStore, StateFile, StateStore, state_path
from comfytui.tui.terminal.capabilities import detect_capabilities
from comfytui.wiring import build_comfyui_app, build_demo_app, build_hosted_app, build_services, load_keymap

if TYPE_CHECKING:
    import argparse

    from comfytui.config.precedence import ConfigSources
    from comfytui.config.settings import Settings
    from comfytui.tui.app import ComfyTUI


_SWITCH_INTERVAL_S = 0.0005
"""Seconds between thread switches, so that the writer of the terminal does not wait."""


def run(args: argparse.Namespace) -> int:
    """Show the dashboard until it ends, and return its status.

    Raises:
        SettingsError: A setting cannot be used.
    """
    choices = load_sources(args)
    memory = InMemoryStateStore() if args.fresh else StateStore(StateFile(state_path()))
    settings = resolve_settings(choices, memory.state.profile)
    load_keymap(settings)
    if not _is_terminal():
        # Without a terminal no token can be entered, so that is reported first.
        if settings.url and not has_token_source(os.environ, settings.tokens):
            print_error(missing_token_message(settings.tokens))
            return ExitCode.NO_TOKEN
        print_error("The dashboard needs a terminal: standard input and standard error must be one, and TERM not dumb.")
        return ExitCode.USAGE
    try:
        app = _dashboard(args, choices, settings, memory)
        app.session.after_startup(_enable_gc)
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        return app.shutdown.run(print_error, kill_token_commands, mouse=app.services.mouse)
    except KeyboardInterrupt:
        return ExitCode.OK


def _dashboard(
    args: argparse.Namespace, choices: ConfigSources, settings: Settings, memory: StateStore | InMemoryStateStore
) -> ComfyTUI:
    around = detect_capabilities(os.environ, settings.color_depth, settings.ascii, sys.stderr.encoding)
    around.apply(os.environ)
    services = build_services(settings, around, memory)
    if args.demo:
        return build_demo_app(settings, *demo_options(args), services=services)
    if settings.servers:
        return build_comfyui_app(settings, services)
    return build_hosted_app(choices, settings, services)


def _enable_gc() -> None:
    """Enable the garbage collector, but not for imported modules: scanning them delays key presses."""
    gc.freeze()
    gc.enable()


def _is_terminal() -> bool:
    """Return True if Textual can read standard input and draw on standard error."""
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()
    return terminal and os.environ.get("TERM", "") not in {"", "dumb"}
