"""One value that changes, and whoever follows it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")


class LatestValue(Generic[T]):
    """Holds the newest of a row of values and hands it to any number of followers, each at its own pace.

    Nothing is queued: a follower that was busy while several values were put sees only the last of them.
    Not for more than one thread.

    Attributes:
        value: The newest value.
    """

    def __init__(self, value: T) -> None:
        self.value = value
        self._ended = False
        self._changed = asyncio.Event()

    def set(self, value: T) -> None:
        """Make this the newest value and wake the followers."""
        self.value = value
        self._wake()

    def close(self) -> None:
        """Let followers stop once they have seen the newest value."""
        self._ended = True
        self._wake()

    async def subscribe(self) -> AsyncIterator[T]:
        """The newest value at once, then the newest after each change, until the end."""
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
