"""Queue of the refreshes that the user requested."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from comfytui.engine.protocol import Resource


class RefreshQueue:
    """Resources to refresh, each from a moment of the monotonic clock on, until it is requested.

    A refresh soon after the last one is put off, so that a key held down sends requests evenly instead of spending the
    whole window in a second.
    """

    def __init__(self) -> None:
        self._due: dict[Resource, float] = {}
        self._sent: dict[Resource, float] = {}

    @property
    def due(self) -> Mapping[Resource, float]:
        """Moment from which each resource is to be refreshed."""
        return MappingProxyType(self._due)

    def add(self, resources: Collection[Resource], now: float, least_s: float) -> None:
        """Queue resources, each at least `least_s` seconds after its last refresh."""
        for resource in resources:
            self._due.setdefault(resource, max(now, self._sent.get(resource, -math.inf) + least_s))

    def mark_sent(self, resource: Resource, now: float) -> None:
        """Record that a resource was requested; no refresh of it is due any more."""
        if self._due.pop(resource, None) is not None:
            self._sent[resource] = now

    def retain(self, resources: Collection[Resource]) -> None:
        """Forget all other resources."""
        self._due = {resource: moment for resource, moment in self._due.items() if resource in resources}
        self._sent = {resource: moment for resource, moment in self._sent.items() if resource in resources}

    def clear(self) -> None:
        """Forget all refreshes."""
        self.retain(())
