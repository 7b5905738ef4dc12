"""Reading answers as they were sent."""

from __future__ import annotations

from comfytui.api.response_cache import Reader

__all__ = ["as_sent"]


def as_sent() -> Reader[object]:
    """Take what was sent for what it says."""
    return Reader(lambda body: body)
