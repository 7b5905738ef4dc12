"""`comfytui doctor`: looks at everything that can keep the dashboard from its runners, and says what helps."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from comfytui.cli.checks.check import Check, document, lines, status_of
from comfytui.cli.checks.fleet import Patience, look_at_fleet
from comfytui.cli.checks.installation import configuration, permissions, versions
from comfytui.cli.checks.network import Resolver, resolve
from comfytui.cli.checks.terminal import look_at_clipboard, look_at_terminal, this_terminal
from comfytui.cli.config_sources import choices_for, flags_of
from comfytui.cli.output import write_json, write_lines
from comfytui.clock import SystemClock
from comfytui.config import precedence as chosen
from comfytui.config.credentials import end_token_command
from comfytui.config.paths import find_config_file
from comfytui.config.settings import API_URL_VARIABLE, Settings, SettingsError, TokenSources
from comfytui.threads import LooseThreads
from comfytui.wiring import keymap_of

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from comfytui.clock import Clock


@dataclass(frozen=True, slots=True)
class Situation:
    """What was chosen, as far as it can be used.

    Attributes:
        file: The configuration that is read, if any.
        flaw: The sentence that says what cannot be used; empty where all can.
        settings: What comes of the rest; None where not even an address does.
        is_sure: Whether the address is the one that was meant: an unusable configuration may name another.
    """

    file: Path | None
    flaw: str
    settings: Settings | None
    is_sure: bool


def run(args: argparse.Namespace) -> int:
    """Look at everything, within 10 seconds, write it, and return the status that fits the worst that was found."""
    checks = asyncio.run(_examined(args))
    if args.json:
        write_json(document(checks))
    else:
        write_lines(lines(checks))
    return status_of(checks)


def situation_of(args: argparse.Namespace) -> Situation:
    """What was chosen; where it cannot be used, what the flags and the environment say without a profile."""
    flags = flags_of(args)
    file = find_config_file(flags.config)
    try:
        settings = chosen.resolve(choices_for(args))
        keymap_of(settings)
    except SettingsError as error:
        choices = chosen.Choices(flags._replace(profile=None), os.environ)
        is_named = bool(flags.url or os.environ.get(API_URL_VARIABLE, "").strip())
        return Situation(file, str(error), _resolved(choices), is_named)
    return Situation(file, "", settings, is_sure=True)


async def examine(
    situation: Situation,
    environ: Mapping[str, str],
    clock: Clock,
    patience: Patience | None = None,
    resolver: Resolver = resolve,
) -> list[Check]:
    """All checks, in the order they are told.

    Args:
        situation: What was chosen.
        environ: The environment.
        clock: Dates and measures.
        patience: How long each may take.
        resolver: Finds the API's host.
    """
    patience = patience or Patience()
    fleet, clipboard = await asyncio.gather(
        _fleet(situation, environ, clock, patience, resolver), look_at_clipboard(environ, patience.tmux)
    )
    settings = situation.settings
    tokens = TokenSources() if settings is None else settings.tokens
    color, only_ascii = ("auto", False) if settings is None else (settings.color, settings.ascii)
    return [
        versions(),
        configuration(situation.file, situation.flaw),
        *permissions(tokens, situation.file),
        *fleet,
        look_at_terminal(this_terminal(), environ, color, only_ascii),
        clipboard,
    ]


async def _examined(args: argparse.Namespace) -> list[Check]:
    # A name server that does not answer would hold the end up.
    asyncio.get_running_loop().set_default_executor(LooseThreads())
    try:
        return await examine(situation_of(args), os.environ, SystemClock())
    finally:
        end_token_command()


async def _fleet(
    situation: Situation, environ: Mapping[str, str], clock: Clock, patience: Patience, resolver: Resolver
) -> list[Check]:
    """Nothing where not even an address can be told: the flaw says why."""
    if situation.settings is None:
        return []
    return await look_at_fleet(
        situation.settings, environ, clock, patience, is_sure=situation.is_sure, resolver=resolver
    )


def _resolved(choices: chosen.Choices) -> Settings | None:
    try:
        return chosen.resolve(choices)
    except SettingsError:
        return None
