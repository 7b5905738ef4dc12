from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.api.headers import parse_http_date

NOON = datetime(2026, 11, 21, 12, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "Sat, 21 Nov 2026 12:00:05 GMT",
        "Saturday, 21-Nov-26 12:00:05 GMT",
        "Sat Nov 21 12:00:05 2026",
        "Sat, 21 Nov 2026 13:00:05 +0100",
    ],
)
def test_every_form_of_a_date_is_read(text: str) -> None:
    assert parse_http_date(text) == NOON


@pytest.mark.parametrize("text", ["", "soon", "10", "Sat, 31 Nov 2026 12:00:05 GMT"])
def test_invalid_dates_are_none(text: str) -> None:
    assert parse_http_date(text) is None


@given(st.text())
def test_whatever_is_sent_is_a_date_in_utc_or_none(text: str) -> None:
    moment = parse_http_date(text)
    assert moment is None or moment.tzinfo is UTC
