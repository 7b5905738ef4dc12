"""How long a 429 asks to stay away."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from comfytui.api.allowance import COOL_DOWN, MAX_COOL_DOWN
from comfytui.api.http_date import read_http_date

__all__ = ["retry_after", "retry_after_in"]


def retry_after_in(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds that the headers of an answer ask to stay away; `now` is the time here."""
    return retry_after(headers.get("retry-after", ""), headers.get("date", ""), now)


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
    until = read_http_date(value)
    return COOL_DOWN if until is None else _sane((until - (read_http_date(date) or now)).total_seconds())


def _sane(seconds: float) -> float:
    return min(max(seconds, COOL_DOWN), MAX_COOL_DOWN)
