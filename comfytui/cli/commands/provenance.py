"""Settings with their values and sources, without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from comfytui.config.credentials import TOKEN_COMMAND, TOKEN_VARIABLE
from comfytui.config.paths import config_dir, display_path, exists, request_log
from comfytui.config.settings import API_URL_VARIABLE
from comfytui.redaction import MASK, redact_url
from comfytui.text import sanitize

if TYPE_CHECKING:
    from comfytui.config.file import KeyPath
    from comfytui.config.precedence import ConfigSources
    from comfytui.config.settings import Settings


Value: TypeAlias = str | float | bool | tuple[str, ...] | None

_DEFAULT = "default"
_BY_FLAG_ALONE = ("per_page", "insecure_http", "fresh", "utc", "ascii")
_ATTRIBUTES = {"fresh": "ephemeral"}
"""Attributes of settings that are named differently from the option."""


@dataclass(frozen=True, slots=True)
class SettingSource:
    """Setting with its value and source.

    Attributes:
        name: Dotted key of the configuration, or the flag without dashes.
        value: Value in force, or None.
        source: A flag, an environment variable, a profile, file and line, or `default`.
    """

    name: str
    value: Value
    source: str


def setting_sources(
    choices: ConfigSources, settings: Settings, places: Mapping[KeyPath, int]
) -> tuple[SettingSource, ...]:
    """Return all settings.

    Args:
        choices: Sources of the settings.
        settings: Resolved settings.
        places: Line of each key of the configuration.
    """
    return tuple(_SourceCollector(choices, settings, places).collect())


def to_lines(settings: Sequence[SettingSource]) -> list[str]:
    """Return a line per setting: name, value, source, aligned."""
    rows = [(sanitize(told.name), sanitize(_to_text(told.value)), sanitize(told.source)) for told in settings]
    names, values = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    return [f"{name:{names}}  {value:{values}}  {source}" for name, value, source in rows]


def to_json(settings: Sequence[SettingSource]) -> dict[str, object]:
    """Return the settings as a JSON document."""
    told = [
        {"name": sanitize(each.name), "value": _clean(each.value), "source": sanitize(each.source)} for each in settings
    ]
    return {"schema": 1, "settings": told}


@dataclass(frozen=True, slots=True)
class _SourceCollector:
    """Collector of settings; the attributes are the arguments of `setting_sources`."""

    choices: ConfigSources
    settings: Settings
    places: Mapping[KeyPath, int]

    def collect(self) -> Iterator[SettingSource]:
        settings = self.settings
        yield SettingSource("config", _path(self.choices.config_file), self._source("config", own=False))
        profile = self._source("profile", own=False) if settings.profile is not None else _DEFAULT
        yield SettingSource("profile", settings.profile, profile)
        yield SettingSource("profiles", self.choices.profiles, self._location(("profiles",)) or _DEFAULT)
        yield self._url()
        yield from self._tokens()
        yield SettingSource("interval", settings.interval, self._source("interval"))
        yield SettingSource("wallboard", settings.wallboard, self._source("wallboard", own=False))
        yield SettingSource("ca_bundle", _path(settings.ca_bundle), self._source("ca_bundle"))
        yield SettingSource("colour", settings.accent_color, self._from_profile("colour") or _DEFAULT)
        yield SettingSource("log", str(settings.log_file or request_log()), self._flag("log") or _DEFAULT)
        yield SettingSource("color", settings.color_depth, _DEFAULT if settings.color_depth == "auto" else "--color")
        for name in _BY_FLAG_ALONE:
            yield SettingSource(name, getattr(settings, _ATTRIBUTES.get(name, name)), self._flag(name) or _DEFAULT)
        yield from self._servers()
        yield from self._keys()

    def _url(self) -> SettingSource:
        if not self.settings.url:
            return SettingSource("url", None, "--demo" if self.choices.flags.demo else "--comfyui")
        named = API_URL_VARIABLE if self.choices.environ.get(API_URL_VARIABLE, "").strip() else ""
        return SettingSource("url", redact_url(self.settings.url), self._flag("url") or named or self._source("url"))

    def _tokens(self) -> Iterator[SettingSource]:
        tokens = self.settings.tokens
        program = " ".join((*tokens.command[:1], *(["…"] if tokens.command[1:] else [])))
        command = self._source(TOKEN_COMMAND)
        yield SettingSource("token", *self._token(command))
        yield SettingSource(TOKEN_COMMAND, program or None, command if program else _DEFAULT)
        yield SettingSource("token_file", _path(tokens.file), self._from_profile("token_file") or _DEFAULT)
        yield SettingSource("token_env", tokens.env_var or None, self._from_profile("token_env") or _DEFAULT)

    def _token(self, command: str) -> tuple[Value, str]:
        """Return the source of the token and its provenance, without reading or running it."""
        tokens, environ = self.settings.tokens, self.choices.environ
        if not self.settings.url:
            return None, _DEFAULT
        for name in (TOKEN_VARIABLE, tokens.env_var):
            if environ.get(name, "").strip():
                return MASK, name
        if tokens.command:
            return MASK, f"{TOKEN_COMMAND}, {command}"
        files = [*([tokens.file] if tokens.file else []), *(config_dir() / name for name in tokens.saved_names)]
        return next(((MASK, display_path(file)) for file in files if exists(file)), (None, _DEFAULT))

    def _servers(self) -> Iterator[SettingSource]:
        watched = tuple(redact_url(server.name) for server in self.settings.servers)
        yield SettingSource("comfyui", watched, "--comfyui" if watched else _DEFAULT)
        for server in self.choices.config.comfyui:
            path = ("comfyui", server.name)
            yield SettingSource(".".join((*path, "url")), redact_url(server.url), self._location((*path, "url")))
            for header in server.headers:
                yield SettingSource(
                    ".".join((*path, "headers", header)), MASK, self._location((*path, "headers", header))
                )

    def _keys(self) -> Iterator[SettingSource]:
        keys = self.settings.keys
        yield SettingSource("keys.preset", keys.preset, self._location(("keys", "preset")) or _DEFAULT)
        for name, bound in keys.overrides.items():
            yield SettingSource(f"keys.{name}", bound, self._location(("keys", name)))

    def _source(self, name: str, *, own: bool = True) -> str:
        """Return the first source: flag, profile if allowed, top of the configuration, or default."""
        return self._flag(name) or (self._from_profile(name) if own else "") or self._location((name,)) or _DEFAULT

    def _flag(self, name: str) -> str:
        given = getattr(self.choices.flags, name, None)
        return f"--{name.replace('_', '-')}" if given else ""

    def _from_profile(self, name: str) -> str:
        profile = self.settings.profile
        place = self._location(("profiles", profile, name)) if profile is not None else ""
        return f"profile {profile}, {place}" if place else ""

    def _location(self, path: KeyPath) -> str:
        """Return file and line of a key of the configuration, or empty if missing."""
        file, line = self.choices.config_file, self.places.get(path)
        return f"{display_path(file)}:{line}" if file is not None and line is not None else ""


def _path(path: Path | None) -> str | None:
    return None if path is None else str(path)


def _clean(value: Value) -> Value:
    match value:
        case str():
            return sanitize(value)
        case tuple():
            return tuple(map(sanitize, value))
        case _:
            return value


def _to_text(value: Value) -> str:
    match value:
        case None | ():
            return "-"
        case bool():
            return str(value).lower()
        case tuple():
            return ", ".join(value)
        case float():
            return f"{value:g}"
        case _:
            return str(value)
