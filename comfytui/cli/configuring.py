"""`comfytui config`: where the configuration is, what comes of it, whether it can be used, and a first one."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.cli.choosing import choices_for
from comfytui.cli.diagnostics import say
from comfytui.cli.output import write_json, write_lines
from comfytui.cli.status import ExitStatus
from comfytui.config.choices import resolve
from comfytui.config.files import cause, decode_text
from comfytui.config.paths import config_dir, config_file, exists, is_homeless, make_private, shown
from comfytui.config.secrets import permission_warnings
from comfytui.config.settings import SettingsError
from comfytui.private import make_directory
from comfytui.wiring import keymap_of

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from comfytui.config.choices import Choices
    from comfytui.config.lines import KeyPath

__all__ = ["run"]


def run(args: argparse.Namespace) -> int:
    """Do what the action says, and return the exit status.

    Raises:
        SettingsError: The configuration cannot be used, or not be written; the sentence says why.
    """
    match args.action:
        case "path":
            _tell_path(args)
        case "print":
            _print(args)
        case "check":
            return _check(args)
        case _:
            _write(args)
    return ExitStatus.OK


def _file(args: argparse.Namespace) -> Path:
    return args.config or config_file()


def _tell_path(args: argparse.Namespace) -> None:
    file = _file(args)
    write_lines([_in_words(file)])
    if not exists(file):
        remedy = "no home directory is known: set HOME" if is_homeless() else "comfytui config init writes one"
        say(f"there is no such file; {remedy}")


def _in_words(path: Path) -> str:
    """The whole path, with escapes for what is no text and for what a terminal would obey."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _print(args: argparse.Namespace) -> None:
    from comfytui.cli.telling import document, lines, tell_settings

    choices = choices_for(args)
    told = tell_settings(choices, resolve(choices), _places(choices))
    if args.json:
        write_json(document(told))
    else:
        write_lines(lines(told))


def _places(choices: Choices) -> Mapping[KeyPath, int]:
    """The line of each key of the configuration."""
    from comfytui.config.lines import lines_of

    return {} if choices.config_file is None else lines_of(decode_text(choices.config_file.read_bytes()))


def _check(args: argparse.Namespace) -> ExitStatus:
    """Say whether it can be used, what it names included, and what is open to others who have no business there."""
    from comfytui.cli.checks.named import what_cannot_work

    choices = choices_for(args)
    settings = resolve(choices)
    keymap_of(settings)
    for sentence in permission_warnings(settings.tokens, choices.config_file):
        say(sentence)
    flaws = list(what_cannot_work(choices, settings, _places(choices)))
    for sentence in flaws:
        say(sentence)
    if flaws:
        return ExitStatus.USAGE
    write_lines(["config ok"])
    if choices.config_file is None:
        say(f"there is no {shown(_file(args))}, and none is needed")
    return ExitStatus.OK


def _write(args: argparse.Namespace) -> None:
    file = _file(args)
    try:
        _make_room(file.parent)
        _write_new(file)
    except FileExistsError:
        raise SettingsError(f"{shown(file)} is there already; nothing was written.") from None
    except OSError as error:
        raise SettingsError(f"{shown(file)} cannot be written: {cause(error)}.") from None
    say(f"wrote {shown(file)}")


def _make_room(directory: Path) -> None:
    # Only the directory that is ours alone is made so where it exists: another one may be anybody's.
    if directory == config_dir():
        make_private(directory)
    else:
        make_directory(directory)


def _write_new(file: Path) -> None:
    """Write a file that was not there, this user's alone from its first byte."""
    from comfytui.cli.template import template

    text = template()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
    except OSError:
        file.unlink(missing_ok=True)
        raise
