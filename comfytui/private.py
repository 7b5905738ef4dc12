"""Directories for this user alone."""

from __future__ import annotations

import errno
from pathlib import Path

__all__ = ["HOMELESS", "PRIVATE", "make_directory"]

PRIVATE = 0o700
"""The mode of a directory that nobody else may look into."""

HOMELESS = Path("/nonexistent/comfytui")
"""Directory of users without a home: nothing is in it, and it is never made."""


def make_directory(directory: Path) -> None:
    """Make the directory, and those above it that are missing, for this user alone; what is there stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    if directory.is_relative_to(HOMELESS):
        raise FileNotFoundError(errno.ENOENT, "no home directory is known")
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=PRIVATE, exist_ok=True)
