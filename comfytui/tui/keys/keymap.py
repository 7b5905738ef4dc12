"""Keymaps: default keys, the changes of a preset, and the user's own keys."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

from comfytui.tui.keys.commands import COMMANDS, Command, Scope
from comfytui.tui.keys.names import EXAMPLES, display_key, is_printable, parse_key, terminal_equivalents

_COMMANDS: Mapping[str, Command] = {declared.id: declared for declared in COMMANDS}

_DEFAULT_KEYS: Mapping[str, tuple[str, ...]] = {
    declared.id: tuple(key for written in declared.keys.split(",") if (key := parse_key(written)) is not None)
    for declared in COMMANDS
}

_EXIT_COMMANDS = (
    "back",
    "close_workflow",
    "close_help",
    "close_log",
    "close_prompt",
    "close_chooser",
    "close_palette",
    "leave_token",
)

PRESETS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "default": {},
    "vim": {
        "page_up": ("ctrl+b", "ctrl+u", "pageup"),
        "page_down": ("ctrl+f", "ctrl+d", "pagedown"),
        "scroll_page_up": ("ctrl+b", "ctrl+u", "pageup"),
        "scroll_page_down": ("ctrl+f", "ctrl+d", "pagedown"),
        "next_pane": ("tab", "right", "l", "ctrl+w"),
        "palette_up": ("up", "ctrl+p"),
        "palette_down": ("down", "ctrl+n"),
        "command_palette": (":", "ctrl+p"),
    },
    "emacs": {
        "cursor_up": ("ctrl+p", "up", "k"),
        "cursor_down": ("ctrl+n", "down", "j"),
        "page_up": ("alt+v", "pageup"),
        "page_down": ("ctrl+v", "pagedown"),
        # The Kitty protocol reports < and > as shift+, and shift+. on most keyboards, hence the last keys.
        "first_row": ("alt+<", "home", "g", "alt+shift+,"),
        "last_row": ("alt+>", "end", "G", "alt+shift+."),
        "scroll_up": ("ctrl+p", "up", "k"),
        "scroll_down": ("ctrl+n", "down", "j"),
        "scroll_page_up": ("alt+v", "pageup"),
        "scroll_page_down": ("ctrl+v", "pagedown"),
        "scroll_top": ("alt+<", "home", "g", "alt+shift+,"),
        "scroll_end": ("alt+>", "end", "G", "alt+shift+."),
        "next_pane": ("tab", "ctrl+f", "right", "l"),
        "previous_pane": ("shift+tab", "ctrl+b", "left", "h"),
        "filter": ("ctrl+s", "/"),
        "command_palette": ("alt+x", ":"),
        "palette_up": ("ctrl+p", "up"),
        "palette_down": ("ctrl+n", "down"),
        "back": ("ctrl+g", "escape"),
        "close_workflow": ("ctrl+g", "escape"),
        "close_help": ("ctrl+g", "escape", "?"),
        "close_log": ("ctrl+g", "escape", "L"),
        "close_prompt": ("ctrl+g", "escape"),
        "close_chooser": ("ctrl+g", "escape", "enter", "c"),
        "close_palette": ("ctrl+g", "escape"),
        "leave_token": ("ctrl+g", "escape"),
    },
    "tmux-safe": {
        "command_palette": (":",),
        "redraw": (),
        "suspend_process": (),
        "back": ("escape", "backspace"),
        "close_workflow": ("escape", "backspace"),
        "close_help": ("escape", "backspace", "?"),
        "close_log": ("escape", "backspace", "L"),
        "close_chooser": ("escape", "backspace", "enter", "c"),
    },
}
"""Changes of each preset, with keys as users spell them; the footer shows the first key of a command."""

_ACTIVE_TOGETHER = (
    (Scope.TABLE, Scope.DASHBOARD, Scope.ITEM, Scope.ANYWHERE),
    (Scope.PANEL, Scope.DASHBOARD, Scope.ITEM, Scope.ANYWHERE),
    (Scope.FILTER, Scope.PROMPT, Scope.DASHBOARD, Scope.ITEM, Scope.ANYWHERE),
    (Scope.PANEL, Scope.WORKFLOW, Scope.ITEM, Scope.ANYWHERE),
    (Scope.PANEL, Scope.HELP, Scope.ANYWHERE),
    (Scope.TABLE, Scope.LOG, Scope.ANYWHERE),
    (Scope.CHOICE, Scope.LOGIN, Scope.ANYWHERE),
    (Scope.TABLE, Scope.CHOOSER),
    (Scope.PALETTE,),
)
"""Scopes whose commands are available at the same time."""

_TEXT_SCOPES = frozenset({Scope.PROMPT, Scope.PALETTE, Scope.LOGIN})


class KeymapError(ValueError):
    """Invalid keys; the message is one sentence and does not repeat what was entered as a key.

    Attributes:
        command: Command as it was entered, or `preset`.
        others: Further errors.
    """

    def __init__(self, command: str, message: str) -> None:
        super().__init__(message)
        self.command = command
        self.others: tuple[KeymapError, ...] = ()


class Keymap(NamedTuple):
    """Keys that differ from the defaults.

    Attributes:
        overrides: Keys by command id, as Textual spells them; empty if a command has none.
    """

    overrides: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    @property
    def as_textual(self) -> dict[str, str]:
        """Overrides for `App.set_keymap`, which would ignore an empty list of keys."""
        return {
            command_id: ",".join(keys) or placeholder_key(command_id) for command_id, keys in self.overrides.items()
        }

    def keys(self, command_id: str) -> tuple[str, ...]:
        """Return the keys of a command, changed or not, as Textual spells them.

        Raises:
            KeyError: The command is unknown.
        """
        return self.overrides.get(command_id, _DEFAULT_KEYS[command_id])

    def primary_key(self, command_id: str) -> str | None:
        """Return the command's first key as shown to the user (`/`, `ctrl+p`, `enter`), or None if it has none."""
        return next(map(display_key, self.keys(command_id)), None)


def placeholder_key(command_id: str) -> str:
    """Return the placeholder for the key of a command without keys; no terminal can send it."""
    return f"<{command_id}>"


def build_keymap(preset: str, keys: Mapping[str, tuple[str, ...]]) -> Keymap:
    """Build the keymap of a preset and the user's keys.

    Args:
        preset: One of `PRESETS`.
        keys: Keys by command id, as users spell them; empty unbinds a command.

    Raises: KeymapError: A preset, a command or a key is unknown; a key has two meanings in one place other than by
        default; a key would be typed into a text box of its command; or no key is left to quit or to leave a screen.
    """
    if preset not in PRESETS:
        raise KeymapError("preset", f"unknown preset; use one of {', '.join(PRESETS)}")
    wanted = {**PRESETS[preset], **keys}
    unknown = [error for command_id, spelled in wanted.items() for error in _check_names(command_id, spelled)]
    invalid = {error.command for error in unknown}
    parsed = {key: _parse_keys(spelled) for key, spelled in wanted.items() if key not in invalid}
    keymap = Keymap({key: found for key, found in parsed.items() if found != _DEFAULT_KEYS[key]})
    _raise_all(
        [*unknown, *_check_printable(keymap), *_check_conflicts(keymap, keys), *_check_exits(keymap, keys)], [*keys]
    )
    return keymap


def _raise_all(errors: Sequence[KeymapError], order: Sequence[str]) -> None:
    """Raise the first error, if any, with the others attached, so that the user can fix all of them at once."""
    in_order = sorted(errors, key=lambda error: order.index(error.command) if error.command in order else -1)
    distinct = {(error.command, str(error)): error for error in in_order}
    if distinct:
        first, *others = distinct.values()
        first.others = tuple(others)
        raise first


def _check_names(command_id: str, spelled: tuple[str, ...]) -> Iterator[KeymapError]:
    """Yield errors for an unknown command and for unknown keys."""
    if command_id not in _COMMANDS:
        yield KeymapError(command_id, _unknown_message(command_id))
        return
    for number, key in enumerate(spelled, 1):
        if parse_key(key) is None:
            yield KeymapError(command_id, f"key {number} of {command_id} is unknown; keys are spelled {EXAMPLES}")


def _unknown_message(command_id: str) -> str:
    from difflib import get_close_matches

    similar = get_close_matches(command_id, _COMMANDS, n=3)
    return "unknown command" + (f"; similar: {', '.join(similar)}" if similar else "")


def _parse_keys(spelled: tuple[str, ...]) -> tuple[str, ...]:
    parsed = (key for name in spelled if (key := parse_key(name)) is not None)
    return tuple(dict.fromkeys(sent for key in parsed for sent in terminal_equivalents(key)))


def _check_printable(keymap: Keymap) -> Iterator[KeymapError]:
    """Yield errors for printable keys of commands that work in a text box, where such a key types a character."""
    for command in map(_COMMANDS.__getitem__, keymap.overrides):
        if command.scope in _TEXT_SCOPES or _has_priority(command):
            for key in filter(is_printable, keymap.keys(command.id)):
                key_name = display_key(key)
                message = f"{key_name} types a character in a text box: use another key for {command.id}"
                yield KeymapError(command.id, message)


def _check_conflicts(keymap: Keymap, own: Mapping[str, object]) -> Iterator[KeymapError]:
    for one, other in _active_pairs(keymap):
        both = [key for key in keymap.keys(one) if key in keymap.keys(other)]
        if both and not set(_DEFAULT_KEYS[one]) & set(_DEFAULT_KEYS[other]):
            culprit = next((command_id for command_id in reversed([*own]) if command_id in {one, other}), one)
            yield KeymapError(culprit, f"{one} and {other} have the same key {display_key(both[0])}")


def _active_pairs(keymap: Keymap) -> Iterator[tuple[str, str]]:
    """Yield pairs of commands available at the same time of which one has other keys than by default."""
    for scopes in _ACTIVE_TOGETHER:
        available = [command.id for command in COMMANDS if command.scope in scopes or _has_priority(command)]
        for one, other in combinations(available, 2):
            if one in keymap.overrides or other in keymap.overrides:
                yield one, other


def _has_priority(command: Command) -> bool:
    """Return True if the command's keys precede all others on every screen."""
    return command.priority and command.scope is Scope.ANYWHERE


def _check_exits(keymap: Keymap, own: Mapping[str, object]) -> Iterator[KeymapError]:
    for command_id in _EXIT_COMMANDS:
        if not keymap.keys(command_id):
            yield KeymapError(command_id, f"{command_id} needs a key, or its screen cannot be left")
    if not keymap.keys("quit") and not keymap.keys("quit_at_once"):
        culprit = "quit" if "quit" in own else "quit_at_once"
        yield KeymapError(culprit, "quit or quit_at_once needs a key, or the dashboard cannot be left")
