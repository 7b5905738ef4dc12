"""Directories for this user alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["PRIVATE", "make_directory"]

PRIVATE = 0o700
"""The mode of a directory that nobody else may look into."""


def make_directory(directory: Path) -> None:
    """Make the directory, and those above it that are missing, for this user alone; what is there stays as it is.

    Raises:
        OSError: It cannot be made.
    """
    missing = [each for each in (directory, *directory.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=PRIVATE, exist_ok=True)
