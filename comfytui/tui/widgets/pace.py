"""Acting on a burst of wishes at its beginning and at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from textual.dom import DOMNode
    from textual.timer import Timer

__all__ = ["Pace"]


class Pace:
    """Acts at once on a wish that comes alone, and once more when a burst of them has ended.

    So one key press is answered without delay, and a key held down asks for nothing on the way.
    """

    def __init__(self, owner: DOMNode, quiet: float, act: Callable[[], None]) -> None:
        """Make a pace.

        Args:
            owner: Whose timer it is.
            quiet: Seconds without a wish that end a burst.
            act: What is wished.
        """
        self._owner = owner
        self._quiet = quiet
        self._act = act
        self._timer: Timer | None = None
        self._again = False

    def wish(self) -> None:
        """Act now, or when the burst that this belongs to has ended."""
        self._again = self._timer is not None
        if self._timer is not None:
            self._timer.stop()
        self._timer = self._owner.set_timer(self._quiet, self._burst_ended)
        if not self._again:
            self._act()

    def now(self) -> None:
        """Act at once, and not again for what was wished before."""
        self._again = False
        self._act()

    def _burst_ended(self) -> None:
        self._timer = None
        if self._again:
            self.now()
