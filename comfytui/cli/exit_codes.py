"""What the process ends with."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """What the process ends with, unless a signal ended the dashboard."""

    OK = 0
    """What was asked for is there."""

    FAILED = 1
    """The API said no, or the dashboard failed."""

    USAGE = 2
    """Something on the command line or in the configuration cannot be."""

    NO_TOKEN = 3
    """The token is missing, wrong or expired."""

    UNREACHABLE = 4
    """The API could not be reached, or did not answer in time."""

    COOLING_DOWN = 5
    """The API wants to be left alone, and there was to be no waiting."""

    CHANGED = 6
    """The list changed again and again while it was read: what was found is written, but may lack runners."""

    INTERRUPTED = 130
    """Ctrl+C."""
