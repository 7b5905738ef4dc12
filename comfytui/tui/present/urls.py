"""URLs without the secrets people put into them."""

from __future__ import annotations

import re

from comfytui.api.redaction import MASK

__all__ = ["MASK", "masked"]

_USER_INFO = re.compile(r"(?:^|(?<=//))[^/?#]*@")
_PARAMETER = re.compile(r"([?&#;][^=&#;]*)=[^&#;]*")


def masked(url: str) -> str:
    """The URL with user-info and the values of query and fragment parameters masked."""
    return _PARAMETER.sub(rf"\1={MASK}", _USER_INFO.sub(f"{MASK}@", url))
