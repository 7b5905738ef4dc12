"""Acting on a burst of wishes once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.dom import DOMNode
    from textual.timer import Timer

__all__ = ["Pace"]


class Pace:
    """Puts off an action until wishes for it have been quiet for a while, so that a held key acts once."""

    def __init__(self, owner: DOMNode, seconds: float) -> None:
        self._owner = owner
        self._seconds = seconds
        self._timer: Timer | None = None

    @property
    def pending(self) -> bool:
        """Whether something is put off."""
        return self._timer is not None

    def soon(self, act: Callable[[], None]) -> None:
        """Act when nothing more is wished for a while; an earlier wish is forgotten."""
        self.forget()

        def at_last() -> None:
            self._timer = None
            act()

        self._timer = self._owner.set_timer(self._seconds, at_last)

    def now(self, act: Callable[[], None]) -> None:
        """Act at once, and not again for what was wished before."""
        self.forget()
        act()

    def forget(self) -> None:
        """Drop what was put off."""
        if self._timer is not None:
            self._timer.stop()
            self._timer = None
