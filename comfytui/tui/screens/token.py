"""Login screen, at the first start and after a rejected token."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pydantic import SecretStr
from textual import on
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from comfytui.config.credentials import trim_token
from comfytui.tui.keys.bindings import bindings_for
from comfytui.tui.keys.commands import Scope
from comfytui.tui.screen_stack import OwnScreen
from comfytui.tui.widgets.inputs import Checkbox, TextInput

if TYPE_CHECKING:
    from textual.app import ComposeResult
    from textual.binding import BindingType

    from comfytui.clock import Clock
    from comfytui.login import Authenticator


HELP_TEXT = "Tokens are made in ComfyControl's web app: account settings, API Tokens. Each is shown there only once."

_DETECT_INTERVAL_S = 3.0
"""Seconds between tries to detect a local ComfyUI."""


class TokenScreen(OwnScreen[bool]):
    """Screen that checks a token with the API and saves it if asked to, or opens the demo.

    A ComfyUI on this machine is offered once it answers.
    Dismissed with True after a login, with False if cancelled.
    """

    CSS_PATH = "token.tcss"
    AUTO_FOCUS = "#token"
    BINDINGS: ClassVar[list[BindingType]] = [*bindings_for(Scope.LOGIN)]

    def __init__(self, authenticator: Authenticator, reason: str, clock: Clock) -> None:
        super().__init__()
        self._authenticator = authenticator
        self._clock = clock
        self._why = reason
        self._input = TextInput(password=True, placeholder="paste a token, then Enter", max_length=8192, id="token")
        self._save = Checkbox(f"keep it in {authenticator.token_path}", id="save")
        self._said = Static("", id="said", markup=False)
        self._comfyui = Button("", id="comfyui", compact=True)
        self._comfyui.display = False

    def compose(self) -> ComposeResult:
        """Compose the reason, the help, the input and the choices."""
        with VerticalScroll(id="ask", can_focus=False):
            yield Static(f"{self._authenticator.source}: {self._why}", id="why", markup=False)
            yield Static(HELP_TEXT, id="where", markup=False)
            yield self._input
            yield self._save
            yield self._said
            yield self._comfyui
            yield Button("Watch the demo instead", id="demo", compact=True)
            yield Static("Tab moves, Enter or Space chooses, Escape goes back, Ctrl+C quits.", id="keys", markup=False)

    def on_mount(self) -> None:
        """Start to look for a local ComfyUI."""
        self.run_worker(self._detect_comfyui(), name="comfyui", group="comfyui")

    @on(Input.Submitted, "#token")
    def _on_submitted(self) -> None:
        if trim_token(self._input.value):
            self._said.update("Asking the API …", layout=False)
            self.run_worker(self._log_in(), name="token", exclusive=True)

    @on(Button.Pressed, "#comfyui")
    def _use_local(self) -> None:
        self._authenticator.use_comfyui()
        self.dismiss(True)

    @on(Button.Pressed, "#demo")
    def _use_demo(self) -> None:
        self._authenticator.use_demo()
        self.dismiss(True)

    def action_leave_token(self) -> None:
        """Close the screen without a token."""
        self.dismiss(False)

    async def _detect_comfyui(self) -> None:
        """Offer the ComfyUI on this machine once it answers."""
        while not (name := await self._authenticator.detect_comfyui()):
            await self._clock.sleep(_DETECT_INTERVAL_S)
        self._comfyui.label = Content(f"Watch the ComfyUI on {name} instead")
        self._comfyui.display = True

    async def _log_in(self) -> None:
        token = SecretStr(trim_token(self._input.value))
        verdict = await self._authenticator.login(token, save=self._save.value)
        if verdict.accepted:
            if verdict.message:
                self.notify(verdict.message, markup=False)
            self.dismiss(True)
            return
        self._input.clear()
        self._said.update(verdict.message)
