"""Broadcast of the latest value to any number of subscribers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestValue(Generic[T]):
    """Latest value, delivered to any number of subscribers.

    Nothing is queued: a subscriber that was busy while several values were set sees only the last of them.
    Not for more than one thread.

    Attributes:
        value: The latest value.
    """

    def __init__(self, value: T) -> None:
        self.value = value
        self._ended = False
        self._changed = asyncio.Event()

    def set(self, value: T) -> None:
        """Set the latest value and wake the subscribers."""
        self.value = value
        self._wake()

    def close(self) -> None:
        """End all subscriptions once they have seen the latest value."""
        self._ended = True
        self._wake()

    async def subscribe(self) -> AsyncIterator[T]:
        """Yield the latest value at once and after each change, until `close`."""
        while True:
            timing = self.value
            yield timing
            while self.value is timing:
                if self._ended:
                    return
                await self._changed.wait()

    def _wake(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
