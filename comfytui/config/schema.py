"""Pydantic schema of the configuration file, imported only if there is a file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationInfo,
)

from comfytui.config.servers import normalize_url
from comfytui.config.settings import ACCENT_COLORS, PRESETS, SettingsError, is_api_url


def _split_command(value: object) -> object:
    words = shlex.split(value) if isinstance(value, str) else value
    return tuple(words) if isinstance(words, list) else words


def _require_program(command: tuple[str, ...]) -> tuple[str, ...]:
    if not command or not command[0] or any("\0" in word for word in command):
        raise ValueError
    return command


def _path(value: object, info: ValidationInfo) -> object:
    """Return a path; relative ones start at the directory in the validation context."""
    if not isinstance(value, str):
        return value
    if not value or "\0" in value or not isinstance(info.context, Path):
        raise ValueError
    try:
        return info.context / Path(value).expanduser()
    except RuntimeError:
        raise ValueError from None


def _address(value: str) -> str:
    if not is_api_url(value):
        raise ValueError
    return value


def _server_address(value: str) -> str:
    try:
        normalize_url(value)
    except SettingsError:
        raise ValueError from None
    return value


def _server_name(value: str) -> str:
    if not 0 < len(value.strip()) <= _LONGEST_NAME or not value.isprintable() or "," in value:
        raise ValueError
    return value


def _header_value(value: object) -> object:
    if not isinstance(value, str) or not value or not value.isascii() or not value.isprintable():
        raise ValueError
    return SecretStr(value)


def _color(value: str) -> str:
    if value not in ACCENT_COLORS:
        raise ValueError
    return value


def _preset(value: str) -> str:
    if value not in PRESETS:
        raise ValueError
    return value


def _keys(value: object) -> object:
    return tuple([value] if isinstance(value, str) else value) if isinstance(value, str | list) else value


_Command: TypeAlias = Annotated[tuple[str, ...], BeforeValidator(_split_command), AfterValidator(_require_program)]
_File: TypeAlias = Annotated[Path, BeforeValidator(_path)]
_Address: TypeAlias = Annotated[str, AfterValidator(_address)]
_Seconds: TypeAlias = Annotated[float, Field(ge=1, allow_inf_nan=False)]
_Variable: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z_][A-Za-z0-9_]*\z")]
_Name: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9_-]{1,64}\z")]
_ServerName: TypeAlias = Annotated[str, AfterValidator(_server_name)]
_HeaderName: TypeAlias = Annotated[str, StringConstraints(pattern=r"\A[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}\z")]
_HeaderValue: TypeAlias = Annotated[SecretStr, BeforeValidator(_header_value)]

_LONGEST_NAME = 100

_COMMAND_WORDS = "a command: one string, or a list of strings"
_FILE_WORDS = "the path of a file, in quotes"
_ADDRESS_WORDS = "http:// or https:// and a host, in quotes"
_SECONDS_WORDS = "seconds, 1 or more"


class _Schema(BaseModel):
    """Table of the file; descriptions of fields appear in error messages."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class ProfileSchema(_Schema):
    """`[profiles.NAME]`; fields as in `comfytui.config.precedence.Profile`."""

    url: _Address | None = Field(None, description=_ADDRESS_WORDS)
    token_command: _Command = Field((), description=_COMMAND_WORDS)
    token_file: _File | None = Field(None, description=_FILE_WORDS)
    token_env: _Variable | None = Field(None, description="the name of an environment variable, in quotes")
    ca_bundle: _File | None = Field(None, description=_FILE_WORDS)
    colour: Annotated[str, AfterValidator(_color)] | None = Field(
        None, description=f"one of {', '.join(ACCENT_COLORS)}, in quotes"
    )
    interval: _Seconds | None = Field(None, description=_SECONDS_WORDS)


class ServerSchema(_Schema):
    """`[comfyui.NAME]`: a ComfyUI server with this name and its headers."""

    url: Annotated[str, AfterValidator(_server_address)] = Field(
        repr=False, description="the server's address in quotes, http:// or https:// and a host, without a query"
    )
    headers: dict[_HeaderName, _HeaderValue] = Field({}, description="a table of HTTP headers, each a text in quotes")


class KeysSchema(_Schema):
    """`[keys]`: a preset, and keys of commands by name; names are checked by the keymap."""

    model_config = ConfigDict(extra="allow")
    __pydantic_extra__: dict[str, Annotated[tuple[str, ...], BeforeValidator(_keys)]]

    preset: Annotated[str, AfterValidator(_preset)] = Field(
        "default", description=f"one of {', '.join(PRESETS)}, in quotes"
    )

    @property
    def bound(self) -> dict[str, tuple[str, ...]]:
        """Return the keys of each named command."""
        return dict(self.__pydantic_extra__)


class ConfigSchema(_Schema):
    """Whole file; fields as in `comfytui.config.precedence.ConfigFile`."""

    url: _Address | None = Field(None, description=_ADDRESS_WORDS)
    interval: _Seconds | None = Field(None, description=_SECONDS_WORDS)
    token_command: _Command = Field((), description=_COMMAND_WORDS)
    ca_bundle: _File | None = Field(None, description=_FILE_WORDS)
    wallboard: bool = Field(False, description="true or false")
    profile: str | None = Field(None, description="the name of a profile, in quotes")
    profiles: dict[_Name, ProfileSchema] = Field(
        {}, description="tables [profiles.NAME], each NAME of letters, digits, - and _"
    )
    comfyui: dict[_ServerName, ServerSchema] = Field(
        {}, description="tables [comfyui.NAME], each with a url; a NAME without commas, of 100 characters at most"
    )
    keys: KeysSchema = Field(
        default_factory=lambda: KeysSchema.model_validate({}), description="a table [keys] of commands with their keys"
    )
