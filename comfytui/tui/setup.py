"""What the dashboard is set up with, beside the fleet it watches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from comfytui.config.state import Forgetful
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


@dataclass(frozen=True, slots=True)
class Setup:
    """What the dashboard is set up with.

    Attributes:
        fleets: The fleets one can switch to.
        keymap: The keys that differ from the usual ones.
        memory: Where the view is kept.
        colours: How many colours may be drawn.
        ascii: Whether nothing but ASCII may be drawn.
        mouse: Whether the mouse is reported at the start.
        time_style: How times are told at the start, None for as remembered.
        environ: What tells of the ways to a clipboard.
        saves_in: Where views are saved.
        copies_in: Where a copy is put that no clipboard takes.
    """

    fleets: Fleets = field(default_factory=OneFleet)
    keymap: Keymap = field(default_factory=Keymap)
    memory: Remembers = field(default_factory=Forgetful)
    colours: Colours = Colours.TRUECOLOR
    ascii: bool = False
    mouse: bool = True
    time_style: TimeStyle | None = None
    environ: Mapping[str, str] = field(default_factory=dict)
    saves_in: Path = Path()
    copies_in: Path = Path()
