from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from comfytui.api import errors
from comfytui.api.client import ComfyControlClient
from comfytui.api.headers import ClockSkewEstimator
from comfytui.api.session import Session
from tests.support.clock import FakeClock
from tests.support.reading import as_sent

NOW = datetime(2026, 11, 21, 14, 0, tzinfo=UTC)


def date(seconds: float) -> dict[str, str]:
    """The header of a server whose clock is ahead by that much."""
    return {"date": format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)}


def told(*answers: tuple[float, float]) -> list[float]:
    """What is made of answers of servers ahead by so much that took so long."""
    clock, ahead = ClockSkewEstimator(), []
    for seconds, took in answers:
        clock.update(date(seconds), took, NOW)
        ahead.append(clock.skew)
    return ahead


def test_nothing_is_known_at_first() -> None:
    assert ClockSkewEstimator().skew == 0.0


@pytest.mark.parametrize(
    ("seconds", "took", "ahead"),
    [
        (0, 0.1, 0),
        (4, 0.1, 0),
        (-5, 0.1, 0),
        (5, 0.0, 5.5),
        (-6, 0.0, -5.5),
        (3600, 0.0, 3600.5),
        (-3600, 0.0, -3599.5),
        (3600, 2.0, 3601.5),
        (-86_400 * 365, 0.0, -86_400 * 365 + 0.5),
    ],
)
def test_more_than_a_few_seconds_count_from_the_middle_of_request_and_answer(
    seconds: float, took: float, ahead: float
) -> None:
    assert told((seconds, took)) == [ahead]


def test_skew_changes_only_beyond_its_uncertainty() -> None:
    assert told((60, 0.0), (61, 0.0), (58, 1.0), (63, 0.0), (59, 6.0), (0, 0.0)) == [60.5, 60.5, 60.5, 63.5, 63.5, 0.0]


def test_an_answer_that_took_long_says_little() -> None:
    assert told((-6, 12.0), (-60, 12.0)) == [0.0, -53.5]


@pytest.mark.parametrize(
    "headers",
    [{}, {"date": ""}, {"date": "noon"}, {**date(3600), "age": "7"}, {"date": "Fri, 31 Dec 9999 23:59:59 GMT"}],
    ids=["no date", "empty", "unreadable", "from a cache", "absurd"],
)
def test_response_without_date_keeps_the_skew(headers: dict[str, str]) -> None:
    clock = ClockSkewEstimator()
    clock.update(date(60), 0.0, NOW)
    clock.update(headers, 0.0, NOW)
    assert clock.skew == 60.5


@given(st.datetimes(timezones=st.just(UTC)), st.floats(0, 10))
def test_whatever_it_says_the_time_there_can_be_told(moment: datetime, took: float) -> None:
    clock = ClockSkewEstimator()
    clock.update({"date": format_datetime(moment, usegmt=True)}, took, NOW)
    assert clock.skew == 0.0 or abs(clock.skew) > 5.0
    assert (NOW + timedelta(seconds=clock.skew, days=3650)).tzinfo is UTC


@pytest.mark.parametrize("status", [200, 503])
async def test_a_session_measures_each_answer_against_the_clock_here(status: int) -> None:
    clock = FakeClock()
    late = format_datetime(clock.now() + timedelta(seconds=90), usegmt=True)

    async def handler(request: httpx.Request) -> httpx.Response:
        await clock.advance(2.0)
        return httpx.Response(status, json={}, headers={"Date": late})

    transport = httpx.MockTransport(handler)
    session = Session("https://api.example.com", SecretStr("cfc_x"), transport=transport, clock=clock)
    async with contextlib.aclosing(session):
        assert session.clock_skew == 0.0
        with contextlib.suppress(errors.ServerError):
            await session.get("/v1/runner", as_sent())
        assert session.clock_skew == 89.5
        assert ComfyControlClient(session).clock_skew == 89.5
