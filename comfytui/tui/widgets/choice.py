"""A yes or no that reads without colour."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from textual.widgets import Static

from comfytui.tui.bindings import bindings
from comfytui.tui.commands import Where

if TYPE_CHECKING:
    from textual.binding import BindingType

__all__ = ["Choice"]


class Choice(Static, can_focus=True):
    """`[ ] words`, or `[x] words` once it was chosen.

    Attributes:
        chosen: Whether it is a yes.
    """

    BINDINGS: ClassVar[list[BindingType]] = [*bindings(Where.CHOICE)]

    def __init__(self, words: str, *, id: str | None = None) -> None:
        super().__init__("", id=id, markup=False)
        self.chosen = False
        self._words = words

    def on_mount(self) -> None:
        """Show it as it is."""
        self._show()

    def on_click(self) -> None:
        """A click chooses as the keys do."""
        self.action_choose()

    def action_choose(self, times: int = 1) -> None:
        """Say yes, or no again."""
        self.chosen = self.chosen != bool(times % 2)
        self._show()

    def _show(self) -> None:
        self.update(f"[{'x' if self.chosen else ' '}] {self._words}", layout=False)
