"""Description of a parser: commands, options and their help."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """Option, or a positional argument.

    Attributes:
        flags: Spellings such as `--help` and `-h`; empty for a positional argument.
        value: Placeholder of the value or argument; empty if there is none.
        help: Its help.
    """

    flags: tuple[str, ...]
    value: str
    help: str


@dataclass(frozen=True, slots=True)
class OptionGroup:
    """Group of options below a title; the first group of a command has none."""

    title: str
    words: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class CommandHelp:
    """The program, or one of its commands.

    Attributes:
        name: Name on the command line.
        words: Short description.
        description: Long description.
        epilog: Text after the options.
        groups: Options and arguments.
        commands: Subcommands.
    """

    name: str
    words: str
    description: str
    epilog: str
    groups: tuple[OptionGroup, ...]
    commands: tuple[CommandHelp, ...] = ()


def describe_parser(parser: argparse.ArgumentParser, words: str = "") -> CommandHelp:
    """Return the description of a parser."""
    groups = (_group(parser, group) for group in parser._action_groups)
    return CommandHelp(
        name=parser.prog,
        words=words,
        description=parser.description or "",
        epilog=parser.epilog or "",
        groups=tuple(group for group in groups if group.options),
        commands=tuple(describe_parser(each, words) for each, words in _subparsers(parser)),
    )


def iter_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Yield all actions of a parser and of its commands."""
    yield from parser._actions
    for command, _ in _subparsers(parser):
        yield from iter_actions(command)


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            said = {choice.dest: choice.help or "" for choice in action._choices_actions}
            yield from ((command, said.get(name, "")) for name, command in action.choices.items())


def _group(parser: argparse.ArgumentParser, group: argparse._ArgumentGroup) -> OptionGroup:
    # argparse's own groups have titles that differ between its versions.
    is_first = group in parser._action_groups[:2]
    options = tuple(
        _option(parser, action)
        for action in group._group_actions
        if action.help is not argparse.SUPPRESS and not isinstance(action, argparse._SubParsersAction)
    )
    return OptionGroup("" if is_first else group.title or "", group.description or "", options)


def _option(parser: argparse.ArgumentParser, action: argparse.Action) -> Option:
    words = (action.help or "") % {**vars(action), "prog": parser.prog}
    return Option(tuple(action.option_strings), _value(action), words)


def _value(action: argparse.Action) -> str:
    if action.nargs == 0:
        return ""
    if isinstance(action.metavar, str):
        return action.metavar
    if action.choices is not None:
        return "|".join(map(str, action.choices))
    return action.dest.upper()
