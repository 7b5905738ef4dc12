"""Acting once a moment has come that is often put off."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.dom import DOMNode

__all__ = ["Alarm"]


class Alarm:
    """Acts once, at the moment that was named last.

    Putting that off costs next to nothing, other than with a timer of Textual's, which is a task, and wakes its widget.
    """

    def __init__(self, owner: DOMNode, act: Callable[[], None]) -> None:
        """Make an alarm; nothing happens before `ring_in`.

        Args:
            owner: Among whose messages it has its turn.
            act: What is to be done.
        """
        self._owner = owner
        self._act = act
        self._due = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def ring_in(self, seconds: float) -> None:
        """Act so many seconds from now, whatever was said before."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + seconds
        if self._handle is None or self._handle.when() > self._due:
            self.stop()
            self._handle = loop.call_at(self._due, self._ring)

    def stop(self) -> None:
        """Do nothing any more."""
        if self._handle is not None:
            self._handle.cancel()
        self._handle = None

    def _ring(self) -> None:
        self._handle = None
        if (left := self._due - asyncio.get_running_loop().time()) > 0:
            # It was put off meanwhile.
            self.ring_in(left)
        else:
            self._owner.call_later(self._act)
