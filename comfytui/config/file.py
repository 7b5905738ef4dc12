"""The configuration file. Heavy to import: whoever has no file need not."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from comfytui.config.paths import shown
from comfytui.config.settings import SettingsError

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

__all__ = ["ConfigFile", "read_config"]

_AT_LINE = re.compile(r" \(at line (\d+), column \d+\)$| \(at end of document\)$")


def _words(value: object) -> object:
    words = shlex.split(value) if isinstance(value, str) else value
    return tuple(words) if isinstance(words, list) else words


def _named(command: tuple[str, ...]) -> tuple[str, ...]:
    if not command or not command[0] or any("\0" in word for word in command):
        raise ValueError
    return command


def _path(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not value or "\0" in value:
        raise ValueError
    try:
        return Path(value).expanduser()
    except RuntimeError:
        raise ValueError from None


class ConfigFile(BaseModel):
    """What `config.toml` may say, each key at the top level and none of them needed.

    Attributes:
        token_command: The program whose first line of output is the token, and its arguments; no shell runs it.
        ca_bundle: A file of certificates to trust instead of the usual ones; a relative path starts at the file's
            directory.
        wallboard: Whether polling goes on at full rate while the terminal is not focused.
    """

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    token_command: Annotated[tuple[str, ...], BeforeValidator(_words), AfterValidator(_named)] = Field(
        (), description="a command: one string, or a list of strings"
    )
    ca_bundle: Annotated[Path, BeforeValidator(_path)] | None = Field(None, description="the path of a file, in quotes")
    wallboard: bool = Field(False, description="true or false")


def read_config(path: Path) -> ConfigFile:
    """What the file says.

    Raises:
        SettingsError: It cannot be read, is no TOML, or says something else than it may; the sentence names the file,
            the line where that is known, and what was expected, and never repeats a value.
    """
    text = _text(path)
    try:
        config = ConfigFile.model_validate(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(_syntax(path, str(error))) from None
    except ValidationError as error:
        detail = error.errors(include_input=False, include_context=False, include_url=False)[0]
        raise SettingsError(_flaw(path, text, detail)) from None
    except RecursionError:
        raise SettingsError(f"{shown(path)}: it is nested too deeply.") from None
    bundle = config.ca_bundle
    return config if bundle is None else config.model_copy(update={"ca_bundle": path.parent / bundle})


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{shown(path)} cannot be read: {error.strerror or 'unknown cause'}.") from None
    except UnicodeDecodeError:
        raise SettingsError(f"{shown(path)} is no text: expected TOML in UTF-8.") from None


def _syntax(path: Path, message: str) -> str:
    place = _AT_LINE.search(message)
    line = f", line {place[1]}" if place and place[1] else ""
    return f"{shown(path)}{line}: {_AT_LINE.sub('', message)}."


def _flaw(path: Path, text: str, detail: ErrorDetails) -> str:
    key = str(detail["loc"][0])
    where = shown(path) + _line_of(key, text)
    fields = ConfigFile.model_fields
    if key in fields:
        return f"{where}: {key}: expected {fields[key].description}."
    return f"{where}: there is no setting named {key!r}; there are {', '.join(sorted(fields))}."


def _line_of(key: str, text: str) -> str:
    """Where a top-level key stands, as words to put behind the file's name."""
    begins = re.compile(rf"\s*\[*\s*[\"']?{re.escape(key)}[\"']?\s*[\].=]")
    lines = (number for number, line in enumerate(text.split("\n"), 1) if begins.match(line))
    number = next(lines, None)
    return "" if number is None else f", line {number}"
