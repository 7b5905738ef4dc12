"""How the dashboard gets in: what the token screen asks of whoever knows tokens and sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pydantic import SecretStr


class LoginResult(NamedTuple):
    """Whether a token was taken, and what there is to say of it: one sentence without the token, or nothing."""

    accepted: bool
    message: str = ""


class Authenticator(Protocol):
    """Tries tokens, keeps one, and switches between the API, a ComfyUI of this machine, and the simulated fleet."""

    @property
    def source(self) -> str:
        """Where the runners come from, for people to read."""
        ...

    @property
    def token_path(self) -> str:
        """Where a token would be saved, for people to read."""
        ...

    async def login(self, token: SecretStr, *, save: bool) -> LoginResult:
        """Ask the API whether it takes this token; if so use it from now on, and keep it if that is wished."""
        ...

    async def detect_comfyui(self) -> str:
        """The address of a ComfyUI on this machine that answers, for people to read; empty where none does."""
        ...

    def use_comfyui(self) -> None:
        """Watch that ComfyUI from now on."""
        ...

    def use_demo(self) -> None:
        """Use the simulated fleet from now on."""
        ...


class NoAuthentication:
    """The door of a source that asks for no token."""

    def __init__(self, source: str) -> None:
        self._source = source

    @property
    def source(self) -> str:
        """Where the runners come from."""
        return self._source

    @property
    def token_path(self) -> str:
        """Nowhere."""
        return ""

    async def login(self, _token: SecretStr, *, save: bool) -> LoginResult:
        """Any token will do, and none is kept."""
        return LoginResult(accepted=True, message="It is not kept: none is needed here." if save else "")

    async def detect_comfyui(self) -> str:
        """None is looked for."""
        return ""

    def use_comfyui(self) -> None:
        """None was found."""

    def use_demo(self) -> None:
        """One is in already."""
