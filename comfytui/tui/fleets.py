"""Which fleets can be watched, and the one that is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from comfytui.engine.engine import Engine
    from comfytui.tui.door import Door

__all__ = ["Fleets", "OneFleet", "OpenFleet"]


@dataclass(frozen=True, slots=True)
class OpenFleet:
    """A fleet ready to be watched; nothing has been asked of it yet.

    Attributes:
        key: What its view is remembered under: the profile, or the host, or `demo`.
        engine: Polls it, once it is run; to be run once.
        door: How to get in.
        profile: The profile it was opened by, None without one.
        colour: The colour its name has in the header, one of `comfytui.config.settings.COLOURS`; None for the usual.
        close: Lets go of what it holds open; to be called after the engine has ended.
    """

    key: str
    engine: Engine
    door: Door
    profile: str | None = None
    colour: str | None = None
    close: Callable[[], None] = lambda: None


class Fleets(Protocol):
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


class OneFleet:
    """Where there are no profiles, there is nothing to switch to."""

    @property
    def profiles(self) -> tuple[str, ...]:
        """None."""
        return ()

    def open(self, profile: str) -> OpenFleet:
        """Nobody asks for what is not offered."""
        raise LookupError(profile)
