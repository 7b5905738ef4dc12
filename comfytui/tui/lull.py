"""Letting what comes in a burst come, before it is looked at once."""

from __future__ import annotations

import asyncio

__all__ = ["Lull"]


class Lull:
    """A short rest that whoever is in a hurry can end.

    Args:
        seconds: How long it is where nobody is.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._over: asyncio.Future[None] | None = None

    async def rest(self) -> None:
        """Return once it is over."""
        loop = asyncio.get_running_loop()
        self._over = loop.create_future()
        alarm = loop.call_later(self._seconds, self.end)
        try:
            await self._over
        finally:
            alarm.cancel()
            self._over = None

    def end(self) -> None:
        """Let it be over now; nothing where there is none."""
        if self._over is not None and not self._over.done():
            self._over.set_result(None)
