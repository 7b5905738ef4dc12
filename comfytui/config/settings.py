"""Flags and environment, turned into settings once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = [
    "API_URL",
    "API_URL_VARIABLE",
    "DEFAULT_INTERVAL",
    "DEFAULT_PER_PAGE",
    "DEFAULT_RUNNERS",
    "Settings",
    "SettingsError",
    "api_url",
    "host_of",
]

API_URL = "https://api.comfycontrol.app"
"""Where the hosted API is (page api)."""

API_URL_VARIABLE = "COMFYCONTROL_API_URL"
"""The environment variable that names another one."""

DEFAULT_INTERVAL = 5.0
DEFAULT_PER_PAGE = 25
DEFAULT_RUNNERS = 120


class SettingsError(Exception):
    """A setting that cannot be used; its text is one sentence that says which and what was expected."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the dashboard is started with.

    Attributes:
        source: Where the runners come from, for people to read.
        interval: Seconds between polls of one thing, 1 or more.
        per_page: Runners on a page, 1 to 100.
        insecure_http: Whether the token may travel unencrypted to another host than loopback.
        log_file: Where the request log is copied to instead of the state directory.
        wallboard: Whether polling goes on at full rate while the terminal is not focused.
        ca_bundle: Certificates to trust instead of the usual ones.
        token_command: The program that prints the token, and its arguments; empty where there is none.
        config_file: The configuration that was read, if any.
    """

    source: str
    interval: float = DEFAULT_INTERVAL
    per_page: int = DEFAULT_PER_PAGE
    insecure_http: bool = False
    log_file: Path | None = None
    wallboard: bool = False
    ca_bundle: Path | None = None
    token_command: tuple[str, ...] = ()
    config_file: Path | None = None


def api_url(flag: str | None, environ: Mapping[str, str]) -> str:
    """The API's base URL: the flag, else the environment, else the hosted API; SettingsError if it is no URL."""
    url = flag or environ.get(API_URL_VARIABLE, "").strip() or API_URL
    where = "--url" if flag else API_URL_VARIABLE
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0 and url.isprintable()
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{where} is no address of an API; expected http:// or https:// and a host.")
    return url


def host_of(url: str) -> str:
    """Host and port of a URL; never its user-info."""
    return urlsplit(url).netloc.rpartition("@")[2]
