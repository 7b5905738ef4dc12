"""Textual's bindings of the declared commands, and the keys that are live on a screen."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from textual.binding import Binding

from comfytui.tui.keys.commands import COMMANDS, Command, Scope
from comfytui.tui.keys.keymap import placeholder_key

if TYPE_CHECKING:
    from textual.screen import Screen


def bindings(*places: Scope) -> list[Binding]:
    """The key bindings of the commands of these places, each under its command's id."""
    return [_binding(declared) for declared in COMMANDS if declared.where in places]


def active_keys(screen: Screen[Any]) -> dict[str, list[str]]:
    """What works on this screen now: the keys of each command as people read them, none where it has no key.

    A key that is taken by something closer to the focus is not among them.
    """
    keys: dict[str, list[str]] = {}
    for key, active in screen.active_bindings.items():
        if (command_id := active.binding.id) is not None:
            found = keys.setdefault(command_id, [])
            if key != placeholder_key(command_id):
                found.append(screen.app.get_key_display(active.binding))
    return keys


def _binding(declared: Command) -> Binding:
    # Without a key there would be no binding, and the palette finds commands by their bindings.
    keys = declared.keys or placeholder_key(declared.id)
    return Binding(keys, declared.id, declared.help, show=False, priority=declared.priority, id=declared.id)
