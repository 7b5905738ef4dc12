"""What a person wants to be asked now, and how often that may be repeated."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.engine.protocol import Resource


class Wishes:
    """Resources that are wished for, each from a moment of the monotonic clock on, until it is asked.

    A wish is for now. One that comes soon after the last was granted is put off, so that a key held down asks evenly
    instead of spending in a second what has to last for ten.
    """

    def __init__(self) -> None:
        self._from: dict[Resource, float] = {}
        self._granted: dict[Resource, float] = {}

    @property
    def moments(self) -> Mapping[Resource, float]:
        """From when on each is wanted."""
        return MappingProxyType(self._from)

    def add(self, resources: Collection[Resource], now: float, apart: float) -> None:
        """Wish for these, each at least `apart` seconds after the last time that a wish for it was granted."""
        for resource in resources:
            self._from.setdefault(resource, max(now, self._granted.get(resource, -math.inf) + apart))

    def grant(self, resource: Resource, now: float) -> None:
        """It is asked; whether it was wished for is not known to whoever says so."""
        if self._from.pop(resource, None) is not None:
            self._granted[resource] = now

    def keep(self, resources: Collection[Resource]) -> None:
        """Forget all but these."""
        self._from = {resource: moment for resource, moment in self._from.items() if resource in resources}
        self._granted = {resource: moment for resource, moment in self._granted.items() if resource in resources}

    def clear(self) -> None:
        """Nothing is wished for, and nothing was granted."""
        self.keep(())
