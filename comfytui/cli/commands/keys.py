"""`comfytui keys`: every command of the dashboard with the keys in force."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from comfytui.cli.config_sources import load_sources
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.output import SCHEMA, Table, is_terminal, tab_separated, write_json, write_lines
from comfytui.config.precedence import resolve_settings
from comfytui.tui.keys.commands import COMMANDS
from comfytui.tui.keys.names import display_key
from comfytui.wiring import load_keymap

if TYPE_CHECKING:
    import argparse

    from comfytui.tui.keys.keymap import Keymap


class CommandKeys(NamedTuple):
    """A command and the keys that trigger it.

    Attributes:
        command: The name that `[keys]` of the configuration takes.
        keys: As `[keys]` takes them, the one that the footer shows first; empty if none is bound.
        scope: Where the keys work.
        description: Effect of the command.
    """

    command: str
    keys: tuple[str, ...]
    scope: str
    description: str


def run(args: argparse.Namespace) -> int:
    """Print all commands and return the exit status.

    Raises:
        SettingsError: The configuration is invalid.
        PipeClosedError: The reader of standard output is gone.
        OutputError: Standard output cannot be written.
    """
    commands = bound_commands(load_keymap(resolve_settings(load_sources(args))))
    if args.json:
        write_json({"schema": SCHEMA, "keys": [command._asdict() for command in commands]})
    elif is_terminal():
        write_lines(_sections(commands))
    else:
        rows = tuple((command.command, " ".join(command.keys), *command[2:]) for command in commands)
        write_lines(tab_separated(Table(CommandKeys._fields, rows)))
    return ExitCode.OK


def bound_commands(keymap: Keymap) -> tuple[CommandKeys, ...]:
    """Return all commands in the order of their declaration, with the keys of a keymap."""
    return tuple(
        CommandKeys(command.id, tuple(map(display_key, keymap.keys(command.id))), command.scope.value, command.help)
        for command in COMMANDS
    )


def _sections(commands: Sequence[CommandKeys]) -> Iterator[str]:
    """Yield a heading per scope, and a line per command below it."""
    keys_width = max(len(" ".join(command.keys)) for command in commands)
    name_width = max(len(command.command) for command in commands)
    separator: tuple[str, ...] = ()
    for scope, group in groupby(commands, key=lambda command: command.scope):
        yield from separator
        yield f"{scope[0].upper()}{scope[1:]}"
        for command in group:
            yield f"  {' '.join(command.keys):{keys_width}}  {command.command:{name_width}}  {command.description}"
        separator = ("",)
