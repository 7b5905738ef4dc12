"""Which keys give which command: what is declared, a preset's changes, and what a person says otherwise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from types import MappingProxyType
from typing import NamedTuple

from comfytui.tui.keys.commands import COMMANDS, Command, Scope
from comfytui.tui.keys.names import EXAMPLES, display_key, is_printable, parse_key, terminal_equivalents

_COMMANDS: Mapping[str, Command] = {declared.id: declared for declared in COMMANDS}

_DECLARED: Mapping[str, tuple[str, ...]] = {
    declared.id: tuple(key for written in declared.keys.split(",") if (key := parse_key(written)) is not None)
    for declared in COMMANDS
}

_BACK = (
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
        # The last ones are what the Kitty protocol makes of < and > on most keyboards.
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
"""What each preset changes, the keys as people spell them; the first of a command is the one the footer shows."""

_TOGETHER = (
    (Scope.TABLE, Scope.DASHBOARD, Scope.WATCHING, Scope.ANYWHERE),
    (Scope.PANEL, Scope.DASHBOARD, Scope.WATCHING, Scope.ANYWHERE),
    (Scope.FILTER, Scope.PROMPT, Scope.DASHBOARD, Scope.WATCHING, Scope.ANYWHERE),
    (Scope.PANEL, Scope.WORKFLOW, Scope.WATCHING, Scope.ANYWHERE),
    (Scope.PANEL, Scope.HELP, Scope.ANYWHERE),
    (Scope.TABLE, Scope.LOG, Scope.ANYWHERE),
    (Scope.CHOICE, Scope.DOOR, Scope.ANYWHERE),
    (Scope.TABLE, Scope.CHOOSER),
    (Scope.PALETTE,),
)
"""The places whose commands can be given at the same time."""

_TYPED_INTO = frozenset({Scope.PROMPT, Scope.PALETTE, Scope.DOOR})


class KeymapError(ValueError):
    """Keys that cannot be given; `str` says why in one sentence, without what was written as a key.

    Attributes:
        command: The command's name as it was written, or `preset`.
        others: What else cannot be.
    """

    def __init__(self, command: str, message: str) -> None:
        super().__init__(message)
        self.command = command
        self.others: tuple[KeymapError, ...] = ()


class Keymap(NamedTuple):
    """The keys that differ from the declared ones.

    Attributes:
        keys: The keys of each such command by its id, as Textual spells them; empty where it has none.
    """

    keys: Mapping[str, tuple[str, ...]] = MappingProxyType({})

    @property
    def textual(self) -> dict[str, str]:
        """The same for `App.set_keymap`, which would take an empty list for no change."""
        return {command_id: ",".join(keys) or placeholder_key(command_id) for command_id, keys in self.keys.items()}

    def of(self, command_id: str) -> tuple[str, ...]:
        """The keys of a command, changed or not, as Textual spells them.

        Raises:
            KeyError: There is no such command.
        """
        return self.keys.get(command_id, _DECLARED[command_id])

    def first(self, command_id: str) -> str | None:
        """The command's first key as it stands in a sentence (`/`, `ctrl+p`, `enter`), None where it has none."""
        return next(map(display_key, self.of(command_id)), None)


def placeholder_key(command_id: str) -> str:
    """What stands for the key of a command that has none; no terminal can send it."""
    return f"<{command_id}>"


def build_keymap(preset: str, keys: Mapping[str, tuple[str, ...]]) -> Keymap:
    """The keymap of a preset with what a person says otherwise.

    Args:
        preset: One of `PRESETS`.
        keys: The keys of commands by id, as people spell them; none unbinds a command.

    Raises:
        KeymapError: A preset, a command or a key does not exist; a key would mean two things in one place, where no
            declaration has it so; a key would be typed where its command is to be given; or there would be no way to
            quit, or back from somewhere.
    """
    if preset not in PRESETS:
        raise KeymapError("preset", f"there is no such preset; there are {', '.join(PRESETS)}")
    wanted = {**PRESETS[preset], **keys}
    misspelt = [flaw for each, written in wanted.items() for flaw in _misspelt(each, written)]
    wrong = {flaw.command for flaw in misspelt}
    read = {each: _read(written) for each, written in wanted.items() if each not in wrong}
    keymap = Keymap({each: found for each, found in read.items() if found != _DECLARED[each]})
    _refuse([*misspelt, *_typed(keymap), *_clashes(keymap, keys), *_check_exits(keymap, keys)], [*keys])
    return keymap


def _refuse(flaws: Sequence[KeymapError], order: Sequence[str]) -> None:
    """Raise the first of these, if there are any, with the others: a person mends them all before the next start."""
    in_order = sorted(flaws, key=lambda flaw: order.index(flaw.command) if flaw.command in order else -1)
    by_words = {(flaw.command, str(flaw)): flaw for flaw in in_order}
    if by_words:
        first, *others = by_words.values()
        first.others = tuple(others)
        raise first


def _misspelt(command_id: str, written: tuple[str, ...]) -> Iterator[KeymapError]:
    """What is no command, and what is no key."""
    if command_id not in _COMMANDS:
        yield KeymapError(command_id, _unknown(command_id))
        return
    for place, each in enumerate(written, 1):
        if parse_key(each) is None:
            yield KeymapError(command_id, f"key {place} of {command_id} is no key; keys are spelled {EXAMPLES}")


def _unknown(command_id: str) -> str:
    from difflib import get_close_matches

    near = get_close_matches(command_id, _COMMANDS, n=3)
    return "there is no such command" + (f"; near it: {', '.join(near)}" if near else "")


def _read(written: tuple[str, ...]) -> tuple[str, ...]:
    read = (key for each in written if (key := parse_key(each)) is not None)
    return tuple(dict.fromkeys(arrival for key in read for arrival in terminal_equivalents(key)))


def _typed(keymap: Keymap) -> Iterator[KeymapError]:
    """The keys that type where one types, but for those that come before the typing and have a meaning only there."""
    for command in map(_COMMANDS.__getitem__, keymap.keys):
        if command.where in _TYPED_INTO or _comes_first(command):
            for key in filter(is_printable, keymap.of(command.id)):
                key_name = display_key(key)
                words = f"{key_name} would be typed where {command.id} is to be given: take a key that types nothing"
                yield KeymapError(command.id, words)


def _clashes(keymap: Keymap, own: Mapping[str, object]) -> Iterator[KeymapError]:
    for one, other in _pairs(keymap):
        both = [key for key in keymap.of(one) if key in keymap.of(other)]
        if both and not set(_DECLARED[one]) & set(_DECLARED[other]):
            at_fault = next((each for each in reversed([*own]) if each in {one, other}), one)
            yield KeymapError(at_fault, f"{one} and {other} would both have the key {display_key(both[0])}")


def _pairs(keymap: Keymap) -> Iterator[tuple[str, str]]:
    """The commands that have other keys than declared, each with all that can be given at the same time."""
    for places in _TOGETHER:
        here = [each.id for each in COMMANDS if each.where in places or _comes_first(each)]
        for one, other in combinations(here, 2):
            if one in keymap.keys or other in keymap.keys:
                yield one, other


def _comes_first(command: Command) -> bool:
    """Whether its keys come before all others, wherever one is."""
    return command.priority and command.where is Scope.ANYWHERE


def _check_exits(keymap: Keymap, own: Mapping[str, object]) -> Iterator[KeymapError]:
    for command_id in _BACK:
        if not keymap.of(command_id):
            yield KeymapError(command_id, f"{command_id} needs a key: there would be no way back")
    if not keymap.of("quit") and not keymap.of("quit_at_once"):
        at_fault = "quit" if "quit" in own else "quit_at_once"
        yield KeymapError(at_fault, "quit or quit_at_once needs a key: there would be no way to quit")
