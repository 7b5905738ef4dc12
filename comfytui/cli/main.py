"""The `comfytui` command."""

from __future__ import annotations

__all__ = ["main"]


def main() -> int:
    """Run the command line and return the exit status."""
    return 0
