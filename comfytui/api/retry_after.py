"""How long a 429 asks to stay away."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from comfytui.api.allowance import COOL_DOWN, MAX_COOL_DOWN

__all__ = ["retry_after"]


def retry_after(value: str, date: str, now: datetime) -> float:
    """Seconds from COOL_DOWN, which the API takes in any case, to MAX_COOL_DOWN.

    Args:
        value: The header Retry-After: whole seconds or an HTTP date; whatever else it holds is as good as nothing.
        date: The header Date, which a date in Retry-After is measured against.
        now: The time here, where Date is none.
    """
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return _sane(float(value))
    until = _moment(value)
    return COOL_DOWN if until is None else _sane((until - (_moment(date) or now)).total_seconds())


def _sane(seconds: float) -> float:
    return min(max(seconds, COOL_DOWN), MAX_COOL_DOWN)


def _moment(value: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
