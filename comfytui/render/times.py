"""Times, ages and durations as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from comfytui.render.icons import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from comfytui.api.models import Timestamp


_TENTHS = 10
MINUTE = 60
_HOUR = 60 * MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY


class TimeStyle(StrEnum):
    """Style of times: ages, local time, or UTC."""

    RELATIVE = "relative"
    LOCAL = "local"
    UTC = "UTC"

    @property
    def next(self) -> TimeStyle:
        """Next style; the first one follows the last."""
        styles = list(TimeStyle)
        return styles[(styles.index(self) + 1) % len(styles)]


class Period(NamedTuple):
    """Wall-clock period during which a text stays the same: from `since` until before `until`."""

    since: datetime
    until: datetime

    def covers(self, when: datetime) -> bool:
        """Return True if a time is within the period."""
        return self.since <= when < self.until


def format_age(seconds: float) -> str:
    """Return a coarse age: `<1m`, `4m`, `2h`, `3d`, `2y`, or `ahead` for a time in the future."""
    if seconds < -MINUTE:
        return "ahead"
    if seconds < MINUTE:
        return "<1m"
    for unit, name in ((_YEAR, "y"), (_DAY, "d"), (_HOUR, "h")):
        if seconds >= unit:
            return f"{int(seconds // unit)}{name}"
    return f"{int(seconds // MINUTE)}m"


def _lasting(seconds: float) -> float:
    """Return the seconds until `format_age` of this age changes."""
    if seconds < 0:
        return -MINUTE - seconds if seconds < -MINUTE else -seconds
    unit = next((unit for unit in (_DAY, _HOUR) if seconds >= unit), MINUTE)
    return unit - seconds % unit


def period_of(values: Iterable[Timestamp | None], style: TimeStyle, now: datetime) -> Period:
    """Return the period during which these times keep their text in a style."""
    lasting = [_lasting((now - value).total_seconds()) for value in values if isinstance(value, datetime)]
    if style is not TimeStyle.RELATIVE:
        # Clock times change their format at midnight, which is at a full minute in every zone.
        lasting.append(MINUTE - now.timestamp() % MINUTE)
    return Period(now, now + timedelta(seconds=min(lasting, default=_DAY)))


def format_duration(seconds: float) -> str:
    """Return a duration as `43s`, `1m43`, `2h05` or `3d04h`."""
    whole = max(0, int(seconds))
    if whole < MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // MINUTE}m{whole % MINUTE:02}"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // MINUTE:02}"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02}h"


def exact_duration(seconds: float) -> str:
    """Return a finished duration, rounded: `0.3s`, `1.9s`, `43s`, then as `format_duration`."""
    tenths = round(max(0.0, seconds), 1)
    return f"{tenths:g}s" if tenths < _TENTHS else format_duration(round(seconds))


def format_hm(when: datetime, style: TimeStyle = TimeStyle.LOCAL) -> str:
    """Return hours and minutes in local time, or in UTC with that style."""
    return f"{_in_zone(when, style):%H:%M}"


def format_hms(when: datetime, style: TimeStyle = TimeStyle.LOCAL) -> str:
    """Return hours, minutes and seconds in local time, or in UTC with that style."""
    return f"{_in_zone(when, style):%H:%M:%S}"


def zone_name(style: TimeStyle, now: datetime) -> str:
    """Return the name of the time zone shown, or an empty text if ages are shown."""
    return "" if style is TimeStyle.RELATIVE else _in_zone(now, style).tzname() or ""


def format_time(value: Timestamp | None, style: TimeStyle, now: datetime) -> str:
    """Return a time for a narrow column; an invalid time is returned as sent."""
    if not isinstance(value, datetime):
        return value or ABSENT
    if style is TimeStyle.RELATIVE:
        return format_age((now - value).total_seconds())
    local, today = _in_zone(value, style), _in_zone(now, style)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    return f"{local:%m-%d %H:%M}" if local.year == today.year else f"{local.year:04}-{local:%m-%d}"


def format_time_short(value: Timestamp | None, style: TimeStyle, now: datetime) -> str:
    """Return a time in five cells: an age, hours and minutes of today, or the date of another day."""
    text = format_time(value, style, now)
    return text.split(" ", maxsplit=1)[0][-5:] if isinstance(value, datetime) else text


def format_time_full(value: Timestamp | None, style: TimeStyle, now: datetime) -> str:
    """Return a time to the second with its zone, and its age in the relative style."""
    if not isinstance(value, datetime):
        return value or ABSENT
    local = _in_zone(value, style)
    text = f"{local.year:04}-{local:%m-%d %H:%M:%S} {local.tzname()}"
    return f"{text}  {_ago(now - value)}" if style is TimeStyle.RELATIVE else text


def _ago(past: timedelta) -> str:
    return f"{format_age(past.total_seconds())} ago" if past >= timedelta() else "ahead"


def _in_zone(when: datetime, style: TimeStyle) -> datetime:
    return when.astimezone(UTC) if style is TimeStyle.UTC else _local(when)


def _local(when: datetime) -> datetime:
    """Return a time in the local zone, or in UTC if the local calendar cannot express it."""
    try:
        return when.astimezone()
    except (OverflowError, ValueError, OSError):
        return when.astimezone(UTC)
