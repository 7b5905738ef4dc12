"""What is a secret by its name, in fields that no page of the API names: nobody knows what else they may hold."""

from __future__ import annotations

import re

from comfytui.api.text import clean

__all__ = ["MASK", "redacted"]

MASK = "•" * 8
"""What stands for a secret."""

_SECRET = re.compile(
    r"passw|passphrase|passcode|secret|token|credential|authorization|bearer|cookie|signature"
    r"|(?:api|access|account|auth|private|encryption|license)[-_. ]?key",
    re.IGNORECASE,
)
_NO_BOTTOM = "…"


def redacted(name: str, value: object) -> object:
    """A JSON value with whatever in it bears a name that sounds secret masked; all of it where this name does.

    That there is nothing is no secret, nor is a yes or a no. What is nested too deeply to be looked through is `…`.
    """
    try:
        return _redacted(name, value)
    except RecursionError:
        return _NO_BOTTOM


def _redacted(name: str, value: object) -> object:
    if value is None or isinstance(value, bool):
        return value
    if _SECRET.search(clean(name)):
        return MASK
    if isinstance(value, dict):
        return {key: _redacted(str(key), each) for key, each in value.items()}
    if isinstance(value, list):
        return [_redacted("", each) for each in value]
    return value
