from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfytui.render.times import (
    TimeStyle,
    format_age,
    format_duration,
    format_hm,
    format_time,
    format_time_full,
    format_time_short,
    period_of,
)

if TYPE_CHECKING:
    from tests.render.conftest import InZone

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=UTC)
BERLIN, UTC_ZONE, KATHMANDU = "Europe/Berlin", "UTC", "Asia/Kathmandu"

MINUTE, HOUR, DAY = 60, 3600, 86_400


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_styles_go_round() -> None:
    assert TimeStyle.RELATIVE.next is TimeStyle.LOCAL
    assert TimeStyle.LOCAL.next is TimeStyle.UTC
    assert TimeStyle.UTC.next is TimeStyle.RELATIVE


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-5.0, "<1m"),
        (0.0, "<1m"),
        (59.9, "<1m"),
        (MINUTE, "1m"),
        (HOUR - 1, "59m"),
        (HOUR, "1h"),
        (DAY - 1, "23h"),
        (DAY, "1d"),
        (365 * DAY - 1, "364d"),
        (365 * DAY, "1y"),
        (2.9 * 365 * DAY, "2y"),
    ],
)
def test_age(seconds: float, said: str) -> None:
    assert format_age(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (-1.0, "0s"),
        (0.0, "0s"),
        (43.9, "43s"),
        (MINUTE, "1m00"),
        (103.0, "1m43"),
        (HOUR - 1, "59m59"),
        (HOUR, "1h00"),
        (2 * HOUR + 5 * MINUTE + 59, "2h05"),
        (DAY, "1d00h"),
        (3 * DAY + 4 * HOUR, "3d04h"),
        (1000 * DAY, "1000d00h"),
    ],
)
def test_duration(seconds: float, said: str) -> None:
    assert format_duration(seconds) == said


@given(st.floats(0, 300 * 365 * DAY), st.floats(0, DAY))
def test_ages_fit_their_columns(seconds: float, more: float) -> None:
    assert len(format_age(seconds)) <= 4
    assert len(format_duration(min(seconds, 99 * DAY))) <= 6
    assert len(format_duration(more)) <= 5


@pytest.mark.parametrize("style", TimeStyle)
def test_text_that_is_no_time_stays_as_it_was_sent(style: TimeStyle) -> None:
    for tell in (format_time, format_time_full, format_time_short):
        assert tell("yesterday-ish", style, NOW) == "yesterday-ish"
        assert tell(None, style, NOW) == "–"
        assert tell("", style, NOW) == "–"


@pytest.mark.parametrize(
    ("value", "style", "told"),
    [
        (at("2026-07-01T11:56:30"), TimeStyle.RELATIVE, "3m"),
        (at("2026-07-01T11:56:30"), TimeStyle.UTC, "11:56"),
        (at("2026-07-01T11:56:30"), TimeStyle.LOCAL, "13:56"),
        (at("2026-06-30T21:59:59"), TimeStyle.LOCAL, "06-30 23:59"),
        (at("2026-06-30T22:00:00"), TimeStyle.LOCAL, "00:00"),
        (at("2026-06-30T22:00:00"), TimeStyle.UTC, "06-30 22:00"),
        (at("2026-01-15T10:30:00"), TimeStyle.LOCAL, "01-15 11:30"),
        (at("2025-12-31T22:59:59"), TimeStyle.LOCAL, "2025-12-31"),
        (at("2025-12-31T23:00:00"), TimeStyle.LOCAL, "01-01 00:00"),
        (at("2025-12-31T23:00:00"), TimeStyle.UTC, "2025-12-31"),
        (at("2024-01-15T10:30:00"), TimeStyle.RELATIVE, "2y"),
    ],
)
def test_a_time_in_a_column(in_zone: InZone, value: datetime, style: TimeStyle, told: str) -> None:
    in_zone(BERLIN)
    assert format_time(value, style, NOW) == told


@pytest.mark.parametrize(
    ("zone", "style", "told"),
    [
        (BERLIN, TimeStyle.RELATIVE, "2026-07-01 13:56:30 CEST  3m ago"),
        (BERLIN, TimeStyle.LOCAL, "2026-07-01 13:56:30 CEST"),
        (BERLIN, TimeStyle.UTC, "2026-07-01 11:56:30 UTC"),
        (UTC_ZONE, TimeStyle.LOCAL, "2026-07-01 11:56:30 UTC"),
        (KATHMANDU, TimeStyle.LOCAL, "2026-07-01 17:41:30 +0545"),
    ],
)
def test_a_time_in_full_names_its_zone(in_zone: InZone, zone: str, style: TimeStyle, told: str) -> None:
    in_zone(zone)
    assert format_time_full(at("2026-07-01T11:56:30"), style, NOW) == told


def test_the_zone_is_that_of_the_time_told_and_not_of_now(in_zone: InZone) -> None:
    in_zone(BERLIN)
    assert format_time_full(at("2026-01-15T10:30:00"), TimeStyle.LOCAL, NOW) == "2026-01-15 11:30:00 CET"
    assert format_hm(at("2026-01-15T10:30:00")) == "11:30"
    assert format_hm(at("2026-07-15T10:30:00")) == "12:30"


def test_future_times_are_not_shown_as_past(in_zone: InZone) -> None:
    in_zone(UTC_ZONE)
    told = format_time_full(NOW + timedelta(hours=2), TimeStyle.RELATIVE, NOW)
    assert told == "2026-07-01 14:00:00 UTC  ahead"


@pytest.mark.parametrize("zone", [BERLIN, "America/Los_Angeles"])
@pytest.mark.parametrize("style", TimeStyle)
@pytest.mark.parametrize("value", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_the_ends_of_the_calendar_are_told_somehow(
    in_zone: InZone, value: datetime, style: TimeStyle, zone: str
) -> None:
    in_zone(zone)
    assert format_time(value, style, NOW)
    assert format_time_full(value, style, NOW)[:4] in {"0001", "9999"}


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(TimeStyle))
def test_any_time_fits_its_column(value: datetime, style: TimeStyle) -> None:
    assert len(format_time(value, style, NOW)) <= 11
    assert len(format_time_short(value, style, NOW)) <= 5


@pytest.mark.parametrize("style", TimeStyle)
@given(
    past=st.lists(st.timedeltas(timedelta(days=-3), timedelta(days=900)), max_size=3),
    share=st.floats(min_value=0, max_value=0.999),
)
def test_times_read_the_same_for_all_of_their_period(style: TimeStyle, past: list[timedelta], share: float) -> None:
    values = [NOW - each for each in past]
    period = period_of((*values, None, "no time"), style, NOW)
    assert period.since == NOW
    assert period.covers(NOW)
    assert not period.covers(period.until)
    assert not period.covers(NOW - timedelta(seconds=1))
    later = NOW + (period.until - NOW) * share
    for value in values:
        assert format_time(value, style, later) == format_time(value, style, NOW)
        assert format_time_full(value, style, later) == format_time_full(value, style, NOW)
        assert format_age((later - value).total_seconds()) == format_age((NOW - value).total_seconds())


@pytest.mark.parametrize(
    ("seconds", "lasting"),
    [(0, MINUTE), (59.5, 0.5), (90, 30), (HOUR, HOUR), (DAY - 1, 1), (2 * DAY + 5, DAY - 5), (-90, 30), (-20, 20)],
)
def test_an_age_lasts_until_it_reads_otherwise(seconds: float, lasting: float) -> None:
    period = period_of((NOW - timedelta(seconds=seconds),), TimeStyle.RELATIVE, NOW)
    assert period.until - NOW == timedelta(seconds=lasting)


def test_by_the_clock_times_read_otherwise_from_some_full_minute_on() -> None:
    late = at("2026-07-01T21:59:48")
    assert period_of((late,), TimeStyle.LOCAL, late).until == at("2026-07-01T22:00:00")
