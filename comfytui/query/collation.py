"""Comparison of text: one form for search, another for order. Pure."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_DIGITS = re.compile(r"0*([0-9]+)")
_DOT_ABOVE = "\N{COMBINING DOT ABOVE}"


def fold_case(text: str) -> str:
    """Return the text as it is compared: composed (NFC) and without case.

    The dot that case folding leaves of the Turkish capital I is dropped, so that `istanbul` finds `İstanbul`.
    """
    if text.isascii():
        return text.lower()
    folded = unicodedata.normalize("NFC", text).casefold()
    return unicodedata.normalize("NFC", folded.replace(f"i{_DOT_ABOVE}", "i"))


@lru_cache(maxsize=16_384)
def natural_key(text: str) -> str:
    """Return a key that sorts names as people do: without case, and digits as the number that they are.

    A run of digits becomes `0`, its length as a character, and the digits: `gpu-2` comes before `gpu-10`, and digits
    stay before letters.
    """
    return _DIGITS.sub(_number, fold_case(text))


def _number(match: re.Match[str]) -> str:
    digits = match[1]
    return f"0{chr(len(digits))}{digits}"
