"""Reader of the configuration file. It imports pydantic, so it is imported only if there is a file."""

from __future__ import annotations

import re
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pydantic import BaseModel, ValidationError

from comfytui.config.paths import display_path
from comfytui.config.precedence import ConfigFile, Profile
from comfytui.config.schema import ConfigSchema, KeysSchema, ProfileSchema, ServerSchema
from comfytui.config.servers import build_server
from comfytui.config.settings import KeySettings, SettingsError
from comfytui.files import decode_text

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails


_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$| \(at end of document\)$")

_LARGEST = 1_000_000
"""Bytes that a configuration may have."""

_WRONG_NAME = "[key]"
"""Pydantic's marker of errors in keys of a table rather than values."""


@dataclass(frozen=True, slots=True)
class _Locations:
    """Locations in the file: its name, and the line of each key."""

    file: str
    lines: Mapping[KeyPath, int]

    def of(self, path: KeyPath) -> str:
        line = line_for(path, self.lines)
        return self.file if line is None else f"{self.file}, line {line}"


def load_config(path: Path) -> ConfigFile:
    """Return the parsed configuration; relative paths start at its directory.

    Raises:
        SettingsError: It cannot be read, is no TOML, or says something else than it may; a sentence for each such
            thing, in a line of its own, names the file, the line where that is known, and what was expected, and
            never repeats a value.
    """
    text = _text(path)
    try:
        said = tomllib.loads(text)
        places = _Locations(display_path(path), key_lines(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_syntax(path, str(error))) from None
    except RecursionError:
        raise SettingsError(f"{display_path(path)}: it is nested too deeply.") from None
    except ValueError:
        # Python reads no number of thousands of digits.
        raise SettingsError(f"{display_path(path)}: a number in it is too long.") from None
    try:
        top = ConfigSchema.model_validate(said, context=path.parent)
    except ValidationError as error:
        raise SettingsError(_format_errors(error, places)) from None
    config = _to_config(top, places)
    if flaw := _cross_check(config, places):
        raise SettingsError(flaw)
    return config


def _text(path: Path) -> str:
    """Return the bytes of a regular file of bounded size; others could take forever."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise SettingsError(f"{display_path(path)} cannot be read: it is no regular file.")
        with path.open("rb") as opened:
            held = opened.read(_LARGEST + 1)
    except OSError as error:
        raise SettingsError(f"{display_path(path)} cannot be read: {error.strerror or 'unknown cause'}.") from None
    if len(held) > _LARGEST:
        raise SettingsError(f"{display_path(path)} is too large: a configuration has 1 MB at most.")
    try:
        return decode_text(held)
    except UnicodeDecodeError:
        raise SettingsError(f"{display_path(path)} is no text: expected TOML in UTF-8.") from None


def _syntax(path: Path, message: str) -> str:
    place = _AT_LINE.search(message)
    line = f", line {place[1]}" if place and place[1] else ""
    return f"{display_path(path)}{line}: {_AT_LINE.sub('', message)}."


def _to_config(top: ConfigSchema, places: _Locations) -> ConfigFile:
    """Return the configuration without pydantic, and keys with their locations."""
    profiles = {name: _to_profile(section) for name, section in top.profiles.items()}
    bound = top.keys.bound
    entries = {name: places.of(("keys", name)) for name in ("preset", *bound)}
    keys = KeySettings(top.keys.preset, bound, entries, places.file)
    servers = tuple(build_server(name, section.url, section.headers) for name, section in top.comfyui.items())
    return ConfigFile(**dict(iter(top)) | {"profiles": profiles, "comfyui": servers, "keys": keys})


def _to_profile(section: ProfileSchema) -> Profile:
    """Return a profile without pydantic; its `colour` is that of the frame."""
    fields = dict(iter(section))
    return Profile(accent_color=fields.pop("colour"), **fields)


def _cross_check(config: ConfigFile, places: _Locations) -> str | None:
    """Return the message about settings that contradict each other, or None."""
    if config.profile is not None and config.profile not in config.profiles:
        there = ", ".join(config.profiles)
        expected = f"one of {there}" if there else "the name of a profile, and there is none"
        return f"{places.of(('profile',))}: profile: expected {expected}."
    for name, profile in config.profiles.items():
        if len(profile.token_sources) > 1:
            paths = [("profiles", name, source) for source in profile.token_sources]
            last = places.of(max(paths, key=lambda path: line_for(path, places.lines) or 0))
            return f"{last}: profiles.{name}: expected one of {', '.join(profile.token_sources)}, not several."
    named: dict[str, str] = {}
    for server in config.comfyui:
        if (other := named.setdefault(server.url, server.name)) != server.name:
            place = places.of(("comfyui", server.name, "url"))
            return f"{place}: comfyui.{server.name}: expected another url than that of {other}."
    return None


def _format_errors(error: ValidationError, places: _Locations) -> str:
    """Return a line for each error, in the order of the file."""
    details = error.errors(include_input=False, include_context=False, include_url=False)
    details.sort(key=lambda detail: line_for(tuple(map(str, detail["loc"])), places.lines) or 0)
    return "\n".join(dict.fromkeys(_format_error(detail, places) for detail in details))


def _format_error(detail: ErrorDetails, places: _Locations) -> str:
    """Return the message about a wrong value or unknown key."""
    path = tuple(map(str, detail["loc"]))
    section, depth = _section_of(path)
    fields = section.model_fields
    name, where = ".".join(path[: depth + 1]), places.of(path)
    if detail["type"] == "extra_forbidden":
        return f"{where}: there is no setting named {name!r}; there are {', '.join(sorted(fields))}."
    field = fields.get(path[depth])
    expected = "a key, or a list of keys" if field is None else field.description
    return f"{where}: {_shown(name)}: expected {expected}."


def _section_of(path: KeyPath) -> tuple[type[BaseModel], int]:
    """Return the table of a pydantic path, and the number of names that lead to it."""
    match path:
        case ("profiles", _, key, *_) if key != _WRONG_NAME:
            return ProfileSchema, 2
        case ("comfyui", _, key, *_) if key != _WRONG_NAME:
            return ServerSchema, 2
        case ("keys", _, *_):
            return KeysSchema, 1
        case _:
            return ConfigSchema, 0


def _shown(name: str) -> str:
    """Return the name of a key in printable form."""
    return name if name.isprintable() else ascii(name)


KeyPath: TypeAlias = tuple[str, ...]
"""Names on the path to a key, from the outermost table."""

# Quotes of strings over several lines, whole strings of one line, whole comments, brackets, line breaks.
_TOKEN = re.compile(r'''"""|\'{3}|"[^"\\\n]*(?:\\.[^"\\\n]*)*"|'[^'\n]*'|\#[^\n]*|[\[\]{}\n]''')

# Such a string may end with two quotes before the three closing ones.
_CLOSING = {'"""': re.compile(r'\\.|"{3,5}', re.DOTALL), "'''": re.compile("'{3,5}")}


def key_lines(text: str) -> Mapping[KeyPath, int]:
    """Return the line, from 1, of each key and table of a document.

    Args:
        text: A whole document that TOML's parser takes.
    """
    lines: dict[KeyPath, int] = {}
    table: KeyPath = ()
    for number, statement in _statements(text.replace("\r\n", "\n")):
        paths = list(_paths(tomllib.loads(statement)))
        if statement.lstrip().startswith("["):
            table = paths[-1]
        else:
            paths = [table + path for path in paths]
        for path in paths:
            lines.setdefault(path, number)
    return lines


def line_for(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """Return the line of a key, or of the innermost table around it, or None."""
    around = (path[:length] for length in range(len(path), 0, -1))
    return next((lines[each] for each in around if each in lines), None)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each header and each `key = value` with its first line number."""
    number, start = 1, 0
    for end in (*_ends(text), len(text)):
        statement = text[start:end]
        if statement.strip() and not statement.lstrip().startswith("#"):
            yield number, statement
        number, start = number + statement.count("\n"), end


def _ends(text: str) -> Iterator[int]:
    """Yield the ends of statements: line breaks outside of strings and brackets."""
    at = depth = 0
    while token := _TOKEN.search(text, at):
        at = token.end()
        match token[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                yield at
            case quotes if quotes in _CLOSING:
                at = _behind(text, at, _CLOSING[quotes])


def _behind(text: str, at: int, closing: re.Pattern[str]) -> int:
    """Return the end of a multi-line string; a backslash escapes the next character."""
    while token := closing.search(text, at):
        at = token.end()
        if not token[0].startswith("\\"):
            return at
    return len(text)


def _paths(said: Mapping[str, object]) -> Iterator[KeyPath]:
    for key, value in said.items():
        yield (key,)
        if isinstance(value, dict):
            yield from ((key, *path) for path in _paths(value))
