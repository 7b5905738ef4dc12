"""`comfytui` itself: the dashboard, if there is a terminal to show it on."""

from __future__ import annotations

import gc
import os
import sys
from typing import TYPE_CHECKING

from comfytui.cli.config_sources import choices_for, simulation
from comfytui.cli.exit_codes import ExitStatus
from comfytui.cli.progress import say
from comfytui.config.credentials import end_token_command, may_find_token, missing_token
from comfytui.config.precedence import resolve
from comfytui.config.state import Forgetful, Memory, StateFile, state_file
from comfytui.tui.terminal.capabilities import surroundings
from comfytui.wiring import build_comfyui_app, build_demo_app, build_hosted_app, build_services, load_keymap

if TYPE_CHECKING:
    import argparse

    from comfytui.config.precedence import Choices
    from comfytui.config.settings import Settings
    from comfytui.tui.app import ComfyTUI


_TURN = 0.0005
"""Seconds after which another thread has its turn: what writes to the terminal is not to wait for what comes next."""


def run(args: argparse.Namespace) -> int:
    """Show the dashboard until it ends; the status is its own.

    Raises:
        SettingsError: A setting cannot be used.
    """
    choices = choices_for(args)
    memory = Forgetful() if args.fresh else Memory(StateFile(state_file()))
    settings = resolve(choices, memory.state.profile)
    load_keymap(settings)
    if not _is_terminal():
        # Nobody can be asked for a token there, so that is what is missing first.
        if settings.url and not may_find_token(os.environ, settings.tokens):
            say(missing_token(settings.tokens))
            return ExitStatus.NO_TOKEN
        say("The dashboard needs a terminal: standard input and standard error must be one, and TERM not dumb.")
        return ExitStatus.USAGE
    try:
        app = _dashboard(args, choices, settings, memory)
        app.at_rest(_look_for_garbage)
        sys.setswitchinterval(_TURN)
        return app.run_to_end(say, end_token_command, mouse=app.setup.mouse)
    except KeyboardInterrupt:
        return ExitStatus.OK


def _dashboard(args: argparse.Namespace, choices: Choices, settings: Settings, memory: Memory | Forgetful) -> ComfyTUI:
    around = surroundings(os.environ, settings.color, settings.ascii, sys.stderr.encoding)
    around.apply(os.environ)
    setup = build_services(settings, around, memory)
    if args.demo:
        return build_demo_app(settings, *simulation(args), setup=setup)
    if settings.servers:
        return build_comfyui_app(settings, setup)
    return build_hosted_app(choices, settings, setup)


def _look_for_garbage() -> None:
    """Do so from now on, but not among what was imported: to look through all of it again and again held up keys."""
    gc.freeze()
    gc.enable()


def _is_terminal() -> bool:
    """Textual reads standard input and draws on standard error; without either it would hang for ever."""
    terminal = sys.stdin is not None and sys.stdin.isatty() and sys.stderr is not None and sys.stderr.isatty()
    return terminal and os.environ.get("TERM", "") not in {"", "dumb"}
