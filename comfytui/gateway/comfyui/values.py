"""Single values out of what a ComfyUI server answers, whatever it put in their places."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from math import isfinite

__all__ = ["count_of", "mapping_of", "moment_of", "number_of", "text_of"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def mapping_of(value: object) -> Mapping[str, object]:
    """An object; an empty one for what is none."""
    return value if isinstance(value, Mapping) else {}


def text_of(value: object) -> str:
    """A text; an empty one for what is none."""
    return value if isinstance(value, str) else ""


def count_of(value: object) -> int | None:
    """A whole number, zero or more; None for what is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def number_of(value: object) -> float | None:
    """A number that is finite; None for what is none."""
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if isfinite(number) else None


def moment_of(value: object) -> datetime | None:
    """A moment told in milliseconds since 1970; None for what is none."""
    number = number_of(value)
    if number is None or number <= 0:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=number)
    except OverflowError:
        return None
