"""A permit that notes what becomes of it."""

from __future__ import annotations

import asyncio

__all__ = ["NotedPermit"]


class NotedPermit:
    """Permit of nobody's allowance.

    Attributes:
        events: What was called, in order.

    Args:
        may_send: Set while requests may be sent.
    """

    def __init__(self, may_send: asyncio.Event) -> None:
        self._may_send = may_send
        self.events: list[str] = []

    async def confirm(self) -> None:
        await self._may_send.wait()
        self.events.append("confirm")

    def mark_sent(self) -> None:
        self.events.append("sent")

    def release(self) -> None:
        self.events.append("release")
