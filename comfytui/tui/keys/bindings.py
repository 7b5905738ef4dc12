"""Textual bindings of the commands, and the keys that are active on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.binding import Binding

from comfytui.tui.keys.commands import COMMANDS, Command, Scope
from comfytui.tui.keys.keymap import placeholder_key

if TYPE_CHECKING:
    from textual.screen import Screen


def bindings_for(*scopes: Scope) -> list[Binding]:
    """Return the key bindings of all commands with one of these scopes, each under its command's id."""
    return [_binding(command) for command in COMMANDS if command.scope in scopes]


def active_keys(screen: Screen[Any]) -> dict[str, list[str]]:
    """Return the keys that work on this screen now by command, as shown to the user; empty if it has no key.

    A key that a widget closer to the focus handles is left out.
    """
    keys: dict[str, list[str]] = {}
    for key, active in screen.active_bindings.items():
        if (command_id := active.binding.id) is not None:
            found = keys.setdefault(command_id, [])
            if key != placeholder_key(command_id):
                found.append(screen.app.get_key_display(active.binding))
    return keys


def _binding(command: Command) -> Binding:
    # The palette finds commands by their bindings, so a command without a key needs a placeholder.
    keys = command.keys or placeholder_key(command.id)
    return Binding(keys, command.id, command.help, show=False, priority=command.priority, id=command.id)
