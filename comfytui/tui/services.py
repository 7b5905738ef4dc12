"""Which fleets can be watched, and the one that is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol

from comfytui.tui.keys.keymap import Keymap
from comfytui.tui.terminal.capabilities import ColorDepth

if TYPE_CHECKING:
    from comfytui.config.state import State
    from comfytui.engine.engine import Engine
    from comfytui.engine.protocol import Viewport
    from comfytui.engine.snapshot import Snapshot
    from comfytui.login import Authenticator
    from comfytui.render.times import TimeStyle


class FleetResources(NamedTuple):
    """What watches a fleet.

    Attributes:
        engine: Polls it, once it is run; to be run once.
        door: How to get in.
        close: Lets go of what it holds open; to be called after the engine has ended.
        renew: Looks for a newer token where the refused one came from; None if there cannot be one.
    """

    engine: Engine
    authenticator: Authenticator
    close: Callable[[], None] = lambda: None
    renew: Callable[[], Awaitable[bool]] | None = None


class OpenFleet:
    """A fleet ready to be watched; nothing has been asked of it yet.

    What watches it is made when it is first needed: a frame can be drawn before that, from what is known anyway.

    Attributes:
        key: What its view is remembered under: the profile, or the host, or `demo`.
        first: What is known before anything was asked.
        profile: The profile it was opened by, None without one.
        colour: The colour its name has in the header, one of `comfytui.config.settings.COLOURS`; None for the usual.

    Args:
        source: Where the runners come from, for people to read.
        make: Makes what watches it, what is attended first being this.
    """

    def __init__(
        self,
        key: str,
        source: str,
        first: Snapshot,
        make: Callable[[Viewport], FleetResources],
        profile: str | None = None,
        colour: str | None = None,
    ) -> None:
        self.key = key
        self.first = first
        self.profile = profile
        self.colour = colour
        self._source = source
        self._make = make
        self._made: FleetResources | None = None

    @property
    def engine(self) -> Engine:
        """What polls it."""
        return self._resources.engine

    @property
    def authenticator(self) -> Authenticator:
        """How to get in."""
        return self._resources.authenticator

    @property
    def renew(self) -> Callable[[], Awaitable[bool]] | None:
        """The way to a newer token once one is refused, or None if there is none."""
        return self._resources.renew

    @property
    def source(self) -> str:
        """Where the runners come from, for people to read."""
        return self._source if self._made is None else self._made.authenticator.source

    def set_initial_viewport(self, viewport: Viewport) -> None:
        """Have this attended first; to be called before anything watches the fleet."""
        self.first = self.first._replace(viewport=viewport)

    def close(self) -> None:
        """Let go of what is held open; to be called after the engine has ended."""
        if self._made is not None:
            self._made.close()

    @property
    def _resources(self) -> FleetResources:
        if self._made is None:
            self._made = self._make(self.first.viewport)
        return self._made


class FleetDirectory(Protocol):
    """Opens fleets by their profile."""

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names that can be opened, in the order of the configuration."""
        ...

    def open(self, profile: str) -> OpenFleet:
        """The fleet of a profile, by its own settings before those of the environment.

        Raises:
            SettingsError: It cannot be used; the sentence says why.
        """
        ...


class SingleFleet:
    """Where there are no profiles, there is nothing to switch to."""

    @property
    def profiles(self) -> tuple[str, ...]:
        """None."""
        return ()

    def open(self, profile: str) -> OpenFleet:
        """Nobody asks for what is not offered."""
        raise LookupError(profile)


class StateStoreProtocol(Protocol):
    """Where the view is kept from one start to the next.

    Attributes:
        state: What was kept, as far as it could be read.
        note: What to tell the person about it, None where there is nothing to tell.
    """

    state: State
    warning: str | None

    def save(self, state: State) -> None:
        """Keep this for the next start; nothing is written where it is what was kept already."""
        ...


class AppServices(NamedTuple):
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

    state_store: StateStoreProtocol
    fleets: FleetDirectory = SingleFleet()
    keymap: Keymap = Keymap()
    color_depth: ColorDepth = ColorDepth.TRUECOLOR
    ascii: bool = False
    mouse: bool = True
    time_style: TimeStyle | None = None
    environ: Mapping[str, str] = MappingProxyType({})
    export_dir: Path = Path()
    clipboard_dir: Path = Path()
