"""Settings of a start, after all sources were merged."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from pydantic import SecretStr


API_URL = "https://api.comfycontrol.app"
"""Address of the hosted API (page api)."""

API_URL_VARIABLE = "COMFYCONTROL_API_URL"
"""Environment variable of another API address."""

DEFAULT_INTERVAL_S = 5.0
DEFAULT_TIMEOUT = 10.0
"""Seconds that a script waits for an answer."""
DEFAULT_PER_PAGE = 25
DEFAULT_RUNNERS = 120

MAX_PORT = 65_535

MAX_PER_PAGE = 100
"""Largest page of the API (page api/runners/list)."""

ACCENT_COLORS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple")
"""Colors of profile names."""

PRESETS = ("default", "vim", "emacs", "tmux-safe")
"""Names of key presets."""

_NUMBER = re.compile(r"(?:[0-9]+|0[xX][0-9a-fA-F]*)\.?")


class SettingsError(Exception):
    """A setting is invalid; the message names it and what was expected."""


class Server(NamedTuple):
    """ComfyUI server to be monitored.

    Attributes:
        url: Its address, normalised and without a user or a password.
        name: Display name.
        headers: Headers of every request to it.
    """

    url: str
    name: str
    headers: Mapping[str, SecretStr] = MappingProxyType({})

    def __repr__(self) -> str:
        return redacted_repr(self, "headers")


def redacted_repr(record: _Record, *hidden: str) -> str:
    """Return a repr without the fields that may hold a password."""
    shown = ", ".join(f"{name}={value!r}" for name, value in record._asdict().items() if name not in hidden)
    return f"{type(record).__name__}({shown})"


class _Record(Protocol):
    def _asdict(self) -> dict[str, object]: ...


class TokenSources(NamedTuple):
    """Sources of a token, in order of precedence.

    Attributes:
        environment: True if the environment variable of the token counts.
        variable: Another environment variable, empty for none.
        command: The program that prints it, and its arguments; empty for none.
        file: A file that holds it.
        saved: Names of files beside the configuration that the dashboard saves a token in when told to; it writes the
            first.
    """

    environment: bool = True
    env_var: str = ""
    command: tuple[str, ...] = ()
    file: Path | None = None
    saved_names: tuple[str, ...] = ("token",)


class KeySettings(NamedTuple):
    """Key settings as written; commands and keys are not checked yet.

    Attributes:
        preset: Base keys, one of `PRESETS`.
        bound: The keys of a command by its name, none for a command that is to have none.
        places: File and line of each entry, including `preset`, for display.
        file: Path of the file, for display; empty if none was read.
    """

    preset: str = "default"
    overrides: Mapping[str, tuple[str, ...]] = MappingProxyType({})
    locations: Mapping[str, str] = MappingProxyType({})
    file: str = ""

    def location(self, entry: str) -> str:
        """Return file and line of an entry, or the file alone."""
        return self.locations.get(entry, self.file)


class Settings(NamedTuple):
    """Settings of a start.

    Attributes:
        source_name: Name of the data source, for display.
        interval: Seconds between polls of a resource, 1 or more.
        per_page: Runners per page, 1 to 100, or None for the saved number.
        insecure_http: True if the token may be sent unencrypted to other hosts than loopback.
        log_file: Path of the request log, or None for the state directory.
        wallboard: True to poll at full rate while the terminal is not focused.
        ca_bundle: Certificates to trust instead of the usual ones.
        config_file: Configuration file that was read, or None.
        url: The API's address; empty for the simulated fleet and for ComfyUI servers.
        servers: ComfyUI servers to monitor in place of an API.
        configured_servers: ComfyUI servers of the configuration, monitored or not.
        profile: Profile in force, or None.
        accent_color: Color of its name, one of `ACCENT_COLORS`, or None for the default.
        tokens: Sources of the token.
        keys: Key settings.
        ephemeral: True if the state is neither restored nor saved.
        utc: True to show times in UTC at the start.
        ascii: True to draw only ASCII.
        color_depth: Colors of the terminal: `auto`, `truecolor`, `256`, `16` or `none`.
    """

    source_name: str
    interval: float = DEFAULT_INTERVAL_S
    per_page: int | None = None
    insecure_http: bool = False
    log_file: Path | None = None
    wallboard: bool = False
    ca_bundle: Path | None = None
    config_file: Path | None = None
    url: str = ""
    servers: tuple[Server, ...] = ()
    configured_servers: tuple[Server, ...] = ()
    profile: str | None = None
    accent_color: str | None = None
    tokens: TokenSources = TokenSources()
    keys: KeySettings = KeySettings()
    ephemeral: bool = False
    utc: bool = False
    ascii: bool = False
    color_depth: str = "auto"

    def __repr__(self) -> str:
        return redacted_repr(self, "url")


def resolve_api_url(flag: str | None, environ: Mapping[str, str], configured: str = API_URL) -> str:
    """Return the API's base URL: flag, environment or configuration; SettingsError if invalid."""
    url = flag or environ.get(API_URL_VARIABLE, "").strip() or configured
    if not is_api_url(url):
        where = "--url" if flag else API_URL_VARIABLE
        raise SettingsError(f"{where} is no address of an API; expected http:// or https:// and a host.")
    return url


def is_api_url(url: str) -> bool:
    """Return True if an API can be at an address."""
    try:
        parts = urlsplit(url)
        is_host = bool(parts.hostname) and not is_number(parts.hostname or "")
        return parts.scheme in {"http", "https"} and is_host and parts.port != 0 and url.isprintable()
    except ValueError:
        return False


def is_number(host: str) -> bool:
    """Return True if the host is a number, which resolvers read as a 32-bit address: 8188 would be 0.0.31.252."""
    return _NUMBER.fullmatch(host) is not None


def host_and_port(url: str) -> str:
    """Host and port of a URL; never its user-info."""
    return urlsplit(url).netloc.rpartition("@")[2]
