"""`comfytui config`: print the path, the settings in force, check or create the configuration."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from comfytui.cli.config_sources import load_sources
from comfytui.cli.exit_codes import ExitCode
from comfytui.cli.output import write_json, write_lines
from comfytui.cli.progress import print_error
from comfytui.config.credentials import permission_warnings
from comfytui.config.paths import config_dir, config_file, display_path, exists, is_homeless
from comfytui.config.precedence import resolve_settings
from comfytui.config.settings import ACCENT_COLORS, API_URL, DEFAULT_INTERVAL_S, PRESETS, SettingsError
from comfytui.files import decode_text, ensure_private_dir, make_private_dir, os_error_message
from comfytui.tui.keys.commands import COMMANDS, Command
from comfytui.tui.keys.names import display_key, parse_key
from comfytui.wiring import load_keymap

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from comfytui.config.file import KeyPath
    from comfytui.config.precedence import ConfigSources


def run(args: argparse.Namespace) -> int:
    """Run the action and return the exit status.

    Raises:
        SettingsError: The configuration cannot be read or written; the message tells why.
    """
    match args.action:
        case "path":
            _print_path(args)
        case "print":
            _print(args)
        case "check":
            return _check(args)
        case _:
            _write(args)
    return ExitCode.OK


def _file(args: argparse.Namespace) -> Path:
    return args.config or config_file()


def _print_path(args: argparse.Namespace) -> None:
    file = _file(args)
    write_lines([_escape_path(file)])
    if not exists(file):
        remedy = "no home directory is known: set HOME" if is_homeless() else "comfytui config init writes one"
        print_error(f"there is no such file; {remedy}")


def _escape_path(path: Path) -> str:
    """Return the path with escapes for control characters and undecodable bytes."""
    text = os.fsencode(path).decode(errors="backslashreplace")
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


def _print(args: argparse.Namespace) -> None:
    from comfytui.cli.commands.provenance import setting_sources, to_json, to_lines

    choices = load_sources(args)
    told = setting_sources(choices, resolve_settings(choices), _locations(choices))
    if args.json:
        write_json(to_json(told))
    else:
        write_lines(to_lines(told))


def _locations(choices: ConfigSources) -> Mapping[KeyPath, int]:
    """Return the line of each key of the configuration."""
    if choices.config_file is None:
        # Without a file nothing needs pydantic, which is slow to import.
        return {}
    from comfytui.config.file import key_lines

    return key_lines(decode_text(choices.config_file.read_bytes()))


def _check(args: argparse.Namespace) -> ExitCode:
    """Check the configuration, the files that it names, and permissions."""
    from comfytui.cli.doctor.local import find_broken_references

    choices = load_sources(args)
    settings = resolve_settings(choices)
    load_keymap(settings)
    for sentence in permission_warnings(settings.tokens, choices.config_file):
        print_error(sentence)
    flaws = list(find_broken_references(choices, settings, _locations(choices)))
    for sentence in flaws:
        print_error(sentence)
    if flaws:
        return ExitCode.USAGE
    write_lines(["config ok"])
    if choices.config_file is None:
        print_error(f"there is no {display_path(_file(args))}, and none is needed")
    return ExitCode.OK


def _write(args: argparse.Namespace) -> None:
    file = _file(args)
    try:
        _ensure_dir(file.parent)
        _write_new(file)
    except FileExistsError:
        raise SettingsError(f"{display_path(file)} is there already; nothing was written.") from None
    except OSError as error:
        raise SettingsError(f"{display_path(file)} cannot be written: {os_error_message(error)}.") from None
    print_error(f"wrote {display_path(file)}")


def _ensure_dir(directory: Path) -> None:
    # Permissions of an existing directory change only if it is comfytui's own.
    if directory == config_dir():
        ensure_private_dir(directory)
    else:
        make_private_dir(directory)


def _write_new(file: Path) -> None:
    """Write a new file that only this user can read."""
    text = template()
    descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(text)
    except OSError:
        file.unlink(missing_ok=True)
        raise


_TOP = f"""\
# Configuration of comfytui. Every setting is optional.
#
# Lines that begin with # directly followed by a name or a [table] are settings: remove the # to set one, and the # of
# the [table] above it. Precedence: command line, environment, profile, top level of this file.
# comfytui config check reports errors, comfytui config print shows what is in force.

# Base URL of the API.
#url = "{API_URL}"

# Program that prints the token as its first line; run without a shell. A list of words is accepted, too.
#token_command = "pass comfycontrol"

# Seconds between polls, 1 or more.
#interval = {DEFAULT_INTERVAL_S:g}

# Certificates to trust instead of the system's: a file or directory; paths are relative to this file.
#ca_bundle = "/etc/ssl/own-ca.pem"

# Poll at the full rate while the terminal is not focused.
#wallboard = false

# Profile to start with.
#profile = "prod"

# Profiles, chosen with --profile or in the palette. Each may have:
#   url, interval, ca_bundle    like above
#   colour                      color of its name: {", ".join(ACCENT_COLORS)}
# and at most one token source:
#   token_command               like above
#   token_file                  file that contains the token
#   token_env                   environment variable that contains the token
#[profiles.prod]
#url = "{API_URL}"
#token_command = ["pass", "show", "comfycontrol/prod"]
#colour = "red"
#interval = 5

#[profiles.staging]
#url = "https://staging.example.com"
#token_file = "staging.token"
#ca_bundle = "staging-ca.pem"

#[profiles.lab]
#token_env = "LAB_TOKEN"

# ComfyUI servers, for --comfyui NAME; the headers are sent with each request, such as for a password.
#[comfyui.studio]
#url = "http://studio:8188"
#headers = {{ Authorization = "Basic c29tZWJvZHk6cGFzc3dvcmQ=" }}

# Keys: a preset, one of {", ".join(PRESETS)};
# then commands with a key or a list of keys, [] for none. These are the defaults.
#[keys]
#preset = "default"
"""


def template() -> str:
    """Return a commented configuration file in TOML."""
    return "\n".join((_TOP.rstrip("\n"), *_commands(), ""))


def _commands() -> Iterator[str]:
    where = None
    for command in COMMANDS:
        if command.scope != where:
            where = command.scope
            yield ""
            yield f"# {where[0].upper()}{where[1:]}."
        yield _command(command)


def _command(command: Command) -> str:
    read = [parse_key(written) for written in command.keys.split(",")]
    keys = ", ".join(_quoted(display_key(key)) for key in read if key is not None)
    return f"#{command.id} = [{keys}]  # {command.help}"


def _quoted(key: str) -> str:
    escaped = key.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
