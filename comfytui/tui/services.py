"""Services of the app: fleets and their resources, saved state, terminal options."""

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
    """Resources of a fleet that is watched.

    Attributes:
        engine: Engine of the fleet, to be run once.
        authenticator: Login.
        close: Closes files and connections, after the engine has ended.
        renew: Looks for a newer token after a rejection, or None if there cannot be one.
    """

    engine: Engine
    authenticator: Authenticator
    close: Callable[[], None] = lambda: None
    renew: Callable[[], Awaitable[bool]] | None = None


class OpenFleet:
    """Fleet that can be watched; nothing is requested yet.

    Its resources are created at first use, so that the first frame can be drawn before.

    Attributes:
        key: Key of its saved view: the profile, the host, or `demo`.
        first: Snapshot before the first request.
        profile: Its profile, or None.
        accent_color: Color of its name in the header, one of ACCENT_COLORS, or None.

    Args:
        source: Name of the data source, for display.
        make: Creates the resources for an initial viewport.
    """

    def __init__(
        self,
        key: str,
        source: str,
        first: Snapshot,
        make: Callable[[Viewport], FleetResources],
        profile: str | None = None,
        accent_color: str | None = None,
    ) -> None:
        self.key = key
        self.first = first
        self.profile = profile
        self.accent_color = accent_color
        self._source = source
        self._make = make
        self._made: FleetResources | None = None

    @property
    def engine(self) -> Engine:
        """Engine of the fleet."""
        return self._resources.engine

    @property
    def authenticator(self) -> Authenticator:
        """Login of the fleet."""
        return self._resources.authenticator

    @property
    def renew(self) -> Callable[[], Awaitable[bool]] | None:
        """Function that looks for a newer token after a rejection, or None if there cannot be one."""
        return self._resources.renew

    @property
    def source(self) -> str:
        """Name of the data source, for display."""
        return self._source if self._made is None else self._made.authenticator.source

    def set_initial_viewport(self, viewport: Viewport) -> None:
        """Set the viewport to start with, before the resources are created."""
        self.first = self.first._replace(viewport=viewport)

    def close(self) -> None:
        """Close the resources, after the engine has ended."""
        if self._made is not None:
            self._made.close()

    @property
    def _resources(self) -> FleetResources:
        if self._made is None:
            self._made = self._make(self.first.viewport)
        return self._made


class FleetDirectory(Protocol):
    """Directory of fleets by profile."""

    @property
    def profiles(self) -> tuple[str, ...]:
        """Names of the profiles, in the order of the configuration."""
        ...

    def open(self, profile: str) -> OpenFleet:
        """Open the fleet of a profile, whose settings precede those of the environment.

        Raises:
            SettingsError: It cannot be used; the message tells why.
        """
        ...


class SingleFleet:
    """Directory without profiles."""

    @property
    def profiles(self) -> tuple[str, ...]:
        """Empty: there are no profiles."""
        return ()

    def open(self, profile: str) -> OpenFleet:
        """Raise LookupError: there are no profiles."""
        raise LookupError(profile)


class StateStoreProtocol(Protocol):
    """Store of the state that is saved between starts.

    Attributes:
        state: Saved state, as far as it could be read.
        warning: Message about a state that could not be read or saved, or None.
    """

    state: State
    warning: str | None

    def save(self, state: State) -> None:
        """Save a state for the next start, if it differs from the saved one."""
        ...


class AppServices(NamedTuple):
    """Services and options of the dashboard.

    Attributes:
        state_store: Store of the saved state.
        fleets: Fleets to switch to.
        keymap: Keys of the commands.
        color_depth: Colors of the terminal.
        ascii: True if only ASCII is drawn.
        mouse: True if the mouse is reported at the start.
        time_style: Style of times at the start, or None for the saved one.
        environ: Environment, which tells the ways to a clipboard.
        export_dir: Directory of saved views.
        clipboard_dir: Directory of copies without a clipboard.
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
