"""Login: what the token screen needs from a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pydantic import SecretStr


class LoginResult(NamedTuple):
    """Result of a login: accepted or not, and a message without the token, or empty."""

    accepted: bool
    message: str = ""


class Authenticator(Protocol):
    """Protocol that logs in with a token, or switches to a local ComfyUI or the demo fleet."""

    @property
    def source(self) -> str:
        """Name of the data source, for display."""
        ...

    @property
    def token_path(self) -> str:
        """Path where a token would be saved, for display."""
        ...

    async def login(self, token: SecretStr, *, save: bool) -> LoginResult:
        """Check a token with the API; if accepted, use it and save it if `save`."""
        ...

    async def detect_comfyui(self) -> str:
        """Return the address of a ComfyUI on this machine, for display; empty if none answers."""
        ...

    def use_comfyui(self) -> None:
        """Switch to that ComfyUI."""
        ...

    def use_demo(self) -> None:
        """Switch to the demo fleet."""
        ...


class NoAuthentication:
    """Authenticator of a backend that needs no token."""

    def __init__(self, source: str) -> None:
        self._source = source

    @property
    def source(self) -> str:
        """Name of the data source."""
        return self._source

    @property
    def token_path(self) -> str:
        """Empty: no token is saved."""
        return ""

    async def login(self, _token: SecretStr, *, save: bool) -> LoginResult:
        """Accept any token and save none."""
        return LoginResult(accepted=True, message="It is not kept: none is needed here." if save else "")

    async def detect_comfyui(self) -> str:
        """Return nothing: no server is looked for."""
        return ""

    def use_comfyui(self) -> None:
        """Do nothing: there is no local server."""

    def use_demo(self) -> None:
        """Do nothing: the backend is in use already."""
