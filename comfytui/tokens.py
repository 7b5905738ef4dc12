"""What tokens look like (page api/authentication)."""

from __future__ import annotations

import re

__all__ = ["PREFIX", "can_be_sent"]

PREFIX = "cfc_"
"""How every token of ComfyControl begins."""

_HEADER_VALUE = re.compile(r"[!-~]+")


def can_be_sent(text: str) -> bool:
    """Whether a header of HTTP takes it: visible ASCII without blanks, and not nothing."""
    return _HEADER_VALUE.fullmatch(text) is not None
