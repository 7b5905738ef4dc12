"""What a configuration names outside of itself: whether that is there, and can be used."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from comfytui.cli.checks.certificate import unreadable
from comfytui.config.file import KeyPath, line_of
from comfytui.config.paths import shown

if TYPE_CHECKING:
    from comfytui.config.precedence import Choices, ConfigFile, Profile
    from comfytui.config.settings import Settings


def what_cannot_work(choices: Choices, settings: Settings, places: Mapping[KeyPath, int]) -> Iterator[str]:
    """A sentence for each setting, of all profiles, that names something which cannot be used.

    No program is run, and no address asked; no sentence repeats a value but the paths of files.

    Args:
        choices: What was chosen.
        settings: What came of it.
        places: The line of each key of the configuration.
    """
    config, file = choices.config, choices.config_file
    if file is not None:
        tables: list[tuple[KeyPath, ConfigFile | Profile]] = [((), config)]
        tables += [(("profiles", name), profile) for name, profile in config.profiles.items()]
        for table, part in tables:
            for key, words in _flaws(part, choices.environ):
                path = (*table, key)
                yield f"{shown(file)}, line {line_of(path, places)}: {'.'.join(path)}: {words}."
    if settings.ca_bundle is None and (variable := unreadable(None, choices.environ)):
        yield f"{variable} names no certificates that can be read."


def _flaws(part: ConfigFile | Profile, environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The keys of a table that name what cannot be used, each with words."""
    if "@" in urlsplit(part.url or "").netloc:
        yield "url", "expected no user name or password in it: the token says who asks"
    if part.ca_bundle is not None and unreadable(part.ca_bundle, {}):
        yield "ca_bundle", f"{shown(part.ca_bundle)} holds no certificates that can be read"
    if part.token_command and shutil.which(part.token_command[0], path=environ.get("PATH")) is None:
        yield "token_command", "its program is not there, or may not be run"
    file = getattr(part, "token_file", None)
    if isinstance(file, Path) and (file.is_dir() or not os.access(file, os.R_OK)):
        yield "token_file", f"{shown(file)} is not there, or cannot be read"
