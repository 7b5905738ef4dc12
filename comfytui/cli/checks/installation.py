"""What is installed here: versions, the configuration, and who else may look into our files."""

from __future__ import annotations

import importlib.metadata
import platform
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.cli.checks.check import Check, fail, ok, warn
from comfytui.config.credentials import permission_warnings
from comfytui.config.paths import exposure, is_homeless, shown, state_dir

if TYPE_CHECKING:
    from comfytui.config.settings import TokenSources


PACKAGES = ("comfytui", "textual", "httpx", "pydantic")
"""Whose versions are told."""


def versions(packages: tuple[str, ...] = PACKAGES) -> Check:
    """What is installed, on what; imports none of it."""
    told, missing = [], []
    for package in packages:
        try:
            told.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            missing.append(package)
    told.append(f"Python {platform.python_version()} on {platform.system()} {platform.release()} {platform.machine()}")
    if missing:
        return fail("versions", f"{', '.join(missing)} not installed; {', '.join(told)}", "install comfytui anew")
    return ok("versions", ", ".join(told))


def configuration(file: Path | None, flaw: str) -> Check:
    """Whether what was chosen can be used.

    Args:
        file: The configuration that is read, if any.
        flaw: The sentence that says why not, empty where it can.
    """
    if flaw:
        return fail("config", flaw, "correct it; comfytui config check looks again")
    if is_homeless():
        return warn("config", "no home directory is known: nothing is read or kept there", "set HOME")
    return ok("config", "there is no file, and none is needed" if file is None else f"{shown(file)} can be used")


def permissions(sources: TokenSources, file: Path | None) -> list[Check]:
    """Whether others may look into our files: a check for each that they may, else one.

    Args:
        sources: Where a token may come from.
        file: The configuration that is read, if any.
    """
    sentences = (*permission_warnings(sources, file), exposure(state_dir()))
    # One directory may be both that of the configuration and that of the state.
    open_ones = list(dict.fromkeys(sentence for sentence in sentences if sentence))
    if not open_ones:
        return [ok("permissions", "nobody else may look into configuration, token and state")]
    return [_open(sentence) for sentence in open_ones]


def _open(sentence: str) -> Check:
    found, _, remedy = sentence.rpartition(": ")
    return warn("permissions", found, remedy.rstrip("."))
