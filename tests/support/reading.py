"""Reading answers as they were sent."""

from __future__ import annotations

from comfytui.api.response_cache import ParsedResponseCache

__all__ = ["as_sent"]


def as_sent() -> ParsedResponseCache[object]:
    """Take what was sent for what it says."""
    return ParsedResponseCache(lambda body: body)
