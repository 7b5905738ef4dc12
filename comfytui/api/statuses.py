"""Open enums of the API's statuses: unknown values are kept as sent.

Apart from `models`, so that rendering does not import pydantic.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Self

LAST_SEEN_RUNNING = "last seen running"
"""Tag of our gateway for a failed workflow that was running when last listed."""


class _OpenStrEnum(StrEnum):
    """String enum that keeps unknown values as unlisted members."""

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
        """True if the API documents this status."""
        return self.name != "UNLISTED"


class RunnerStatus(_OpenStrEnum):
    """Status of a runner (page get-runner): given work or not, regardless of reachability."""

    ACTIVE = "active"
    DISABLED = "disabled"


class RunnerState(_OpenStrEnum):
    """State of a runner whose machine gave no usable answer: an extension of our gateway's errors."""

    SLOW = "slow"
    """Answered within the last half minute, and takes long now."""
    WAITING = "waiting"
    """No answer yet, for less than half a minute."""
    HANGING = "hanging"
    """No answer for half a minute or more, and the request still waits."""
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
    """Status of a workflow (page get-runner-history; meanings on concepts/workflows)."""

    ACCEPTED = "accepted"
    UPLOADED = "uploaded"
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    CANCELLED = "cancelled"
    INVALID = "invalid"
    FAILED = "failed"
