"""Exit codes."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """Exit status of the process, unless a signal ended the dashboard."""

    OK = 0
    """The command succeeded."""

    FAILED = 1
    """The API refused the request, or the dashboard failed."""

    USAGE = 2
    """The command line or the configuration is invalid."""

    NO_TOKEN = 3
    """The token is missing, invalid or expired."""

    UNREACHABLE = 4
    """The API could not be reached, or did not answer in time."""

    COOLING_DOWN = 5
    """The rate limit is exhausted, and --no-wait was given."""

    CHANGED = 6
    """The list kept changing while it was read: the output may lack runners."""

    INTERRUPTED = 130
    """Ctrl+C."""
