"""The moment a screen is drawn for."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from comfytui.tui.present.cells import Role, Span
from comfytui.tui.present.units import TimeStyle

if TYPE_CHECKING:
    from comfytui.engine.feed import Problem

__all__ = ["Now"]


class Now(NamedTuple):
    """When it is, on both clocks, and how times are told.

    Attributes:
        wall: The wall clock, in UTC.
        monotonic: The engine's monotonic clock, in seconds.
        style: How times are told.
        pace: Seconds between polls of one thing that are in force, by which lateness is judged.
        said: A problem that is on the screen already: who has the same one need not say it again.
        held: Whether a key was pressed so lately that rows keep their places.
        keys: The first key of each command that can be given, for people to read.
    """

    wall: datetime
    monotonic: float
    style: TimeStyle = TimeStyle.RELATIVE
    pace: float = math.inf
    said: Problem | None = None
    held: bool = False
    keys: Mapping[str, str] = MappingProxyType({})

    def key(self, command: str) -> Span:
        """The key of a command, to name it in a sentence; its name where it has none."""
        return Span(self.keys.get(command, command), Role.ACCENT)
