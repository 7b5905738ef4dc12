"""The words the API uses for statuses, and how a word nobody has heard of is kept.

Apart from `models` so that whoever only draws statuses does not import pydantic.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

LAST_SEEN_RUNNING = "last seen running"
"""Tag of our gateway for a failed workflow that ran when it was last listed, such as before a restart of its server."""


class _OpenStrEnum(StrEnum):
    """An enumeration of strings that keeps a value it does not know as an unlisted member."""

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        unlisted = str.__new__(cls, value)
        unlisted._name_ = "UNLISTED"
        unlisted._value_ = value
        return unlisted

    @property
    def is_known(self) -> bool:
        """Whether the API documents this word."""
        return self.name != "UNLISTED"


class RunnerStatus(_OpenStrEnum):
    """Whether a runner is given work (page get-runner), which says nothing about reachability."""

    ACTIVE = "active"
    DISABLED = "disabled"


class RunnerState(_OpenStrEnum):
    """State of a runner whose machine gave no usable answer: an extension of our gateway's errors."""

    SLOW = "slow"
    """Answered within the last half minute, and takes long now."""
    WAITING = "waiting"
    """Nothing was answered so far; the question waits for less than half a minute."""
    HANGING = "hanging"
    """Nothing was answered for half a minute, and the question still waits."""
    UNREACHABLE = "unreachable"
    LATE = "late"
    """Answers, but takes long for this."""
    PARTIAL = "partial"
    """Answers, but not this."""

    @property
    def is_silent(self) -> bool:
        """True if the runner answers nothing at present."""
        return self in (*_WAITED_FOR, RunnerState.UNREACHABLE)

    @property
    def is_pending(self) -> bool:
        """True if an answer may still come."""
        return self in (*_WAITED_FOR, RunnerState.LATE)


_WAITED_FOR = (RunnerState.SLOW, RunnerState.WAITING, RunnerState.HANGING)


class WorkflowStatus(_OpenStrEnum):
    """Where a workflow stands (page get-runner-history; meanings on concepts/workflows)."""

    ACCEPTED = "accepted"
    UPLOADED = "uploaded"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    INVALID = "invalid"
    FAILED = "failed"
