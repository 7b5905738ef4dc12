"""What tokens look like (page api/authentication)."""

from __future__ import annotations

import re

__all__ = ["PREFIX", "can_be_sent", "trim_token"]

PREFIX = "cfc_"
"""How every token of ComfyControl begins."""

_HEADER_VALUE = re.compile(r"[!-~]+")
_AROUND = "\ufeff \t\r\n\v\f\0"


def can_be_sent(text: str) -> bool:
    """Whether a header of HTTP takes it: visible ASCII without blanks, and not nothing."""
    return _HEADER_VALUE.fullmatch(text) is not None


def trim_token(text: str) -> str:
    """Return the text without blanks and byte order marks around it, which editors and shells leave there."""
    return text.strip(_AROUND)
