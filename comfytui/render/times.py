"""Times and durations in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from comfytui.render.icons import ABSENT

if TYPE_CHECKING:
    from collections.abc import Iterable

    from comfytui.api.models import Timestamp


_TENTHS = 10
_MINUTE = 60
_HOUR = 60 * _MINUTE
_DAY = 24 * _HOUR
_YEAR = 365 * _DAY


class TimeStyle(StrEnum):
    """How times are told: how long ago, by the person's clock, or in UTC."""

    RELATIVE = "relative"
    LOCAL = "local"
    UTC = "UTC"

    @property
    def following(self) -> TimeStyle:
        """The style after this one, going round."""
        styles = list(TimeStyle)
        return styles[(styles.index(self) + 1) % len(styles)]


class Period(NamedTuple):
    """For how long something reads the same, by the wall clock: from `since` on, before `until`."""

    since: datetime
    until: datetime

    def covers(self, when: datetime) -> bool:
        """Whether a time is within it."""
        return self.since <= when < self.until


def format_age(seconds: float) -> str:
    """A coarse age that seldom changes: `<1m`, `4m`, `2h`, `3d`, `2y`; `ahead` for what lies in the future."""
    if seconds < -_MINUTE:
        return "ahead"
    if seconds < _MINUTE:
        return "<1m"
    for unit, name in ((_YEAR, "y"), (_DAY, "d"), (_HOUR, "h")):
        if seconds >= unit:
            return f"{int(seconds // unit)}{name}"
    return f"{int(seconds // _MINUTE)}m"


def _lasting(seconds: float) -> float:
    """Seconds for which `age`, and whether it lies ahead, stay what they are."""
    if seconds < 0:
        return -_MINUTE - seconds if seconds < -_MINUTE else -seconds
    unit = next((unit for unit in (_DAY, _HOUR) if seconds >= unit), _MINUTE)
    return unit - seconds % unit


def period_of(values: Iterable[Timestamp | None], style: TimeStyle, now: datetime) -> Period:
    """For how long these times, and coarse ages of them, read as they do now, however they are told."""
    lasting = [_lasting((now - value).total_seconds()) for value in values if isinstance(value, datetime)]
    if style is not TimeStyle.RELATIVE:
        # By the clock it is the day that changes, in any zone at a full minute.
        lasting.append(_MINUTE - now.timestamp() % _MINUTE)
    return Period(now, now + timedelta(seconds=min(lasting, default=_DAY)))


def format_duration(seconds: float) -> str:
    """An exact duration: `43s`, `1m43`, `2h05`, `3d04h`."""
    whole = max(0, int(seconds))
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m{whole % _MINUTE:02}"
    if whole < _DAY:
        return f"{whole // _HOUR}h{whole % _HOUR // _MINUTE:02}"
    return f"{whole // _DAY}d{whole % _DAY // _HOUR:02}h"


def exact_duration(seconds: float) -> str:
    """Return a duration that is over, rounded: `0.3s`, `1.9s`, `43s`, then as `duration`."""
    tenths = round(max(0.0, seconds), 1)
    return f"{tenths:g}s" if tenths < _TENTHS else format_duration(round(seconds))


def format_hm(when: datetime, style: TimeStyle = TimeStyle.LOCAL) -> str:
    """Hours and minutes by the person's clock, in UTC where times are told so."""
    return f"{_in_zone(when, style):%H:%M}"


def format_hms(when: datetime, style: TimeStyle = TimeStyle.LOCAL) -> str:
    """Hours, minutes and seconds by the person's clock, in UTC where times are told so."""
    return f"{_in_zone(when, style):%H:%M:%S}"


def zone_name(style: TimeStyle, now: datetime) -> str:
    """The zone that times are told in, where they are told by a clock."""
    return "" if style is TimeStyle.RELATIVE else _in_zone(now, style).tzname() or ""


def format_time(value: Timestamp | None, style: TimeStyle, now: datetime) -> str:
    """A time in a narrow column; text that is no time stays as it was sent."""
    if not isinstance(value, datetime):
        return value or ABSENT
    if style is TimeStyle.RELATIVE:
        return format_age((now - value).total_seconds())
    told, today = _in_zone(value, style), _in_zone(now, style)
    if told.date() == today.date():
        return f"{told:%H:%M}"
    return f"{told:%m-%d %H:%M}" if told.year == today.year else f"{told.year:04}-{told:%m-%d}"


def format_time_short(value: Timestamp | None, style: TimeStyle, now: datetime) -> str:
    """A time in five cells: an age, the hour of today, or the day of another."""
    told = format_time(value, style, now)
    return told.split(" ", maxsplit=1)[0][-5:] if isinstance(value, datetime) else told


def format_time_full(value: Timestamp | None, style: TimeStyle, now: datetime) -> str:
    """A time where there is room: to the second with its zone, and the coarse age where ages are told."""
    if not isinstance(value, datetime):
        return value or ABSENT
    told = _in_zone(value, style)
    text = f"{told.year:04}-{told:%m-%d %H:%M:%S} {told.tzname()}"
    return f"{text}  {_ago(now - value)}" if style is TimeStyle.RELATIVE else text


def _ago(past: timedelta) -> str:
    return f"{format_age(past.total_seconds())} ago" if past >= timedelta() else "ahead"


def _in_zone(when: datetime, style: TimeStyle) -> datetime:
    return when.astimezone(UTC) if style is TimeStyle.UTC else _local(when)


def _local(when: datetime) -> datetime:
    """The person's time, or UTC where their zone's calendar cannot express it."""
    try:
        return when.astimezone()
    except (OverflowError, ValueError, OSError):
        return when.astimezone(UTC)
