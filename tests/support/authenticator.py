"""A door that takes one token."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from comfytui.login import LoginResult

if TYPE_CHECKING:
    from pydantic import SecretStr

__all__ = ["OneTokenDoor"]


class OneTokenDoor:
    """Takes `token`, refuses any other in the API's words, and remembers what was wished.

    Attributes:
        comfyui: Where a ComfyUI answers, once it is `found`; none at first.
        found: Set once the search for one is over.
    """

    def __init__(self, token: str = "cfc_right") -> None:
        self._token = token
        self.saved: list[str] = []
        self.tried: list[str] = []
        self.in_demo = self.in_comfyui = False
        self.comfyui = ""
        self.found = asyncio.Event()

    @property
    def source(self) -> str:
        if self.in_comfyui:
            return self.comfyui
        return "demo" if self.in_demo else "api.test"

    @property
    def token_path(self) -> str:
        return "~/.config/comfytui/token"

    async def login(self, token: SecretStr, *, save: bool) -> LoginResult:
        self.tried.append(token.get_secret_value())
        if token.get_secret_value() != self._token:
            return LoginResult(accepted=False, message="The API does not take it: Invalid token")
        if save:
            self.saved.append(token.get_secret_value())
        return LoginResult(accepted=True)

    async def detect_comfyui(self) -> str:
        await self.found.wait()
        return self.comfyui

    def use_comfyui(self) -> None:
        self.in_comfyui = True

    def use_demo(self) -> None:
        self.in_demo = True
