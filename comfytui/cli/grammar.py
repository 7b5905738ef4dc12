"""What a parser knows, as values: its commands, their options, and what is said of them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """An option, or an argument that has no flag.

    Attributes:
        flags: How it is spelled, such as `--help` and `-h`; none for an argument.
        value: What follows, or what stands for the argument; empty where nothing does.
        words: What it does.
    """

    flags: tuple[str, ...]
    value: str
    help: str


@dataclass(frozen=True, slots=True)
class OptionGroup:
    """Options that stand together, below a title; the first ones of a command have none."""

    title: str
    words: str
    options: tuple[Option, ...]


@dataclass(frozen=True, slots=True)
class Command:
    """The program itself, or one of its commands.

    Attributes:
        name: What is typed.
        words: What it is for, in a few words.
        description: The same at length.
        epilog: What is said after the options.
        groups: Its options and arguments.
        commands: Its own commands.
    """

    name: str
    words: str
    description: str
    epilog: str
    groups: tuple[OptionGroup, ...]
    commands: tuple[Command, ...] = ()


def describe_parser(parser: argparse.ArgumentParser, words: str = "") -> Command:
    """What a parser knows."""
    groups = (_group(parser, group) for group in parser._action_groups)
    return Command(
        name=parser.prog,
        words=words,
        description=parser.description or "",
        epilog=parser.epilog or "",
        groups=tuple(group for group in groups if group.options),
        commands=tuple(describe_parser(each, words) for each, words in _subparsers(parser)),
    )


def iter_actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Every option and argument of a parser and of its commands, as argparse has them."""
    yield from parser._actions
    for command, _ in _subparsers(parser):
        yield from iter_actions(command)


def _subparsers(parser: argparse.ArgumentParser) -> Iterator[tuple[argparse.ArgumentParser, str]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            said = {choice.dest: choice.help or "" for choice in action._choices_actions}
            yield from ((command, said.get(name, "")) for name, command in action.choices.items())


def _group(parser: argparse.ArgumentParser, group: argparse._ArgumentGroup) -> OptionGroup:
    # What argparse begins with has titles of its own, other ones with each of its versions.
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
