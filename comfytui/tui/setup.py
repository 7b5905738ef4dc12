"""What the dashboard is set up with, beside the fleet it watches."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from comfytui.tui.fleets import Fleets, OneFleet
from comfytui.tui.keymap import Keymap
from comfytui.tui.surroundings import Colours

if TYPE_CHECKING:
    from comfytui.config.state import State
    from comfytui.tui.present.units import TimeStyle

__all__ = ["Remembers", "Setup"]


class Remembers(Protocol):
    """Where the view is kept from one start to the next.

    Attributes:
        state: What was kept, as far as it could be read.
        note: What to tell the person about it, None where there is nothing to tell.
    """

    state: State
    note: str | None

    def remember(self, state: State) -> None:
        """Keep this for the next start; nothing is written where it is what was kept already."""
        ...


class Setup(NamedTuple):
    """What the dashboard is set up with.

    Attributes:
        memory: Where the view is kept.
        fleets: The fleets one can switch to.
        keymap: The keys that differ from the usual ones.
        colours: How many colours may be drawn.
        ascii: Whether nothing but ASCII may be drawn.
        mouse: Whether the mouse is reported at the start.
        time_style: How times are told at the start, None for as remembered.
        environ: What tells of the ways to a clipboard.
        saves_in: Where views are saved.
        copies_in: Where a copy is put that no clipboard takes.
    """

    memory: Remembers
    fleets: Fleets = OneFleet()
    keymap: Keymap = Keymap()
    colours: Colours = Colours.TRUECOLOR
    ascii: bool = False
    mouse: bool = True
    time_style: TimeStyle | None = None
    environ: Mapping[str, str] = MappingProxyType({})
    saves_in: Path = Path()
    copies_in: Path = Path()
