"""Generated tables of the documentation: `python -m tests.reference` rewrites them in `.github/docs`.

A table stands between `<!-- generated: NAME -->` and `<!-- end -->`, and is made from the declarations that the program
itself uses.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from pathlib import Path

from comfytui.cli.commands.keys import bound_commands
from comfytui.cli.parser import build_parser
from comfytui.tui.keys.keymap import PRESETS, Keymap, build_keymap

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".github" / "docs"

_REGION = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def render(document: str) -> str:
    """Return a document with its generated tables made anew."""
    tables = {"options": option_tables, "commands": command_table, "presets": preset_table}
    return _REGION.sub(lambda found: f"{found[1]}\n{tables[found[2]]()}\n\n{found[3]}", document)


def option_tables() -> str:
    """Return the options of the dashboard and of every command, a section each."""
    program = build_parser()
    sections = ["## The dashboard: `comfytui`", *(_table(group) for group in program._action_groups if _actions(group))]
    known = {group.title: _actions(group) for group in program._action_groups}
    for name, command in _commands(program):
        sections += [f"## `comfytui {name}`", " ".join((command.description or "").split())]
        groups = [group for group in command._action_groups if _actions(group)]
        shared = [group for group in groups if known.get(group.title) == _actions(group)]
        sections += [_table(group) for group in groups if group not in shared]
        if shared:
            sections.append(f"Also {' and '.join(f'*{group.title}*' for group in shared)} of the dashboard.")
    return "\n\n".join(sections)


def command_table() -> str:
    """Return all commands with their default keys."""
    rows = (
        f"| `{command.command}` | {_code(command.keys)} | {command.scope} | {command.description} |"
        for command in bound_commands(Keymap())
    )
    return "\n".join(("| command | keys | where | what it does |", "|---|---|---|---|", *rows))


def preset_table() -> str:
    """Return the commands whose keys a preset changes."""
    default = bound_commands(Keymap())
    rows = (
        f"| `{preset}` | `{command.command}` | {_code(command.keys)} |"
        for preset in PRESETS
        for command in bound_commands(build_keymap(preset, {}))
        if command not in default
    )
    return "\n".join(("| preset | command | keys |", "|---|---|---|", *rows))


def _commands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _actions(group: argparse._ArgumentGroup) -> dict[str, str]:
    """Return the help of each option by its spelling, without `--help` and the commands."""
    return {
        _spelling(action): action.help or ""
        for action in group._group_actions
        if action.dest != "help" and not isinstance(action, argparse._SubParsersAction)
    }


def _table(group: argparse._ArgumentGroup) -> str:
    # Titles of the first two groups differ between versions of argparse.
    title = {"positional arguments": "argument", "options": "option"}.get(group.title or "", group.title)
    return "\n".join((f"| {title} | |", "|---|---|", *map(_row, _actions(group).items())))


def _row(entry: tuple[str, str]) -> str:
    spelling, meaning = (text.replace("|", r"\|") for text in entry)
    return f"| `{spelling}` | {meaning} |"


def _spelling(action: argparse.Action) -> str:
    value = action.metavar or ("|".join(map(str, action.choices)) if action.choices else action.dest.upper())
    return " ".join((", ".join(action.option_strings), "" if action.nargs == 0 else str(value))).strip()


def _code(keys: tuple[str, ...]) -> str:
    return " ".join(f"`{key}`" for key in keys)


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.md")):
        path.write_text(render(path.read_text(encoding="utf-8")), encoding="utf-8")
