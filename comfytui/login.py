"""How the dashboard gets in: what the token screen asks of whoever knows tokens and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pydantic import SecretStr


class Verdict(NamedTuple):
    """Whether a token was taken, and what there is to say of it: one sentence without the token, or nothing."""

    taken: bool
    words: str = ""


class Door(Protocol):
    """Tries tokens, keeps one, and switches between the API, a ComfyUI of this machine, and the simulated fleet."""

    @property
    def source(self) -> str:
        """Where the runners come from, for people to read."""
        ...

    @property
    def place(self) -> str:
        """Where a token would be saved, for people to read."""
        ...

    async def enter(self, token: SecretStr, *, save: bool) -> Verdict:
        """Ask the API whether it takes this token; if so use it from now on, and keep it if that is wished."""
        ...

    async def find_comfyui(self) -> str:
        """The address of a ComfyUI on this machine that answers, for people to read; empty where none does."""
        ...

    def enter_comfyui(self) -> None:
        """Watch that ComfyUI from now on."""
        ...

    def enter_demo(self) -> None:
        """Use the simulated fleet from now on."""
        ...


class OpenDoor:
    """The door of a source that asks for no token."""

    def __init__(self, source: str) -> None:
        self._source = source

    @property
    def source(self) -> str:
        """Where the runners come from."""
        return self._source

    @property
    def place(self) -> str:
        """Nowhere."""
        return ""

    async def enter(self, _token: SecretStr, *, save: bool) -> Verdict:
        """Any token will do, and none is kept."""
        return Verdict(taken=True, words="It is not kept: none is needed here." if save else "")

    async def find_comfyui(self) -> str:
        """None is looked for."""
        return ""

    def enter_comfyui(self) -> None:
        """None was found."""

    def enter_demo(self) -> None:
        """One is in already."""
