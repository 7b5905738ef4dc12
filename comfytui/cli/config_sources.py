"""From what was parsed to what was chosen."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from comfytui.cli.options import named_servers
from comfytui.config.credentials import keep_from_children
from comfytui.config.paths import find_config_file
from comfytui.config.precedence import Choices, ConfigFile, Flags
from comfytui.config.settings import DEFAULT_RUNNERS

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def choices_for(args: argparse.Namespace) -> Choices:
    """What the flags, the environment and the configuration say; tokens in the environment are kept from children.

    Raises:
        SettingsError: The configuration cannot be used.
    """
    flags = flags_of(args)
    path = find_config_file(flags.config)
    config = ConfigFile() if path is None else _read(path)
    keep_from_children(profile.token_env for profile in config.profiles.values() if profile.token_env)
    return Choices(flags, os.environ, config, path)


def flags_of(args: argparse.Namespace) -> Flags:
    """What the command line says, wherever on it."""
    given = {name: getattr(args, name) for name in Flags._fields}
    return Flags(**given | {"comfyui": named_servers(args)})


def simulation(args: argparse.Namespace) -> tuple[int, int]:
    """How many runners the simulated fleet has, and its seed."""
    return (DEFAULT_RUNNERS if args.runners is None else args.runners, args.seed or 0)


def _read(path: Path) -> ConfigFile:
    from comfytui.config.file import read_config

    return read_config(path)
