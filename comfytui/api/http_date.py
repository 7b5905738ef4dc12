"""Dates as HTTP writes them (RFC 9110, 5.6.7), the old forms of them too."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

__all__ = ["read_http_date"]


def read_http_date(value: str) -> datetime | None:
    """The moment in UTC; None where the text is no date."""
    try:
        moment = parsedate_to_datetime(value)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
