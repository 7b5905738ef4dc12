"""The commands in the palette: those that can be given on the screen it was opened from."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from textual.command import DiscoveryHit, Hit, Provider

from comfytui.tui.commands import COMMANDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from textual.binding import ActiveBinding

__all__ = ["CommandProvider"]


class CommandProvider(Provider):
    """Offers every command that works where the palette was opened, with its keys."""

    async def discover(self) -> AsyncIterator[DiscoveryHit]:
        """All of them, before anything is typed."""
        for title, keys, run in self._available():
            yield DiscoveryHit(title, run, help=keys)

    async def search(self, query: str) -> AsyncIterator[Hit]:
        """Those that match what is typed, best first."""
        matcher = self.matcher(query)
        for title, keys, run in self._available():
            if (score := matcher.match(title)) > 0:
                yield Hit(score, matcher.highlight(title), run, help=keys)

    def _available(self) -> Iterator[tuple[str, str, Callable[[], Awaitable[bool]]]]:
        """Title, key and deed of each command, in the order of their declaration."""
        active: dict[str | None, ActiveBinding] = {}
        for each in self.screen.active_bindings.values():
            active.setdefault(each.binding.id, each)
        for declared in COMMANDS:
            if declared.in_palette and (found := active.get(declared.id)) is not None:
                keys = self.app.get_key_display(found.binding)
                yield declared.help, keys, partial(self.app.run_action, found.binding.action, found.node)
