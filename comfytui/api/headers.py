"""Headers of responses: HTTP dates, clock skew by Date (RFC 9110, 6.6.1), Retry-After."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from comfytui.ratelimit.window import COOLDOWN_S, MAX_COOLDOWN_S

_LEAST = 5.0
_STEP = 2.0
# A date further off is nonsense, and adding it to the local time would leave the calendar.
_MOST = 50 * 365 * 86_400.0
# Date has whole seconds: on average half of one has gone by.
_HALF_A_SECOND = 0.5


class ClockSkewEstimator:
    """Estimator of a server's clock skew; uncertain responses change nothing."""

    def __init__(self) -> None:
        self._estimate = 0.0

    @property
    def skew(self) -> float:
        """Seconds by which the server's clock is ahead of the one here; 0.0 unless they are more than 5 s apart.

        It moves by more than 2 s or not at all.
        """
        return self._estimate if abs(self._estimate) > _LEAST else 0.0

    def update(self, headers: Mapping[str, str], took: float, now: datetime) -> None:
        """Take in the head of an answer.

        Args:
            headers: Its headers.
            took: Seconds from the request to the head of the answer; the date is taken to be of the middle of them,
                and is doubted by half of them.
            now: The time here when it came, in UTC.
        """
        # A cached response has the time of its creation (RFC 9111, 5.1).
        date = None if "age" in headers else parse_http_date(headers.get("date", ""))
        if date is None:
            return
        estimate = (date - now).total_seconds() + took / 2 + _HALF_A_SECOND
        if abs(estimate) <= _MOST and abs(estimate - self._estimate) > _STEP + took / 2:
            self._estimate = estimate


def retry_after_in(headers: Mapping[str, str], now: datetime) -> float:
    """Return the seconds to wait by a response's headers; `now` is the local time."""
    return parse_retry_after(headers.get("retry-after", ""), headers.get("date", ""), now)


def parse_retry_after(value: str, date: str, now: datetime) -> float:
    """Seconds from COOLDOWN_S, which the API takes in any case, to MAX_COOLDOWN_S.

    Args:
        value: The header Retry-After: whole seconds or an HTTP date; whatever else it holds is as good as nothing.
        date: The header Date, which a date in Retry-After is measured against.
        now: The time here, where Date is none.
    """
    value = value.strip()
    if value.isascii() and value.isdecimal():
        return _clamp(float(value))
    until = parse_http_date(value)
    return COOLDOWN_S if until is None else _clamp((until - (parse_http_date(date) or now)).total_seconds())


def _clamp(seconds: float) -> float:
    return min(max(seconds, COOLDOWN_S), MAX_COOLDOWN_S)


def parse_http_date(value: str) -> datetime | None:
    """Return the time in UTC, or None if the text is not a date."""
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
