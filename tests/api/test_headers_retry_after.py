from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.api.headers import parse_retry_after
from comfytui.ratelimit.window import COOLDOWN_S, MAX_COOLDOWN_S

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)


def http_date(seconds: float) -> str:
    return format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("", 10),
        ("0", 10),
        ("9", 10),
        ("11", 11),
        (" 30 ", 30),
        ("0030", 30),
        ("120", 120),
        ("121", 120),
        ("9" * 5000, 120),
        ("-30", 10),
        ("+30", 10),
        ("30.5", 10),
        ("3e1", 10),
        ("30, 30", 10),
        ("٣٠", 10),
        ("NaN", 10),
        ("soon", 10),
        ("Sat, 31 Nov 2026 14:00:30 GMT", 10),
        ("Sat, 21 Nov 99999999 14:00:30 GMT", 10),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 10),
    ],
)
def test_seconds_and_nonsense(value: str, seconds: float) -> None:
    assert parse_retry_after(value, "", NOW) == seconds


@pytest.mark.parametrize(("until", "seconds"), [(-3600, 10), (0, 10), (11, 11), (45, 45), (120, 120), (1e6, 120)])
def test_a_date_is_measured_against_the_clock_here(until: float, seconds: float) -> None:
    assert parse_retry_after(http_date(until), "", NOW) == seconds
    assert parse_retry_after(http_date(until), "yesterday", NOW) == seconds


def test_a_date_is_measured_against_the_clock_there_if_it_is_told() -> None:
    assert parse_retry_after(http_date(3645), http_date(3600), NOW) == 45
    assert parse_retry_after(http_date(45), http_date(3600), NOW) == 10


def test_the_other_forms_of_a_date_are_read() -> None:
    assert parse_retry_after("Sat, 21 Nov 2026 15:00:30 +0100", "", NOW) == 30
    assert parse_retry_after("Saturday, 21-Nov-26 14:00:30 GMT", "", NOW) == 30


@given(st.text() | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ [\d:]+ (GMT|[+-]\d+)"), st.text())
def test_whatever_is_said_the_answer_is_sane(value: str, date: str) -> None:
    assert COOLDOWN_S <= parse_retry_after(value, date, NOW) <= MAX_COOLDOWN_S
