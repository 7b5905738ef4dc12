"""Which fleets can be watched, and the one that is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from comfytui.engine.engine import Engine
    from comfytui.engine.snapshot import Attention, Snapshot
    from comfytui.tui.door import Door

__all__ = ["Fleets", "OneFleet", "OpenFleet", "Watch"]


class Watch(NamedTuple):
    """What watches a fleet.

    Attributes:
        engine: Polls it, once it is run; to be run once.
        door: How to get in.
        close: Lets go of what it holds open; to be called after the engine has ended.
        renew: Looks for a newer token where the refused one came from; None if there cannot be one.
    """

    engine: Engine
    door: Door
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
        make: Callable[[Attention], Watch],
        profile: str | None = None,
        colour: str | None = None,
    ) -> None:
        self.key = key
        self.first = first
        self.profile = profile
        self.colour = colour
        self._source = source
        self._make = make
        self._made: Watch | None = None

    @property
    def engine(self) -> Engine:
        """What polls it."""
        return self._watch.engine

    @property
    def door(self) -> Door:
        """How to get in."""
        return self._watch.door

    @property
    def renew(self) -> Callable[[], Awaitable[bool]] | None:
        """The way to a newer token once one is refused, or None if there is none."""
        return self._watch.renew

    @property
    def source(self) -> str:
        """Where the runners come from, for people to read."""
        return self._source if self._made is None else self._made.door.source

    def begin_with(self, attention: Attention) -> None:
        """Have this attended first; to be called before anything watches the fleet."""
        self.first = self.first._replace(attention=attention)

    def close(self) -> None:
        """Let go of what is held open; to be called after the engine has ended."""
        if self._made is not None:
            self._made.close()

    @property
    def _watch(self) -> Watch:
        if self._made is None:
            self._made = self._make(self.first.attention)
        return self._made


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
