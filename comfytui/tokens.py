"""What tokens look like (page api/authentication)."""

from __future__ import annotations

import codecs
import re

__all__ = ["PREFIX", "can_be_sent", "decode_token", "trim_token"]

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


def decode_token(data: bytes) -> str:
    """Return the content of a token file, or the output of a program that prints one, as text.

    Bytes that are not text become characters that no token has.
    """
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return data.decode("utf-16" if is_utf16 else "utf-8", errors="replace")
