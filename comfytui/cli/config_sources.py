"""Sources of the settings of a parsed command line."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from comfytui.cli.options import server_arguments
from comfytui.config.credentials import hide_from_children
from comfytui.config.paths import locate_config_file
from comfytui.config.precedence import CliOptions, ConfigFile, ConfigSources
from comfytui.config.settings import DEFAULT_RUNNERS

if TYPE_CHECKING:
    import argparse
    from pathlib import Path


def load_sources(args: argparse.Namespace) -> ConfigSources:
    """Load flags, environment and configuration; hides tokens in the environment from children.

    Raises:
        SettingsError: The configuration cannot be used.
    """
    flags = cli_options(args)
    path = locate_config_file(flags.config)
    config = ConfigFile() if path is None else _load(path)
    hide_from_children(profile.token_env for profile in config.profiles.values() if profile.token_env)
    return ConfigSources(flags, os.environ, config, path)


def cli_options(args: argparse.Namespace) -> CliOptions:
    """Return the options of the command line, before or after the command."""
    given = {name: getattr(args, name) for name in CliOptions._fields}
    return CliOptions(**given | {"comfyui": server_arguments(args)})


def demo_options(args: argparse.Namespace) -> tuple[int, int]:
    """Return the number of runners of the demo fleet, and its seed."""
    return (DEFAULT_RUNNERS if args.runners is None else args.runners, args.seed or 0)


def _load(path: Path) -> ConfigFile:
    from comfytui.config.file import load_config

    return load_config(path)
